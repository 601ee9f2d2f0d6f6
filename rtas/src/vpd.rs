//! `ibm,get-vpd` (LoPAR 7.3.20): the vital product data that the firmware put into the area.
//!
//! The blob copies and knows nothing of a format: a record is a location code and the bytes to be
//! told of it. Nothing is remembered between the calls of a sequence, since a sequence number is one
//! more than the bytes told so far. So sequences may be mixed, on any number of processors, which
//! nobody may rely on (R1-7.3.20-4), and the data cannot change within one.

use rtas_abi::status;

use crate::memory::{CallerBytes, CallerMemory, CallerText};

/// Longest location code, in bytes without its end: Linux has room for no more
/// (`arch/powerpc/include/uapi/asm/papr-vpd.h`).
pub const LOCATION_BYTES: usize = 79;
/// Size of what a record begins with: the length of its bytes, 16 bits big-endian, and of its
/// location code.
const HEADER: usize = 3;

/// A record: `bytes` to be told of `location`.
pub fn record<'a>(location: &'a str, bytes: &'a [u8]) -> impl Iterator<Item = u8> + 'a {
    let [high, low] = (bytes.len() as u16).to_be_bytes();
    let header: [u8; HEADER] = [high, low, location.len() as u8];
    let content = location.bytes().chain(bytes.iter().copied());
    header.into_iter().chain(content)
}

/// The records in `vpd`: location code and bytes of each.
fn records(vpd: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = vpd;
    core::iter::from_fn(move || {
        let ([high, low, location], tail) = rest.split_first_chunk::<HEADER>()?;
        let (location, tail) = tail.split_at_checked(usize::from(*location))?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (bytes, tail) = tail.split_at_checked(length)?;
        rest = tail;
        Some((location, bytes))
    })
}

/// The records that `ibm,get-vpd` tells: those with a location code.
pub fn stanzas(vpd: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    records(vpd).filter(|(code, _)| !code.is_empty())
}

/// The partition's name with the zero behind it: the record without a location code, which nobody can
/// ask `ibm,get-vpd` for.
#[inline(never)]
pub fn partition_name(vpd: &[u8]) -> Option<&[u8]> {
    let name = records(vpd).find(|(code, _)| code.is_empty());
    name.map(|(_, name)| name)
}

/// Size of all that `ibm,get-vpd` tells.
pub fn size(vpd: &[u8]) -> u32 {
    stanzas(vpd).map(|(_, bytes)| bytes.len() as u32).sum()
}

/// What a call gives beside its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// 0, or 1 where there is more.
    pub status: i32,
    /// Number of the next call.
    pub next: u32,
    /// Bytes stored.
    pub bytes: u32,
}

/// Stores what `vpd` has of the location code at `location` into the `room` bytes at `area`, from
/// where the call `sequence` begins. All of it for an empty location code, and for none
/// (R1-7.3.20-15). `None` where nothing is known of it, nothing is left, or the caller may not have the
/// memory.
pub fn get_vpd<M: CallerMemory>(
    vpd: &[u8],
    memory: &mut M,
    [location, area, room, sequence]: [u32; 4],
) -> Option<Told> {
    let bounds = memory.bounds();
    let area = CallerBytes::new(&bounds, area, room)?;
    let location = match location {
        0 => None,
        address => Some(CallerText::new(&bounds, address)?),
    };
    let location = location.filter(|text| !text.is(memory, b""));
    let start = sequence.checked_sub(1)?;
    // Bytes of the records that were come by, and those that were stored.
    let (mut at, mut stored) = (0u32, 0u32);
    for (code, bytes) in stanzas(vpd) {
        if location.is_some_and(|text| !text.is(memory, code)) {
            continue;
        }
        let told = start.saturating_sub(at) as usize;
        let left = room.wrapping_sub(stored) as usize;
        for byte in bytes.iter().skip(told).take(left) {
            area.store(memory, stored, *byte);
            stored = stored.wrapping_add(1);
        }
        at = at.wrapping_add(bytes.len() as u32);
    }
    if stored == 0 {
        return None;
    }
    // No sum wraps: the firmware keeps the records far below that.
    let end = start.wrapping_add(stored);
    Some(if end == at {
        Told {
            status: status::SUCCESS,
            next: 1,
            bytes: stored,
        }
    } else {
        Told {
            status: status::MORE_DATA,
            next: end.wrapping_add(1),
            bytes: stored,
        }
    })
}

#[cfg(all(test, not(loom)))]
mod tests;
