//! Changing a live tree.

use alloc::vec::Vec;
use core::fmt;

use super::{
    MAX_DEPTH, MAX_HANDLES, MAX_NAME_BYTES, MAX_NODE_PROPERTIES, MAX_NODES, MAX_PROPERTIES,
    MAX_VALUE_BYTES, Node, NodeId, Origin, Property, Reservation, Tree,
};
use crate::names::NameId;

/// Why an edit was refused. The tree is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditError {
    /// The handle names no node: it was removed.
    NoSuchNode,
    /// The node has no such property, or the list no such reservation.
    NotThere,
    /// The root cannot be removed.
    Root,
    /// A name is empty, longer than [`MAX_NAME_BYTES`], or has a character that is not printable
    /// ASCII, or a `/`.
    BadName,
    /// `name` is derived from the node's name and cannot be set.
    NameIsDerived,
    /// The parent has a child of that name and unit address already.
    Duplicate,
    /// The node would be below level [`MAX_DEPTH`].
    TooDeep,
    /// The tree would exceed [`MAX_NODES`], or has given out [`MAX_HANDLES`].
    TooManyNodes,
    /// The tree would exceed [`MAX_PROPERTIES`] or the node [`MAX_NODE_PROPERTIES`], or there are
    /// [`MAX_NAMES`](crate::MAX_NAMES) different property names.
    TooManyProperties,
    /// The value is longer than [`MAX_VALUE_BYTES`].
    ValueTooLong,
    /// The range is empty or goes beyond the last address.
    BadReservation,
}

impl fmt::Display for EditError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NoSuchNode => "the device tree node does not exist any more",
            Self::NotThere => "there is no such property or reservation",
            Self::Root => "the root of the device tree cannot be removed",
            Self::BadName => "a device tree name is empty, too long or has illegal characters",
            Self::NameIsDerived => "the property 'name' cannot be set",
            Self::Duplicate => "a device tree node of that name exists already",
            Self::TooDeep => "the device tree would be too deep",
            Self::TooManyNodes => "the device tree would have too many nodes",
            Self::TooManyProperties => "the device tree would have too many properties",
            Self::ValueTooLong => "the value of a device tree property is too long",
            Self::BadReservation => "a memory reservation is empty or beyond the last address",
        })
    }
}

impl core::error::Error for EditError {}

/// Whether a node or property may have this name. IEEE 1275 allows fewer characters, but QEMU takes
/// some names from its command line; the characters that would break a path or a console are out.
pub(crate) fn is_legal_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'/')
}

impl Tree {
    /// Adds a node behind the last child of `parent`.
    pub fn add_child(
        &mut self,
        parent: NodeId,
        name: &str,
        origin: Origin,
    ) -> Result<NodeId, EditError> {
        if !is_legal_name(name) {
            return Err(EditError::BadName);
        }
        if !self.contains(parent) {
            return Err(EditError::NoSuchNode);
        }
        if self.child(parent, name).is_some() {
            return Err(EditError::Duplicate);
        }
        self.append(parent, name, origin)
    }

    /// [`Self::add_child`] with a name that is known to be legal and new.
    pub(crate) fn append(
        &mut self,
        parent: NodeId,
        name: &str,
        origin: Origin,
    ) -> Result<NodeId, EditError> {
        let above = self.node(parent).ok_or(EditError::NoSuchNode)?;
        let previous = above.last_child;
        let depth = above.depth.saturating_add(1);
        if usize::from(depth) > MAX_DEPTH {
            return Err(EditError::TooDeep);
        }
        if self.node_count >= MAX_NODES || self.slots.len() >= MAX_HANDLES {
            return Err(EditError::TooManyNodes);
        }
        let id = NodeId::from_index(self.slots.len()).ok_or(EditError::TooManyNodes)?;
        self.slots.push(Some(Node {
            name: name.into(),
            origin,
            depth,
            properties: Vec::new(),
            parent: Some(parent),
            first_child: None,
            last_child: None,
            previous,
            next: None,
        }));
        self.node_count += 1;
        self.link(Some(parent), previous, Some(id));
        self.link(Some(parent), Some(id), None);
        Ok(id)
    }

    /// Makes `before` and `after` neighbours among the children of `parent`; where one of them is
    /// missing, the other is the first or the last child.
    fn link(&mut self, parent: Option<NodeId>, before: Option<NodeId>, after: Option<NodeId>) {
        if let Some(node) = before.or(parent).and_then(|id| self.node_mut(id)) {
            match before {
                Some(_) => node.next = after,
                None => node.first_child = after,
            }
        }
        if let Some(node) = after.or(parent).and_then(|id| self.node_mut(id)) {
            match after {
                Some(_) => node.previous = before,
                None => node.last_child = before,
            }
        }
    }

    /// Removes a node and all below it, and says how many nodes that were. Their handles name
    /// nothing from now on.
    pub fn remove(&mut self, id: NodeId) -> Result<usize, EditError> {
        if id == NodeId::ROOT {
            return Err(EditError::Root);
        }
        let node = self.node(id).ok_or(EditError::NoSuchNode)?;
        let (parent, previous, next) = (node.parent, node.previous, node.next);
        let doomed: Vec<NodeId> = self.descendants(id).collect();
        self.link(parent, previous, next);
        for &gone in &doomed {
            let slot = self.slots.get_mut(gone.index()).and_then(Option::take);
            self.property_count -= slot.map_or(0, |node| node.properties.len());
        }
        self.node_count -= doomed.len();
        Ok(doomed.len())
    }

    /// Sets a property, behind the last one if it is new. The value keeps the mark of who set it;
    /// QEMU's own value is remembered under one that the firmware or the client set
    /// ([`Self::board_property`]).
    pub fn set(
        &mut self,
        id: NodeId,
        name: &str,
        value: &[u8],
        origin: Origin,
    ) -> Result<(), EditError> {
        if name == "name" {
            return Err(EditError::NameIsDerived);
        }
        if !is_legal_name(name) {
            return Err(EditError::BadName);
        }
        if value.len() > MAX_VALUE_BYTES {
            return Err(EditError::ValueTooLong);
        }
        let known = self.names.find(name);
        let node = self.node_mut(id).ok_or(EditError::NoSuchNode)?;
        let mut properties = node.properties.iter_mut();
        if let Some(property) = properties.find(|property| Some(property.name) == known) {
            let old = core::mem::replace(&mut property.value, value.into());
            match (property.origin, origin) {
                (_, Origin::Board) => property.board = None,
                (Origin::Board, _) => property.board = Some((*old).into()),
                _ => {}
            }
            property.origin = origin;
            return Ok(());
        }
        self.check_room(id)?;
        let name = self
            .names
            .intern(name)
            .ok_or(EditError::TooManyProperties)?;
        self.push_property(id, name, value, origin)
    }

    /// Whether the node and the tree can have one more property.
    fn check_room(&self, id: NodeId) -> Result<(), EditError> {
        let count = self.node(id).map_or(0, |node| node.properties.len());
        if count >= MAX_NODE_PROPERTIES || self.property_count >= MAX_PROPERTIES {
            return Err(EditError::TooManyProperties);
        }
        Ok(())
    }

    /// Adds a property that is known to be new and legal.
    pub(crate) fn push_property(
        &mut self,
        id: NodeId,
        name: NameId,
        value: &[u8],
        origin: Origin,
    ) -> Result<(), EditError> {
        self.check_room(id)?;
        let node = self.node_mut(id).ok_or(EditError::NoSuchNode)?;
        node.properties.push(Property {
            name,
            value: value.into(),
            origin,
            board: None,
        });
        self.property_count += 1;
        Ok(())
    }

    /// Sets a property of one big-endian 32-bit cell.
    pub fn set_u32(
        &mut self,
        id: NodeId,
        name: &str,
        value: u32,
        origin: Origin,
    ) -> Result<(), EditError> {
        self.set(id, name, &value.to_be_bytes(), origin)
    }

    /// Sets a property of one big-endian 64-bit number.
    pub fn set_u64(
        &mut self,
        id: NodeId,
        name: &str,
        value: u64,
        origin: Origin,
    ) -> Result<(), EditError> {
        self.set(id, name, &value.to_be_bytes(), origin)
    }

    /// Sets a property of one string and its NUL.
    pub fn set_string(
        &mut self,
        id: NodeId,
        name: &str,
        value: &str,
        origin: Origin,
    ) -> Result<(), EditError> {
        let mut bytes = Vec::from(value);
        bytes.push(0);
        self.set(id, name, &bytes, origin)
    }

    /// Removes a property. A merge brings it back if QEMU sends it again.
    pub fn remove_property(&mut self, id: NodeId, name: &str) -> Result<(), EditError> {
        let name = self.names.find(name);
        let node = self.node_mut(id).ok_or(EditError::NoSuchNode)?;
        let mut properties = node.properties.iter();
        let at = properties
            .position(|property| Some(property.name) == name)
            .ok_or(EditError::NotThere)?;
        node.properties.remove(at);
        self.property_count -= 1;
        Ok(())
    }

    /// Adds a range of memory that must not be overwritten.
    pub fn add_reservation(&mut self, reservation: Reservation) -> Result<(), EditError> {
        if !reservation.is_legal() {
            return Err(EditError::BadReservation);
        }
        self.reservations.push(reservation);
        Ok(())
    }

    /// Removes a range that was added just so.
    pub fn remove_reservation(&mut self, reservation: Reservation) -> Result<(), EditError> {
        let mut ranges = self.reservations.iter();
        let at = ranges
            .position(|&range| range == reservation)
            .ok_or(EditError::NotThere)?;
        self.reservations.remove(at);
        Ok(())
    }
}
