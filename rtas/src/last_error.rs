//! What `rtas-last-error` tells (LoPAR 7.3.3.3): that a call failed for a reason of the platform's.
//!
//! That is one that no argument of the caller's explains: the hypervisor did not do the call at all,
//! or there was no context for it. A status -1 that the hypervisor itself gives is none: QEMU answers
//! so for each PCI function that is not there, and has nothing more to say of it.

use rtas_abi::error_log::{Disposition, FIXED_BYTES, Initiator, Severity, Type, fixed};
use rtas_abi::status;

use crate::atomic::{AtomicU64, Ordering};
use crate::memory::{CallerBytes, CallerMemory};

/// The hypervisor left no status: what it did, if anything, is not known.
pub const NO_ANSWER: u32 = fixed(
    Severity::Error,
    Disposition::NotRecovered,
    Initiator::Processor,
    Type::InternalDeviceFailure,
);
/// No context was left for a call: nothing was done.
pub const NO_CONTEXT: u32 = fixed(
    Severity::Warning,
    Disposition::NotRecovered,
    Initiator::Processor,
    Type::Retry,
);

/// The last error that nobody has asked for yet.
///
/// Protects:    the fixed part of its log; 0 while there is none, and at reset.
/// Holder:      nobody: a call that fails stores its error over the one before, `rtas-last-error`
///              takes it out, each in one step, on any processor, from a call or from a call nested
///              in an exception handler.
/// Order:       none: the word stands for itself.
/// Holder dies: before its step, the word is as if the call had not been made; after it, the error
///              is there, or was told to nobody.
#[derive(Debug)]
#[repr(transparent)]
pub struct LastError(AtomicU64);

impl LastError {
    /// A word that holds `value`.
    pub fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    /// Keeps the error with the log `fixed`.
    #[inline(always)]
    pub fn keep(&self, fixed: u32) {
        self.0.store(fixed.into(), Ordering::Relaxed);
    }

    /// Takes the error out: each is told once. Another processor may take it first, or store a newer
    /// one, which is then for the call that failed with it to ask for.
    pub fn take(&self) -> Option<u32> {
        let value = self.0.load(Ordering::Relaxed);
        let taken = value != 0
            && self
                .0
                .compare_exchange(value, 0, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        taken.then_some(value as u32)
    }

    /// `rtas-last-error`: stores the log in the `length` bytes at `address`, or as much of it as they
    /// have room for. `None` if the caller may not have them.
    pub fn tell<M: CallerMemory>(
        &self,
        memory: &mut M,
        [address, length]: [u32; 2],
    ) -> Option<i32> {
        let buffer = CallerBytes::new(&memory.bounds(), address, length)?;
        let Some(fixed) = self.take() else {
            return Some(status::NOTHING_FOUND);
        };
        let log = u64::from(fixed) << 32;
        for index in 0..FIXED_BYTES as u32 {
            buffer.store(memory, index, (log >> (56 - 8 * index)) as u8);
        }
        Some(status::SUCCESS)
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
