//! The caller's memory, never trusted: which addresses a call may touch, and how.

use core::ops::Range;

/// Where argument buffers and what they point to may lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// First address after the memory that the machine was started with, in bytes.
    pub memory_end: u64,
    /// The RTAS area, private to the blob and to the hypervisor.
    pub private: Range<u64>,
}

impl Bounds {
    /// Whether `length` bytes at `address` lie in memory and outside the private area.
    pub const fn allow(&self, address: u64, length: u64) -> bool {
        let Some(end) = address.checked_add(length) else {
            return false;
        };
        end <= self.memory_end && (end <= self.private.start || address >= self.private.end)
    }
}

/// Access to the caller's memory. Each access is checked against [`Bounds`] by the implementation
/// and `None` means that it was refused; no alignment is asked for.
pub trait CallerMemory {
    /// The 32-bit big-endian cell at `address`.
    fn load32(&self, address: u64) -> Option<u32>;
    /// The 64-bit big-endian cell at `address`.
    fn load64(&self, address: u64) -> Option<u64>;
    /// Stores a 32-bit big-endian cell.
    fn store32(&mut self, address: u64, value: u32) -> Option<()>;
    /// Stores a 64-bit big-endian cell.
    fn store64(&mut self, address: u64, value: u64) -> Option<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        memory_end: 0x2000_0000,
        private: 0x1000_0000..0x1001_0000,
    };

    #[test]
    fn an_access_stays_inside_memory_and_outside_the_private_area() {
        assert!(BOUNDS.allow(0, 8));
        assert!(BOUNDS.allow(0x0fff_fff8, 8), "up to the private area");
        assert!(!BOUNDS.allow(0x0fff_fff9, 8), "into the private area");
        assert!(!BOUNDS.allow(0x1000_8000, 8), "within the private area");
        assert!(!BOUNDS.allow(0x1000_fffc, 8), "out of the private area");
        assert!(BOUNDS.allow(0x1001_0000, 8), "behind the private area");
        assert!(BOUNDS.allow(0x1fff_fff8, 8), "the last bytes of memory");
        assert!(!BOUNDS.allow(0x1fff_fff9, 8), "across the end of memory");
        assert!(!BOUNDS.allow(u64::MAX - 3, 8), "an end that wraps");
    }
}
