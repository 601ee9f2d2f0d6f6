//! The real machine behind the traits of crate `rtas`.

use core::arch::asm;
use core::ops::Range;

use rtas::memory::{Bounds, CallerMemory};
use rtas::{HypervisorBuffer, Platform};
use rtas_abi::buffer;
use rtas_abi::hcall::H_RTAS;

/// The processor that this call runs on.
pub struct Processor;

impl Platform for Processor {
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

    fn full_barrier(&self) {
        // SAFETY: hwsync orders memory accesses and has no other effect; without `nomem` it is a
        // compiler barrier as well.
        unsafe { asm!("sync", options(nostack, preserves_flags)) };
    }
}

/// The memory of the machine, within bounds.
pub struct Memory {
    /// What may be touched.
    pub bounds: Bounds,
}

impl Memory {
    /// Where `length` bytes at `address` are, if they may be touched.
    fn place<T>(&self, address: u64) -> Option<*mut T> {
        let allowed = address != 0 && self.bounds.allow(address, size_of::<T>() as u64);
        allowed.then(|| core::ptr::with_exposed_provenance_mut(address as usize))
    }

    /// The value at `address`, read once if it is aligned, else byte by byte.
    fn load<T, const N: usize>(&self, address: u64, whole: fn(T) -> [u8; N]) -> Option<[u8; N]> {
        let place = self.place::<T>(address)?;
        if place.is_aligned() {
            // SAFETY: `place` vouches that the bytes are in memory, which real mode reaches, not at
            // null, and outside the private area that Rust objects live in; it is aligned.
            // Volatile: the operating system may write there at the same time.
            return Some(whole(unsafe { place.read_volatile() }));
        }
        let mut bytes = [0; N];
        for (byte, at) in bytes.iter_mut().zip(0..) {
            // SAFETY: as above, for a byte within the same bounds.
            *byte = unsafe { place.cast::<u8>().wrapping_add(at).read_volatile() };
        }
        Some(bytes)
    }

    /// Stores `value`, whose bytes are `bytes`, at `address`: in one piece if it is aligned.
    fn store<T, const N: usize>(&mut self, address: u64, value: T, bytes: [u8; N]) -> Option<()> {
        let place = self.place::<T>(address)?;
        if place.is_aligned() {
            // SAFETY: as in `load`; the caller gave the buffer to this call to be written.
            unsafe { place.write_volatile(value) };
            return Some(());
        }
        for (byte, at) in bytes.into_iter().zip(0..) {
            // SAFETY: as above, for a byte within the same bounds.
            unsafe { place.cast::<u8>().wrapping_add(at).write_volatile(byte) };
        }
        Some(())
    }
}

impl CallerMemory for Memory {
    fn load32(&self, address: u64) -> Option<u32> {
        self.load(address, u32::to_ne_bytes).map(u32::from_be_bytes)
    }
    fn load64(&self, address: u64) -> Option<u64> {
        self.load(address, u64::to_ne_bytes).map(u64::from_be_bytes)
    }
    fn store32(&mut self, address: u64, value: u32) -> Option<()> {
        self.store(address, value.to_be(), value.to_be_bytes())
    }
    fn store64(&mut self, address: u64, value: u64) -> Option<()> {
        self.store(address, value.to_be(), value.to_be_bytes())
    }
}

/// The argument buffer of one call, of the largest size that one may have: bounds are checked once,
/// so that access to it needs neither stack nor many registers.
pub struct WholeBuffer {
    buffer: Range<u64>,
}

impl WholeBuffer {
    /// The buffer at `address`, if all of it, at its largest, may be touched.
    #[inline(always)]
    pub fn new(bounds: &Bounds, address: u64) -> Option<Self> {
        const BYTES: u64 = 8 * (buffer::ARGUMENTS + buffer::MAX_CELLS) as u64;
        let allowed = address != 0 && bounds.allow(address, BYTES);
        allowed.then(|| Self {
            buffer: address..address.wrapping_add(BYTES),
        })
    }

    /// Where the value at `address` is, if it is an aligned part of the buffer.
    #[inline(always)]
    fn place<T>(&self, address: u64) -> Option<*mut T> {
        let inside = address >= self.buffer.start && address < self.buffer.end;
        let place = core::ptr::with_exposed_provenance_mut::<T>(address as usize);
        (inside && place.is_aligned()).then_some(place)
    }
}

impl CallerMemory for WholeBuffer {
    #[inline(always)]
    fn load32(&self, address: u64) -> Option<u32> {
        let place = self.place::<u32>(address)?;
        // SAFETY: aligned, and within the bytes that `new` checked, whose size is a multiple of the
        // value's. Volatile: the operating system may write there at the same time.
        Some(u32::from_be(unsafe { place.read_volatile() }))
    }
    #[inline(always)]
    fn load64(&self, address: u64) -> Option<u64> {
        let place = self.place::<u64>(address)?;
        // SAFETY: as in `load32`.
        Some(u64::from_be(unsafe { place.read_volatile() }))
    }
    #[inline(always)]
    fn store32(&mut self, address: u64, value: u32) -> Option<()> {
        let place = self.place::<u32>(address)?;
        // SAFETY: as in `load32`; the caller gave the buffer to this call to be written.
        unsafe { place.write_volatile(value.to_be()) };
        Some(())
    }
    #[inline(always)]
    fn store64(&mut self, address: u64, value: u64) -> Option<()> {
        let place = self.place::<u64>(address)?;
        // SAFETY: as in `store32`.
        unsafe { place.write_volatile(value.to_be()) };
        Some(())
    }
}
