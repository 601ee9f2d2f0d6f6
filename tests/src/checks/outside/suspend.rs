//! Suspension of the partition (LoPAR 7.3.23): somebody outside wakes it.

use alloc::format;
use alloc::vec::Vec;

use guest::runs::{ASK, AWAKE, WAKE};
use guest::verdict::Verdict;
use guest::{need, pass, skip};

use crate::board::memory::{self, Scratch};
use crate::board::{hypercall, segments};
use crate::checks::ask::{self, Bytes};
use crate::checks::environment;
use crate::say;
use crate::subject::Machine;
use crate::subject::machine::cells;

const SUSPEND: &str = "ibm,suspend-me";

/// Suspends the machine and comes back: the status.
fn suspend(machine: &mut Machine) -> Result<i64, Verdict> {
    if machine.rtas.is_none() || machine.token(SUSPEND).is_none() {
        return Err(Verdict::Skip(format!("no instance, or no {SUSPEND}")));
    }
    say!("{ASK}{WAKE}");
    let outcome = ask::ask(machine, SUSPEND, &[], 1);
    say!("{AWAKE}");
    Ok(outcome?.status())
}

/// Looks before and after a suspension, which has to succeed.
fn around<T>(
    machine: &mut Machine,
    mut look: impl FnMut(&mut Machine) -> Result<T, Verdict>,
) -> Result<[T; 2], Verdict> {
    let before = look(machine)?;
    match suspend(machine)? {
        0 => Ok([before, look(machine)?]),
        status => Err(Verdict::Fail(
            "status 0 of ibm,suspend-me".into(),
            format!("{status}"),
        )),
    }
}

macro_rules! around {
    ($machine:expr, $look:expr) => {
        match around($machine, $look) {
            Ok(both) => both,
            Err(verdict) => return verdict,
        }
    };
}

pub(super) fn wakes(machine: &mut Machine) -> Verdict {
    match suspend(machine) {
        Ok(0) => pass!("status 0 after the wakeup"),
        Ok(status) => guest::fail!("status 0", "{status}"),
        Err(verdict) => verdict,
    }
}

/// Sums of all memory but what a call may write, what RTAS tells of every interrupt source, and the
/// NVRAM's first bytes.
type All = (Vec<u64>, Vec<Vec<i64>>, Vec<u8>);

/// What there is now.
fn all(machine: &mut Machine) -> Result<All, Verdict> {
    let Some(rtas) = machine.rtas else {
        return Err(Verdict::Skip("no instance of RTAS".into()));
    };
    let mut sources = Vec::new();
    if machine.token("ibm,get-xive").is_some() {
        for source in machine.sources.clone() {
            sources.push(ask::ask(machine, "ibm,get-xive", &[source], 3)?.cells);
        }
    }
    let mut nvram = Vec::new();
    if machine.nvram_bytes > 0 {
        let bytes = Bytes::new(128, 0);
        ask::ask(machine, "nvram-fetch", &[0, bytes.address(), 128], 2)?;
        nvram = bytes.bytes();
    }
    let ranges = environment::unused(machine, &rtas, &[]);
    let sums = ranges.into_iter().map(memory::checksum).collect();
    Ok((sums, sources, nvram))
}

pub(super) fn state(machine: &mut Machine) -> Verdict {
    let [before, after] = around!(machine, all);
    need!(
        before == after,
        format!("memory, sources and NVRAM as before: {before:x?}"),
        "{after:x?}"
    );
    // The registers are looked at by every call.
    pass!("memory, {} sources and NVRAM as before", before.1.len())
}

/// A line feed is shown with this status, and the tone answers with these.
fn display_and_tone(machine: &mut Machine) -> Result<[i64; 3], Verdict> {
    /// Tone frequency and volume (Table 7.26).
    const TONE: [u32; 2] = [1, 2];
    let [frequency, volume] = TONE;
    Ok([
        ask::ask(machine, "display-character", &[u32::from(b'\n')], 1)?.status(),
        ask::ask(machine, "set-indicator", &[frequency, 0, 0], 1)?.status(),
        ask::ask(machine, "set-indicator", &[volume, 0, 0], 1)?.status(),
    ])
}

pub(super) fn display(machine: &mut Machine) -> Verdict {
    let [before, after] = around!(machine, display_and_tone);
    need!(before == after, format!("statuses {before:?}"), "{after:?}");
    pass!("statuses {before:?} of display and tone, before and after")
}

/// Status and value of each parameter that Table 7.79 has, and of some that it does not.
fn each(machine: &mut Machine) -> Result<Vec<(u32, i64, Vec<u8>)>, Verdict> {
    const ROOM: u32 = 0x1000;
    let area = machine.arena + 0x18_0000;
    let mut parameters = Vec::new();
    for token in 0..64u32 {
        memory::fill(area, ROOM.into(), 0);
        let inputs = [token, area as u32, ROOM];
        let status = ask::ask(machine, "ibm,get-system-parameter", &inputs, 1)?.status();
        let mut head = [0; 2];
        memory::read(area, &mut head);
        let length = u64::from(u16::from_be_bytes(head)).min(u64::from(ROOM) - 2);
        let value = (0..length).map(|at| memory::read_u8(area + 2 + at));
        parameters.push((token, status, value.collect()));
    }
    Ok(parameters)
}

pub(super) fn support(machine: &mut Machine) -> Verdict {
    let [before, after] = around!(machine, each);
    let supported = |list: &[(u32, i64, Vec<u8>)]| -> Vec<u32> {
        let there = list.iter().filter(|(_, status, _)| *status != -3);
        there.map(|(token, ..)| *token).collect()
    };
    let (before, after) = (supported(&before), supported(&after));
    need!(
        before == after,
        format!("parameters {before:?}"),
        "{after:?}"
    );
    pass!("parameters {before:?}, before and after")
}

pub(super) fn parameters(machine: &mut Machine) -> Verdict {
    // On this machine those of Table 7.101 have no reason to change, either.
    let [before, after] = around!(machine, each);
    let mut both = before.iter().zip(&after);
    if let Some((one, other)) = both.find(|(one, other)| one != other) {
        guest::fail!(format!("{one:x?}"), "{other:x?}");
    }
    let there = before.iter().filter(|(_, status, _)| *status == 0).count();
    pass!("the values of {there} parameters, before and after")
}

/// Entries of the segment buffer that a suspension keeps (R1-7.3.23-19).
const ENTRIES: u64 = 32;

pub(super) fn segments(machine: &mut Machine) -> Verdict {
    // An effective and a virtual segment of its own for each, of 256 MiB with 4 KiB pages.
    for index in 0..ENTRIES {
        segments::set(index, 0x1230 + index, 0x45_6000 + index);
    }
    let look = |_: &mut Machine| Ok((0..ENTRIES).map(segments::get).collect::<Vec<_>>());
    let both = around(machine, look);
    for index in 0..ENTRIES {
        segments::clear(index);
    }
    let [before, after] = match both {
        Ok(both) => both,
        Err(verdict) => return verdict,
    };
    for (index, entry) in (0u64..).zip(&before) {
        need!(
            *entry == segments::entry(0x1230 + index, 0x45_6000 + index),
            format!("entry {index} as it was set"),
            "{entry:x?}"
        );
    }
    need!(before == after, format!("{before:x?}"), "{after:x?}");
    pass!("{ENTRIES} entries, before and after")
}

/// The hypercalls of command and response queues (LoPAR 17.2.3.1.5).
const H_REG_CRQ: u64 = 0xfc;
const H_FREE_CRQ: u64 = 0x100;
const H_SEND_CRQ: u64 = 0x108;
const H_ENABLE_CRQ: u64 = 0x2b0;
/// H_FUNCTION, H_PARAMETER and H_SUCCESS.
const NO_SUCH_CALL: i64 = -2;
const PARAMETER: i64 = -4;
const SUCCESS: i64 = 0;
/// A transport event (LoPAR 17.2.3.1.1): a virtual SCSI adapter takes it and answers nothing.
const EVENT: u64 = 0xff << 56;

/// The unit address of a virtual SCSI adapter, and what it is compatible with.
fn adapter(machine: &Machine) -> Option<(u64, &'static [u8])> {
    machine.tree.iter().find_map(|(_, properties)| {
        let get = |name: &str| properties.iter().find(|(own, _)| own == name);
        let (_, compatible) = get("compatible")?;
        let mut names = compatible.split(|byte| *byte == 0);
        names.find(|name| *name == b"IBM,v-scsi")?;
        let unit = *cells(&get("reg")?.1).first()?;
        Some((unit.into(), compatible.as_slice()))
    })
}

pub(super) fn transport(machine: &mut Machine) -> Verdict {
    let Some((_, compatible)) = adapter(machine) else {
        skip!("no IBM,v-scsi in the tree")
    };
    let mut names = compatible.split(|byte| *byte == 0);
    need!(
        names.any(|name| name == b"IBM,v-scsi-2"),
        "IBM,v-scsi-2 in compatible",
        "{}",
        compatible.escape_ascii()
    );
    pass!("{}", compatible.escape_ascii())
}

pub(super) fn enables(machine: &mut Machine) -> Verdict {
    let Some((unit, _)) = adapter(machine) else {
        skip!("no IBM,v-scsi in the tree: no queue")
    };
    let (own, _) = hypercall::call(H_ENABLE_CRQ, &[unit]);
    let (none, _) = hypercall::call(H_ENABLE_CRQ, &[0x7777_7777]);
    need!(
        own != NO_SUCH_CALL && own != PARAMETER && none == PARAMETER,
        "H_ENABLE_CRQ that takes a unit with a queue, and refuses one that is not there",
        "{own} and {none}"
    );
    pass!("{own} for unit {unit:#x}, {none} for one that is not there")
}

pub(super) fn queues(machine: &mut Machine) -> Verdict {
    let Some((unit, _)) = adapter(machine) else {
        skip!("no IBM,v-scsi in the tree: no queue")
    };
    let queue = Scratch::new(0x1000, 0x1000);
    memory::fill(queue.address, 0x1000, 0);
    // The firmware may have left one.
    hypercall::call(H_FREE_CRQ, &[unit]);
    let (registered, _) = hypercall::call(H_REG_CRQ, &[unit, queue.address, 0x1000]);
    let send = |_: &mut Machine| Ok(hypercall::call(H_SEND_CRQ, &[unit, EVENT, 0]).0);
    let both = around(machine, send);
    hypercall::call(H_FREE_CRQ, &[unit]);
    let [before, after] = match both {
        Ok(both) => both,
        Err(verdict) => return verdict,
    };
    need!(
        (registered, before) == (SUCCESS, SUCCESS),
        "a queue that takes a message",
        "{registered} of H_REG_CRQ, {before} of H_SEND_CRQ"
    );
    need!(
        after != SUCCESS,
        "a queue that takes no message until H_ENABLE_CRQ",
        "{after} of H_SEND_CRQ after the suspension"
    );
    pass!("H_SEND_CRQ {before}, then {after}")
}
