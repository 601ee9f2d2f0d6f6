//! The RTAS calls: what the blob does once its entry code has given a call a context of its own.
//!
//! The path of one call, a module a step: [`decode`] reads the argument buffer, checked once;
//! [`table`] says what the token is; [`dispatch`] hands it to its handler: [`source`] for the four
//! interrupt calls, the hypervisor for the rest; the status word goes back through [`memory`].
//! What a call needs of the machine is the small [`Platform`] trait, so that the same code runs on
//! the host, under loom, and in the blob.
//!
//! [`config`] and [`layout`] describe the RTAS area that the firmware prepares and the blob lives
//! in; [`pool`] is how calls come by their contexts.
#![cfg_attr(not(any(test, loom)), no_std)]
#![forbid(unsafe_code)]

pub mod atomic;
pub mod config;
pub mod decode;
pub mod dispatch;
pub mod epow;
pub mod hypervisor;
pub mod instance;
pub mod last_error;
pub mod layout;
pub mod memory;
pub mod msi;
pub mod parameter;
pub mod platform;
pub mod pool;
pub mod source;
pub mod table;
pub mod tokens;
pub mod vpd;

#[cfg(all(test, loom))]
mod models;
#[cfg(test)]
mod testing;

pub use platform::{HypervisorBuffer, Platform};
