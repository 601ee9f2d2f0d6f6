//! The caller's side of a call.

use crate::memory::{Bounds, BytePlace, CallerMemory, Place};

/// Where a caller's argument buffer is.
pub const AT: u64 = 0x100;

/// A caller's argument buffer, in cells of 32 bits: nobody else's, so no part of the model.
pub struct Buffer<const CELLS: usize>(pub [u32; CELLS]);

impl<const CELLS: usize> CallerMemory for Buffer<CELLS> {
    fn bounds(&self) -> Bounds {
        Bounds {
            memory_end: 0x1000,
            whole_buffers: Bounds::whole_buffers(0x1000),
            private: 0x2000..0x3000,
        }
    }
    fn load32(&self, place: Place) -> u32 {
        self.0[(place.address() - AT) as usize / 4]
    }
    fn load64(&self, _: Place) -> u64 {
        unreachable!("its cells have 32 bits")
    }
    fn store32(&mut self, place: Place, value: u32) {
        self.0[(place.address() - AT) as usize / 4] = value;
    }
    fn store64(&mut self, _: Place, _: u64) {
        unreachable!("its cells have 32 bits")
    }
    fn load8(&self, _: BytePlace) -> u8 {
        unreachable!("it is aligned")
    }
    fn store8(&mut self, _: BytePlace, _: u8) {
        unreachable!("it is aligned")
    }
}
