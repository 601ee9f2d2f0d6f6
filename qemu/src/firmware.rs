//! The firmware as its image sees it: boot once, then answer the client.

use alloc::vec::Vec;
use core::fmt;

use fdt_gen::rtas_node::{self, Additions};
use fdt_gen::{Origin, Tree, facts};
use rtas::{table, tokens, vpd};
use rtas_abi::name;

use crate::board::Board;
use crate::client::Client;
use crate::client::handles::{self, Kind};
use crate::console::Console;
use crate::hypervisor_rtas;
use crate::machine::Machine;
use crate::memory_map::{MemoryMap, Owner};
use crate::messages::Failure;
use crate::rtas_area::{AreaError, CellWidth, Instance, RtasArea};

/// Where the client's addresses end: RTAS, tree and claims are placed below, so that a client that
/// takes addresses for signed numbers gets along, as QEMU does itself
/// (`hw/ppc/spapr.c:spapr_machine_reset`).
const ADDRESS_LIMIT: u64 = 0x8000_0000;
/// QEMU's token of `ibm,os-term` in all versions (`include/hw/ppc/spapr.h`), for when the tree
/// cannot be read.
const OS_TERM: u32 = 0x201f;

/// How the client is started. All values are real addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// The client's first instruction.
    pub entry: u64,
    /// r3: the flat device tree.
    pub tree: u64,
    /// r5: the entry of the client interface.
    pub client_interface: u64,
    /// r1: the top of the client's stack.
    pub stack_top: u64,
}

/// What the image does after a call of the client interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientReturn {
    /// Back to the client, with this value in r3.
    Return(i64),
    /// The client called `exit`: the machine was told to stop. Do not go back.
    Exit,
}

/// The boot failed. The console already says why and what to do.
#[derive(Debug)]
pub struct Stopped<B> {
    /// The board, for [`stop`].
    pub board: B,
}

/// The firmware between reset and the client's first own memory map.
#[derive(Debug)]
pub struct Firmware<B: Board> {
    pub(crate) board: B,
    pub(crate) console: Console,
    /// Timebase at the start of the boot, in ticks.
    pub(crate) started: u64,
    pub(crate) tree: Tree,
    /// Size of the last tree that QEMU made, in bytes: half of what it takes back.
    pub(crate) qemu_tree_size: u64,
    pub(crate) machine: Machine,
    pub(crate) map: MemoryMap,
    pub(crate) rtas: RtasArea,
    /// A page for argument buffers of the firmware's own RTAS calls.
    pub(crate) scratch: u64,
    pub(crate) client: Client,
}

impl<B: Board> Firmware<B> {
    /// Prints a line.
    pub(crate) fn say(&mut self, line: fmt::Arguments<'_>) {
        self.console
            .print(&mut self.board, format_args!("{line}\n"));
    }

    /// The first address that nothing is placed at: the end of the memory that every processor can
    /// reach in real mode, and of 31-bit addresses.
    pub(crate) fn map_limit(&self) -> u64 {
        self.machine.real_mode_end.min(ADDRESS_LIMIT)
    }

    /// Time since the start of the boot.
    pub(crate) fn milliseconds(&self) -> u64 {
        let ticks = self.board.timebase().wrapping_sub(self.started);
        let per_second = u128::from(self.machine.timebase_frequency.max(1));
        (u128::from(ticks) * 1000 / per_second) as u64
    }

    /// An RTAS call of the hypervisor's, by name: its status, or nothing if QEMU has no such call.
    pub(crate) fn call_rtas(&mut self, call: &str, arguments: &[u32]) -> Option<i32> {
        let token = self.rtas_token(call)?;
        hypervisor_rtas::call(&mut self.board, self.scratch, token, arguments)
    }

    /// The hypervisor's token of a call.
    pub(crate) fn rtas_token(&self, call: &str) -> Option<u32> {
        self.tree.u32(self.tree.find("/rtas")?, call)
    }

    /// Ends the machine in a way that QEMU sees. The message was printed.
    pub(crate) fn stop(&mut self) {
        let token = self.rtas_token(name::IBM_OS_TERM);
        os_term(&mut self.board, self.scratch, token.unwrap_or(OS_TERM));
    }

    /// Writes `available` of the memory nodes anew (IEEE 1275, 3.7.6.1): GRUB finds memory by it.
    pub(crate) fn update_available(&mut self) {
        for (node, range) in &self.machine.memory_nodes {
            let mut value = Vec::new();
            for free in self.map.available(range) {
                value.extend_from_slice(&free.start.to_be_bytes());
                value.extend_from_slice(&(free.end - free.start).to_be_bytes());
            }
            // The node may be gone after CAS; its memory is not.
            let _ = self.tree.set(*node, "available", &value, Origin::Firmware);
        }
    }

    /// What follows a merge: everything that was derived from the old tree.
    pub(crate) fn after_merge(&mut self) {
        match facts::interrupt_mode(&self.tree) {
            Ok(mode) => self.machine.facts.interrupts = mode,
            Err(error) => self.say(format_args!("client-architecture-support: {error}")),
        }
        if let Err(failure) = self.edit_rtas_node() {
            self.say(format_args!("client-architecture-support: {failure}"));
        }
        self.update_available();
        let native = self.machine.has_sources();
        if let Err(bad) = self.rtas.set_native(&mut self.board, native) {
            self.say(format_args!(
                "RTAS cannot be told of the interrupt mode: {:#x} cannot be written",
                bad.address
            ));
        }
    }

    /// Everything that the firmware says in `/rtas`, but for where it is.
    pub(crate) fn edit_rtas_node(&mut self) -> Result<(), Failure> {
        let promised: Vec<&str> = self.board.promised().lines().collect();
        // As many as RTAS has contexts for, whatever a later tree says.
        let processors = self.machine.facts.processors;
        let capabilities = rtas_node::capability_properties(table::calls(), &promised, processors)
            .map_err(Failure::Promise)?;
        let own: Vec<_> = tokens::own_calls().collect();
        let display = self.display_device();
        let additions = Additions {
            layout: self.rtas.layout(),
            calls: &own,
            display,
            vpd_size: vpd::size(&self.rtas.vpd),
            capabilities: &capabilities,
        };
        rtas_node::apply(&mut self.tree, &additions).map_err(Failure::RtasNode)
    }

    /// The phandle of the terminal that `display-character` writes to: the one with the least address
    /// (`hw/char/spapr_vty.c:spapr_vty_get_default`). The node gets the property, for clients that
    /// have the flat tree alone.
    fn display_device(&mut self) -> Option<u32> {
        let terminals =
            self.tree
                .nodes()
                .filter_map(|node| match handles::kind_of(&self.tree, node)? {
                    Kind::Console(unit) => Some((unit, node)),
                    _ => None,
                });
        let (_, node) = terminals.min_by_key(|(unit, _)| *unit)?;
        let handle = handles::of_node(&self.tree, node);
        self.tree
            .set_u32(node, "phandle", handle, Origin::Firmware)
            .ok()?;
        Some(handle)
    }

    /// Makes an instance of RTAS at `base`, as `instantiate-rtas` asks: an area that the client
    /// claimed, or that is nobody's. The instance before it is given up.
    pub(crate) fn instantiate_rtas(&mut self, base: u64) -> Result<Instance, AreaError> {
        let layout = *self.rtas.layout();
        layout.check_base(base).map_err(AreaError::Base)?;
        let range = base..base + layout.size;
        if !self.map.is_memory(&range) {
            return Err(AreaError::OutsideMemory);
        }
        let old = self.rtas.instance.map(|old| old.base);
        let allowed =
            |owner: &Owner| *owner == Owner::Client || (*owner == Owner::Rtas && old.is_some());
        if let Some(owner) = self.map.owners(&range).find(|owner| !allowed(owner)) {
            return Err(AreaError::Taken(owner));
        }
        let instance = self
            .rtas
            .write(&mut self.board, base)
            .map_err(AreaError::NotWritable)?;
        if let Some(old) = old {
            self.map.release(old, layout.size, Owner::Rtas);
        }
        // What the client claimed stays the client's, which may release it.
        self.map.mark(&range, Owner::Rtas);
        self.update_available();
        self.name_instance(instance);
        Ok(instance)
    }

    /// Says in the tree where RTAS is, as Linux does for the kernels that come after it
    /// (`arch/powerpc/kernel/prom_init.c:prom_instantiate_rtas`).
    pub(crate) fn name_instance(&mut self, instance: Instance) {
        // The layout keeps both below 4 GiB.
        let entry = instance.entry(CellWidth::Bits32) as u32;
        if let Err(error) = rtas_node::bind(&mut self.tree, instance.base as u32, entry) {
            self.say(format_args!("RTAS: {error}"));
        }
    }
}

/// Ends the machine in a way that QEMU sees, after a message was printed: `ibm,os-term`, which
/// makes QEMU report a guest panic and exit (`-action panic=`). It may return.
pub fn stop(board: &mut impl Board) {
    for range in board.occupied() {
        if let Some(scratch) = range.end.checked_next_multiple_of(4096)
            && os_term(board, scratch, OS_TERM).is_some()
        {
            return;
        }
    }
}

fn os_term(board: &mut impl Board, scratch: u64, token: u32) -> Option<i32> {
    // hw/ppc/spapr_rtas.c:rtas_ibm_os_term reads 511 bytes.
    let mut message = [0; 512];
    for (to, from) in message.iter_mut().zip(b"oxrtas stopped, see the console") {
        *to = *from;
    }
    let text = scratch.checked_add(512)?;
    board.write(text, &message).ok()?;
    hypervisor_rtas::call(board, scratch, token, &[u32::try_from(text).ok()?])
}
