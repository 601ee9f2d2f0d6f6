//! The heap. Any processor may allocate; what one allocates another may give back.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::NonNull;

use linked_list_allocator::Heap;

const SIZE: usize = 24 << 20;

/// The allocator.
struct GuestHeap(
    /// Protects: the free list; empty until [`init`].
    /// Holder: any processor, for one allocation, in which it does not call RTAS: the handlers of
    /// exceptions and system resets, which come in calls, do not allocate.
    /// Order: nothing is taken while it is held.
    /// Holder dies: whoever allocates next waits for ever, and the run's time limit ends it. The
    /// processors that a check or a driver gives up are inside a call, and hold nothing.
    spin::Mutex<Heap>,
);

#[global_allocator]
static HEAP: GuestHeap = GuestHeap(spin::Mutex::new(Heap::empty()));

#[repr(C, align(128))]
struct Memory(UnsafeCell<[u8; SIZE]>);

// SAFETY: only the allocator touches it.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(UnsafeCell::new([0; SIZE]));

/// Gives the allocator its memory. Called once, by the boot processor, before anything allocates.
pub fn init() {
    // SAFETY: the memory is the allocator's alone, and this is called once.
    unsafe { HEAP.0.lock().init(MEMORY.0.get().cast(), SIZE) };
}

// SAFETY: blocks come from the free list that the lock protects, with the layout asked for, and go
// back to it with the layout they were given out with.
unsafe impl GlobalAlloc for GuestHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = self.0.lock().allocate_first_fit(layout);
        block.map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller of `dealloc` vouches that the block came from `alloc` with this
            // layout.
            unsafe { self.0.lock().deallocate(block, layout) };
        }
    }
}
