//! Paths and the order of properties, as Open Firmware has them.

use alloc::string::String;
use alloc::vec::Vec;

use super::query::split_unit;
use super::{NodeId, Tree};

/// What follows a property: the answers of `nextprop` (IEEE 1275, 6.3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextProperty<'a> {
    /// The next property's name: `nextprop` answers 1.
    Name(&'a str),
    /// There is none: 0.
    End,
    /// The node has no property of the given name, or is gone: -1.
    Unknown,
}

impl Tree {
    /// The node of a device path (IEEE 1275, 4.3.1 and 4.3.2).
    ///
    /// An absolute path starts with `/`; any other starts with an alias, a property of `/aliases`.
    /// A component matches the child of exactly that name; without `@` else the first child of
    /// that base name (`/memory` is `/memory@0`), without a name (`@1`) the first child of that
    /// unit address. What follows the first `:` are arguments to a device and are cut off; empty
    /// components and so a trailing `/` mean nothing.
    pub fn find(&self, path: &str) -> Option<NodeId> {
        let path = without_arguments(path);
        if path.starts_with('/') {
            return self.walk(NodeId::ROOT, path);
        }
        let (alias, rest) = path.split_once('/').unwrap_or((path, ""));
        if alias.is_empty() {
            return None;
        }
        let target = self.string(self.child(NodeId::ROOT, "aliases")?, alias)?;
        // An alias of an alias could be a circle.
        let target = target.starts_with('/').then(|| without_arguments(target))?;
        self.walk(self.walk(NodeId::ROOT, target)?, rest)
    }

    fn walk(&self, from: NodeId, path: &str) -> Option<NodeId> {
        path.split('/')
            .filter(|component| !component.is_empty())
            .try_fold(from, |id, component| self.step(id, component))
    }

    fn step(&self, id: NodeId, component: &str) -> Option<NodeId> {
        if let Some(child) = self.child(id, component) {
            return Some(child);
        }
        let mut children = self.children(id);
        match split_unit(component) {
            (base, None) => children.find(|&child| self.base_name(child) == Some(base)),
            ("", unit) => children.find(|&child| self.unit_address(child) == unit),
            _ => None,
        }
    }

    /// The full path of a node, with unit addresses; `/` for the root.
    pub fn path(&self, id: NodeId) -> Option<String> {
        let mut names = Vec::new();
        let mut at = id;
        while let Some(parent) = self.parent(at) {
            names.push(self.name(at)?);
            at = parent;
        }
        if at != NodeId::ROOT {
            return None;
        }
        let mut path = String::new();
        for name in names.iter().rev() {
            path.push('/');
            path.push_str(name);
        }
        if path.is_empty() {
            path.push('/');
        }
        Some(path)
    }

    /// The property behind `previous`, or the first one if that is empty. `name`, which no node
    /// stores, comes first.
    pub fn next_property(&self, id: NodeId, previous: &str) -> NextProperty<'_> {
        let Some(node) = self.node(id) else {
            return NextProperty::Unknown;
        };
        let next = match previous {
            "" => return NextProperty::Name("name"),
            "name" => node.properties.first(),
            _ => {
                let at = self.names.find(previous).and_then(|name| {
                    let mut properties = node.properties.iter();
                    properties.position(|property| property.name == name)
                });
                match at {
                    Some(at) => node.properties.get(at.saturating_add(1)),
                    None => return NextProperty::Unknown,
                }
            }
        };
        next.map_or(NextProperty::End, |property| {
            NextProperty::Name(self.names.get(property.name))
        })
    }
}

fn without_arguments(path: &str) -> &str {
    path.split(':').next().unwrap_or(path)
}
