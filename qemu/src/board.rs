//! What the firmware needs of the machine.

use core::ops::Range;

/// An access outside memory, or into the firmware's own code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAddress {
    /// First address of the access.
    pub address: u64,
    /// Length of the access, in bytes.
    pub length: u64,
}

/// What a hypercall gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HcallReturn {
    /// r3: the status.
    pub status: i64,
    /// r4 to r7.
    pub values: [u64; 4],
}

/// The machine as the firmware sees it. Addresses are real addresses.
pub trait Board {
    /// A hypercall with up to six arguments, r4 on.
    fn hcall(&mut self, number: u64, arguments: &[u64]) -> HcallReturn;
    /// Copies memory at `address` into `bytes`. Refused outside memory.
    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), BadAddress>;
    /// Copies `bytes` to `address`. Refused outside memory and inside the firmware's image and
    /// heap.
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), BadAddress>;
    /// Writes `length` zeros to `address`, under the rules of [`Board::write`].
    fn zero(&mut self, address: u64, length: u64) -> Result<(), BadAddress>;
    /// Makes instructions written to memory visible to instruction fetch: dcbst; sync; icbi; sync;
    /// isync over the range.
    fn flush_instructions(&mut self, address: u64, length: u64) -> Result<(), BadAddress>;
    /// Tells the board where memory ends, once the tree said so: the limit of [`Board::read`] and
    /// [`Board::write`], in bytes. Until then it is the 128 MiB that every machine has.
    fn set_memory_end(&mut self, end: u64);
    /// The timebase, in ticks.
    fn timebase(&self) -> u64;
    /// The ranges of memory that the firmware itself occupies: image, stacks, heap.
    fn occupied(&self) -> [Range<u64>; 2];
    /// The stack that the client is started with: its top, 16-byte aligned, at least 32 KiB above
    /// its bottom.
    fn client_stack_top(&self) -> u64;
    /// The entry of the client interface.
    fn client_entry(&self) -> u64;
    /// The RTAS blob: its image, the same bytes for every instance.
    fn blob(&self) -> &'static [u8];
    /// The functions whose promise is published in `/rtas`, a name a line: those whose crash run,
    /// for these very bytes of the blob, covered every instruction (`cargo xtask build` decides).
    fn promised(&self) -> &'static str;
}
