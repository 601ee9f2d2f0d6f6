//! The firmware for QEMU's pseries machine: everything that needs no hardware.
//!
//! The image (`src/main.rs`, with the unsafe code in `src/hardware/`) is a thin shell around this
//! library, which reaches the machine through the [`Board`] trait only and so runs on the host.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod board;
mod boot;
mod cas;
pub mod client;
pub mod console;
pub mod firmware;
mod flat_tree;
mod hypervisor_rtas;
pub mod kernel;
mod machine;
pub mod memory_map;
pub mod messages;
pub mod nvram;
mod place;
pub mod rtas_area;
mod vpd;

pub use board::Board;
pub use firmware::{ClientReturn, Firmware, HandOver, Stopped, stop};

#[cfg(test)]
mod tests;
