//! Everything that touches the machine, and the only unsafe code of the guest.
//!
//! The modules above see: the state at entry ([`entry`]), memory by address ([`memory`]),
//! hypercalls ([`hypercall`]), calls into the firmware under test with a chosen register file
//! ([`gate`], many times over: [`repeat`]), exception vectors ([`vectors`]), other processors
//! ([`processor`]) and a driver over gdb ([`stop`]).

mod bytes;
pub mod console;
pub mod entry;
pub mod fwnmi;
pub mod gate;
pub mod heap;
pub mod hypercall;
pub mod memory;
pub mod processor;
pub mod repeat;
pub mod segments;
pub mod stop;
pub mod vectors;

/// The timebase, in ticks.
pub fn timebase() -> u64 {
    let ticks: u64;
    // SAFETY: reading the timebase has no effect.
    unsafe { core::arch::asm!("mfspr {}, 268", out(reg) ticks, options(nomem, nostack)) };
    ticks
}
