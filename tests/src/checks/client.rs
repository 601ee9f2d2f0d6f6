//! The client interface (IEEE 1275 6.3.2, LoPAR C.8).
use super::Check;
pub const CHECKS: &[Check] = &[];
