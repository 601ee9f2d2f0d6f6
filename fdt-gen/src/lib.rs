//! Flat device trees in, live trees to edit, flat device trees out.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
extern crate alloc;
