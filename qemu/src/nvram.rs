//! NVRAM partitions: what is there is checked, and what is damaged is made usable again, before the
//! operating system looks (LoPAR R1-8.1-3, R1-8.2-2, R1-14.8-2). QEMU gives a machine without a
//! backing file an NVRAM of zeros, which is no chain of partitions.

use core::fmt;

use rtas_abi::name;

use crate::board::Board;
use crate::firmware::Firmware;
use crate::hypervisor_rtas::call_with_outputs;

/// Size of a partition's header, and the unit of its length, in bytes.
pub const BLOCK: u32 = 16;
/// Size of the "common" partition of an NVRAM made anew, in bytes.
const COMMON_BYTES: u32 = 4096;
/// Most blocks that one header can count.
const MOST_BLOCKS: u32 = u16::MAX as u32;

/// Signatures (LoPAR Table 8.2).
mod signature {
    /// Configuration variables.
    pub const SYSTEM: u8 = 0x70;
    /// Free space.
    pub const FREE: u8 = 0x7f;
}

/// The name of the partition of configuration variables (LoPAR Table 14.13).
const COMMON: [u8; 12] = *b"common\0\0\0\0\0\0";
/// The name of free space (LoPAR Table 8.2: 0x7...77).
const FREE: [u8; 12] = [0x77; 12];

/// Access to the NVRAM. `None`: the hypervisor refused.
pub trait Nvram {
    /// Reads `bytes` at `offset`.
    fn fetch(&mut self, offset: u32, bytes: &mut [u8]) -> Option<()>;
    /// Writes `bytes` at `offset`.
    fn store(&mut self, offset: u32, bytes: &[u8]) -> Option<()>;
}

/// A partition's header (LoPAR Table 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    signature: u8,
    /// In blocks, the header included.
    blocks: u16,
    name: [u8; 12],
}

impl Header {
    /// The header in `bytes`, if its checksum and its length are right.
    fn parse(bytes: [u8; BLOCK as usize]) -> Option<Self> {
        let [signature, sum, high, low, name @ ..] = bytes;
        let header = Self {
            signature,
            blocks: u16::from_be_bytes([high, low]),
            name,
        };
        (header.checksum() == sum && header.blocks > 0).then_some(header)
    }

    fn bytes(&self) -> [u8; BLOCK as usize] {
        let mut bytes = [0; BLOCK as usize];
        let [high, low] = self.blocks.to_be_bytes();
        let head = [self.signature, self.checksum(), high, low];
        for (to, from) in bytes.iter_mut().zip(head.iter().chain(&self.name)) {
            *to = *from;
        }
        bytes
    }

    /// The sum of signature, length and name with end-around carry (LoPAR R1-8.5-2).
    fn checksum(&self) -> u8 {
        let length = self.blocks.to_be_bytes();
        [self.signature]
            .iter()
            .chain(&length)
            .chain(&self.name)
            .fold(0u8, |sum, byte| {
                let (sum, carry) = sum.overflowing_add(*byte);
                // After a carry the sum is at most 0xfe.
                sum.wrapping_add(u8::from(carry))
            })
    }
}

/// What was found, and done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A chain of partitions that covers the NVRAM.
    Intact {
        /// How many.
        partitions: u32,
    },
    /// No partition at all: a "common" partition and free space were made.
    Made,
    /// A chain that breaks at this offset: the rest was made free space.
    Repaired {
        /// In bytes.
        offset: u32,
    },
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NvramError {
    /// The hypervisor refused to read or write at this offset.
    Refused(u32),
    /// Fewer bytes than two partitions need, or no whole number of blocks.
    Size(u32),
}

impl fmt::Display for NvramError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(offset) => write!(out, "the hypervisor refuses access at {offset:#x}"),
            Self::Size(size) => write!(out, "{size} bytes are no size that holds partitions"),
        }
    }
}

/// The NVRAM behind the hypervisor's calls (`hw/nvram/spapr_nvram.c`).
struct Hypervisor<'a, B> {
    board: &'a mut B,
    /// Memory of the firmware's: the argument buffer, and the data half a page behind it.
    scratch: u64,
    fetch: u32,
    store: u32,
}

impl<B: Board> Hypervisor<'_, B> {
    fn data(&self) -> u64 {
        self.scratch + 2048
    }

    fn call(&mut self, token: u32, offset: u32, length: usize) -> Option<()> {
        let arguments = [offset, u32::try_from(self.data()).ok()?, length as u32];
        let [status, count] = call_with_outputs(self.board, self.scratch, token, &arguments)?;
        (status == 0 && count == length as u32).then_some(())
    }
}

impl<B: Board> Nvram for Hypervisor<'_, B> {
    fn fetch(&mut self, offset: u32, bytes: &mut [u8]) -> Option<()> {
        self.call(self.fetch, offset, bytes.len())?;
        self.board.read(self.data(), bytes).ok()
    }

    fn store(&mut self, offset: u32, bytes: &[u8]) -> Option<()> {
        self.board.write(self.data(), bytes).ok()?;
        self.call(self.store, offset, bytes.len())
    }
}

impl<B: Board> Firmware<B> {
    /// Checks the machine's NVRAM, if it has one, and says what was mended.
    pub(crate) fn check_nvram(&mut self) {
        let node = self.tree.find("/vdevice/nvram");
        let size = node.and_then(|node| self.tree.u32(node, "#bytes"));
        let fetch = self.rtas_token(name::NVRAM_FETCH);
        let store = self.rtas_token(name::NVRAM_STORE);
        let (Some(size), Some(fetch), Some(store)) = (size, fetch, store) else {
            return;
        };
        let mut nvram = Hypervisor {
            board: &mut self.board,
            scratch: self.scratch,
            fetch,
            store,
        };
        match check(&mut nvram, size) {
            Ok(Found::Intact { .. }) => {}
            Ok(Found::Made) => self.say(format_args!("NVRAM: no partitions, made new ones")),
            Ok(Found::Repaired { offset }) => self.say(format_args!(
                "NVRAM: damaged at {offset:#x}, made free space from there on"
            )),
            Err(error) => self.say(format_args!("NVRAM: left as it is: {error}")),
        }
    }
}

/// Makes sure that the `size` bytes of `nvram` are a chain of partitions.
pub fn check(nvram: &mut impl Nvram, size: u32) -> Result<Found, NvramError> {
    if size < 2 * COMMON_BYTES || !size.is_multiple_of(BLOCK) {
        return Err(NvramError::Size(size));
    }
    let mut offset = 0;
    let mut partitions = 0;
    while offset < size {
        let mut bytes = [0; BLOCK as usize];
        nvram
            .fetch(offset, &mut bytes)
            .ok_or(NvramError::Refused(offset))?;
        let next = Header::parse(bytes)
            .map(|header| offset + u32::from(header.blocks) * BLOCK)
            .filter(|next| *next <= size);
        let Some(next) = next else {
            return repair(nvram, offset, size);
        };
        offset = next;
        partitions += 1;
    }
    Ok(Found::Intact { partitions })
}

/// Makes what follows `offset` free space, behind a new "common" partition if that is all there is.
fn repair(nvram: &mut impl Nvram, offset: u32, size: u32) -> Result<Found, NvramError> {
    // From the end to the start, the header that makes the chain whole last: a machine that stops
    // in between finds it broken where it was.
    let common_end = if offset == 0 { COMMON_BYTES } else { offset };
    let mut at = common_end;
    let mut free = [None; 2];
    for place in &mut free {
        let blocks = ((size - at) / BLOCK).min(MOST_BLOCKS);
        if blocks > 0 {
            *place = Some((at, blocks as u16));
            at += blocks * BLOCK;
        }
    }
    for (at, blocks) in free.into_iter().rev().flatten() {
        put(nvram, at, signature::FREE, blocks, FREE)?;
    }
    if offset > 0 {
        return Ok(Found::Repaired { offset });
    }
    let zeros = [0; BLOCK as usize];
    for at in (BLOCK..COMMON_BYTES).step_by(BLOCK as usize) {
        nvram.store(at, &zeros).ok_or(NvramError::Refused(at))?;
    }
    let blocks = (COMMON_BYTES / BLOCK) as u16;
    put(nvram, 0, signature::SYSTEM, blocks, COMMON)?;
    Ok(Found::Made)
}

fn put(
    nvram: &mut impl Nvram,
    offset: u32,
    signature: u8,
    blocks: u16,
    name: [u8; 12],
) -> Result<(), NvramError> {
    let header = Header {
        signature,
        blocks,
        name,
    };
    nvram
        .store(offset, &header.bytes())
        .ok_or(NvramError::Refused(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u32 = 0x1_0000;

    struct Memory(Vec<u8>);

    impl Nvram for Memory {
        fn fetch(&mut self, offset: u32, bytes: &mut [u8]) -> Option<()> {
            let at = offset as usize;
            bytes.copy_from_slice(self.0.get(at..at + bytes.len())?);
            Some(())
        }
        fn store(&mut self, offset: u32, bytes: &[u8]) -> Option<()> {
            let at = offset as usize;
            self.0.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
            Some(())
        }
    }

    /// The chain as (signature, offset, bytes), read without the code under test.
    fn chain(nvram: &Memory) -> Vec<(u8, usize, usize)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < nvram.0.len() {
            let header = &nvram.0[at..at + 16];
            let sum = header
                .iter()
                .enumerate()
                .filter(|(index, _)| *index != 1)
                .fold(0u32, |sum, (_, byte)| sum + u32::from(*byte));
            let folded = (sum & 0xff) + (sum >> 8);
            let folded = (folded & 0xff) + (folded >> 8);
            assert_eq!(u32::from(header[1]), folded, "checksum at {at:#x}");
            let bytes = 16 * usize::from(u16::from_be_bytes([header[2], header[3]]));
            found.push((header[0], at, bytes));
            at += bytes;
        }
        found
    }

    #[test]
    fn an_nvram_of_zeros_becomes_common_and_free_space() {
        let mut nvram = Memory(vec![0; SIZE as usize]);
        assert_eq!(check(&mut nvram, SIZE), Ok(Found::Made));
        assert_eq!(chain(&nvram), [(0x70, 0, 0x1000), (0x7f, 0x1000, 0xf000)]);
        assert_eq!(&nvram.0[4..16], b"common\0\0\0\0\0\0");
        assert_eq!(&nvram.0[0x1004..0x1010], [0x77; 12]);
        let before = nvram.0.clone();
        assert_eq!(check(&mut nvram, SIZE), Ok(Found::Intact { partitions: 2 }));
        assert_eq!(nvram.0, before, "an intact chain is left alone");
    }

    #[test]
    fn an_nvram_of_anything_loses_what_was_in_the_new_common_partition() {
        let mut nvram = Memory(vec![0xa5; SIZE as usize]);
        assert_eq!(check(&mut nvram, SIZE), Ok(Found::Made));
        assert!(nvram.0[16..0x1000].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_broken_chain_keeps_what_comes_before_the_break() {
        for damage in [
            0xf00 + 1, // the checksum
            0xf00 + 3, // the length
            0xf00 + 9, // the name
        ] {
            let mut nvram = Memory(vec![0; SIZE as usize]);
            assert_eq!(check(&mut nvram, SIZE), Ok(Found::Made));
            put(&mut nvram, 0, signature::SYSTEM, 0xf0, COMMON).unwrap();
            put(&mut nvram, 0xf00, 0xa0, 0x10, *b"ibm,os-log\0\0").unwrap();
            nvram.0[0x20] = b'x';
            nvram.0[damage] ^= 0x40;
            let found = check(&mut nvram, SIZE);
            assert_eq!(found, Ok(Found::Repaired { offset: 0xf00 }));
            assert_eq!(chain(&nvram), [(0x70, 0, 0xf00), (0x7f, 0xf00, 0xf100)]);
            assert_eq!(nvram.0[0x20], b'x', "the configuration variables stay");
        }
    }

    #[test]
    fn a_partition_that_reaches_beyond_the_end_is_a_break() {
        let mut nvram = Memory(vec![0; SIZE as usize]);
        put(&mut nvram, 0, signature::SYSTEM, 0x1001, COMMON).unwrap();
        assert_eq!(check(&mut nvram, SIZE), Ok(Found::Made));
    }

    #[test]
    fn free_space_longer_than_one_header_can_count_takes_two() {
        let size = 0x10_2000;
        let mut nvram = Memory(vec![0; size]);
        assert_eq!(check(&mut nvram, size as u32), Ok(Found::Made));
        let chain = chain(&nvram);
        assert_eq!(chain.len(), 3);
        assert_eq!(chain.iter().map(|part| part.2).sum::<usize>(), size);
    }

    #[test]
    fn an_nvram_too_small_or_out_of_reach_is_an_error() {
        let mut nvram = Memory(vec![0; SIZE as usize]);
        assert_eq!(check(&mut nvram, 0x1000), Err(NvramError::Size(0x1000)));
        assert_eq!(check(&mut nvram, 0x2001), Err(NvramError::Size(0x2001)));
        assert_eq!(check(&mut nvram, SIZE), Ok(Found::Made));
        let beyond = check(&mut nvram, 2 * SIZE);
        assert_eq!(beyond, Err(NvramError::Refused(SIZE)));
    }
}
