//! Writing a flat tree.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::flat::{COMPATIBLE, HEADER_BYTES, MAGIC, RESERVATION_BYTES, VERSION, header, token};
use crate::tree::Tree;

/// Why a tree cannot be written flat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlattenError {
    /// It would be larger than [`Tree::MAX_FLAT_BYTES`].
    TooLarge,
}

impl fmt::Display for FlattenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => out.write_str(
                "the device tree is too large to be written; start the machine with fewer \
                 processors and devices",
            ),
        }
    }
}

impl core::error::Error for FlattenError {}

fn put(out: &mut Vec<u8>, word: u32) {
    out.extend_from_slice(&word.to_be_bytes());
}

fn pad(out: &mut Vec<u8>, alignment: usize) {
    out.resize(out.len().next_multiple_of(alignment), 0);
}

impl Tree {
    /// Largest flat tree that is written, in bytes. QEMU makes none above 2 MiB (`FDT_MAX_SIZE`).
    pub const MAX_FLAT_BYTES: usize = 16 * 1024 * 1024;

    /// The flat tree: version 17, packed, every name of a property once, each block aligned to
    /// eight bytes. Its length is its total size.
    ///
    /// ```text
    /// header | reservations | structure | strings
    /// ```
    pub fn flatten(&self) -> Result<Vec<u8>, FlattenError> {
        let bound = self.flat_bound();
        if bound > Self::MAX_FLAT_BYTES {
            return Err(FlattenError::TooLarge);
        }
        let mut out = Vec::with_capacity(bound);
        out.resize(HEADER_BYTES, 0);
        let reservations = out.len();
        for range in self.reservations() {
            out.extend_from_slice(&range.address.to_be_bytes());
            out.extend_from_slice(&range.size.to_be_bytes());
        }
        out.resize(out.len() + RESERVATION_BYTES, 0);
        let structure = out.len();
        let mut strings = Strings::new(self);
        self.put_structure(&mut out, &mut strings);
        let structure_size = out.len() - structure;
        pad(&mut out, 8);
        let strings_at = out.len();
        out.extend_from_slice(&strings.bytes);
        let total = out.len();
        for (offset, value) in [
            (header::MAGIC, MAGIC as usize),
            (header::TOTAL_SIZE, total),
            (header::STRUCTURE, structure),
            (header::STRINGS, strings_at),
            (header::RESERVATIONS, reservations),
            (header::VERSION, VERSION as usize),
            (header::COMPATIBLE, COMPATIBLE as usize),
            (header::BOOT_CPUID, self.boot_cpuid as usize),
            (header::STRINGS_SIZE, strings.bytes.len()),
            (header::STRUCTURE_SIZE, structure_size),
        ] {
            // The bound keeps every size within 32 bits.
            let word = (value as u32).to_be_bytes();
            if let Some(place) = out.get_mut(offset..offset + 4) {
                place.copy_from_slice(&word);
            }
        }
        Ok(out)
    }

    /// An upper bound of the flat size, in bytes.
    fn flat_bound(&self) -> usize {
        let nodes: usize = self
            .nodes()
            .map(|id| {
                let name = self.name(id).map_or(0, str::len);
                let properties = self.node(id).map_or(&[][..], |node| &node.properties);
                let values = properties.iter().map(|property| 16 + property.value.len());
                // Begin, NUL and padding, end.
                12 + name + values.sum::<usize>()
            })
            .sum();
        let names: usize = self.names.iter().map(|name| name.len() + 1).sum();
        let reservations = (self.reservations.len() + 1) * RESERVATION_BYTES;
        // End token, padding of the strings.
        HEADER_BYTES + reservations + nodes + 4 + 8 + names
    }

    fn put_structure(&self, out: &mut Vec<u8>, strings: &mut Strings<'_>) {
        let mut open = 0;
        for id in self.nodes() {
            let Some(node) = self.node(id) else { continue };
            let depth = usize::from(node.depth);
            while open >= depth {
                put(out, token::END_NODE);
                open -= 1;
            }
            open = depth;
            put(out, token::BEGIN_NODE);
            out.extend_from_slice(node.name.as_bytes());
            out.push(0);
            pad(out, 4);
            for property in &node.properties {
                let length = property.value.len() as u32;
                let words = [token::PROPERTY, length, strings.offset(property.name)];
                out.extend_from_slice(words.map(u32::to_be_bytes).as_flattened());
                out.extend_from_slice(&property.value);
                pad(out, 4);
            }
        }
        for _ in 0..open {
            put(out, token::END_NODE);
        }
        put(out, token::END);
    }
}

/// The strings block being written: names in the order of their first use.
struct Strings<'a> {
    tree: &'a Tree,
    /// Offset of each name, once it is in `bytes`.
    offsets: Vec<Option<u32>>,
    bytes: Vec<u8>,
}

impl<'a> Strings<'a> {
    fn new(tree: &'a Tree) -> Self {
        Self {
            tree,
            offsets: vec![None; tree.names.len()],
            bytes: Vec::new(),
        }
    }

    fn offset(&mut self, name: crate::names::NameId) -> u32 {
        let fresh = self.bytes.len() as u32;
        let Some(place) = self.offsets.get_mut(name.index()) else {
            return 0;
        };
        if let Some(offset) = *place {
            return offset;
        }
        *place = Some(fresh);
        self.bytes
            .extend_from_slice(self.tree.names.get(name).as_bytes());
        self.bytes.push(0);
        fresh
    }
}
