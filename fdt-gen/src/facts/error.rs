//! A fact that the tree does not give.

use core::fmt;

/// What is wrong with a place in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The node is not there.
    MissingNode,
    /// The property is not there.
    Missing,
    /// The property does not have the form that QEMU gives it.
    Malformed,
    /// There are more than the RTAS area has room for.
    TooMany,
}

/// A fact that the tree does not give, and where it was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactError {
    /// Path of the node.
    pub node: &'static str,
    /// Name of the property; empty where the node itself is missing.
    pub property: &'static str,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for FactError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            node,
            property,
            problem,
        } = self;
        match problem {
            Problem::MissingNode => write!(out, "the device tree has no node {node}"),
            Problem::Missing => write!(out, "the device tree has no property {property} in {node}"),
            Problem::Malformed => {
                write!(out, "the property {property} of {node} has an unknown form")
            }
            Problem::TooMany => write!(out, "{node} has more {property} than there is room for"),
        }?;
        out.write_str("; this firmware needs QEMU's pseries machine, version 7.2 to 10")
    }
}

impl core::error::Error for FactError {}
