//! Memory, and with it the [`Board`].

use core::arch::asm;
use core::ops::Range;

use oxrtas::Board;
use oxrtas::board::{BadAddress, HcallReturn};

use super::entry::{self, symbols};
use super::{heap, hypervisor};

/// Memory that every machine has, in bytes (QEMU `hw/ppc/spapr.c:spapr_rma_size` refuses less).
const LEAST_MEMORY: u64 = 128 << 20;
/// Room that QEMU sets aside for its flat tree, in bytes (FDT_MAX_SIZE).
const TREE_ROOM: u64 = 2 << 20;
/// QEMU puts the tree at the end of the real-mode area, below this, in bytes
/// (`hw/ppc/spapr.c:spapr_machine_reset`).
const TREE_LIMIT: u64 = 2 << 30;
/// A cache block of every POWER processor, in bytes.
const CACHE_BLOCK: u64 = 128;

/// The RTAS blob, as `cargo xtask build` made it.
static BLOB: &[u8] = include_bytes!(env!("OXRTAS_BLOB"));
static PROMISED: &str = include_str!(env!("OXRTAS_PROMISED"));

/// The pseries machine.
#[derive(Debug)]
pub struct Hardware {
    /// First address after memory, in bytes.
    memory_end: u64,
    /// The heap.
    heap: Range<u64>,
}

impl Hardware {
    /// The machine, at reset, with QEMU's tree at `tree`. Called once: it gives the heap its place,
    /// below the tree, where QEMU loads neither kernel nor initrd (it keeps 40 MiB free there).
    /// With a tree address that cannot be, the heap lies at a place that is good enough to report
    /// just that.
    pub fn new(tree: u64) -> Self {
        let plausible = (LEAST_MEMORY - TREE_ROOM..=TREE_LIMIT - TREE_ROOM).contains(&tree);
        let top = if plausible {
            tree & !0xffff
        } else {
            LEAST_MEMORY - TREE_ROOM
        };
        let heap = top - heap::SIZE..top;
        // SAFETY: memory (at least 128 MiB, or up to the tree), free as said above, and `boot`
        // calls this once.
        unsafe { heap::init(heap.start) };
        Self {
            memory_end: LEAST_MEMORY.max(top + TREE_ROOM),
            heap,
        }
    }

    /// What nobody but Rust writes: vectors, code, data and stacks, and the heap.
    fn private(&self) -> [Range<u64>; 2] {
        [0..symbols().private_end, self.heap.clone()]
    }

    /// The address as a pointer, if the `length` bytes there are memory.
    fn place(&self, address: u64, length: u64) -> Result<*mut u8, BadAddress> {
        let bad = BadAddress { address, length };
        let end = address.checked_add(length).ok_or(bad)?;
        if address == 0 || end > self.memory_end {
            return Err(bad);
        }
        Ok(core::ptr::with_exposed_provenance_mut(address as usize))
    }

    /// The same, if Rust does not own any of it.
    fn foreign(&self, address: u64, length: u64) -> Result<*mut u8, BadAddress> {
        let place = self.place(address, length)?;
        let end = address + length;
        if self
            .private()
            .iter()
            .any(|range| address < range.end && range.start < end)
        {
            return Err(BadAddress { address, length });
        }
        Ok(place)
    }
}

impl Board for Hardware {
    fn hcall(&mut self, number: u64, arguments: &[u64]) -> HcallReturn {
        hypervisor::hcall(number, arguments)
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), BadAddress> {
        let from = self.place(address, bytes.len() as u64)?;
        // SAFETY: `from` is memory of that length, which real mode reaches; `copy` takes care of an
        // overlap with `bytes`. Whatever is there is valid as bytes.
        unsafe { core::ptr::copy(from, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), BadAddress> {
        let to = self.foreign(address, bytes.len() as u64)?;
        // SAFETY: `to` is memory of that length that holds no Rust object, so `bytes` is elsewhere.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        Ok(())
    }

    fn zero(&mut self, address: u64, length: u64) -> Result<(), BadAddress> {
        let to = self.foreign(address, length)?;
        // SAFETY: `to` is memory of that length that holds no Rust object.
        unsafe { core::ptr::write_bytes(to, 0, length as usize) };
        Ok(())
    }

    fn flush_instructions(&mut self, address: u64, length: u64) -> Result<(), BadAddress> {
        self.place(address, length)?;
        let blocks =
            || (address & !(CACHE_BLOCK - 1)..address + length).step_by(CACHE_BLOCK as usize);
        for block in blocks() {
            // SAFETY: writes the block back to memory if it was changed; contents stay.
            unsafe {
                asm!("dcbst 0, {}", in(reg_nonzero) block, options(nostack, preserves_flags))
            };
        }
        // SAFETY: orders the write-back before what follows.
        unsafe { asm!("sync", options(nostack, preserves_flags)) };
        for block in blocks() {
            // SAFETY: drops the block from the instruction cache; contents stay.
            unsafe { asm!("icbi 0, {}", in(reg_nonzero) block, options(nostack, preserves_flags)) };
        }
        // SAFETY: waits for that, and forgets instructions fetched ahead.
        unsafe { asm!("sync", "isync", options(nostack, preserves_flags)) };
        Ok(())
    }

    fn set_memory_end(&mut self, end: u64) {
        self.memory_end = end;
    }

    fn timebase(&self) -> u64 {
        let ticks;
        // SAFETY: reads a counter.
        unsafe { asm!("mftb {}", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
        ticks
    }

    fn occupied(&self) -> [Range<u64>; 2] {
        [0..symbols().image_end, self.heap.clone()]
    }

    fn client_stack_top(&self) -> u64 {
        symbols().client_stack_top
    }

    fn client_entry(&self) -> u64 {
        entry::client_entry()
    }

    fn blob(&self) -> &'static [u8] {
        BLOB
    }

    fn promised(&self) -> &'static str {
        PROMISED
    }
}
