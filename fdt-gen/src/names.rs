//! Property names, each stored once.
//!
//! QEMU's trees repeat some 150 names thousands of times. A property keeps a [`NameId`], so that
//! comparing names while editing and placing them while flattening needs no string work.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Most different property names in one tree.
pub const MAX_NAMES: usize = 4096;

/// A property name of one tree: its place in [`Names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameId(u32);

impl NameId {
    /// The place as an index of a side table with [`Names::len`] entries.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The names of one tree, in the order of their first use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    table: Vec<Box<str>>,
    /// Indices into `table`, in the order of the strings.
    sorted: Vec<u32>,
}

impl Names {
    /// Number of names.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// The names in the order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.table.iter().map(|name| &**name)
    }

    /// The string of `id`, empty for an id of another tree.
    pub(crate) fn get(&self, id: NameId) -> &str {
        self.table.get(id.index()).map_or("", |name| name)
    }

    fn search(&self, name: &str) -> Result<usize, usize> {
        self.sorted
            .binary_search_by(|&index| self.get(NameId(index)).cmp(name))
    }

    /// The id of `name`, if any property ever had this name.
    pub(crate) fn find(&self, name: &str) -> Option<NameId> {
        let place = self.search(name).ok()?;
        self.sorted.get(place).map(|&index| NameId(index))
    }

    /// The id of `name`, new if need be; nothing if the tree has [`MAX_NAMES`] already.
    pub(crate) fn intern(&mut self, name: &str) -> Option<NameId> {
        match self.search(name) {
            Ok(place) => self.sorted.get(place).map(|&index| NameId(index)),
            Err(_) if self.table.len() >= MAX_NAMES => None,
            Err(place) => {
                let index = u32::try_from(self.table.len()).ok()?;
                self.table.push(name.into());
                self.sorted.insert(place, index);
                Some(NameId(index))
            }
        }
    }
}
