//! The RTAS blob: what runs when the operating system calls RTAS.
//!
//! [`entry`] is the assembly that gives a call a context and a stack; [`machine`] is the machine
//! behind the traits of crate `rtas`, which does the rest. The image has no data of its own: all
//! that is written lies behind it, described by [`rtas::config::Config`].
#![no_std]
#![no_main]

mod entry;
mod machine;
mod panic;
