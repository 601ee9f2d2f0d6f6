//! The guest kernel's memory, over gdb.

use crate::gdb::{Gdb, Thread};
use anyhow::Result;

/// Where Linux maps all memory (`PAGE_OFFSET`): its image and, most of the time, its stacks are there.
pub const LINEAR_MAP: u64 = 0xc000_0000_0000_0000;
/// The end of memory and the first address of devices (QEMU include/hw/pci-host/spapr.h:
/// `SPAPR_PCI_BASE`). A read must not have effects on a device.
const MEMORY_END: u64 = 1 << 45;

/// The real address of what the kernel has at `address`, if that is in its linear map. Where the map
/// ends, only memory is behind it: of what a damaged pointer names, nothing is a device.
pub fn real_address(address: u64) -> Option<u64> {
    let real = address.checked_sub(LINEAR_MAP)?;
    (real < MEMORY_END).then_some(real)
}

/// `length` bytes that the kernel has at `address`, which processor `thread` may be about to use.
///
/// What is in the linear map is read by its real address. As the processor sees it, it is there only
/// as long as that runs the kernel: with a program on it, the kernel's pages are denied to it, and to
/// gdb (QEMU target/ppc/mmu-radix64.c: `ppc_radix64_check_prot()`).
pub fn read(gdb: &mut Gdb, thread: Thread, address: u64, length: u64) -> Result<Vec<u8>> {
    match real_address(address) {
        Some(real) => gdb.real_memory(real, length),
        None => gdb.memory(thread, address, length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_behind_the_linear_map_and_devices_are_not() {
        assert_eq!(real_address(0xc000_0000_00c1_1000), Some(0xc1_1000));
        assert_eq!(real_address(LINEAR_MAP), Some(0));
        // A program's, the first of vmalloc (arch/powerpc/include/asm/book3s/64/radix.h), and a
        // device's registers.
        for other in [0x1000_0000, 0xc008_0000_0000_0000, LINEAR_MAP | MEMORY_END] {
            assert_eq!(real_address(other), None, "{other:#x}");
        }
    }
}
