//! The parts of the conformance guest that need no machine, so that they are tested on the host:
//! how verdicts are printed, the reader of flat trees, boot arguments, and what LoPAR 7.3.10
//! wants of an interrupt source.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod arguments;
pub mod flat;
pub mod runs;
pub mod source;
pub mod verdict;
