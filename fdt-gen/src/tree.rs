//! The live tree: nodes in an arena, edited in place, with handles that stay valid.

mod edit;
mod path;
mod query;
mod value;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU32;

pub use edit::EditError;
pub(crate) use edit::is_legal_name;
pub use path::NextProperty;
pub use query::{Children, Descendants, PropertyRef};

use crate::names::{NameId, Names};
use value::Value;

/// Deepest level of a node, the root being at level 1.
pub const MAX_DEPTH: usize = 64;
/// Most nodes of a tree. QEMU's largest machine has 4096 processor nodes.
pub const MAX_NODES: usize = 32 * 1024;
/// Most handles that a tree gives out in its life: handles of removed nodes are never used again.
pub const MAX_HANDLES: usize = 4 * MAX_NODES;
/// Most properties of a tree.
pub const MAX_PROPERTIES: usize = 256 * 1024;
/// Most properties of one node; the `/rtas` of QEMU 7.2 has 60.
pub const MAX_NODE_PROPERTIES: usize = 1024;
/// Longest name of a node, with its unit address, or of a property, in bytes. The 31 characters of
/// IEEE 1275 do not do: `ibm,dynamic-reconfiguration-memory` has 34.
pub const MAX_NAME_BYTES: usize = 255;
/// Longest value of a property, in bytes.
pub const MAX_VALUE_BYTES: usize = 4 * 1024 * 1024;

/// A node of one tree. It names the same node for as long as the tree lives, whatever is added or
/// removed elsewhere, and names nothing once its node was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(NonZeroU32);

impl NodeId {
    /// The root of every tree.
    pub const ROOT: Self = Self(NonZeroU32::MIN);
    /// Where [`NodeId::cell`] starts. Linux takes the handle that the client interface gives as
    /// the phandle of a node without such a property (`prom_init.c:scan_dt_build_struct`), so
    /// handles must not collide with QEMU's phandles: 0x1111 (`PHANDLE_INTC`), 0x1200_0000 and up
    /// (`spapr_pci.c`).
    const CELL_BASE: u32 = 0x4000_0000;

    /// The handle as a cell of the client interface: neither 0 nor -1.
    pub const fn cell(self) -> u32 {
        // At most MAX_HANDLES above the base.
        Self::CELL_BASE | self.0.get()
    }

    fn from_index(index: usize) -> Option<Self> {
        let number = u32::try_from(index.checked_add(1)?).ok()?;
        NonZeroU32::new(number).map(Self)
    }

    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Who put a node or a property into the tree. The rules of [`Tree::merge`] rest on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A tree from QEMU.
    Board,
    /// The firmware's own edits.
    Firmware,
    /// The client program, through `setprop`.
    Client,
}

/// A range of memory that the tree says must not be overwritten, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// First address.
    pub address: u64,
    /// Length; never 0, which would end the list in the flat tree.
    pub size: u64,
}

impl Reservation {
    /// Whether the range is neither empty nor beyond the last address.
    pub(crate) fn is_legal(&self) -> bool {
        self.size != 0 && self.address.checked_add(self.size - 1).is_some()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Property {
    pub(crate) name: NameId,
    pub(crate) value: Value,
    pub(crate) origin: Origin,
    /// What QEMU said last, where the firmware or the client has overwritten it.
    pub(crate) board: Option<Box<[u8]>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: Box<str>,
    pub(crate) origin: Origin,
    pub(crate) depth: u8,
    pub(crate) properties: Vec<Property>,
    pub(crate) parent: Option<NodeId>,
    pub(crate) first_child: Option<NodeId>,
    pub(crate) last_child: Option<NodeId>,
    pub(crate) previous: Option<NodeId>,
    pub(crate) next: Option<NodeId>,
}

/// A device tree that can be edited. Names are printable ASCII; values are bytes, their numbers
/// big-endian.
///
/// Two trees are equal if their flat forms say the same: names, values, their order, reservations
/// and the boot processor. Handles, origins and removed nodes do not count.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Indexed by [`NodeId`]; a removed node leaves `None` for ever.
    slots: Vec<Option<Node>>,
    pub(crate) names: Names,
    node_count: usize,
    property_count: usize,
    pub(crate) reservations: Vec<Reservation>,
    /// Physical number of the processor that boots, from the flat tree's header.
    pub boot_cpuid: u32,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// A tree of nothing but a root.
    pub fn new() -> Self {
        let root = Node {
            name: "".into(),
            origin: Origin::Board,
            depth: 1,
            properties: Vec::new(),
            parent: None,
            first_child: None,
            last_child: None,
            previous: None,
            next: None,
        };
        Self {
            slots: vec![Some(root)],
            names: Names::default(),
            node_count: 1,
            property_count: 0,
            reservations: Vec::new(),
            boot_cpuid: 0,
        }
    }

    pub(crate) fn node(&self, id: NodeId) -> Option<&Node> {
        self.slots.get(id.index())?.as_ref()
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.slots.get_mut(id.index())?.as_mut()
    }

    /// Number of handles given out so far: one more than the largest index of a handle.
    pub(crate) fn handle_count(&self) -> usize {
        self.slots.len()
    }

    /// Number of nodes, the root included.
    pub fn node_count(&self) -> usize {
        self.node_count
    }

    /// Number of properties in all nodes.
    pub fn property_count(&self) -> usize {
        self.property_count
    }
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        let same_properties = |left: NodeId, right: NodeId| {
            self.properties(left)
                .map(|property| (property.name, property.value))
                .eq(other
                    .properties(right)
                    .map(|property| (property.name, property.value)))
        };
        self.boot_cpuid == other.boot_cpuid
            && self.reservations == other.reservations
            && self.node_count == other.node_count
            && self.nodes().zip(other.nodes()).all(|(left, right)| {
                self.name(left) == other.name(right)
                    && self.depth(left) == other.depth(right)
                    && same_properties(left, right)
            })
    }
}

impl Eq for Tree {}
