//! The heap: a bump allocator that gives back the last block alone, which is enough for one run.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

const SIZE: usize = 24 << 20;

#[repr(C, align(128))]
struct Heap {
    /// Protects: nothing but itself: the first free offset; 0 at start.
    /// Holder: no one; one compare-and-swap per allocation.
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

// SAFETY: a block is taken by one step of the counter from where the last one ends, aligned and
// inside `memory`; the counter goes back only to the start of the block that ends where it is.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.memory.get() as usize;
        let start = |used: usize| (base + used).next_multiple_of(layout.align()) - base;
        let taken = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                let end = start(used).checked_add(layout.size())?;
                (end <= SIZE).then_some(end)
            });
        match taken {
            Ok(used) => (self.memory.get() as *mut u8).wrapping_add(start(used)),
            Err(_) => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // The last block goes back, so that strings that are made and dropped cost nothing.
        let start = (block as usize).wrapping_sub(self.memory.get() as usize);
        let end = start.wrapping_add(layout.size());
        // Fails if another block was taken since; then this one is lost.
        let _ = self
            .used
            .compare_exchange(end, start, Ordering::Relaxed, Ordering::Relaxed);
    }
}
