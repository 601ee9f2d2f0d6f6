//! RTAS at both ends of where it may be (LoPAR 7.2.4, 7.2.5): as low and as high as memory can be had,
//! and up to a 256 MiB boundary. Before the instances that other checks call.

use alloc::format;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::{Check, check, instantiate};
use crate::board::vectors::Vectors;
use crate::subject::{Machine, Width};

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.2.5-1", "instantiate-lowest", |machine| {
        lowest(machine, &NARROW)
    }),
    check("R1-7.2.5-1", "instantiate-highest", |machine| {
        highest(machine, &NARROW)
    }),
    check("R1-7.2.5-1", "instantiate-up-to-256-mib", |machine| {
        up_to_boundary(machine, &NARROW)
    }),
    check("R1-7.2.5-1", "instantiate-64-lowest", |machine| {
        lowest(machine, &WIDE)
    }),
    check("R1-7.2.5-1", "instantiate-64-highest", |machine| {
        highest(machine, &WIDE)
    }),
    check("R1-7.2.5-1", "instantiate-64-up-to-256-mib", |machine| {
        up_to_boundary(machine, &WIDE)
    }),
];

/// A method that makes an instance.
struct Method {
    name: &'static str,
    width: Width,
    /// B.5.3.4 calls it optional.
    optional: bool,
}

const NARROW: Method = Method {
    name: "instantiate-rtas",
    width: Width::Mode32,
    optional: false,
};
const WIDE: Method = Method {
    name: "instantiate-rtas-64",
    width: Width::Cells64,
    optional: true,
};

const PAGE: u64 = 0x1000;
const SEGMENT: u64 = 0x1000_0000;
/// How many bases are tried.
const MOST: usize = 2048;

/// Makes an instance at the first of `bases` that can be claimed, calls it, and gives it up.
fn at_first(machine: &mut Machine, method: &Method, bases: impl Iterator<Item = u64>) -> Verdict {
    let size = machine.rtas_size();
    let pages = size.next_multiple_of(PAGE);
    let crosses = |base: u64| base / SEGMENT != (base + pages - 1) / SEGMENT;
    let bases: Vec<u64> = bases.filter(|base| !crosses(*base)).take(MOST).collect();
    let found = bases.into_iter().find(|base| {
        let Some(client) = machine.client.as_ref() else {
            return false;
        };
        u64::from(client.claim(machine.gate, *base as u32, pages as u32, 0)) == *base
    });
    let Some(base) = found else {
        skip!("no memory of {pages:#x} bytes could be claimed there")
    };
    let verdict = called(machine, method, base);
    if let Some(client) = machine.client.as_ref() {
        client.release(machine.gate, base as u32, pages as u32);
    }
    verdict
}

/// Whether the method makes an instance where nothing is special: in memory of the guest's own.
fn has(machine: &mut Machine, method: &Method) -> bool {
    let base = machine.arena + 0x30_0000;
    instantiate::instantiate(machine, method.name, base, method.width).is_ok()
}

fn called(machine: &mut Machine, method: &Method, base: u64) -> Verdict {
    let rtas = match instantiate::instantiate(machine, method.name, base, method.width) {
        Ok(rtas) => rtas,
        Err(why) if method.optional && !has(machine, method) => {
            skip!("no {}: {why}", method.name)
        }
        Err(why) => guest::fail!(format!("an instance at {base:#x}"), "{why}"),
    };
    let Some(token) = machine.token("get-time-of-day") else {
        skip!("no get-time-of-day")
    };
    let _vectors = Vectors::install();
    let status = rtas.status(machine.gate, token, &[], 8);
    need!(
        status == 0,
        format!("status 0 of get-time-of-day at base {base:#x}"),
        "{status}"
    );
    pass!("base {base:#x}, size {:#x}", rtas.size)
}

fn lowest(machine: &mut Machine, method: &Method) -> Verdict {
    at_first(
        machine,
        method,
        (1..=2 * MOST as u64).map(|page| page * PAGE),
    )
}

/// Where memory that 32 bits reach ends.
fn end(machine: &Machine) -> u64 {
    machine.memory_end.min(1 << 32)
}

fn highest(machine: &mut Machine, method: &Method) -> Verdict {
    let pages = machine.rtas_size().next_multiple_of(PAGE);
    let top = end(machine).saturating_sub(pages);
    at_first(
        machine,
        method,
        (0..2 * MOST as u64).filter_map(|page| top.checked_sub(page * PAGE)),
    )
}

fn up_to_boundary(machine: &mut Machine, method: &Method) -> Verdict {
    let pages = machine.rtas_size().next_multiple_of(PAGE);
    // Not the end of memory: that is another check's.
    let boundaries = (1..16).map(|index| index * SEGMENT);
    let last = end(machine);
    at_first(
        machine,
        method,
        boundaries
            .filter(|boundary| *boundary < last)
            .map(|boundary| boundary - pages),
    )
}
