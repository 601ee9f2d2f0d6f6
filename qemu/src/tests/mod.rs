//! The firmware on the host: memory is a vector, the hypervisor a script that follows QEMU 7.2.

mod array;
mod boot;
mod client;
mod failures;
mod fuzz;
pub(crate) mod machine;
mod methods;
mod prom_init;
mod promise;
mod rtas;
mod vpd;
