//! The machine itself: the only unsafe code of the firmware.
//!
//! [`entry`] is the assembly on the boundaries: reset, exceptions, the client and its interface.
//! [`memory`] and [`hypervisor`] make the [`oxrtas::Board`]; [`heap`] and [`fault`] are what Rust
//! itself asks of a machine.

mod entry;
mod fault;
mod heap;
mod hypervisor;
mod memory;

pub use entry::{enter_client, halt};
pub use memory::Hardware;
