//! What a call needs of the machine.

/// The hypervisor's copy of an argument buffer: 32-bit big-endian cells, one call's own.
///
/// KVM copies 88 bytes in and back whatever the counts say (`arch/powerpc/kvm/book3s_rtas.c`), so
/// the buffer has cache lines to itself: 128 bytes, of which the counts of a call use at most 76.
#[repr(C, align(128))]
#[derive(Debug)]
pub struct HypervisorBuffer {
    /// The cells, in the byte order of the wire. Token, inputs, outputs, then the values.
    pub cells: [u32; 24],
    /// What the call rarely wants to know after the hypercall, and so keeps no register for. The
    /// hypervisor does not touch it.
    pub kept: u64,
    /// Whether the hypervisor did not do a call. It does not touch this either.
    unanswered: bool,
}

impl HypervisorBuffer {
    /// A buffer of zeros.
    pub const fn new() -> Self {
        Self {
            cells: [0; 24],
            kept: 0,
            unanswered: false,
        }
    }

    /// The value of cell `index`, zero past the end.
    pub fn get(&self, index: usize) -> u32 {
        self.cells.get(index).copied().map_or(0, u32::from_be)
    }

    /// Says that the hypervisor did not do a call: nothing else knows it from a call that failed.
    #[cold]
    pub fn set_unanswered(&mut self) {
        self.unanswered = true;
    }

    /// Whether a call was not done since [`Self::take_unanswered`].
    pub fn is_unanswered(&self) -> bool {
        self.unanswered
    }

    /// Whether a call was not done since this was asked last.
    pub fn take_unanswered(&mut self) -> bool {
        core::mem::take(&mut self.unanswered)
    }

    /// Stores `value` into cell `index`; past the end nothing happens.
    pub fn set(&mut self, index: usize, value: u32) {
        if let Some(cell) = self.cells.get_mut(index) {
            *cell = value.to_be();
        }
    }
}

impl Default for HypervisorBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// The machine as a call sees it.
pub trait Platform {
    /// One `H_RTAS` with `buffer`: returns the status of the hypercall; the status word of the
    /// call is in the buffer. A compiler barrier: every store made before is in memory.
    fn h_rtas(&self, buffer: &mut HypervisorBuffer) -> i64;

    /// [`Self::h_rtas`], the hypervisor being told in cell `cell` where `memory` lies, which it may
    /// write.
    fn h_rtas_about(&self, buffer: &mut HypervisorBuffer, cell: usize, memory: &mut [u8]) -> i64;

    /// A full memory barrier (`hwsync`): everything before it is performed, for every processor
    /// and for the hypervisor, before anything after it.
    fn full_barrier(&self);
}
