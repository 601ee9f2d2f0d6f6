//! One RTAS area as the calls see it.

use crate::atomic::AtomicU64;
use crate::config::Config;

/// The parts of one RTAS area that calls work on.
#[derive(Clone, Copy, Debug)]
pub struct Instance<'a> {
    /// What the firmware wrote.
    pub config: &'a Config,
    /// One word for each interrupt source, in the order of their numbers: these are the sources
    /// that there are.
    pub sources: &'a [AtomicU64],
    /// The records of [`crate::vpd`].
    pub vpd: &'a [u8],
}
