//! Vital product data (LoPAR 7.3.20).

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::ask::{self, Bytes};
use super::{Check, check};
use crate::answer;
use crate::or_return;
use crate::subject::Machine;
use crate::subject::machine::cells;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.20-2", "vpd-whole", whole),
    check("R1-7.3.20-2", "vpd-in-parts", parts),
    check("R1-7.3.20-2", "vpd-of-one-location", of_location),
    check("R1-7.3.20-2", "vpd-refused", refused),
    check("R1-7.3.20-4", "vpd-begun-anew", anew),
    check("R1-7.3.20-7", "vpd-location-codes", locations),
    check("R1-7.3.20-13", "vpd-work-area-before", before),
    check("R1-7.3.20-15", "vpd-within-its-size", within_size),
];

const GET: &str = "ibm,get-vpd";
/// Most calls of a sequence: what needs more has no end.
const MOST_CALLS: usize = 1 << 16;

/// What one call gave.
struct Part {
    more: bool,
    next: u32,
    bytes: Vec<u8>,
}

/// One call with a work area of `room` bytes of `fill`.
fn one(
    machine: &mut Machine,
    location: &[u8],
    room: u32,
    fill: u8,
    sequence: u32,
) -> Result<Part, Verdict> {
    let code = Bytes::of(&[location, &[0]].concat());
    let area = Bytes::new(room.into(), fill);
    let inputs = [code.address(), area.address(), room, sequence];
    let outcome = ask::ask(machine, GET, &inputs, 3)?;
    let wrong = |wanted: &str, saw| Err(Verdict::Fail(wanted.into(), saw));
    let (status, cells) = (outcome.status(), outcome.cells);
    if !matches!(status, 0 | 1) {
        return wrong("status 0 or 1", format!("{status}"));
    }
    let [_, next, length] = cells[..] else {
        return wrong("three outputs", format!("{cells:x?}"));
    };
    let (next, length) = (next as u32, length as u32);
    if length > room || !area.guarded() {
        return wrong("no more than the work area", format!("{length} of {room}"));
    }
    if status == 0 && next != 1 {
        return wrong("1 as the number after the last call", format!("{next:#x}"));
    }
    let mut bytes = area.bytes();
    bytes.truncate(length as usize);
    Ok(Part {
        more: status == 1,
        next,
        bytes,
    })
}

/// A whole sequence.
fn all(machine: &mut Machine, location: &[u8], room: u32, fill: u8) -> Result<Vec<u8>, Verdict> {
    let (mut next, mut bytes) = (1, Vec::new());
    for _ in 0..MOST_CALLS {
        let part = one(machine, location, room, fill, next)?;
        bytes.extend(part.bytes);
        next = part.next;
        if !part.more {
            return Ok(bytes);
        }
    }
    Err(Verdict::Fail(
        "an end of the sequence".into(),
        format!("none after {MOST_CALLS} calls"),
    ))
}

fn whole(machine: &mut Machine) -> Verdict {
    let bytes = or_return!(all(machine, b"", 128, 0));
    need!(!bytes.is_empty(), "vital product data", "none");
    pass!("{} bytes", bytes.len())
}

fn parts(machine: &mut Machine) -> Verdict {
    let whole = or_return!(all(machine, b"", 128, 0));
    for room in [1, 7, 32, 127] {
        let parts = or_return!(all(machine, b"", room, 0));
        need!(
            parts == whole,
            format!("the same in parts of {room} bytes"),
            "{} bytes, and {} in parts",
            whole.len(),
            parts.len()
        );
    }
    pass!("the same in parts of 1, 7, 32, 127 and 128 bytes")
}

/// The stanzas of the data, each with its location code. A stanza is its length and resources as PCI's
/// vital product data have them: a name, and a list of keywords.
fn stanzas(data: &[u8]) -> Option<Vec<(Vec<u8>, &[u8])>> {
    let (mut rest, mut stanzas) = (data, Vec::new());
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let (content, tail) = tail.split_at_checked(length)?;
        let (_, content) = resource(content, 0x82)?;
        let (mut list, _) = resource(content, 0x84)?;
        let mut location = None;
        while let [first, second, length, values @ ..] = list {
            let (value, more) = values.split_at_checked(usize::from(*length))?;
            if [*first, *second] == *b"YL" {
                location = Some(value.to_vec());
            }
            list = more;
        }
        let (stanza, more) = rest.split_at_checked(4 + length)?;
        stanzas.push((location?, stanza));
        debug_assert!(more.len() == tail.len());
        rest = more;
    }
    rest.is_empty().then_some(stanzas)
}

/// The content of a resource of this type, and what is behind it.
fn resource(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let ([found, low, high], rest) = bytes.split_first_chunk::<3>()?;
    let length = usize::from(u16::from_le_bytes([*low, *high]));
    (*found == kind).then(|| rest.split_at_checked(length))?
}

fn locations(machine: &mut Machine) -> Verdict {
    let data = or_return!(all(machine, b"", 128, 0));
    let Some(stanzas) = stanzas(&data) else {
        guest::fail!("stanzas, each with YL", "{data:x?}")
    };
    pass!("{} stanzas", stanzas.len())
}

fn of_location(machine: &mut Machine) -> Verdict {
    let data = or_return!(all(machine, b"", 128, 0));
    let Some(stanzas) = stanzas(&data) else {
        guest::fail!("stanzas, each with YL", "{data:x?}")
    };
    let codes: BTreeSet<Vec<u8>> = stanzas.iter().map(|(code, _)| code.clone()).collect();
    for code in &codes {
        let own = stanzas.iter().filter(|(other, _)| other == code);
        let wanted: Vec<u8> = own.flat_map(|(_, stanza)| stanza.iter().copied()).collect();
        let told = or_return!(all(machine, code, 128, 0));
        need!(
            told == wanted,
            format!("the stanza of {}", code.escape_ascii()),
            "{told:x?}"
        );
    }
    pass!("{} location codes", codes.len())
}

fn refused(machine: &mut Machine) -> Verdict {
    let (empty, other) = (Bytes::of(b"\0"), Bytes::of(b"U0000.000.none\0"));
    for (location, sequence, what) in [
        (&other, 1, "a location code that there is not"),
        (&empty, 0, "sequence number 0"),
        (&empty, u32::MAX, "a sequence number that no call gave"),
    ] {
        let area = Bytes::new(64, 0xee);
        let inputs = [location.address(), area.address(), 64, sequence];
        let status = answer!(machine, GET, &inputs, 3).status();
        // -4 tells the caller to begin anew.
        let right = status == -3 || status == -4 && sequence == u32::MAX;
        need!(right, format!("-3 for {what}"), "{status}");
    }
    pass!("-3 for an unknown location code and wrong numbers")
}

fn anew(machine: &mut Machine) -> Verdict {
    let first = or_return!(one(machine, b"", 16, 0, 1));
    if !first.more {
        skip!("all data are told at once")
    }
    let again = or_return!(one(machine, b"", 16, 0, 1));
    need!(
        again.bytes == first.bytes,
        "the same from the beginning",
        "{:x?}, then {:x?}",
        first.bytes,
        again.bytes
    );
    let whole = or_return!(all(machine, b"", 128, 0));
    need!(
        whole.starts_with(&first.bytes),
        "all data by a sequence begun within another",
        "{whole:x?}"
    );
    pass!("{} bytes again", again.bytes.len())
}

fn before(machine: &mut Machine) -> Verdict {
    let zeros = or_return!(all(machine, b"", 64, 0));
    let ones = or_return!(all(machine, b"", 64, 0xff));
    need!(
        zeros == ones,
        "the same in a work area of ones",
        "{zeros:x?}, then {ones:x?}"
    );
    pass!("{} bytes, whatever was there", ones.len())
}

fn within_size(machine: &mut Machine) -> Verdict {
    let whole = or_return!(all(machine, b"", 128, 0));
    let size = machine.rtas_property("ibm,vpd-size").map(cells);
    let Some([size]) = size.as_deref() else {
        guest::fail!("ibm,vpd-size, one cell", "{size:x?}")
    };
    need!(
        *size == 0 || whole.len() <= *size as usize,
        "ibm,vpd-size of all data, or 0",
        "{size:#x}, and {} bytes",
        whole.len()
    );
    pass!("{} bytes of {size:#x}", whole.len())
}
