//! The caller's memory, never trusted: which addresses a call may touch, and how.

use core::ops::Range;

use rtas_abi::buffer;

/// Where argument buffers and what they point to may lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// First address after the memory that the machine was started with, in bytes.
    pub memory_end: u64,
    /// What [`Bounds::whole_buffers`] gives for it.
    pub whole_buffers: u64,
    /// The RTAS area, private to the blob and to the hypervisor.
    pub private: Range<u64>,
}

impl Bounds {
    /// How many multiples of [`buffer::ALIGNMENT`], 0 left out, a buffer of the largest size may
    /// begin at in memory that ends at `memory_end`.
    pub const fn whole_buffers(memory_end: u64) -> u64 {
        memory_end.saturating_sub(Cells::BYTES) / buffer::ALIGNMENT
    }

    /// Whether `length` bytes at `address` lie in memory and outside the private area.
    pub const fn allow(&self, address: u64, length: u64) -> bool {
        // No sum, and no difference that wraps.
        if address > self.memory_end || length > self.memory_end.wrapping_sub(address) {
            return false;
        }
        address >= self.private.end
            || address <= self.private.start && length <= self.private.start.wrapping_sub(address)
    }
}

/// Width of the cells of the caller's argument buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellWidth {
    /// After `instantiate-rtas` (LoPAR R1-7.2.7-2).
    Bits32,
    /// After `instantiate-rtas-64` (LoPAR R1-7.2.7-3).
    Bits64,
}

impl CellWidth {
    /// Size of a cell, in bytes.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Bits32 => 4,
            Self::Bits64 => 8,
        }
    }
}

/// Address of one cell that may be touched: aligned, in memory, not 0, outside the private area.
/// Nothing but [`Cells`] makes one, after it checked that.
#[derive(Clone, Copy, Debug)]
pub struct Place(u64);

impl Place {
    /// The address.
    pub const fn address(self) -> u64 {
        self.0
    }
}

/// Address of one byte that may be touched: in memory, not 0, outside the private area. Nothing but
/// this module makes one, after it checked that.
#[derive(Clone, Copy, Debug)]
pub struct BytePlace(u64);

impl BytePlace {
    /// The address.
    pub const fn address(self) -> u64 {
        self.0
    }
}

/// The caller's memory, cell by cell.
pub trait CallerMemory {
    /// Where the caller may have what it passes.
    fn bounds(&self) -> Bounds;
    /// The 32-bit big-endian cell at `place`.
    fn load32(&self, place: Place) -> u32;
    /// The 64-bit big-endian cell at `place`.
    fn load64(&self, place: Place) -> u64;
    /// Stores a 32-bit big-endian cell.
    fn store32(&mut self, place: Place, value: u32);
    /// Stores a 64-bit big-endian cell.
    fn store64(&mut self, place: Place, value: u64);
    /// The byte at `place`.
    fn load8(&self, place: BytePlace) -> u8;
    /// Stores a byte.
    fn store8(&mut self, place: BytePlace, value: u8);
}

/// Stores `status` in a buffer that is not aligned to its cells, which LoPAR does not ask to be
/// served (7.2.7, note 1), where the counts say that the status word is: byte by byte. Nothing where
/// they leave no room for one, or where it may not be written.
#[cold]
#[inline(never)]
pub fn refuse_unaligned<M: CallerMemory>(
    memory: &mut M,
    width: CellWidth,
    address: u64,
    status: i32,
) {
    let bounds = memory.bounds();
    // Address of a cell, if all from the first to this one may be touched.
    let cell = |index: u64| {
        let (offset, end) = match width {
            CellWidth::Bits32 => (index << 2, (index << 2) + 4),
            CellWidth::Bits64 => (index << 3, (index << 3) + 8),
        };
        (address != 0 && bounds.allow(address, end)).then(|| address.wrapping_add(offset))
    };
    let number = |index: usize| {
        let first = cell(index as u64)?;
        let bytes = (0..width.bytes()).map(|at| memory.load8(BytePlace(first.wrapping_add(at))));
        let all = bytes.fold(0u64, |all, byte| all << 8 | u64::from(byte));
        Some(match width {
            CellWidth::Bits32 => i64::from(all as i32),
            CellWidth::Bits64 => all as i64,
        })
    };
    let (Some(inputs), Some(outputs)) = (number(buffer::INPUTS), number(buffer::OUTPUTS)) else {
        return;
    };
    if !(0..=buffer::MAX_CELLS as i64).contains(&inputs) || outputs < 1 {
        return;
    }
    if let Some(first) = cell(buffer::ARGUMENTS as u64 + inputs as u64) {
        let value = i64::from(status) as u64;
        for at in 0..width.bytes() {
            let shift = (width.bytes() - 1 - at) << 3;
            let place = BytePlace(first.wrapping_add(at));
            memory.store8(place, (value >> shift) as u8);
        }
    }
}

/// Bytes of the caller's, beside its argument buffer, that may be touched. The range is checked once,
/// here.
#[derive(Clone, Copy, Debug)]
pub struct CallerBytes {
    address: u64,
    length: u32,
}

impl CallerBytes {
    /// The `length` bytes at `address`; no bytes may be anywhere.
    pub const fn new(bounds: &Bounds, address: u32, length: u32) -> Option<Self> {
        let address = address as u64;
        if length == 0 || address != 0 && bounds.allow(address, length as u64) {
            Some(Self { address, length })
        } else {
            None
        }
    }

    /// Stores byte `index`; nothing past the end.
    pub fn store<M: CallerMemory>(self, memory: &mut M, index: u32, value: u8) {
        if index < self.length {
            let place = BytePlace(self.address.wrapping_add(index.into()));
            memory.store8(place, value);
        }
    }
}

/// Text of the caller's, which ends with a zero.
#[derive(Clone, Copy, Debug)]
pub struct CallerText {
    address: u64,
    /// How many bytes may be touched from the address on.
    room: u64,
}

impl CallerText {
    /// The text at `address`, if its first byte may be touched.
    pub fn new(bounds: &Bounds, address: u32) -> Option<Self> {
        let address = u64::from(address);
        if address == 0 || !bounds.allow(address, 1) {
            return None;
        }
        let end = if address < bounds.private.start {
            bounds.memory_end.min(bounds.private.start)
        } else {
            bounds.memory_end
        };
        Some(Self {
            address,
            room: end.wrapping_sub(address),
        })
    }

    /// Whether it is `text`. No byte is looked at behind one that is another.
    pub fn is<M: CallerMemory>(self, memory: &M, text: &[u8]) -> bool {
        let byte = |at: usize| memory.load8(BytePlace(self.address.wrapping_add(at as u64)));
        (text.len() as u64) < self.room
            && text
                .iter()
                .enumerate()
                .all(|(at, wanted)| byte(at) == *wanted)
            && byte(text.len()) == 0
    }
}

/// The cells of a caller's buffer that may be touched. The range is checked once, here; after that
/// an access is a comparison with the number of cells.
#[derive(Clone, Copy, Debug)]
pub struct Cells {
    address: u64,
    width: CellWidth,
    count: u64,
}

impl Cells {
    /// Most cells of a buffer: token, counts, arguments, and the status behind as many inputs as
    /// there may be arguments.
    pub const MOST: u64 = (buffer::ARGUMENTS + buffer::MAX_CELLS + 1) as u64;

    /// Size of the largest buffer, in bytes.
    const BYTES: u64 = Self::MOST * CellWidth::Bits64.bytes();

    /// The buffer at `address`, if it is aligned as LoPAR wants it (R1-7.2.7-1) and as many cells as
    /// it can have may be touched: the common case. No stack and no loop, so that the entry code can
    /// do with it before it has a stack.
    #[inline(always)]
    pub fn whole(bounds: &Bounds, width: CellWidth, address: u64) -> Option<Self> {
        // As if the cells were wide: there is room to spare nearly everywhere. One comparison for
        // three things: what is not aligned has a low bit, which becomes a high one, and is too
        // large as address 0 is, which wraps.
        const SHIFT: u32 = buffer::ALIGNMENT.trailing_zeros();
        let in_memory = address.rotate_right(SHIFT).wrapping_sub(1) < bounds.whole_buffers;
        // The addresses from which a buffer reaches into the private area begin `BYTES` - 1 before
        // it. No sum wraps: the area lies below 4 GiB.
        let private = bounds.private.end.wrapping_sub(bounds.private.start);
        let outside = address
            .wrapping_sub(bounds.private.start)
            .wrapping_add(Self::BYTES - 1)
            >= private.wrapping_add(Self::BYTES - 1);
        (in_memory && outside).then_some(Self {
            address,
            width,
            count: Self::MOST,
        })
    }

    /// The buffer at `address`, down to what is left of it at the end of memory or before the
    /// private area. `None` if it is not aligned to its cells, or has no room for token and counts.
    pub fn new(bounds: &Bounds, width: CellWidth, address: u64) -> Option<Self> {
        if address == 0 || address & (width.bytes() - 1) != 0 {
            return None;
        }
        let end = if address < bounds.private.start {
            bounds.memory_end.min(bounds.private.start)
        } else if address >= bounds.private.end {
            bounds.memory_end
        } else {
            return None;
        };
        if address >= end {
            return None;
        }
        let room = end.wrapping_sub(address);
        let count = match width {
            CellWidth::Bits32 => room >> 2,
            CellWidth::Bits64 => room >> 3,
        };
        (count >= buffer::ARGUMENTS as u64).then_some(Self {
            address,
            width,
            count: count.min(Self::MOST),
        })
    }

    /// How many cells there are.
    pub const fn count(self) -> u64 {
        self.count
    }

    /// Width of the cells.
    pub const fn width(self) -> CellWidth {
        self.width
    }

    /// Where cell `index` is.
    #[inline(always)]
    pub fn place(self, index: u64) -> Option<Place> {
        let offset = match self.width {
            CellWidth::Bits32 => index << 2,
            CellWidth::Bits64 => index << 3,
        };
        (index < self.count).then_some(Place(self.address.wrapping_add(offset)))
    }

    /// Cells `first` and on, all `N` of them, zero extended; zeros where there are fewer.
    #[inline(always)]
    pub fn load<const N: usize, M: CallerMemory>(self, memory: &M, first: u64) -> [u64; N] {
        let mut values = [0; N];
        match self.width {
            CellWidth::Bits32 => {
                for (index, value) in (first..).zip(&mut values) {
                    *value = self
                        .place(index)
                        .map_or(0, |place| memory.load32(place).into());
                }
            }
            CellWidth::Bits64 => {
                for (index, value) in (first..).zip(&mut values) {
                    *value = self.place(index).map_or(0, |place| memory.load64(place));
                }
            }
        }
        values
    }

    /// Loads the cells from `first` on into `values`, big-endian. `None`, with some of them loaded,
    /// where there are fewer, or where `narrow` makes nothing of one.
    #[inline(always)]
    pub fn load_all<M: CallerMemory>(
        self,
        memory: &M,
        first: u64,
        values: &mut [u32],
        narrow: impl Fn(u64) -> Option<u32>,
    ) -> Option<()> {
        let bytes = self.width.bytes();
        let start = self.run(first, values.len())?;
        // A loop for each width, so that there is no question of it in either.
        match self.width {
            CellWidth::Bits32 => {
                for (index, value) in values.iter_mut().enumerate() {
                    let place = Place(start.wrapping_add(index as u64 * bytes));
                    *value = memory.load32(place).to_be();
                }
            }
            CellWidth::Bits64 => {
                for (index, value) in values.iter_mut().enumerate() {
                    let place = Place(start.wrapping_add(index as u64 * bytes));
                    *value = narrow(memory.load64(place))?.to_be();
                }
            }
        }
        Some(())
    }

    /// Stores `values`, big-endian, into the cells from `first` on, as [`Self::store`] does, the
    /// first of them last; nothing where there are fewer cells.
    #[inline(always)]
    pub fn store_all<M: CallerMemory>(self, memory: &mut M, first: u64, values: &[u32]) {
        let bytes = self.width.bytes();
        let Some(start) = self.run(first, values.len()) else {
            return;
        };
        let values = values.iter().enumerate().rev();
        match self.width {
            CellWidth::Bits32 => {
                for (index, value) in values {
                    let place = Place(start.wrapping_add(index as u64 * bytes));
                    memory.store32(place, u32::from_be(*value));
                }
            }
            CellWidth::Bits64 => {
                for (index, value) in values {
                    let place = Place(start.wrapping_add(index as u64 * bytes));
                    let value = u32::from_be(*value) as i32;
                    memory.store64(place, i64::from(value) as u64);
                }
            }
        }
    }

    /// Address of cell `first`, if as many as `count` cells from there on are cells.
    #[inline(always)]
    fn run(self, first: u64, count: usize) -> Option<u64> {
        let room = self.count.checked_sub(first)?;
        (count as u64 <= room).then(|| self.address.wrapping_add(first * self.width.bytes()))
    }

    /// Stores a value into cell `index`, sign extended to its width (R1-7.2.7-2 and -3); nothing
    /// where there is no such cell.
    #[inline(always)]
    pub fn store<M: CallerMemory>(self, memory: &mut M, index: u64, value: u32) {
        if let Some(place) = self.place(index) {
            match self.width {
                CellWidth::Bits32 => memory.store32(place, value),
                CellWidth::Bits64 => memory.store64(place, i64::from(value as i32) as u64),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        memory_end: 0x2000_0000,
        whole_buffers: Bounds::whole_buffers(0x2000_0000),
        private: 0x1000_0000..0x1001_0000,
    };

    #[test]
    fn a_whole_buffer_is_one_that_may_be_touched_from_end_to_end() {
        let edges = [
            0,
            BOUNDS.private.start,
            BOUNDS.private.end,
            BOUNDS.memory_end,
        ];
        for edge in edges {
            for address in edge.saturating_sub(400)..edge + 400 {
                let good = address != 0
                    && address.is_multiple_of(buffer::ALIGNMENT)
                    && BOUNDS.allow(address, Cells::BYTES);
                let cells = Cells::whole(&BOUNDS, CellWidth::Bits32, address);
                assert_eq!(cells.is_some(), good, "{address:#x}");
            }
        }
        assert!(Cells::whole(&BOUNDS, CellWidth::Bits64, u64::MAX - 7).is_none());
    }

    #[test]
    fn an_access_stays_inside_memory_and_outside_the_private_area() {
        assert!(BOUNDS.allow(0, 8));
        assert!(BOUNDS.allow(0x0fff_fff8, 8), "up to the private area");
        assert!(!BOUNDS.allow(0x0fff_fff9, 8), "into the private area");
        assert!(!BOUNDS.allow(0x1000_8000, 8), "within the private area");
        assert!(!BOUNDS.allow(0x1000_fffc, 8), "out of the private area");
        assert!(BOUNDS.allow(0x1001_0000, 8), "behind the private area");
        assert!(BOUNDS.allow(0x1fff_fff8, 8), "the last bytes of memory");
        assert!(!BOUNDS.allow(0x1fff_fff9, 8), "across the end of memory");
        assert!(!BOUNDS.allow(u64::MAX - 3, 8), "an end that wraps");
    }
}
