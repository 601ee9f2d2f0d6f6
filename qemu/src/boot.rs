//! From reset to the hand-over.

use fdt_gen::{Tree, facts};
use rtas::config::{SOURCES_ARE_NATIVE, Values};
use rtas::layout::Layout;
use rtas::tokens::with_own;
use rtas_abi::name;

use crate::board::Board;
use crate::client::Client;
use crate::client::handles::{self, Kind};
use crate::console::Console;
use crate::firmware::{Firmware, HandOver, Stopped};
use crate::flat_tree::{TreeError, read_tree};
use crate::kernel::ByteOrder;
use crate::machine::{Chosen, Machine};
use crate::memory_map::{MemoryMap, Owner, PAGE};
use crate::messages::Failure;
use crate::place::LOWEST;
use crate::rtas_area::RtasArea;

const MIB: u64 = 1 << 20;
/// Memory that QEMU sets aside for its tree, from the tree's address on, in bytes
/// (`include/hw/ppc/spapr.h:FDT_MAX_SIZE`).
const TREE_ROOM: u64 = 2 * MIB;
/// Behind the highest address of the tree (`hw/ppc/spapr.c:spapr_machine_reset`).
const TREE_LIMIT: u64 = 2048 * MIB;
/// Least memory at address 0, in bytes: QEMU makes no machine with less
/// (`hw/ppc/spapr.c:MIN_RMA_SLOF`).
const LEAST_MEMORY: u64 = 128 * MIB;

/// The parts that the boot puts together.
struct Boot<B> {
    board: B,
    console: Console,
    started: u64,
}

impl<B: Board> Firmware<B> {
    /// Boots: from the flat tree at `tree_address` (real) to what the client is started with.
    pub fn boot(board: B, tree_address: u64) -> Result<(Self, HandOver), Stopped<B>> {
        let mut boot = Boot {
            started: board.timebase(),
            board,
            console: Console::new(),
        };
        boot.say(format_args!("\noxrtas {}", env!("CARGO_PKG_VERSION")));
        let mut firmware = match boot.read(tree_address) {
            Ok((tree, size, machine)) => match boot.prepare(&machine) {
                Ok((map, rtas, scratch)) => Self {
                    board: boot.board,
                    console: boot.console,
                    started: boot.started,
                    tree,
                    qemu_tree_size: size,
                    machine,
                    map,
                    rtas,
                    scratch,
                    client: Client::new(),
                },
                Err(failure) => return Err(boot.fail(&failure)),
            },
            Err(failure) => return Err(boot.fail(&failure)),
        };
        match firmware.hand_over() {
            Ok(hand_over) => Ok((firmware, hand_over)),
            Err(failure) => Err(Boot {
                board: firmware.board,
                console: firmware.console,
                started: firmware.started,
            }
            .fail(&failure)),
        }
    }

    /// The second half: what the client will find, and the log.
    fn hand_over(&mut self) -> Result<HandOver, Failure> {
        let chosen = Chosen::read(&self.tree);
        self.log_machine();
        let (kernel, entry) = self.place_client(&chosen)?;
        self.check_nvram();
        self.place_rtas()?;
        self.edit_rtas_node()?;
        self.number_partition()?;
        self.open_chosen(&chosen)?;
        self.reserve(&chosen);
        let (tree, size) = self.place_tree()?;
        self.give_to_qemu(tree, size);
        let order = if chosen.is_little_endian {
            ByteOrder::Little
        } else {
            ByteOrder::Big
        };
        self.say(format_args!(
            "Kernel: {:#x}, {} KiB, {}, entered at {entry:#x}",
            kernel.start,
            (kernel.end - kernel.start).div_ceil(1024),
            order.name()
        ));
        if let Some(initrd) = &chosen.initrd {
            self.say(format_args!(
                "Initrd: {:#x}, {} KiB",
                initrd.start,
                (initrd.end - initrd.start).div_ceil(1024)
            ));
        }
        if !chosen.bootargs.is_empty() {
            let arguments = chosen.bootargs.as_bytes().escape_ascii();
            self.say(format_args!("Arguments: {arguments}"));
        }
        let time = self.milliseconds();
        self.say(format_args!("Hand-over after {time} ms\n"));
        Ok(HandOver {
            entry,
            tree,
            client_interface: self.board.client_entry(),
            stack_top: self.board.client_stack_top(),
        })
    }

    fn log_machine(&mut self) {
        let total = self.map.total() / MIB;
        let present = self.machine.present;
        let facts = &self.machine.facts;
        let (possible, interrupts) = (facts.processors, facts.interrupts);
        let real_mode = self.machine.real_mode_end / MIB;
        self.say(format_args!(
            "Memory: {total} MiB, {real_mode} MiB of it at address 0"
        ));
        self.say(format_args!(
            "Processors: {present} present, {possible} possible; interrupts: {interrupts}"
        ));
        for (call, token) in unknown_calls(&self.tree) {
            self.say(format_args!(
                "RTAS: QEMU's call {call} ({token:#x}) is not known and passed on as it is"
            ));
        }
    }
}

impl<B: Board> Boot<B> {
    fn say(&mut self, line: core::fmt::Arguments<'_>) {
        self.console
            .print(&mut self.board, format_args!("{line}\n"));
    }

    fn fail(mut self, failure: &Failure) -> Stopped<B> {
        self.say(format_args!("\noxrtas stops: {failure}."));
        Stopped { board: self.board }
    }

    /// Reads QEMU's tree: itself, its size in bytes, and what it says.
    fn read(&mut self, address: u64) -> Result<(Tree, u64, Machine), Failure> {
        let broken = |error| Failure::Tree { address, error };
        if !address.is_multiple_of(8) {
            return Err(broken(TreeError::Unaligned));
        }
        let room = address..address.saturating_add(TREE_ROOM);
        if room.end > TREE_LIMIT {
            return Err(broken(TreeError::OutsideMemory));
        }
        // QEMU puts the tree at the end of memory, so memory goes so far at least.
        self.board.set_memory_end(room.end.max(LEAST_MEMORY));
        let (tree, size) = read_tree(&self.board, address, TREE_ROOM).map_err(broken)?;
        let chosen = Chosen::read(&tree);
        if let Some(node) = chosen.stdout_path.and_then(|path| tree.find(&path))
            && let Some(Kind::Console(terminal)) = handles::kind_of(&tree, node)
        {
            self.console.select(terminal);
        }
        let machine = Machine::read(&tree).map_err(Failure::Fact)?;
        Ok((tree, size, machine))
    }

    /// Memory as the firmware needs it itself: the map, RTAS's dimensions, a page of its own.
    fn prepare(&mut self, machine: &Machine) -> Result<(MemoryMap, RtasArea, u64), Failure> {
        let ranges = machine.memory_nodes.iter().map(|(_, range)| range.clone());
        let mut map = MemoryMap::new(ranges);
        if machine.real_mode_end < LEAST_MEMORY {
            return Err(Failure::TooLittleMemory {
                found: machine.real_mode_end,
                needed: LEAST_MEMORY,
            });
        }
        self.board.set_memory_end(map.end());
        let stack = self.board.client_stack_top();
        for range in self.board.occupied() {
            map.mark(&range, Owner::Firmware);
        }
        if map
            .owners(&(stack.saturating_sub(1)..stack))
            .next()
            .is_none()
        {
            return Err(Failure::Missing("memory for the client's stack"));
        }
        let rtas = self.rtas_area(machine, map.end())?;
        let window = LOWEST..machine.real_mode_end.min(TREE_LIMIT);
        let scratch = map
            .allocate(PAGE, PAGE, &window, Owner::Firmware)
            .map_err(|error| Failure::NoRoom {
                purpose: "calls of the hypervisor's RTAS",
                size: PAGE,
                error,
            })?;
        Ok((map, rtas, scratch))
    }

    fn rtas_area(&self, machine: &Machine, memory_end: u64) -> Result<RtasArea, Failure> {
        let facts = &machine.facts;
        let sources = facts.sources.len() as u32;
        let image = self.board.blob().len() as u64;
        let layout = Layout::new(facts.reserved_bytes, image, facts.processors, sources)
            .and_then(|layout| layout.with_vpd(machine.vpd.len() as u32))
            .map_err(|_| Failure::RtasTooLarge)?;
        let leave = [name::STOP_SELF, name::SYSTEM_REBOOT, name::POWER_OFF].map(|call| {
            let index = rtas::table::index_of(call);
            index
                .and_then(|index| facts.tokens.known.get(index))
                .copied()
                .unwrap_or(0)
        });
        let native = if machine.has_sources() {
            SOURCES_ARE_NATIVE
        } else {
            0
        };
        Ok(RtasArea {
            values: Values {
                base: 0,
                memory_end,
                layout,
                flags: native,
                boot_server: facts.boot_server,
                server_count: facts.server_count,
                first_source: facts.sources.start,
                source_count: sources,
                tokens: with_own(facts.tokens.known),
                unknown_tokens: facts.tokens.unknown,
                leave_tokens: leave,
            },
            vpd: machine.vpd.clone(),
            instance: None,
        })
    }
}

/// The calls of QEMU's that the table does not have.
fn unknown_calls(tree: &Tree) -> alloc::vec::Vec<(alloc::string::String, u32)> {
    facts::tokens(tree)
        .unwrap_or_default()
        .into_iter()
        .filter(|(call, _)| rtas::table::index_of(call).is_none())
        .map(|(call, token)| (call.into(), token))
        .collect()
}
