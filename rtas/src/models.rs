//! What the models of loom share. They run the code that ships, on [`atomic`] words that loom
//! explores and against a [`hypervisor`] whose writes are relaxed stores, so that nothing but the
//! code's own barriers orders them.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --package rtas --release --lib models::`; with
//! `-- --show-output` each model prints how many executions it explored.

pub mod atomic;
pub mod caller;
pub mod explore;
pub mod history;
pub mod hypervisor;
pub mod script;
