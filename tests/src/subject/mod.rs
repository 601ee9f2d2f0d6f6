//! What is under test: the client interface, the device tree and RTAS, as LoPAR describes them.

pub mod client;
pub mod kept;
pub mod ledger;
pub mod machine;
pub mod rtas;

pub use client::Client;
pub use machine::Machine;
pub use rtas::{Rtas, Width};
