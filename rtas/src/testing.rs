//! A machine for tests on the host: caller's memory that keeps count of every access, and a model
//! of QEMU's side of `H_RTAS`. Under loom only its configuration: what loom runs has a model of its
//! own.

pub mod config;
#[cfg(not(loom))]
pub mod hypervisor;
#[cfg(not(loom))]
mod machine;
#[cfg(not(loom))]
mod memory;
#[cfg(not(loom))]
pub mod platforms;

pub use config::{FIRST, token};
#[cfg(not(loom))]
pub use {
    config::{BOOT, BUFFER, FIRST_MSI, SERVERS, SOURCES, UNKNOWN_TOKEN},
    hypervisor::{Device, Hypervisor},
    machine::Machine,
    memory::Memory,
};
