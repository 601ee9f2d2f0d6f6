//! The heap: a bump allocator that never gives anything back, which is enough for one run.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

const SIZE: usize = 24 << 20;

#[repr(C, align(128))]
struct Heap {
    /// Protects: nothing but itself: the first free offset; 0 at start.
    /// Holder: no one; one fetch-and-add per allocation.
    /// Order: none needed; what lies in a block is published by whoever shares it.
    /// Holder dies: the block is lost.
    used: AtomicUsize,
    memory: UnsafeCell<[u8; SIZE]>,
}

// SAFETY: blocks handed out by the atomic counter do not overlap.
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap = Heap {
    used: AtomicUsize::new(0),
    memory: UnsafeCell::new([0; SIZE]),
};

// SAFETY: each block is taken once, aligned, inside `memory`, and never reused, except that the
// last block may grow in place, which its owner asked for.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.memory.get() as usize;
        let Some(room) = layout.size().checked_add(layout.align()) else {
            return core::ptr::null_mut();
        };
        let offset = self.used.fetch_add(room, Ordering::Relaxed);
        if offset.checked_add(room).is_none_or(|end| end > SIZE) {
            return core::ptr::null_mut();
        }
        let address = (base + offset).next_multiple_of(layout.align());
        (self.memory.get() as *mut u8).wrapping_add(address - base)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // The last block goes back, so that strings that are made and dropped cost nothing.
        let base = self.memory.get() as usize;
        let Some(room) = layout.size().checked_add(layout.align()) else {
            return;
        };
        let used = self.used.load(Ordering::Relaxed);
        let Some(offset) = used.checked_sub(room) else {
            return;
        };
        if (base + offset).next_multiple_of(layout.align()) == block as usize {
            // Fails if another block was taken meanwhile; then this one is lost.
            let _ = self
                .used
                .compare_exchange(used, offset, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}
