//! Who owns which range of memory.

use alloc::vec::Vec;
use core::ops::Range;

/// Granularity of what is offered to the client as available, in bytes.
pub const PAGE: u64 = 4096;

/// The owner of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Image, stacks and heap of the firmware, and its buffers.
    Firmware,
    /// The flat tree of the hand-over.
    Tree,
    /// An RTAS area.
    Rtas,
    /// The client as QEMU loaded it.
    Kernel,
    /// The client's initial RAM disk.
    Initrd,
    /// A memory reservation of QEMU's tree that is none of the above.
    Reserved,
    /// What the client claimed.
    Client,
}

impl Owner {
    /// What to call it in a message.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Firmware => "the firmware",
            Self::Tree => "the device tree",
            Self::Rtas => "RTAS",
            Self::Kernel => "the kernel",
            Self::Initrd => "the initrd",
            Self::Reserved => "a memory reservation",
            Self::Client => "memory that the client claimed",
        }
    }
}

/// Why a range cannot be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimError {
    /// The range is empty, or its end is beyond the largest address.
    NoRange,
    /// The alignment is no power of two.
    BadAlignment,
    /// Part of the range is no memory.
    OutsideMemory,
    /// Part of the range belongs to somebody.
    Taken(Owner),
    /// No place is left that is large enough.
    Full,
}

/// Memory and its owners. Addresses are real addresses, in bytes.
#[derive(Clone, Debug, Default)]
pub struct MemoryMap {
    /// Ascending, disjoint, not adjacent.
    ram: Vec<Range<u64>>,
    /// Ascending, disjoint.
    taken: Vec<(Range<u64>, Owner)>,
}

impl MemoryMap {
    /// A map of memory that nobody owns. Empty ranges are dropped, overlapping and adjacent ones
    /// become one.
    pub fn new(ranges: impl IntoIterator<Item = Range<u64>>) -> Self {
        let mut ram: Vec<Range<u64>> = ranges.into_iter().filter(|r| !r.is_empty()).collect();
        ram.sort_unstable_by_key(|range| range.start);
        ram.dedup_by(|next, previous| {
            let joined = next.start <= previous.end;
            if joined {
                previous.end = previous.end.max(next.end);
            }
            joined
        });
        Self {
            ram,
            taken: Vec::new(),
        }
    }

    /// The first address after all memory.
    pub fn end(&self) -> u64 {
        self.ram.last().map_or(0, |range| range.end)
    }

    /// Bytes of memory.
    pub fn total(&self) -> u64 {
        self.ram.iter().map(|range| range.end - range.start).sum()
    }

    /// Whether all of `range` is memory.
    pub fn is_memory(&self, range: &Range<u64>) -> bool {
        range.start < range.end
            && self
                .ram
                .iter()
                .any(|ram| ram.start <= range.start && range.end <= ram.end)
    }

    /// The owners of `range`, lowest address first.
    pub fn owners<'a>(&'a self, range: &'a Range<u64>) -> impl Iterator<Item = Owner> + 'a {
        self.taken
            .iter()
            .filter(|(taken, _)| overlap(taken, range))
            .map(|(_, owner)| *owner)
    }

    /// Gives exactly `start..start + size` to `owner`.
    pub fn claim(&mut self, start: u64, size: u64, owner: Owner) -> Result<(), ClaimError> {
        let range = range_of(start, size).ok_or(ClaimError::NoRange)?;
        if !self.is_memory(&range) {
            return Err(ClaimError::OutsideMemory);
        }
        if let Some(other) = self.owners(&range).next() {
            return Err(ClaimError::Taken(other));
        }
        self.insert(range, owner);
        Ok(())
    }

    /// Gives `start..start + size` to `owner`, as far as it is nobody's yet and whether it is
    /// memory or not: for what is there whatever the map says.
    pub fn mark(&mut self, range: &Range<u64>, owner: Owner) {
        let mut start = range.start;
        for (taken, _) in self.taken.clone() {
            if overlap(&taken, range) {
                if start < taken.start {
                    self.insert(start..taken.start, owner);
                }
                start = start.max(taken.end);
            }
        }
        if start < range.end {
            self.insert(start..range.end, owner);
        }
    }

    /// The highest free place of `size` bytes within `window`, aligned to `alignment`, for which
    /// `fits` holds.
    pub fn find(
        &self,
        size: u64,
        alignment: u64,
        window: &Range<u64>,
        fits: impl Fn(u64) -> bool,
    ) -> Result<u64, ClaimError> {
        if size == 0 {
            return Err(ClaimError::NoRange);
        }
        if !alignment.is_power_of_two() {
            return Err(ClaimError::BadAlignment);
        }
        for gap in self.free(window).iter().rev() {
            let mut top = gap.end;
            while let Some(start) = top.checked_sub(size) {
                let start = start & !(alignment - 1);
                if start < gap.start {
                    break;
                }
                if fits(start) {
                    return Ok(start);
                }
                // The next place that differs: one alignment lower.
                top = match (start + size).checked_sub(alignment) {
                    Some(top) => top,
                    None => break,
                };
            }
        }
        Err(ClaimError::Full)
    }

    /// Finds as [`MemoryMap::find`] and gives the place to `owner`.
    pub fn allocate(
        &mut self,
        size: u64,
        alignment: u64,
        window: &Range<u64>,
        owner: Owner,
    ) -> Result<u64, ClaimError> {
        let start = self.find(size, alignment, window, |_| true)?;
        self.claim(start, size, owner)?;
        Ok(start)
    }

    /// Takes what `owner` has of `start..start + size` away. Answers the number of bytes that
    /// became free.
    pub fn release(&mut self, start: u64, size: u64, owner: Owner) -> u64 {
        let Some(range) = range_of(start, size) else {
            return 0;
        };
        let mut freed = 0;
        let mut kept = Vec::with_capacity(self.taken.len() + 1);
        for (taken, holder) in core::mem::take(&mut self.taken) {
            if holder != owner || !overlap(&taken, &range) {
                kept.push((taken, holder));
                continue;
            }
            let from = taken.start.max(range.start);
            let to = taken.end.min(range.end);
            freed += to - from;
            if taken.start < from {
                kept.push((taken.start..from, holder));
            }
            if to < taken.end {
                kept.push((to..taken.end, holder));
            }
        }
        self.taken = kept;
        freed
    }

    /// The free memory within `window`, ascending.
    pub fn free(&self, window: &Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        for ram in &self.ram {
            let mut start = ram.start.max(window.start);
            let end = ram.end.min(window.end);
            for (taken, _) in &self.taken {
                if taken.end <= start || taken.start >= end {
                    continue;
                }
                if start < taken.start {
                    gaps.push(start..taken.start);
                }
                start = start.max(taken.end);
            }
            if start < end {
                gaps.push(start..end);
            }
        }
        gaps
    }

    /// The free memory within `window` in whole pages: what `available` of a memory node says.
    pub fn available(&self, window: &Range<u64>) -> Vec<Range<u64>> {
        self.free(window)
            .into_iter()
            .filter_map(|gap| {
                let start = gap.start.checked_next_multiple_of(PAGE)?;
                let end = gap.end & !(PAGE - 1);
                (start < end).then_some(start..end)
            })
            .collect()
    }

    fn insert(&mut self, range: Range<u64>, owner: Owner) {
        let at = self
            .taken
            .partition_point(|(taken, _)| taken.start < range.start);
        // One client that claims page by page does not make the list grow.
        if let Some((previous, holder)) = at.checked_sub(1).and_then(|i| self.taken.get_mut(i))
            && *holder == owner
            && previous.end == range.start
        {
            previous.end = range.end;
        } else if let Some((next, holder)) = self.taken.get_mut(at)
            && *holder == owner
            && next.start == range.end
        {
            next.start = range.start;
        } else {
            self.taken.insert(at, (range, owner));
        }
    }
}

fn range_of(start: u64, size: u64) -> Option<Range<u64>> {
    let end = start.checked_add(size)?;
    (size != 0).then_some(start..end)
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}

#[cfg(test)]
#[path = "memory_map_tests.rs"]
mod tests;
