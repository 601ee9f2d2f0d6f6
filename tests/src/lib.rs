//! The parts of the conformance guest that need no machine, so that they are tested on the host:
//! how verdicts are printed, the reader of flat trees, boot arguments, the functions of LoPAR, what
//! it wants of an interrupt source, and calls with wrong buffers.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod arguments;
pub mod bad;
pub mod flat;
pub mod functions;
pub mod history;
pub mod points;
pub mod runs;
pub mod source;
pub mod verdict;
