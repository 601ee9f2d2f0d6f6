//! The atomic words that calls share: core's, and in loom's models a double of them that loom
//! explores, that counts commits, and that a test of the models can weaken.

#[cfg(all(test, loom))]
pub use crate::models::atomic::{AtomicU32, AtomicU64, Ordering};
#[cfg(not(all(test, loom)))]
pub use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
