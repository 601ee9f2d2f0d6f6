//! System parameters (LoPAR 7.3.16).

use alloc::format;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::ask::{self, Bytes};
use super::{Check, check};
use crate::answer;
use crate::board::memory;
use crate::subject::Machine;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.16-7", "parameters-reserved", reserved),
    check("R1-7.3.16-8", "parameter-20-set", |machine| {
        refused_by_note(machine, 20)
    }),
    check("R1-7.3.16-9", "parameters-as-defined", as_defined),
    check("R1-7.3.16-9", "parameter-55", partition_name),
    check("R1-7.3.16-8", "parameter-55-set", set_55),
    check("R1-7.3.16-10", "parameters-without-room", without_room),
    check("R1-7.3.16-11", "parameters-set-nothing", set_nothing),
    check("R1-7.3.16-12", "parameters-lengths", lengths),
    check("R1-7.3.16-13", "parameter-20", characteristics),
    check("R1-7.3.16.16-1", "parameter-42", diagnostics),
    check("R1-7.3.16.17-1", "parameter-43", modules),
    check("R1-7.3.16.17-2", "parameter-43-set", |machine| {
        refused(machine, 43)
    }),
    check("R1-7.3.16.18-2", "parameter-45-set", |machine| {
        refused(machine, 45)
    }),
    check("R1-7.3.16.19-4", "parameter-46-set", |machine| {
        refused(machine, 46)
    }),
    check("R1-7.3.16.22-4", "parameter-52-set", |machine| {
        refused(machine, 52)
    }),
];

const GET: &str = "ibm,get-system-parameter";
const SET: &str = "ibm,set-system-parameter";
const NOT_SUPPORTED: i64 = -3;
const NOT_AUTHORIZED: i64 = -9002;
/// The tokens of Table 7.79 that are not reserved.
const DEFINED: [u32; 53] = {
    let mut tokens = [0; 53];
    let mut at = 0;
    let mut token = 0;
    while token <= 58 {
        if !matches!(token, 16 | 17 | 36 | 48 | 49 | 51) {
            tokens[at] = token;
            at += 1;
        }
        token += 1;
    }
    tokens
};
/// More than the longest parameter.
const ROOM: u32 = 4096;

/// Status and data of a parameter, read with room for all of it.
fn get(machine: &mut Machine, token: u32) -> Result<(i64, Vec<u8>), Verdict> {
    let area = machine.arena + 0x18_0000;
    memory::fill(area, u64::from(ROOM) + 64, 0xee);
    let outcome = ask::ask(machine, GET, &[token, area as u32, ROOM], 1)?;
    let beyond = area + u64::from(ROOM);
    if let Some(at) = memory::first_other_than(beyond..beyond + 64, 0xee) {
        let wanted = format!("{ROOM} bytes of parameter {token} or less");
        return Err(Verdict::Fail(wanted, format!("a byte at {at:#x}")));
    }
    let mut head = [0; 2];
    memory::read(area, &mut head);
    if outcome.status() != 0 {
        return Ok((outcome.status(), Vec::new()));
    }
    let length = u64::from(u16::from_be_bytes(head));
    let data = (0..length.min(u64::from(ROOM) - 2)).map(|at| memory::read_u8(area + 2 + at));
    Ok((outcome.status(), data.collect()))
}

macro_rules! get {
    ($machine:expr, $token:expr) => {
        match get($machine, $token) {
            Ok(answer) => answer,
            Err(verdict) => return verdict,
        }
    };
}

fn reserved(machine: &mut Machine) -> Verdict {
    // 48 is QEMU's own for the UUID of the machine, and Linux reads it.
    for token in [16, 17, 49, 51, 59, 0xffff, 0x8000_0000, u32::MAX] {
        let (status, _) = get!(machine, token);
        need!(
            status == NOT_SUPPORTED,
            format!("-3 for the reserved parameter {token:#x}"),
            "{status}"
        );
    }
    pass!("-3 for eight tokens that Table 7.79 reserves or does not have")
}

/// A string with its end, and none before.
fn is_string(data: &[u8]) -> bool {
    let end = data.iter().position(|byte| *byte == 0);
    end.is_some_and(|end| end + 1 == data.len())
}

fn as_defined(machine: &mut Machine) -> Verdict {
    let mut seen = Vec::new();
    for token in DEFINED {
        let (status, data) = get!(machine, token);
        if status != 0 {
            continue;
        }
        let good = match token {
            20 | 44 | 53 | 55 => is_string(&data),
            21 | 22 | 23 | 26 | 27 | 31 => matches!(data[..], [0 | 1]),
            24 | 28 | 29 => data.len() == 1,
            32 => data.len() == 8,
            33 | 34 | 46 => data.len() == 2,
            42 => matches!(data[..], [0..=3]),
            47 => data.len() == 96,
            52 => data.len().is_multiple_of(8),
            // Set only (note 2).
            54 | 56..=58 => false,
            _ => true,
        };
        need!(
            good,
            format!("parameter {token} as in Table 7.79"),
            "{data:x?}"
        );
        seen.push(token);
    }
    need!(!seen.is_empty(), "a parameter or more", "none");
    pass!("{seen:?}")
}

fn without_room(machine: &mut Machine) -> Verdict {
    let mut seen = Vec::new();
    for token in DEFINED {
        let (wanted, _) = get!(machine, token);
        let data = Bytes::new(16, 0xee);
        let outcome = answer!(machine, GET, &[token, data.address(), 0], 1);
        let status = outcome.status();
        need!(
            data.guarded() && data.bytes() == [0xee; 16],
            "no byte written",
            "some were, for parameter {token}"
        );
        let same = matches!(wanted, 0 | NOT_SUPPORTED | NOT_AUTHORIZED);
        need!(
            !same || status == wanted,
            format!("{wanted} for parameter {token} with length 0"),
            "{status}"
        );
        if wanted == 0 {
            seen.push(token);
        }
    }
    need!(!seen.is_empty(), "a parameter or more", "none");
    pass!("0 for {seen:?} with length 0, -3 or -9002 for the others")
}

fn set_nothing(machine: &mut Machine) -> Verdict {
    for token in DEFINED {
        let (read, before) = get!(machine, token);
        let data = Bytes::of(&[0, 0]);
        let outcome = answer!(machine, SET, &[token, data.address()], 1);
        let status = outcome.status();
        need!(
            matches!(status, 0 | NOT_SUPPORTED | NOT_AUTHORIZED),
            format!("0, -3 or -9002 for nothing as parameter {token}"),
            "{status}"
        );
        let (again, after) = get!(machine, token);
        need!(
            read == again && before == after,
            format!("parameter {token} as it was"),
            "{again}, {after:x?}"
        );
    }
    pass!(
        "0, -3 or -9002 for each of {} parameters, none changed",
        DEFINED.len()
    )
}

fn lengths(machine: &mut Machine) -> Verdict {
    let mut longest = 0;
    for token in DEFINED {
        let (status, data) = get!(machine, token);
        if status == 0 {
            longest = longest.max(data.len());
        }
    }
    need!(longest <= 4000, "at most 4000 bytes", "{longest}");
    // A string that is too long to be set.
    let area = machine.arena + 0x18_0000;
    memory::fill(area, 2048, b'x');
    memory::write(area, &1025u16.to_be_bytes());
    let outcome = answer!(machine, SET, &[20, area as u32], 1);
    need!(
        outcome.status() < 0,
        "1025 bytes refused",
        "{}",
        outcome.status()
    );
    pass!(
        "at most {longest} bytes; 1025 are refused with {}",
        outcome.status()
    )
}

fn characteristics(machine: &mut Machine) -> Verdict {
    let (status, data) = get!(machine, 20);
    need!(status == 0, "status 0", "{status}");
    need!(
        is_string(&data) && data.len() > 1,
        "a string with its end",
        "{data:x?}"
    );
    // Cut to each room: what fits, nothing behind, the whole length told.
    for room in 2..16u32 {
        let buffer = Bytes::new(32, 0xee);
        let outcome = answer!(machine, GET, &[20, buffer.address(), room], 1);
        let bytes = buffer.bytes();
        let (told, rest) = bytes.split_at(2);
        let fits = room as usize - 2;
        need!(
            outcome.status() == 0
                && told == (data.len() as u16).to_be_bytes()
                && rest[..fits] == data[..fits]
                && rest[fits..].iter().all(|byte| *byte == 0xee)
                && buffer.guarded(),
            format!("{room} bytes of length and value"),
            "{}: {bytes:x?}",
            outcome.status()
        );
    }
    pass!("{} bytes, cut to any room", data.len())
}

/// The name that the root of the tree has, if any.
fn partition_name(machine: &mut Machine) -> Verdict {
    let (status, data) = get!(machine, 55);
    if status == NOT_SUPPORTED {
        skip!("parameter 55 answers -3: not supported")
    }
    // Not of the client interface: the guest's vectors may lie over its code.
    let root = machine.tree.iter().find(|(path, _)| path == "/");
    let mut properties = root.into_iter().flat_map(|(_, properties)| properties);
    let Some((_, name)) = properties.find(|(name, _)| name == "ibm,partition-name") else {
        guest::fail!("ibm,partition-name beside parameter 55", "none")
    };
    need!(
        status == 0 && is_string(&data) && data.is_ascii(),
        "status 0 and a string of ASCII with its end",
        "{status}, {data:x?}"
    );
    need!(
        !name.is_ascii() || data == *name,
        format!("{name:x?}"),
        "{data:x?}"
    );
    pass!("{} bytes, the name in the tree", data.len())
}

fn set_55(machine: &mut Machine) -> Verdict {
    let (read, _) = get!(machine, 55);
    if read == NOT_SUPPORTED {
        skip!("parameter 55 answers -3: not supported")
    }
    refused_by_note(machine, 55)
}

/// Setting a parameter that Table 7.79, note 1, says may not be set.
fn refused_by_note(machine: &mut Machine, token: u32) -> Verdict {
    let (read, before) = get!(machine, token);
    let data = Bytes::of(b"\0\x04abc\0");
    let outcome = answer!(machine, SET, &[token, data.address()], 1);
    let (_, after) = get!(machine, token);
    need!(
        outcome.status() == NOT_AUTHORIZED,
        "-9002: Table 7.79, note 1",
        "{}",
        outcome.status()
    );
    need!(
        read == 0 && before == after,
        "the value as it was",
        "another"
    );
    pass!("-9002, and the value as it was")
}

fn diagnostics(machine: &mut Machine) -> Verdict {
    let (status, data) = get!(machine, 42);
    if status == NOT_SUPPORTED {
        skip!("parameter 42 answers -3: not supported")
    }
    need!(
        status == 0 && matches!(data[..], [0..=3]),
        "status 0 and one byte of 0 to 3",
        "{status}, {data:x?}"
    );
    pass!("{data:x?}")
}

fn modules(machine: &mut Machine) -> Verdict {
    let (status, data) = get!(machine, 43);
    if status == NOT_SUPPORTED {
        skip!("parameter 43 answers -3: not supported")
    }
    let count = data
        .first_chunk()
        .map_or(0, |head| u16::from_be_bytes(*head));
    need!(
        status == 0 && count > 0 && data.len() == 2 + 6 * usize::from(count),
        "a count of module types and three halves for each",
        "{status}, {data:x?}"
    );
    pass!("{data:x?}")
}

/// A parameter that everybody may read and nobody may set.
fn refused(machine: &mut Machine, token: u32) -> Verdict {
    let (status, _) = get!(machine, token);
    if status == NOT_SUPPORTED {
        skip!("parameter {token} answers -3: not supported")
    }
    need!(status != NOT_AUTHORIZED, "never -9002", "-9002");
    let data = Bytes::of(&[0, 2, 0, 100]);
    let outcome = answer!(machine, SET, &[token, data.address()], 1);
    let status = outcome.status();
    need!(status == NOT_AUTHORIZED, "-9002 for setting it", "{status}");
    pass!("read, and not set: {status}")
}
