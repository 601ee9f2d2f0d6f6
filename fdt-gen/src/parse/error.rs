//! What can be wrong with a flat tree.

use core::fmt;

/// What is wrong with a flat tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The bytes end within the header.
    TooShort,
    /// The first word is not 0xd00dfeed.
    BadMagic,
    /// `totalsize` is less than the header.
    TotalSizeTooSmall,
    /// `totalsize` is more than the bytes that there are.
    Truncated,
    /// `version` is below 16.
    VersionTooOld,
    /// `last_comp_version` is above 17, or above `version`.
    VersionTooNew,
    /// The offset of a block is not a multiple of its alignment (8: reservations, 4: structure).
    UnalignedBlock,
    /// A block starts within the header or reaches beyond `totalsize`.
    BlockOutside,
    /// The memory reservations have no terminating pair of zeros.
    UnterminatedReservations,
    /// A reservation is empty or reaches beyond the last address.
    BadReservation,
    /// There are more than 1024 reservations.
    TooManyReservations,
    /// The structure block ends without its end token, or within a token.
    NoEnd,
    /// A word that is no token stands where one is due.
    UnknownToken,
    /// The end token comes before the root.
    NoRoot,
    /// A node follows the root's end.
    SecondRoot,
    /// The root has a name.
    RootName,
    /// A node ends where none is open.
    UnbalancedEnd,
    /// The end token comes while a node is open.
    OpenNode,
    /// A node is below level [`MAX_DEPTH`](crate::MAX_DEPTH).
    TooDeep,
    /// There are more than [`MAX_NODES`](crate::MAX_NODES).
    TooManyNodes,
    /// A name does not end within its block.
    UnterminatedName,
    /// A name is longer than [`MAX_NAME_BYTES`](crate::MAX_NAME_BYTES).
    NameTooLong,
    /// The name of a node other than the root is empty or has illegal characters.
    BadNodeName,
    /// The name of a property is empty or has illegal characters.
    BadPropertyName,
    /// A property stands outside of any node.
    PropertyOutsideNode,
    /// A property stands behind its node's first child, where readers do not look for it.
    PropertyAfterChild,
    /// A value reaches beyond the structure block, or is longer than
    /// [`MAX_VALUE_BYTES`](crate::MAX_VALUE_BYTES).
    ValueOutside,
    /// The name of a property lies outside of the strings.
    NameOutside,
    /// A node has two properties of one name.
    DuplicateProperty,
    /// There are more than [`MAX_PROPERTIES`](crate::MAX_PROPERTIES), or more than
    /// [`MAX_NODE_PROPERTIES`](crate::MAX_NODE_PROPERTIES) in one node.
    TooManyProperties,
    /// There are more than [`MAX_NAMES`](crate::MAX_NAMES) different names of properties.
    TooManyNames,
}

impl Damage {
    pub(crate) const fn at(self, offset: usize) -> ParseError {
        ParseError {
            damage: self,
            offset,
        }
    }

    /// Whether the tree may be in order and only larger than this reader takes.
    pub const fn is_limit(self) -> bool {
        matches!(
            self,
            Self::TooManyReservations
                | Self::TooDeep
                | Self::TooManyNodes
                | Self::NameTooLong
                | Self::TooManyProperties
                | Self::TooManyNames
        )
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::TooShort => "it ends within its header",
            Self::BadMagic => "it does not begin with 0xd00dfeed",
            Self::TotalSizeTooSmall => "its total size is less than its header",
            Self::Truncated => "its total size is more than the memory that holds it",
            Self::VersionTooOld => "its version is below 16",
            Self::VersionTooNew => "its version needs a newer reader than one of version 17",
            Self::UnalignedBlock => "a block is not aligned",
            Self::BlockOutside => "a block is not within the total size",
            Self::UnterminatedReservations => "the memory reservations do not end",
            Self::BadReservation => "a memory reservation is empty or beyond the last address",
            Self::TooManyReservations => "there are too many memory reservations",
            Self::NoEnd => "the structure block ends without its end token",
            Self::UnknownToken => "a token is unknown",
            Self::NoRoot => "there is no root node",
            Self::SecondRoot => "there is a second root node",
            Self::RootName => "the root node has a name",
            Self::UnbalancedEnd => "a node ends that did not begin",
            Self::OpenNode => "a node does not end",
            Self::TooDeep => "a node is too deep",
            Self::TooManyNodes => "there are too many nodes",
            Self::UnterminatedName => "a name does not end",
            Self::NameTooLong => "a name is too long",
            Self::BadNodeName => "the name of a node is illegal",
            Self::BadPropertyName => "the name of a property is illegal",
            Self::PropertyOutsideNode => "a property is in no node",
            Self::PropertyAfterChild => "a property follows a child node",
            Self::ValueOutside => "the value of a property is too long",
            Self::NameOutside => "the name of a property is not in the strings",
            Self::DuplicateProperty => "a property is there twice",
            Self::TooManyProperties => "there are too many properties",
            Self::TooManyNames => "there are too many property names",
        })
    }
}

/// Where a flat tree is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub damage: Damage,
    /// Where it was found, in bytes from the start of the flat tree: the word of the header, the
    /// token, the length or the name that is wrong.
    pub offset: usize,
}

impl fmt::Display for ParseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { damage, offset } = self;
        write!(
            out,
            "the flat device tree cannot be read: {damage} (at byte {offset:#x}); "
        )?;
        out.write_str(if damage.is_limit() {
            "start the machine with fewer processors and devices"
        } else {
            "start the machine again, and if it stays, look at the tree that QEMU makes with \
             -machine dumpdtb=FILE"
        })
    }
}

impl core::error::Error for ParseError {}
