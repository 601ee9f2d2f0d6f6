//! The services that read and change the device tree (IEEE 1275, 6.3.2.2).

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use fdt_gen::{NextProperty, NodeId, Origin};

use super::handles;
use crate::board::Board;
use crate::firmware::Firmware;

/// Longest value that `setprop` takes, in bytes.
const VALUE: u32 = 64 * 1024;

impl<B: Board> Firmware<B> {
    pub(super) fn peer(&self, handle: u32) -> Option<u32> {
        if handle == 0 {
            return Some(handles::of_node(&self.tree, self.tree.root()));
        }
        self.relative(handle, |firmware, node| firmware.tree.next_sibling(node))
    }

    /// The handle of a relative, 0 if there is none, nothing if `handle` is no package.
    pub(super) fn relative(
        &self,
        handle: u32,
        find: impl Fn(&Self, NodeId) -> Option<NodeId>,
    ) -> Option<u32> {
        let node = handles::node_of(&self.tree, handle)?;
        let found = find(self, node);
        Some(found.map_or(0, |node| handles::of_node(&self.tree, node)))
    }

    pub(super) fn getproplen(&self, handle: u32, name: u32) -> Option<u32> {
        let node = handles::node_of(&self.tree, handle)?;
        let value = self.tree.client_property(node, &self.string(name)?)?;
        u32::try_from(value.len()).ok()
    }

    /// The whole length, though no more than `size` bytes are stored.
    pub(super) fn getprop(
        &mut self,
        handle: u32,
        name: u32,
        buffer: u32,
        size: u32,
    ) -> Option<u32> {
        let node = handles::node_of(&self.tree, handle)?;
        let value = self.tree.client_property(node, &self.string(name)?)?;
        let length = value.len().min(usize::try_from(size).ok()?);
        let stored = value.get(..length)?;
        if !stored.is_empty() {
            self.board.write(u64::from(buffer), stored).ok()?;
        }
        u32::try_from(value.len()).ok()
    }

    pub(super) fn nextprop(&mut self, handle: u32, previous: u32, buffer: u32) -> Option<u32> {
        let node = handles::node_of(&self.tree, handle)?;
        let previous = match previous {
            0 => String::new(),
            address => self.string(address)?,
        };
        match self.tree.next_property(node, &previous) {
            NextProperty::Name(name) => {
                let mut bytes = Vec::from(name);
                bytes.push(0);
                self.board.write(u64::from(buffer), &bytes).ok()?;
                Some(1)
            }
            NextProperty::End => {
                // IEEE 1275: an empty string where there is no next property.
                self.board.write(u64::from(buffer), &[0]).ok()?;
                Some(0)
            }
            NextProperty::Unknown => None,
        }
    }

    pub(super) fn setprop(
        &mut self,
        handle: u32,
        name: u32,
        buffer: u32,
        size: u32,
    ) -> Option<u32> {
        let node = handles::node_of(&self.tree, handle)?;
        let name = self.string(name)?;
        if size > VALUE {
            return None;
        }
        let mut value = vec![0; usize::try_from(size).ok()?];
        if size != 0 {
            self.board.read(u64::from(buffer), &mut value).ok()?;
        }
        self.tree.set(node, &name, &value, Origin::Client).ok()?;
        Some(size)
    }

    pub(super) fn finddevice(&self, path: u32) -> Option<u32> {
        let node = self.tree.find(&self.string(path)?)?;
        Some(handles::of_node(&self.tree, node))
    }

    pub(super) fn instance_to_path(&mut self, handle: u32, buffer: u32, size: u32) -> Option<u32> {
        let instance = self.instance(handle)?;
        let (node, arguments) = (instance.node, instance.arguments.clone());
        let mut path = self.tree.path(node)?;
        if !arguments.is_empty() {
            path.push(':');
            path.push_str(&arguments);
        }
        self.store_path(&path, buffer, size)
    }

    pub(super) fn path(&mut self, node: NodeId, buffer: u32, size: u32) -> Option<u32> {
        let path = self.tree.path(node)?;
        self.store_path(&path, buffer, size)
    }

    /// Stores as much of a path as there is room for, a NUL behind it if that fits too, and answers
    /// its length without the NUL.
    pub(super) fn store_path(&mut self, path: &str, buffer: u32, size: u32) -> Option<u32> {
        let mut bytes = Vec::from(path);
        bytes.push(0);
        bytes.truncate(usize::try_from(size).ok()?);
        if !bytes.is_empty() {
            self.board.write(u64::from(buffer), &bytes).ok()?;
        }
        u32::try_from(path.len()).ok()
    }
}
