//! From reset to the hand-over.

use core::ops::Range;

use fdt_gen::{Origin, Reservation, Tree, facts};
use rtas::config::{SOURCES_ARE_NATIVE, Values};
use rtas::layout::Layout;
use rtas_abi::name;

use crate::board::Board;
use crate::client::Client;
use crate::client::handles::{self, Instance, Kind};
use crate::console::Console;
use crate::firmware::{Firmware, HandOver, Stopped};
use crate::flat_tree::{TreeError, read_tree};
use crate::kernel::{self, ByteOrder};
use crate::machine::{Chosen, Machine, cpus};
use crate::memory_map::{MemoryMap, Owner, PAGE};
use crate::messages::Failure;
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
/// Where a program that runs from the flat tree alone has room left: kvm-unit-tests keeps its
/// vectors below and is loaded above (`powerpc/flat.lds`, `lib/powerpc/setup.c`).
const EARLY_RTAS: Range<u64> = 0x1_0000..0x40_0000;
/// Least address of the tree of the hand-over: not in the way of the kernel and of what lies
/// below it.
const TREE_LOWEST: u64 = 0x40_0000;

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
        self.place_rtas()?;
        self.edit_rtas_node()?;
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

    /// Claims what QEMU loaded: the kernel's range and its entry.
    fn place_client(&mut self, chosen: &Chosen) -> Result<(Range<u64>, u64), Failure> {
        let kernel = chosen.kernel.clone().ok_or(Failure::NoKernel {
            has_boot_list: chosen.has_boot_list,
        })?;
        let end = self.map.end();
        if !self.map.is_memory(&kernel) {
            return Err(Failure::KernelOutsideMemory(kernel, end));
        }
        self.place(&kernel, Owner::Kernel)?;
        let entry = kernel::entry(&self.board, &kernel).map_err(|error| Failure::NotAProgram {
            address: kernel.start,
            error,
        })?;
        if let Some(initrd) = &chosen.initrd {
            if !self.map.is_memory(initrd) {
                return Err(Failure::InitrdOutsideMemory(initrd.clone(), end));
            }
            self.place(initrd, Owner::Initrd)?;
        }
        // QEMU's size is the sum of the segments', without the holes between them, so the image may
        // end later: GRUB's modules do. QEMU puts the initrd here at the earliest.
        let gap = kernel.end..kernel.end.saturating_add(0x1_ffff) & !0xffff;
        self.map.mark(&gap, Owner::Kernel);
        for reservation in self.tree.reservations().to_vec() {
            let end = reservation.address.saturating_add(reservation.size);
            self.map.mark(&(reservation.address..end), Owner::Reserved);
        }
        Ok((kernel, entry))
    }

    fn place(&mut self, range: &Range<u64>, what: Owner) -> Result<(), Failure> {
        let size = range.end.saturating_sub(range.start);
        // It is memory, so that the only thing in the way is another owner.
        let over = self.map.owners(range).next();
        self.map.claim(range.start, size, what).map_err(|error| {
            over.map_or(
                Failure::NoRoom {
                    purpose: what.name(),
                    size,
                    error,
                },
                |over| Failure::Overlap {
                    what,
                    range: range.clone(),
                    over,
                },
            )
        })
    }

    /// The instance of RTAS for a client that takes the flat tree and never asks for another.
    fn place_rtas(&mut self) -> Result<(), Failure> {
        let layout = *self.rtas.layout();
        let fits = |base| layout.check_base(base).is_ok();
        let early = self.map.find(layout.size, PAGE, &EARLY_RTAS, fits);
        let base = early
            .or_else(|_| {
                let window = EARLY_RTAS.end..self.map_limit();
                self.map.find(layout.size, PAGE, &window, fits)
            })
            .map_err(|error| Failure::NoRoom {
                purpose: "RTAS",
                size: layout.size,
                error,
            })?;
        let instance = self.rtas.write(&mut self.board, base)?;
        self.map.mark(&(base..base + layout.size), Owner::Rtas);
        self.name_instance(instance);
        let sources = self.rtas.values.source_count;
        self.say(format_args!(
            "RTAS: {base:#x}, {} KiB, {} contexts, {sources} interrupt sources",
            layout.size / 1024,
            layout.context_count
        ));
        Ok(())
    }

    /// What the client interface keeps in `/chosen`: instance handles (IEEE 1275, 3.5, and the
    /// PowerPC binding, 8.2.3); and in `/options`, that the client runs in real mode, without
    /// which GRUB wants its memory mapped (`grub-core/kern/ieee1275/cmain.c`).
    fn open_chosen(&mut self, chosen: &Chosen) -> Result<(), Failure> {
        let root = self.tree.root();
        let options = match self.tree.find("/options") {
            Some(options) => Ok(options),
            None => self.tree.add_child(root, "options", Origin::Firmware),
        };
        options
            .and_then(|options| {
                self.tree
                    .set_string(options, "real-mode?", "true", Origin::Firmware)
            })
            .map_err(|_| Failure::TreeLimit("/options does not fit"))?;
        let node = self
            .tree
            .find("/chosen")
            .ok_or(Failure::Missing("/chosen"))?;
        let stdout = chosen
            .stdout_path
            .as_deref()
            .and_then(|path| self.tree.find(path))
            .or_else(|| {
                let terminal = |node: &_| {
                    matches!(handles::kind_of(&self.tree, *node), Some(Kind::Console(_)))
                };
                self.tree.nodes().find(terminal)
            });
        let cpu = cpus(&self.tree).next();
        let memory = self.tree.find("/memory");
        let mut instances = [
            ("stdin", stdout, None),
            ("stdout", stdout, None),
            ("cpu", cpu, None),
            ("memory", memory, None),
            ("mmu", cpu, Some(Kind::Memory)),
        ]
        .into_iter()
        .filter_map(|(name, node, kind)| Some((name, node?, kind)));
        instances.try_for_each(|(name, package, kind)| {
            let kind = kind
                .or_else(|| handles::kind_of(&self.tree, package))
                // QEMU's standard output may be a display, which the client can drive itself;
                // what it writes before it does so goes to the default terminal.
                .unwrap_or(Kind::Console(0));
            let handle = self.client.instances.open(Instance {
                node: package,
                kind,
                arguments: Default::default(),
            });
            let handle = handle.ok_or(Failure::TreeLimit("too many instances"))?;
            self.tree
                .set_u32(node, name, handle, Origin::Firmware)
                .map_err(|_| Failure::TreeLimit("/chosen is full"))
        })
    }

    /// The reservations of the tree: QEMU's own, the initrd, and RTAS, for a kernel that never
    /// calls the client interface.
    fn reserve(&mut self, chosen: &Chosen) {
        let rtas = self.rtas.instance.map(|instance| {
            let base = instance.base;
            base..base + self.rtas.layout().size
        });
        for range in chosen.initrd.iter().chain(&rtas) {
            let reservation = Reservation {
                address: range.start,
                size: range.end - range.start,
            };
            if !self.tree.reservations().contains(&reservation) {
                // Neither is empty nor beyond the last address: both were claimed.
                let _ = self.tree.add_reservation(reservation);
            }
        }
    }

    /// Writes the tree of the hand-over: its address and size.
    fn place_tree(&mut self) -> Result<(u64, u64), Failure> {
        // `available` changes with the tree's own place, and may then be longer by one range.
        self.update_available();
        let limit = self.map_limit();
        let slack = 64 + 16 * self.machine.memory_nodes.len() as u64;
        let size = self.flatten().map_or(0, |bytes| bytes.len() as u64) + slack;
        let place = self
            .map
            .allocate(size, PAGE, &(TREE_LOWEST..limit), Owner::Tree)
            .map_err(|error| Failure::NoRoom {
                purpose: "the device tree",
                size,
                error,
            })?;
        self.update_available();
        let bytes = self
            .flatten()
            .filter(|bytes| bytes.len() as u64 <= size)
            .ok_or(Failure::TreeLimit("it is too large"))?;
        self.board.write(place, &bytes)?;
        Ok((place, bytes.len() as u64))
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
        let window = TREE_LOWEST..machine.real_mode_end.min(TREE_LIMIT);
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
                tokens: facts.tokens.known,
                unknown_tokens: facts.tokens.unknown,
                leave_tokens: leave,
            },
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
