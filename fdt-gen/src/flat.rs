//! Numbers of the flat format (Devicetree Specification 0.4, chapter 5). All are big-endian.

/// First word of a flat tree.
pub(crate) const MAGIC: u32 = 0xd00d_feed;
/// The version that is written.
pub(crate) const VERSION: u32 = 17;
/// The oldest version whose readers understand version 17.
pub(crate) const COMPATIBLE: u32 = 16;
/// Length of the header of version 17, in bytes: ten words.
pub(crate) const HEADER_BYTES: usize = 40;
/// Length of one entry of the memory reservation block, in bytes: address, size.
pub(crate) const RESERVATION_BYTES: usize = 16;

/// Offsets of the header's words, in bytes.
pub(crate) mod header {
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const TOTAL_SIZE: usize = 4;
    pub(crate) const STRUCTURE: usize = 8;
    pub(crate) const STRINGS: usize = 12;
    pub(crate) const RESERVATIONS: usize = 16;
    pub(crate) const VERSION: usize = 20;
    pub(crate) const COMPATIBLE: usize = 24;
    pub(crate) const BOOT_CPUID: usize = 28;
    pub(crate) const STRINGS_SIZE: usize = 32;
    pub(crate) const STRUCTURE_SIZE: usize = 36;
}

/// Tokens of the structure block.
pub(crate) mod token {
    /// Followed by the name, a NUL and padding to four bytes.
    pub(crate) const BEGIN_NODE: u32 = 1;
    pub(crate) const END_NODE: u32 = 2;
    /// Followed by the value's length, the name's offset in the strings, value and padding.
    pub(crate) const PROPERTY: u32 = 3;
    pub(crate) const NOP: u32 = 4;
    pub(crate) const END: u32 = 9;
}
