//! What the tree says of the machine, as far as the RTAS area is sized and configured by it.
//!
//! Pure functions of a tree that QEMU's pseries machine made, edited or not: what the firmware has
//! changed itself is read as QEMU said it last. Where QEMU's own sources are the authority, the
//! file and function are named (QEMU 7.2).

mod error;
mod interrupts;
mod processors;
mod tokens;

use core::ops::Range;

pub use error::{FactError, Problem};
pub use interrupts::{
    InterruptMode, Offered, Presentation, interrupt_mode, server_count, source_range,
};
pub use processors::{MAX_PROCESSORS, boot_server, possible_processors, reserved_bytes};
pub use tokens::{CallTokens, call_tokens, tokens};

use crate::tree::{NodeId, Tree};

/// Path of the node that describes RTAS.
const RTAS: &str = "/rtas";

/// All facts of one tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// See [`reserved_bytes`].
    pub reserved_bytes: u32,
    /// See [`possible_processors`].
    pub processors: u32,
    /// See [`source_range`].
    pub sources: Range<u32>,
    /// See [`boot_server`].
    pub boot_server: u32,
    /// See [`server_count`].
    pub server_count: u32,
    /// See [`interrupt_mode`].
    pub interrupts: InterruptMode,
    /// See [`call_tokens`].
    pub tokens: CallTokens,
}

impl Facts {
    /// Reads all facts.
    pub fn read(tree: &Tree) -> Result<Self, FactError> {
        Ok(Self {
            reserved_bytes: reserved_bytes(tree)?,
            processors: possible_processors(tree)?,
            sources: source_range(tree)?,
            boot_server: boot_server(tree)?,
            server_count: server_count(tree)?,
            interrupts: interrupt_mode(tree)?,
            tokens: call_tokens(tree)?,
        })
    }
}

/// The node at `path`.
fn node(tree: &Tree, path: &'static str) -> Result<NodeId, FactError> {
    tree.find(path).ok_or(FactError {
        node: path,
        property: "",
        problem: Problem::MissingNode,
    })
}

/// QEMU's value of a property of one cell; nothing if QEMU did not send it.
fn board_cell(
    tree: &Tree,
    id: NodeId,
    node: &'static str,
    property: &'static str,
) -> Result<Option<u32>, FactError> {
    let Some(value) = tree.board_property(id, property) else {
        return Ok(None);
    };
    match value.try_into() {
        Ok(bytes) => Ok(Some(u32::from_be_bytes(bytes))),
        Err(_) => Err(FactError {
            node,
            property,
            problem: Problem::Malformed,
        }),
    }
}
