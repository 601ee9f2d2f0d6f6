//! Reading a live tree. Every function answers a removed node's handle with nothing.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::{NodeId, Origin, Property, Reservation, Tree};

/// A property as it stands in a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropertyRef<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its bytes.
    pub value: &'a [u8],
    /// Who set this value.
    pub origin: Origin,
}

/// The children of a node, in the order of the flat tree. See [`Tree::children`].
#[derive(Clone, Debug)]
pub struct Children<'a> {
    tree: &'a Tree,
    next: Option<NodeId>,
}

impl Iterator for Children<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        let id = self.next?;
        self.next = self.tree.next_sibling(id);
        Some(id)
    }
}

/// A subtree, parents before children. See [`Tree::descendants`].
#[derive(Clone, Debug)]
pub struct Descendants<'a> {
    tree: &'a Tree,
    top: NodeId,
    next: Option<NodeId>,
}

impl Iterator for Descendants<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        let id = self.next?;
        self.next = self.tree.following(id, self.top);
        Some(id)
    }
}

impl Tree {
    /// The root: [`NodeId::ROOT`].
    pub const fn root(&self) -> NodeId {
        NodeId::ROOT
    }

    /// Whether the node is still there.
    pub fn contains(&self, id: NodeId) -> bool {
        self.node(id).is_some()
    }

    /// The node that a client calls by [`NodeId::cell`], if it is still there.
    pub fn node_of_cell(&self, cell: u32) -> Option<NodeId> {
        let number = cell.checked_sub(NodeId::CELL_BASE)?;
        let id = NodeId::from_index(usize::try_from(number.checked_sub(1)?).ok()?)?;
        self.contains(id).then_some(id)
    }

    /// The name with its unit address; empty for the root.
    pub fn name(&self, id: NodeId) -> Option<&str> {
        self.node(id).map(|node| &*node.name)
    }

    /// The name without its unit address; empty for the root.
    pub fn base_name(&self, id: NodeId) -> Option<&str> {
        self.name(id).map(|name| split_unit(name).0)
    }

    /// The part of the name behind `@`.
    pub fn unit_address(&self, id: NodeId) -> Option<&str> {
        self.name(id).and_then(|name| split_unit(name).1)
    }

    /// Who added the node.
    pub fn origin(&self, id: NodeId) -> Option<Origin> {
        self.node(id).map(|node| node.origin)
    }

    /// Level of the node, 1 for the root.
    pub fn depth(&self, id: NodeId) -> Option<usize> {
        self.node(id).map(|node| usize::from(node.depth))
    }

    /// The parent; nothing for the root.
    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        self.node(id)?.parent
    }

    /// The first child, in the order of the flat tree.
    pub fn first_child(&self, id: NodeId) -> Option<NodeId> {
        self.node(id)?.first_child
    }

    /// The sibling behind the node: Open Firmware's `peer`.
    pub fn next_sibling(&self, id: NodeId) -> Option<NodeId> {
        self.node(id)?.next
    }

    /// The children, in the order of the flat tree.
    pub fn children(&self, id: NodeId) -> Children<'_> {
        Children {
            tree: self,
            next: self.first_child(id),
        }
    }

    /// The child with this name and unit address.
    pub fn child(&self, id: NodeId, name: &str) -> Option<NodeId> {
        self.children(id)
            .find(|&child| self.name(child) == Some(name))
    }

    /// The node and all below it, parents before children.
    pub fn descendants(&self, top: NodeId) -> Descendants<'_> {
        Descendants {
            tree: self,
            top,
            next: self.contains(top).then_some(top),
        }
    }

    /// All nodes, parents before children.
    pub fn nodes(&self) -> Descendants<'_> {
        self.descendants(NodeId::ROOT)
    }

    /// The node behind `id` in the subtree of `top`, children first.
    fn following(&self, id: NodeId, top: NodeId) -> Option<NodeId> {
        if let Some(child) = self.first_child(id) {
            return Some(child);
        }
        let mut id = id;
        while id != top {
            if let Some(next) = self.next_sibling(id) {
                return Some(next);
            }
            id = self.parent(id)?;
        }
        None
    }

    /// The properties of a node, in their order.
    pub fn properties(&self, id: NodeId) -> impl Iterator<Item = PropertyRef<'_>> {
        let properties = self.node(id).map_or(&[][..], |node| &node.properties);
        properties.iter().map(|property| PropertyRef {
            name: self.names.get(property.name),
            value: &property.value,
            origin: property.origin,
        })
    }

    pub(crate) fn stored(&self, id: NodeId, name: &str) -> Option<&Property> {
        let name = self.names.find(name)?;
        let properties = &self.node(id)?.properties;
        properties.iter().find(|property| property.name == name)
    }

    pub(crate) fn stored_mut(&mut self, id: NodeId, name: &str) -> Option<&mut Property> {
        let name = self.names.find(name)?;
        let properties = &mut self.node_mut(id)?.properties;
        properties.iter_mut().find(|property| property.name == name)
    }

    /// The bytes of a property.
    pub fn property(&self, id: NodeId, name: &str) -> Option<&[u8]> {
        self.stored(id, name).map(|property| &*property.value)
    }

    /// Who set the present value of a property.
    pub fn property_origin(&self, id: NodeId, name: &str) -> Option<Origin> {
        self.stored(id, name).map(|property| property.origin)
    }

    /// What QEMU said last of a property, be it overwritten since or not.
    pub fn board_property(&self, id: NodeId, name: &str) -> Option<&[u8]> {
        let property = self.stored(id, name)?;
        match property.origin {
            Origin::Board => Some(&property.value),
            Origin::Firmware | Origin::Client => property.board.as_deref(),
        }
    }

    /// The bytes of a property as the client interface gives them: every node answers `name`, which
    /// is its base name with a terminating NUL and is not stored (IEEE 1275, 3.2.2.1.1).
    pub fn client_property(&self, id: NodeId, name: &str) -> Option<Cow<'_, [u8]>> {
        if name == "name" {
            let mut value = Vec::from(self.base_name(id)?);
            value.push(0);
            return Some(Cow::Owned(value));
        }
        self.property(id, name).map(Cow::Borrowed)
    }

    /// A property of exactly one 32-bit cell.
    pub fn u32(&self, id: NodeId, name: &str) -> Option<u32> {
        let value = self.property(id, name)?;
        Some(u32::from_be_bytes(value.try_into().ok()?))
    }

    /// A property of exactly 64 bits.
    pub fn u64(&self, id: NodeId, name: &str) -> Option<u64> {
        let value = self.property(id, name)?;
        Some(u64::from_be_bytes(value.try_into().ok()?))
    }

    /// A property made of 32-bit cells; nothing if its length is no multiple of four bytes.
    pub fn cells(&self, id: NodeId, name: &str) -> Option<impl ExactSizeIterator<Item = u32>> {
        cells(self.property(id, name)?)
    }

    /// The first string of a property, without its NUL; nothing if there is no NUL.
    pub fn string(&self, id: NodeId, name: &str) -> Option<&str> {
        self.strings(id, name).next()
    }

    /// The strings of a property, each ended by a NUL. Nothing follows one that is not ended or is
    /// not UTF-8; an absent property has none.
    pub fn strings(&self, id: NodeId, name: &str) -> impl Iterator<Item = &str> {
        let mut rest = self.property(id, name).unwrap_or(&[]);
        core::iter::from_fn(move || {
            let end = rest.iter().position(|&byte| byte == 0)?;
            let text = core::str::from_utf8(rest.get(..end)?).ok()?;
            rest = rest.get(end.checked_add(1)?..)?;
            Some(text)
        })
    }

    /// The phandle of a node, under any of the three names that Linux knows
    /// (`drivers/of/fdt.c:populate_properties`).
    pub fn phandle(&self, id: NodeId) -> Option<u32> {
        ["phandle", "linux,phandle", "ibm,phandle"]
            .iter()
            .find_map(|name| self.u32(id, name))
    }

    /// The first node with this phandle.
    pub fn find_phandle(&self, phandle: u32) -> Option<NodeId> {
        self.nodes().find(|&id| self.phandle(id) == Some(phandle))
    }

    /// The ranges of memory that must not be overwritten, in the order of the flat tree.
    pub fn reservations(&self) -> &[Reservation] {
        &self.reservations
    }
}

/// The bytes as big-endian 32-bit cells; nothing if their number is no multiple of four.
pub(crate) fn cells(value: &[u8]) -> Option<impl ExactSizeIterator<Item = u32>> {
    let (cells, rest) = value.as_chunks::<4>();
    rest.is_empty()
        .then(|| cells.iter().map(|&cell| u32::from_be_bytes(cell)))
}

/// A name and its unit address.
pub(crate) fn split_unit(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((base, unit)) => (base, Some(unit)),
        None => (name, None),
    }
}
