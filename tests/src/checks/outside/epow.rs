//! A warning that the power goes, as an event (LoPAR 7.3.3, 10.2.2, 10.3.2).

use alloc::format;
use alloc::vec::Vec;

use guest::runs::{ASK, POWERDOWN};
use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::PATIENCE;
use crate::board::{hypercall, processor};
use crate::checks::ask::{self, Bytes};
use crate::checks::interrupts;
use crate::subject::Machine;
use crate::subject::machine::cells;
use crate::{answer, say};

/// The class of EPOW in a mask: bit 1 from the left (Table 10.1).
const EPOW: u32 = 1 << 30;
/// The other classes that are defined: internal errors, hot plug, I/O.
const OTHERS: u32 = 1 << 31 | 1 << 28 | 1 << 27;
/// The vector of an external interrupt.
const EXTERNAL: u32 = 0x500;
/// More than a log of this event has.
pub(super) const ROOM: u32 = 192;
/// What every log begins with, details or not (10.3.2.1).
const FIXED: usize = 8;
/// The bytes of a log that tell its date and time (10.3.2.2.3: behind the fixed part, the header of the
/// extended log, and that of the first section).
const TIME: core::ops::Range<usize> = 32..40;

/// The hypercalls of XICS: priority of the processor, end of an interrupt, the next interrupt.
const H_EOI: u64 = 0x64;
const H_CPPR: u64 = 0x68;
const H_XIRR: u64 = 0x74;

/// The interrupt that is presented to this processor, 0 if none is; it is taken and ended.
fn interrupt() -> u32 {
    let (_, word) = hypercall::call(H_XIRR, &[0xff]);
    let source = word as u32 & 0xff_ffff;
    if source != 0 {
        hypercall::call(H_EOI, &[word]);
    }
    source
}

/// Lets an event come, and waits for its interrupt: the interrupt's number.
fn raise(machine: &mut Machine) -> Result<u32, Verdict> {
    let calls = interrupts::calls(machine)?;
    let mut nodes = machine.tree.iter();
    let node = nodes.find(|(path, _)| path == "/event-sources/epow-events");
    let interrupts = node.and_then(|(_, properties)| {
        let mut properties = properties.iter();
        properties.find(|(name, _)| name == "interrupts")
    });
    let Some(source) = interrupts.and_then(|(_, value)| cells(value).first().copied()) else {
        return Err(Verdict::Skip(
            "no /event-sources/epow-events with interrupts".into(),
        ));
    };
    let server = machine.servers.first().copied().unwrap_or(0);
    let statuses = [
        calls
            .rtas
            .status(machine.gate, calls.set, &[source, server, 5], 1),
        calls.rtas.status(machine.gate, calls.on, &[source], 1),
    ];
    hypercall::call(H_CPPR, &[0xff]);
    while interrupt() != 0 {}
    say!("{ASK}{POWERDOWN}");
    let came = processor::wait(PATIENCE, || interrupt() == source);
    if came {
        Ok(source)
    } else {
        Err(Verdict::Fail(
            format!("an interrupt of source {source:#x} for the event that was asked for"),
            format!("none, statuses {statuses:?} of ibm,set-xive and ibm,int-on"),
        ))
    }
}

macro_rules! raise {
    ($machine:expr) => {
        match raise($machine) {
            Ok(source) => source,
            Err(verdict) => return verdict,
        }
    };
}

/// check-exception: the status.
pub(super) fn exception(
    machine: &mut Machine,
    source: u32,
    mask: u32,
    critical: u32,
    log: &Bytes,
    room: u32,
) -> Result<i64, Verdict> {
    let inputs = [EXTERNAL, source, mask, critical, log.address(), room];
    Ok(ask::ask(machine, "check-exception", &inputs, 1)?.status())
}

macro_rules! exception {
    ($machine:expr, $($argument:expr),+) => {
        match exception($machine, $($argument),+) {
            Ok(status) => status,
            Err(verdict) => return verdict,
        }
    };
}

/// What is wrong with a whole log of an EPOW event, if anything is.
fn wrong(log: &[u8]) -> Option<&'static str> {
    let length = log.get(4..FIXED).map(|word| cells(word)[0]);
    let length = length.map_or(0, |length| length as usize);
    let end = log.iter().rposition(|byte| *byte != 0xee).unwrap_or(0);
    if log.first() != Some(&6) {
        Some("not of version 6")
    } else if log.get(3) != Some(&64) {
        Some("not of type EPOW (64)")
    } else if log[1] & 4 != 0 && !(length > 0 && end < FIXED + length) {
        Some("details of another length than it tells")
    } else {
        None
    }
}

/// A log as others may be compared with it, with room for all of it; none is pending afterwards.
fn whole(machine: &mut Machine) -> Result<Vec<u8>, Verdict> {
    let source = raise(machine)?;
    let log = Bytes::new(ROOM.into(), 0xee);
    let status = exception(machine, source, EPOW, 0, &log, ROOM)?;
    let bytes = log.bytes();
    let fault = wrong(&bytes);
    if status == 0 && log.guarded() && fault.is_none() {
        return Ok(bytes);
    }
    let why = fault.unwrap_or("in its place");
    Err(Verdict::Fail(
        "status 0 and a log of an EPOW event".into(),
        format!("{status}, a log {why}: {bytes:x?}"),
    ))
}

pub(super) fn by_one_call(machine: &mut Machine) -> Verdict {
    let source = raise!(machine);
    // Every class, so that whoever knows of the event may tell it.
    let (mut scanned, mut checked) = (0, 0);
    for round in 0..8 {
        for scan in [true, false] {
            let log = Bytes::new(ROOM.into(), 0xee);
            let status = if scan {
                let inputs = [u32::MAX, 0, log.address(), ROOM];
                answer!(machine, "event-scan", &inputs, 1).status()
            } else {
                exception!(machine, source, u32::MAX, 0, &log, ROOM)
            };
            let bytes = log.bytes();
            need!(
                (0..=1).contains(&status) && (status == 0) == (bytes[0] == 6),
                "status 0 and a log, or 1 and none",
                "{status} in round {round}, {bytes:x?}"
            );
            if status == 0 {
                if scan {
                    scanned += 1;
                } else {
                    checked += 1;
                }
            }
        }
    }
    need!(
        scanned + checked == 1,
        "the event told once, by one of the two calls",
        "event-scan {scanned} times, check-exception {checked} times"
    );
    pass!("event-scan {scanned} times, check-exception {checked} times")
}

pub(super) fn cut(machine: &mut Machine) -> Verdict {
    let whole = match whole(machine) {
        Ok(whole) => whole,
        Err(verdict) => return verdict,
    };
    let lengths = [0u32, 1, 8, 16, 64];
    for room in lengths {
        let source = raise!(machine);
        let log = Bytes::new(ROOM.into(), 0xee);
        let status = exception!(machine, source, EPOW, 0, &log, room);
        let bytes = log.bytes();
        let (inside, beyond) = bytes.split_at(room as usize);
        need!(
            status == 0,
            format!("status 0 with room for {room}"),
            "{status}"
        );
        let written = beyond.iter().filter(|byte| **byte != 0xee).count();
        need!(
            written == 0 && log.guarded(),
            format!("nothing behind a buffer of {room} bytes"),
            "{written} other bytes there, {bytes:x?}"
        );
        // Every event has an identifier of its own behind the first 64 bytes.
        let other = |(index, byte): &(usize, &u8)| !TIME.contains(index) && **byte != whole[*index];
        let differs = inside.iter().enumerate().find(other);
        need!(
            differs.is_none(),
            format!("the first {room} bytes of {whole:x?}"),
            "{inside:x?}"
        );
    }
    pass!("cut at {lengths:?} bytes, nothing behind")
}

pub(super) fn critical(machine: &mut Machine) -> Verdict {
    let source = raise!(machine);
    let log = Bytes::new(ROOM.into(), 0xee);
    let status = exception!(machine, source, EPOW, 1, &log, ROOM);
    let bytes = log.bytes();
    need!(
        status == 0 && bytes[0] == 6,
        "status 0 and a log",
        "{status}, {bytes:x?}"
    );
    let details = bytes[FIXED..].iter().filter(|byte| **byte != 0xee).count();
    need!(
        details == 0 && bytes[1] & 4 == 0,
        "no extended log with Critical set",
        "{details} bytes of one"
    );
    pass!("the fixed part alone")
}

pub(super) fn in_order(machine: &mut Machine) -> Verdict {
    // Both are there before the first is asked for.
    let source = raise!(machine);
    raise!(machine);
    let mut logs: Vec<Vec<u8>> = Vec::new();
    for _ in 0..4 {
        let log = Bytes::new(ROOM.into(), 0xee);
        match exception!(machine, source, EPOW, 0, &log, ROOM) {
            0 => logs.push(log.bytes()),
            1 => break,
            status => guest::fail!("status 0 or 1", "{status}"),
        }
    }
    // A later warning may take the place of one that nobody asked for.
    need!(
        (1..=2).contains(&logs.len()),
        "each of two events once",
        "{} logs",
        logs.len()
    );
    need!(
        logs.len() == 1 || logs[0] != logs[1],
        "two logs that differ",
        "{:x?} twice",
        logs[0]
    );
    pass!("{} logs of two events, then none", logs.len())
}

pub(super) fn not_in_mask(machine: &mut Machine) -> Verdict {
    let source = raise!(machine);
    for mask in [0, OTHERS] {
        let log = Bytes::new(ROOM.into(), 0xee);
        let status = exception!(machine, source, mask, 0, &log, ROOM);
        need!(
            status == 1 && log.bytes().iter().all(|byte| *byte == 0xee),
            format!("status 1 and nothing written for mask {mask:#x}"),
            "{status}, {:x?}",
            log.bytes()
        );
    }
    let log = Bytes::new(ROOM.into(), 0xee);
    let status = exception!(machine, source, EPOW, 0, &log, ROOM);
    need!(
        status == 0 && log.bytes()[0] == 6,
        "the event for the mask of its class",
        "{status}, {:x?}",
        log.bytes()
    );
    pass!("left alone by masks 0 and {OTHERS:#x}, told to {EPOW:#x}")
}

pub(super) fn sensor(machine: &mut Machine) -> Verdict {
    const SENSOR: u32 = 9;
    let pairs = machine.rtas_property("rtas-sensors").map(cells);
    let pairs = pairs.unwrap_or_default();
    if !pairs.chunks_exact(2).any(|pair| pair[0] == SENSOR) {
        skip!("rtas-sensors has no sensor 9")
    }
    let log = match whole(machine) {
        Ok(log) => log,
        Err(verdict) => return verdict,
    };
    // The action stands in the section EP, behind its header of 8 bytes (10.3.2.2.8).
    let at = log.windows(4).position(|bytes| bytes == b"EP\0\x14");
    let Some(action) = at.and_then(|at| log.get(at + 8)).map(|byte| byte & 0xf) else {
        guest::fail!("a section EP in the log", "{log:x?}")
    };
    let outcome = answer!(machine, "get-sensor-state", &[SENSOR, 0], 2);
    need!(
        outcome.cells == [0, i64::from(action)],
        format!("status 0 and the action {action} of the last log"),
        "{:?}",
        outcome.cells
    );
    pass!("action {action}, as in the last log")
}
