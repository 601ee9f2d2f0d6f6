//! Package and instance handles.
//!
//! A package handle is the node's phandle where QEMU gave it one, so that Linux, which prefers the
//! property, and a client that uses the handle mean the same node; else the tree's own stable
//! number. Instance handles are never used twice.

use alloc::string::String;
use alloc::vec::Vec;

use fdt_gen::{NodeId, Tree};

/// First instance handle: no package handle looks like it.
const FIRST_INSTANCE: u32 = 0x6000_0000;
/// Most instances open at once: a client that opens and never closes gets no more.
const MAX_INSTANCES: usize = 1024;

/// What an open instance is, and so which methods it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The root: `ibm,client-architecture-support`.
    Root,
    /// `/rtas`: `instantiate-rtas`, `instantiate-rtas-64`.
    Rtas,
    /// A terminal with this unit address: `read`, `write`.
    Console(u32),
    /// A memory node, or what `/chosen/mmu` names: `claim`, `release`, `map`.
    Memory,
    /// A node without methods.
    Plain,
}

/// One open instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its package.
    pub node: NodeId,
    /// What it can do.
    pub kind: Kind,
    /// The arguments of its path, behind the colon.
    pub arguments: String,
}

/// The open instances.
#[derive(Clone, Debug)]
pub struct Instances {
    /// Ascending by handle: a new handle is the largest.
    open: Vec<(u32, Instance)>,
    next: u32,
}

impl Instances {
    /// None.
    pub const fn new() -> Self {
        Self {
            open: Vec::new(),
            next: FIRST_INSTANCE,
        }
    }

    /// Opens an instance: its handle, or nothing if there are too many.
    pub fn open(&mut self, instance: Instance) -> Option<u32> {
        if self.open.len() >= MAX_INSTANCES {
            return None;
        }
        let handle = self.next;
        self.next = handle.checked_add(1).filter(|next| *next != u32::MAX)?;
        self.open.push((handle, instance));
        Some(handle)
    }

    /// Closes an instance. Answers whether it was open.
    pub fn close(&mut self, handle: u32) -> bool {
        self.place(handle)
            .map(|place| self.open.remove(place))
            .is_some()
    }

    /// The instance behind a handle.
    pub fn get(&self, handle: u32) -> Option<&Instance> {
        Some(&self.open.get(self.place(handle)?)?.1)
    }

    fn place(&self, handle: u32) -> Option<usize> {
        self.open.binary_search_by_key(&handle, |open| open.0).ok()
    }
}

impl Default for Instances {
    fn default() -> Self {
        Self::new()
    }
}

/// The package handle of a node.
pub fn of_node(tree: &Tree, node: NodeId) -> u32 {
    tree.phandle(node).unwrap_or_else(|| node.cell())
}

/// The node behind a package handle.
pub fn node_of(tree: &Tree, handle: u32) -> Option<NodeId> {
    tree.node_of_cell(handle)
        .filter(|node| tree.phandle(*node).is_none())
        .or_else(|| tree.find_phandle(handle))
}

/// What an instance of `node` can do; nothing if the firmware cannot open it: it has no drivers, so
/// a device behind a bus is not to be read or written through it, and saying so at `open` is what
/// clients test for.
pub fn kind_of(tree: &Tree, node: NodeId) -> Option<Kind> {
    if node == tree.root() {
        return Some(Kind::Root);
    }
    if is_terminal(tree, node) {
        let unit = tree.cells(node, "reg")?.next()?;
        return Some(Kind::Console(unit));
    }
    let mut at = node;
    while let Some(parent) = tree.parent(at) {
        if parent == tree.root() {
            break;
        }
        at = parent;
    }
    let top = at;
    if top != node
        && (tree.base_name(top) == Some("vdevice")
            || tree.string(top, "device_type") == Some("pci"))
    {
        return None;
    }
    Some(match tree.base_name(top) {
        Some("rtas") => Kind::Rtas,
        Some("memory") => Kind::Memory,
        _ => Kind::Plain,
    })
}

fn is_terminal(tree: &Tree, node: NodeId) -> bool {
    tree.strings(node, "compatible")
        .any(|name| name == "hvterm1" || name == "hvterm-protocol")
}
