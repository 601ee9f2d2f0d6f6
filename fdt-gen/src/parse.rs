//! Reading a flat tree, none of which is trusted.
//!
//! One pass over the structure block, no recursion: the open nodes are the ancestors of the last
//! one in the tree that is being built, and [`MAX_DEPTH`](crate::MAX_DEPTH) bounds them. Time and memory are linear
//! in the blob's size but for the sibling and property limits of [`crate::tree`].

mod error;

use alloc::vec;
use alloc::vec::Vec;

pub use error::{Damage, ParseError};

use crate::flat::{HEADER_BYTES, MAGIC, RESERVATION_BYTES, VERSION, header, token};
use crate::names::NameId;
use crate::tree::{
    EditError, MAX_NAME_BYTES, MAX_VALUE_BYTES, NodeId, Origin, Reservation, Tree, is_legal_name,
};

/// Most entries of the memory reservation block.
const MAX_RESERVATIONS: usize = 1024;

/// A part of the blob: nothing behind it is read. Offsets are those of the whole blob, and count up
/// from the start of the part.
#[derive(Clone, Copy)]
struct Block<'a> {
    /// The blob up to the block's end.
    bytes: &'a [u8],
    start: usize,
}

impl<'a> Block<'a> {
    fn get(&self, offset: usize, length: usize) -> Option<&'a [u8]> {
        self.bytes.get(offset..offset.checked_add(length)?)
    }

    fn word(&self, offset: usize) -> Option<u32> {
        let bytes = self.get(offset, 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    }

    fn double_word(&self, offset: usize) -> Option<u64> {
        let bytes = self.get(offset, 8)?;
        Some(u64::from_be_bytes(bytes.try_into().ok()?))
    }

    /// The name at `offset`, which ends within the block, and nothing if it does not.
    fn text(&self, offset: usize) -> Result<&'a [u8], Damage> {
        let rest = self.bytes.get(offset..);
        let rest = rest.ok_or(Damage::UnterminatedName)?;
        let window = rest.get(..=MAX_NAME_BYTES).unwrap_or(rest);
        match window.iter().position(|&byte| byte == 0) {
            Some(end) => Ok(window.get(..end).unwrap_or(window)),
            None if window.len() > MAX_NAME_BYTES => Err(Damage::NameTooLong),
            None => Err(Damage::UnterminatedName),
        }
    }
}

/// The checked header.
struct Blocks<'a> {
    reservations: Block<'a>,
    structure: Block<'a>,
    strings: Block<'a>,
    boot_cpuid: u32,
}

impl Tree {
    /// Reads a flat tree of versions 16 and 17 from the start of `bytes`, which may be longer.
    ///
    /// All nodes and properties are marked [`Origin::Board`]. A stored property `name` (versions
    /// before 16 had one) is left out: every node answers it anyway.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let blocks = read_header(bytes)?;
        let mut tree = Self::new();
        tree.boot_cpuid = blocks.boot_cpuid;
        read_reservations(&blocks.reservations, &mut tree)?;
        Reader {
            tree: &mut tree,
            names: vec![None; blocks.strings.bytes.len() - blocks.strings.start],
            blocks,
            open: None,
            rooted: false,
        }
        .run()?;
        Ok(tree)
    }
}

fn read_header(bytes: &[u8]) -> Result<Blocks<'_>, ParseError> {
    let all = Block { bytes, start: 0 };
    let word = |offset| all.word(offset).ok_or(Damage::TooShort.at(bytes.len()));
    if word(header::MAGIC)? != MAGIC {
        return Err(Damage::BadMagic.at(header::MAGIC));
    }
    let size = |offset| word(offset).map(|value| value as usize);
    let total = size(header::TOTAL_SIZE)?;
    if total < HEADER_BYTES {
        return Err(Damage::TotalSizeTooSmall.at(header::TOTAL_SIZE));
    }
    let Some(blob) = bytes.get(..total) else {
        return Err(Damage::Truncated.at(header::TOTAL_SIZE));
    };
    let (version, compatible) = (word(header::VERSION)?, word(header::COMPATIBLE)?);
    if version < 16 {
        return Err(Damage::VersionTooOld.at(header::VERSION));
    }
    if compatible > VERSION || compatible > version {
        return Err(Damage::VersionTooNew.at(header::COMPATIBLE));
    }
    let block = |field: usize, alignment: usize, length: Option<usize>| {
        let start = size(field)?;
        if !start.is_multiple_of(alignment) {
            return Err(Damage::UnalignedBlock.at(field));
        }
        let end = match length {
            Some(field) => start.checked_add(size(field)?),
            None => Some(total),
        };
        let bytes = end.and_then(|end| blob.get(..end));
        match bytes {
            Some(bytes) if (HEADER_BYTES..=bytes.len()).contains(&start) => {
                Ok(Block { bytes, start })
            }
            _ => Err(Damage::BlockOutside.at(field)),
        }
    };
    Ok(Blocks {
        reservations: block(header::RESERVATIONS, 8, None)?,
        structure: block(
            header::STRUCTURE,
            4,
            // Version 16 does not say how long the block is.
            (version >= 17).then_some(header::STRUCTURE_SIZE),
        )?,
        strings: block(header::STRINGS, 1, Some(header::STRINGS_SIZE))?,
        boot_cpuid: word(header::BOOT_CPUID)?,
    })
}

fn read_reservations(block: &Block<'_>, tree: &mut Tree) -> Result<(), ParseError> {
    let mut at = block.start;
    loop {
        let pair = block
            .double_word(at)
            .zip(block.double_word(at.saturating_add(8)));
        let Some((address, size)) = pair else {
            return Err(Damage::UnterminatedReservations.at(at));
        };
        if (address, size) == (0, 0) {
            return Ok(());
        }
        if tree.reservations().len() >= MAX_RESERVATIONS {
            return Err(Damage::TooManyReservations.at(at));
        }
        tree.add_reservation(Reservation { address, size })
            .map_err(|_| Damage::BadReservation.at(at))?;
        at = at.saturating_add(RESERVATION_BYTES);
    }
}

/// The structure block being read.
struct Reader<'a, 'tree> {
    tree: &'tree mut Tree,
    blocks: Blocks<'a>,
    /// What was found at each offset of the strings.
    names: Vec<Option<NameId>>,
    /// The node that is open.
    open: Option<NodeId>,
    /// Whether the root was seen.
    rooted: bool,
}

impl Reader<'_, '_> {
    fn run(&mut self) -> Result<(), ParseError> {
        let mut at = self.blocks.structure.start;
        loop {
            let Some(token) = self.blocks.structure.word(at) else {
                return Err(Damage::NoEnd.at(at));
            };
            let next = at.saturating_add(4);
            at = match token {
                token::BEGIN_NODE => self.begin_node(at, next)?,
                token::END_NODE => {
                    let open = self.open.ok_or(Damage::UnbalancedEnd.at(at))?;
                    self.open = self.tree.parent(open);
                    next
                }
                token::PROPERTY => self.property(at, next)?,
                token::NOP => next,
                token::END if self.open.is_some() => return Err(Damage::OpenNode.at(at)),
                token::END if !self.rooted => return Err(Damage::NoRoot.at(at)),
                token::END => return Ok(()),
                _ => return Err(Damage::UnknownToken.at(at)),
            };
        }
    }

    fn begin_node(&mut self, at: usize, name_at: usize) -> Result<usize, ParseError> {
        let name = self.blocks.structure.text(name_at);
        let name = name.map_err(|damage| damage.at(name_at))?;
        let next = name_at.saturating_add(name.len()).saturating_add(1);
        let next = next.next_multiple_of(4);
        match self.open {
            None if self.rooted => return Err(Damage::SecondRoot.at(at)),
            None if !name.is_empty() => return Err(Damage::RootName.at(name_at)),
            None => {
                self.rooted = true;
                self.open = Some(NodeId::ROOT);
            }
            Some(parent) => {
                let name = legal(name).ok_or(Damage::BadNodeName.at(name_at))?;
                let child = self.tree.append(parent, name, Origin::Board);
                self.open = Some(child.map_err(|error| match error {
                    EditError::TooDeep => Damage::TooDeep.at(at),
                    _ => Damage::TooManyNodes.at(at),
                })?);
            }
        }
        Ok(next)
    }

    fn property(&mut self, at: usize, length_at: usize) -> Result<usize, ParseError> {
        let structure = self.blocks.structure;
        let open = self.open.ok_or(Damage::PropertyOutsideNode.at(at))?;
        if self.tree.first_child(open).is_some() {
            return Err(Damage::PropertyAfterChild.at(at));
        }
        let name_at = length_at.saturating_add(4);
        let value_at = name_at.saturating_add(4);
        let (Some(length), Some(name)) = (structure.word(length_at), structure.word(name_at))
        else {
            return Err(Damage::NoEnd.at(at));
        };
        let length = length as usize;
        let value = structure
            .get(value_at, length)
            .filter(|_| length <= MAX_VALUE_BYTES)
            .ok_or(Damage::ValueOutside.at(length_at))?;
        let next = value_at.saturating_add(length).next_multiple_of(4);
        let Some(id) = self.name(name as usize, name_at)? else {
            return Ok(next);
        };
        let node = self.tree.node(open);
        let properties = node.map_or(&[][..], |node| &node.properties);
        if properties.iter().any(|property| property.name == id) {
            return Err(Damage::DuplicateProperty.at(at));
        }
        self.tree
            .push_property(open, id, value, Origin::Board)
            .map_err(|_| Damage::TooManyProperties.at(at))?;
        Ok(next)
    }

    /// The name at an offset of the strings; nothing for `name`.
    fn name(&mut self, offset: usize, found_at: usize) -> Result<Option<NameId>, ParseError> {
        let known = self.names.get_mut(offset);
        let known = known.ok_or(Damage::NameOutside.at(found_at))?;
        if let Some(id) = *known {
            return Ok(Some(id));
        }
        let at = self.blocks.strings.start.saturating_add(offset);
        let name = self.blocks.strings.text(at);
        let name = name.map_err(|damage| damage.at(at))?;
        let name = legal(name).ok_or(Damage::BadPropertyName.at(at))?;
        if name == "name" {
            return Ok(None);
        }
        let id = self.tree.names.intern(name);
        *known = Some(id.ok_or(Damage::TooManyNames.at(at))?);
        Ok(*known)
    }
}

fn legal(name: &[u8]) -> Option<&str> {
    let name = core::str::from_utf8(name).ok()?;
    is_legal_name(name).then_some(name)
}
