//! The conformance guest: a bare-metal program that boots with any `-bios`, calls the client
//! interface and RTAS, and prints one verdict per check.
//!
//! `board` is the machine (all unsafe code), `subject` what is under test, `checks` what is asked
//! of it, `driven` what it does for `cargo xtask crash-points`. It knows the specification (LoPAR), the numbers of `rtas-abi` and nothing of any
//! firmware. `checks::run` documents the boot arguments.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
#[allow(unsafe_code)]
mod board;
#[cfg(target_os = "none")]
mod checks;
#[cfg(target_os = "none")]
mod driven;
#[cfg(target_os = "none")]
mod subject;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("oxrtas-guest runs on the pseries machine: see `cargo xtask build`");
}
