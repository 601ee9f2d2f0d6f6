//! The firmware for QEMU's pseries machine: everything that needs no hardware.
//!
//! The image (`src/main.rs`, with the unsafe code in `src/hardware/`) is a thin shell around this
//! library, which reaches the machine through the [`Board`] trait only and so runs on the host.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod board;
pub mod firmware;

pub use board::Board;
pub use firmware::{ClientReturn, Firmware, HandOver, Stopped, stop};
