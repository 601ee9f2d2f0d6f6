//! Flat device trees in, live trees to edit, flat device trees out.
//!
//! [`Tree::parse`] reads the flat tree that QEMU hands over and trusts none of it; the firmware
//! and its client edit the live [`Tree`]; [`Tree::merge`] takes what QEMU sends after
//! `ibm,client-architecture-support`; [`Tree::flatten`] writes the tree for the kernel and for
//! `H_UPDATE_DT`. The flat format is version 17 of the Devicetree Specification 0.4, chapter 5.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod facts;
mod flat;
mod flatten;
mod merge;
mod names;
mod parse;
pub mod rtas_node;
mod tree;

pub use flatten::FlattenError;
pub use merge::MergeSummary;
pub use names::MAX_NAMES;
pub use parse::{Damage, ParseError};
pub use tree::{
    Children, Descendants, EditError, MAX_DEPTH, MAX_HANDLES, MAX_NAME_BYTES, MAX_NODE_PROPERTIES,
    MAX_NODES, MAX_PROPERTIES, MAX_VALUE_BYTES, NextProperty, NodeId, Origin, PropertyRef,
    Reservation, Tree,
};
