//! Indices and location codes of indicators and sensors (LoPAR 7.3.17).

use alloc::format;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::ask::{self, Bytes};
use super::{Check, check};
use crate::or_return;
use crate::subject::Machine;
use crate::subject::machine::cells;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.17-7", "indices-form", form),
    check("R1-7.3.17-9", "indices-of-other-types", other_types),
    check("R1-7.3.17-13", "indices-work-area-before", before),
    check("R1-7.2.6.1.2-4", "indices-static-sensors", static_sensors),
];

const GET: &str = "ibm,get-indices";
/// Most calls of a sequence: what needs more has no end.
const MOST_CALLS: usize = 1 << 12;
/// Bytes of the work area.
const ROOM: u32 = 192;
/// The first input: what is asked for, and the property with its types.
const KINDS: [(u32, &str); 2] = [
    (0, "ibm,get-indicator-indices-types"),
    (1, "ibm,get-sensor-indices-types"),
];
/// Types that are asked for whether they are listed or not: static ones, those of dynamic
/// reconfiguration, and numbers that LoPAR gives to nothing.
const TYPES: [u32; 11] = [
    0,
    1,
    3,
    9,
    9001,
    9002,
    9003,
    9006,
    9007,
    0x7777,
    0xffff_ffff,
];

/// Indices, each with its location code.
type List = Vec<(u32, Vec<u8>)>;

/// What the work area says: a count and so many sets (R1-7.3.17-7).
fn list(area: &[u8]) -> Option<List> {
    let (count, mut rest) = area.split_first_chunk::<4>()?;
    let mut list = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let (index, tail) = rest.split_first_chunk::<4>()?;
        let (length, tail) = tail.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        let code = tail.get(..length)?;
        let (end, text) = code.split_last()?;
        if *end != 0 || text.contains(&0) {
            return None;
        }
        list.push((u32::from_be_bytes(*index), text.to_vec()));
        rest = tail.get(length.checked_next_multiple_of(4)?..)?;
    }
    Some(list)
}

/// One call: its status, the next number, and the list if there is one.
fn one(
    machine: &mut Machine,
    kind: u32,
    token: u32,
    fill: u8,
    start: u32,
) -> Result<(i64, u32, List), Verdict> {
    let area = Bytes::new(ROOM.into(), fill);
    let inputs = [kind, token, area.address(), ROOM, start];
    let outcome = ask::ask(machine, GET, &inputs, 2)?;
    let wrong = |wanted: &str, saw| Err(Verdict::Fail(wanted.into(), saw));
    let (status, next) = (outcome.status(), outcome.cells.get(1).copied());
    if !area.guarded() {
        return wrong("no more than the work area", "more".into());
    }
    match status {
        0 | 1 => {
            let Some(next) = next.filter(|next| status == 1 || *next == 1) else {
                return wrong("1 as the number after the last call", format!("{next:x?}"));
            };
            match list(&area.bytes()) {
                Some(list) => Ok((status, next as u32, list)),
                None => wrong(
                    "a count, and for each an index, a length and a string, padded",
                    format!("{:x?}", area.bytes()),
                ),
            }
        }
        -1 | -3 | -4 | 9900..=9905 => Ok((status, start, Vec::new())),
        _ => wrong("a status of Table 7.94", format!("{status}")),
    }
}

/// A whole sequence: the list, or the status that ended it.
fn all(
    machine: &mut Machine,
    kind: u32,
    token: u32,
    fill: u8,
) -> Result<Result<List, i64>, Verdict> {
    let (mut next, mut whole) = (1, Vec::new());
    for _ in 0..MOST_CALLS {
        let (status, after, list) = one(machine, kind, token, fill, next)?;
        whole.extend(list);
        next = after;
        match status {
            0 => return Ok(Ok(whole)),
            1 | 9900..=9905 => (),
            // The list changed: from the start.
            -4 => {
                next = 1;
                whole.clear();
            }
            _ => return Ok(Err(status)),
        }
    }
    Err(Verdict::Fail(
        "an end of the sequence".into(),
        format!("none after {MOST_CALLS} calls"),
    ))
}

/// The types that a property lists.
fn types(machine: &Machine, property: &str) -> Vec<u32> {
    machine
        .rtas_property(property)
        .map(cells)
        .unwrap_or_default()
}

/// Each type that /rtas lists: the form is looked at by [`one`].
fn form(machine: &mut Machine) -> Verdict {
    if machine.token(GET).is_none() {
        skip!("/rtas has no {GET}")
    }
    let (mut looked, mut found) = (0, 0);
    for (kind, property) in KINDS {
        for token in types(machine, property) {
            match or_return!(all(machine, kind, token, 0)) {
                Ok(list) => found += list.len(),
                Err(status) => need!(
                    status == -3,
                    format!("a list of {token}, or -3 where there are none"),
                    "{status}"
                ),
            }
            looked += 1;
        }
    }
    if found == 0 {
        skip!("{looked} types are listed, none with an index")
    }
    pass!("{found} indices of {looked} types")
}

fn other_types(machine: &mut Machine) -> Verdict {
    let mut asked = 0;
    for (kind, property) in KINDS {
        let listed = types(machine, property);
        for token in TYPES.into_iter().filter(|token| !listed.contains(token)) {
            let (status, ..) = or_return!(one(machine, kind, token, 0, 1));
            need!(
                status == -3,
                format!("-3 for type {token:#x}, which {property} does not list"),
                "{status}"
            );
            asked += 1;
        }
    }
    pass!("-3 for {asked} types that no property lists")
}

fn before(machine: &mut Machine) -> Verdict {
    let mut asked = 0;
    for (kind, property) in KINDS {
        for token in types(machine, property).into_iter().chain(TYPES) {
            let zeros = or_return!(all(machine, kind, token, 0));
            let ones = or_return!(all(machine, kind, token, 0xff));
            need!(
                zeros == ones,
                format!("the same of type {token:#x} whatever the work area held: {zeros:x?}"),
                "{ones:x?}"
            );
            asked += 1;
        }
    }
    pass!("{asked} types, the same with a work area of zeros and of ones")
}

fn static_sensors(machine: &mut Machine) -> Verdict {
    const SENSORS: u32 = 1;
    for token in [3, 9001, 9002] {
        need!(
            !types(machine, KINDS[1].1).contains(&token),
            format!("no {token} in {}", KINDS[1].1),
            "one"
        );
        if machine.token(GET).is_some() {
            let (status, ..) = or_return!(one(machine, SENSORS, token, 0, 1));
            need!(
                status == -3,
                format!("-3 of {GET} for sensor {token}"),
                "{status}"
            );
        }
    }
    if machine.token(GET).is_none() {
        skip!("/rtas has no {GET}")
    }
    pass!("no indices of sensors 3, 9001 and 9002")
}
