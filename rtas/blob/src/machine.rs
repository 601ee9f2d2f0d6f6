//! The real machine behind the traits of crate `rtas`.

use core::arch::asm;

use rtas::config::Config;
use rtas::memory::{Bounds, BytePlace, CallerMemory, Place};
use rtas::{HypervisorBuffer, Platform};
use rtas_abi::hcall::H_RTAS;

/// The processor that this call runs on.
pub struct Processor;

impl Platform for Processor {
    #[inline(always)]
    fn h_rtas(&self, buffer: &mut HypervisorBuffer) -> i64 {
        let status: i64;
        // SAFETY: H_RTAS reads the cells of the buffer that its counts cover (88 bytes under KVM)
        // and writes the same; the buffer is 128 bytes that this call owns. The clobbers are the
        // volatile registers of the hypercall convention (LoPAR 14.5.4.2); no stack is touched.
        unsafe {
            asm!(
                "sc 1",
                inlateout("r3") H_RTAS => status,
                inlateout("r4") core::ptr::from_mut(buffer) => _,
                lateout("r0") _, lateout("r5") _, lateout("r6") _, lateout("r7") _,
                lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
                lateout("r12") _, lateout("ctr") _, lateout("xer") _,
                lateout("cr0") _, lateout("cr1") _, lateout("cr5") _, lateout("cr6") _,
                lateout("cr7") _,
                options(nostack),
            );
        }
        status
    }

    fn h_rtas_about(&self, buffer: &mut HypervisorBuffer, cell: usize, memory: &mut [u8]) -> i64 {
        // The area lies below 4 GiB, and the stack in it. The address is exposed, so that the
        // memory may change in the hypercall.
        buffer.set(cell, memory.as_mut_ptr().expose_provenance() as u32);
        self.h_rtas(buffer)
    }

    #[inline(always)]
    fn full_barrier(&self) {
        // SAFETY: hwsync orders memory accesses and has no other effect; without `nomem` it is a
        // compiler barrier as well.
        unsafe { asm!("sync", options(nostack, preserves_flags)) };
    }
}

/// The caller's memory.
pub struct Memory<'a> {
    /// Says where the caller may have it.
    pub config: &'a Config,
}

/// A pointer to a cell. Every `Place` was checked against [`CallerMemory::bounds`]: the cell is
/// aligned, in memory, which the mode that the processor is in reaches, not at null, and outside the
/// private area that Rust objects live in.
fn cell<T>(place: Place) -> *mut T {
    core::ptr::with_exposed_provenance_mut(place.address() as usize)
}

impl CallerMemory for Memory<'_> {
    #[inline(always)]
    fn bounds(&self) -> Bounds {
        let config = self.config;
        Bounds {
            memory_end: config.memory_end,
            whole_buffers: config.whole_buffers,
            private: config.base..config.base.wrapping_add(config.size),
        }
    }
    #[inline(always)]
    fn load32(&self, place: Place) -> u32 {
        // SAFETY: see `cell`. Volatile: the operating system may write there at the same time.
        u32::from_be(unsafe { cell::<u32>(place).read_volatile() })
    }
    #[inline(always)]
    fn load64(&self, place: Place) -> u64 {
        // SAFETY: as in `load32`.
        u64::from_be(unsafe { cell::<u64>(place).read_volatile() })
    }
    #[inline(always)]
    fn store32(&mut self, place: Place, value: u32) {
        // SAFETY: as in `load32`; the caller gave the buffer to this call to be written.
        unsafe { cell::<u32>(place).write_volatile(value.to_be()) };
    }
    fn load8(&self, place: BytePlace) -> u8 {
        let byte: *const u8 = core::ptr::with_exposed_provenance(place.address() as usize);
        // SAFETY: every `BytePlace` was checked as a `Place` is; a byte has no alignment.
        unsafe { byte.read_volatile() }
    }
    fn store8(&mut self, place: BytePlace, value: u8) {
        let byte: *mut u8 = core::ptr::with_exposed_provenance_mut(place.address() as usize);
        // SAFETY: as in `load8` and `store32`.
        unsafe { byte.write_volatile(value) };
    }
    #[inline(always)]
    fn store64(&mut self, place: Place, value: u64) {
        // SAFETY: as in `store32`.
        unsafe { cell::<u64>(place).write_volatile(value.to_be()) };
    }
}
