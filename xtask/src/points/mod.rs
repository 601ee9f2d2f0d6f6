//! A processor dies at every instruction of every call, and another one goes through a crash.

#[allow(dead_code)]
pub mod record;
