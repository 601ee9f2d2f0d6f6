//! `cargo xtask`: everything a developer or CI runs.
#![forbid(unsafe_code)]
fn main() {}
