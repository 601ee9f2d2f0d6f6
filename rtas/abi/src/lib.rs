//! The numbers and shapes that RTAS and its callers share, and nothing else.
//!
//! The only crate that the implementation (`rtas`, `oxrtas`) and the conformance guest (`tests`)
//! have in common. It has no behaviour beyond decoding a number into its name, no `unsafe`, and no
//! dependency on either side. Sections are those of LoPAR revision 2.9.
#![no_std]
#![forbid(unsafe_code)]

pub mod buffer;
pub mod capability;
pub mod error_log;
pub mod hcall;
pub mod interrupt;
pub mod name;
pub mod status;
