//! From the argument buffer to the status word: one call.

use crate::config::LeaveBuffer;
use crate::instance::Instance;
use crate::memory::CallerMemory;
use crate::platform::{HypervisorBuffer, Platform};
use rtas_abi::status;

/// Width of the cells of the caller's argument buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellWidth {
    /// After `instantiate-rtas` (LoPAR R1-7.2.7-2).
    Bits32,
    /// After `instantiate-rtas-64` (LoPAR R1-7.2.7-3).
    Bits64,
}

/// How a call ends.
#[derive(Clone, Copy, Debug)]
pub enum Exit<'a> {
    /// The call returns to its caller; status and outputs are in the buffer, this is r3.
    Return(i32),
    /// The entry code gives the context back, then does `H_RTAS` with this buffer, which does not
    /// return.
    Leave(&'a LeaveBuffer),
}

/// Does the call whose argument buffer lies at `address`.
pub fn call<'a, P: Platform, M: CallerMemory>(
    instance: &Instance<'a>,
    platform: &P,
    memory: &mut M,
    width: CellWidth,
    address: u64,
    buffer: &mut HypervisorBuffer,
) -> Exit<'a> {
    let _ = (instance, platform, memory, width, address, buffer);
    Exit::Return(status::PARAMETER_ERROR)
}

/// There is no context for the call: stores a hardware error as its status. Needs next to no stack.
#[inline]
pub fn exhausted<M: CallerMemory>(memory: &mut M, width: CellWidth, address: u64) {
    let _ = (memory, width, address);
}
