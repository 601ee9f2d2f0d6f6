//! Making an RTAS area: the blob, its configuration, its words.

use alloc::vec::Vec;
use core::fmt;

use rtas::config::{Config, MAGIC, SOURCES_ARE_NATIVE, Values};
use rtas::layout::{Layout, LayoutError};
use rtas::source::word::Word;

use crate::board::{BadAddress, Board};
use crate::memory_map::Owner;

/// Width of the cells of an argument buffer: which of the blob's two entries is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellWidth {
    /// `instantiate-rtas`.
    Bits32,
    /// `instantiate-rtas-64`.
    Bits64,
}

/// An area that is in memory, ready to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its address.
    pub base: u64,
    /// Offset of the blob from the base, in bytes.
    image: u64,
}

impl Instance {
    /// Address of an entry: the first two of the blob's header, a 64-bit place each.
    pub const fn entry(&self, width: CellWidth) -> u64 {
        let header = match width {
            CellWidth::Bits32 => 0,
            CellWidth::Bits64 => 8,
        };
        self.base + self.image + header
    }
}

/// Why RTAS cannot be instantiated at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AreaError {
    /// The address is not legal for the area.
    Base(LayoutError),
    /// Part of the area is no memory.
    OutsideMemory,
    /// Part of the area belongs to somebody who is not the client.
    Taken(Owner),
    /// The board refused to write there.
    NotWritable(BadAddress),
}

impl fmt::Display for AreaError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base(LayoutError::Unaligned) => {
                out.write_str("the address is no multiple of 4096")
            }
            Self::Base(LayoutError::Above4GiB) => out.write_str("the area would end above 4 GiB"),
            Self::Base(LayoutError::CrossesSegment) => {
                out.write_str("the area would cross a multiple of 256 MiB")
            }
            Self::Base(LayoutError::TooLarge) => out.write_str("the area is too large"),
            Self::OutsideMemory => out.write_str("the area would not be in memory"),
            Self::Taken(owner) => write!(out, "the area would overwrite {}", owner.name()),
            Self::NotWritable(bad) => write!(
                out,
                "{:#x} bytes at {:#x} cannot be written",
                bad.length, bad.address
            ),
        }
    }
}

/// What every instance of this machine has in common, and where the present one is.
#[derive(Debug)]
pub struct RtasArea {
    /// What goes into a configuration; `base` is that of the present instance.
    pub values: Values,
    /// The records of [`rtas::vpd`].
    pub vpd: Vec<u8>,
    /// The instance that the tree names.
    pub instance: Option<Instance>,
}

impl RtasArea {
    /// The layout of the area.
    pub const fn layout(&self) -> &Layout {
        &self.values.layout
    }

    /// Writes the area at `base`, which was checked, and makes it the present instance. The source
    /// words are those of the instance before, if it is intact, else those of a reset.
    pub fn write(&mut self, board: &mut impl Board, base: u64) -> Result<Instance, BadAddress> {
        let layout = *self.layout();
        let words = self
            .carried_words(board)
            .unwrap_or_else(|| self.reset_words());
        let image = base + layout.image;
        let config = image + layout.config;
        let values = Values {
            base,
            ..self.values.clone()
        };
        // Everything, QEMU's own bytes included: nothing of what lay here before remains, and every
        // context is free (rtas::pool::FREE).
        board.zero(base, layout.size)?;
        board.write(image, board.blob())?;
        board.write(config, &Config::encode(&values))?;
        board.write(config + layout.sources, &words)?;
        board.write(config + layout.vpd, &self.vpd)?;
        board.flush_instructions(image, board.blob().len() as u64)?;
        self.values = values;
        let instance = Instance {
            base,
            image: layout.image,
        };
        self.instance = Some(instance);
        Ok(instance)
    }

    /// Says whether the blob answers the four interrupt calls itself, to the present instance and
    /// to later ones.
    pub fn set_native(&mut self, board: &mut impl Board, native: bool) -> Result<(), BadAddress> {
        self.values.flags &= !SOURCES_ARE_NATIVE;
        if native {
            self.values.flags |= SOURCES_ARE_NATIVE;
        }
        if !self.is_intact(board) {
            return Ok(());
        }
        match self.config_address() {
            Some(config) => board.write(
                config + Config::CHANGES_OFFSET,
                &Config::encode_changes(&self.values),
            ),
            None => Ok(()),
        }
    }

    fn config_address(&self) -> Option<u64> {
        let layout = self.layout();
        self.instance
            .map(|instance| instance.base + layout.image + layout.config)
    }

    /// Whether the present instance is still what was written: the client may have taken its
    /// memory.
    fn is_intact(&self, board: &impl Board) -> bool {
        let Some(config) = self.config_address() else {
            return false;
        };
        let mut found = [0; 16];
        let expected = (u128::from(MAGIC) << 64) | u128::from(self.values.base);
        board.read(config, &mut found).is_ok() && u128::from_be_bytes(found) == expected
    }

    fn carried_words(&self, board: &impl Board) -> Option<Vec<u8>> {
        if !self.is_intact(board) {
            return None;
        }
        let mut words = alloc::vec![0; self.values.source_count as usize * 8];
        board
            .read(self.config_address()? + self.layout().sources, &mut words)
            .ok()?;
        Some(words)
    }

    fn reset_words(&self) -> Vec<u8> {
        // A word has 16 bits for a server; QEMU's boot processor is number 0.
        let server = u16::try_from(self.values.boot_server).unwrap_or(0);
        let word = Word::at_reset(server).bits().to_be_bytes();
        word.repeat(self.values.source_count as usize)
    }
}
