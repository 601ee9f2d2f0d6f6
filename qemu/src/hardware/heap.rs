//! The firmware's heap.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use linked_list_allocator::Heap;

/// Size of the heap, in bytes. A live tree takes a few times the size of its flat form, which
/// QEMU limits to 2 MiB (`include/hw/ppc/fdt.h`, FDT_MAX_SIZE).
pub const SIZE: u64 = 16 << 20;

/// The allocator.
struct FirmwareHeap(
    /// Protects:    the free list; empty until [`init`].
    /// Holder:      the boot processor, during one allocation.
    /// Order:       nothing is taken while it is held.
    /// Holder dies: the machine stops. An exception in an allocation prints without the heap.
    spin::Mutex<Heap>,
);

#[global_allocator]
static HEAP: FirmwareHeap = FirmwareHeap(spin::Mutex::new(Heap::empty()));

// SAFETY: blocks come from the free list that the lock protects, with the layout asked for, and go
// back to it with the layout they were given out with.
unsafe impl GlobalAlloc for FirmwareHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(mut heap) = self.0.try_lock() else {
            return core::ptr::null_mut();
        };
        heap.allocate_first_fit(layout)
            .map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let (Some(mut heap), Some(block)) = (self.0.try_lock(), NonNull::new(block)) {
            // SAFETY: the caller of `dealloc` vouches that the block came from `alloc` with this
            // layout.
            unsafe { heap.deallocate(block, layout) };
        }
    }
}

/// Gives the allocator its memory.
///
/// # Safety
/// The [`SIZE`] bytes at `start` are memory that nothing else uses, and this is called once.
pub unsafe fn init(start: u64) {
    if let Some(mut heap) = HEAP.0.try_lock() {
        let start = core::ptr::with_exposed_provenance_mut(start as usize);
        // SAFETY: the caller's promise.
        unsafe { heap.init(start, SIZE as usize) };
    }
}
