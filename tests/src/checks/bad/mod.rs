//! Calls with wrong buffers (LoPAR R1-7.2.8-1, R1-7.2.4-2 and -3, R1-7.2.3-6): no exception, a
//! status that the function may return, nothing written but outputs, and the rest of memory as it
//! was. What the calls are is in [`guest::bad`].

// What was found is large, and is made once in a run: it ends the hunt.
#[allow(clippy::result_large_err)]
pub mod hunt;

use alloc::vec::Vec;

use guest::bad::listed::{self, List};
use guest::bad::{Case, Known, World, exclusions};
use guest::functions::{FUNCTIONS, Function};
use guest::verdict::Verdict;
use guest::{fail, pass, skip};

use super::environment::unused;
use super::{Check, check};
use crate::board::memory;
use crate::say;
use crate::subject::machine::cells;
use crate::subject::{Machine, Rtas, Width};
use hunt::{Calls, Hunt};

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.2.8-1", "bad-counts", |machine| {
        list(machine, listed::counts)
    }),
    check("R1-7.2.8-1", "bad-arguments", |machine| {
        list(machine, listed::arguments)
    }),
    check("R1-7.2.4-3", "bad-pointers", |machine| {
        list(machine, listed::pointers)
    }),
    check("R1-7.2.7-1", "bad-places", |machine| {
        list(machine, listed::places)
    }),
    check("R1-7.2.4-3", "bad-random", random),
];

/// The long form of the last one.
pub const FUZZ: &[Check] = &[check("R1-7.2.4-3", "fuzz", fuzz)];

/// Calls between two looks at the rest of memory.
const BATCH: u64 = 4096;
/// Random calls of each width, in batches: a short share, and a third of a million. One in 13 is not
/// made.
const SHORT: u64 = 2;
const LONG: u64 = 90;
/// Where random calls begin.
const SEED: u64 = 0x6f78_7274_6173;

/// Where the area lies in the arena.
pub const AREA: u64 = 0x20_0000;

fn list(machine: &mut Machine, list: List) -> Verdict {
    hunt(machine, Calls::Listed(list))
}

fn random(machine: &mut Machine) -> Verdict {
    let count = SHORT * BATCH;
    hunt(machine, Calls::Random { seed: SEED, count })
}

fn fuzz(machine: &mut Machine) -> Verdict {
    for (what, why) in exclusions() {
        say!("guest: not made: {what}: {why}");
    }
    let count = LONG * BATCH;
    // Other calls than the short share has.
    let seed = SEED + 1;
    hunt(machine, Calls::Random { seed, count })
}

/// The functions of /rtas, with their tokens.
fn functions(machine: &Machine) -> Vec<(u32, &'static Function)> {
    let known = FUNCTIONS.iter();
    known
        .filter_map(|function| Some((machine.token(function.name)?, function)))
        .collect()
}

/// Where a buffer may lie above 4 GiB, if there is memory: 64 KiB of the guest's own.
pub fn high(machine: &Machine) -> Option<u64> {
    (machine.memory_end > (1 << 32) + (2 << 20)).then_some((1 << 32) + (1 << 20))
}

/// Numbers that the tree names.
pub fn known(machine: &mut Machine) -> Known {
    let mut known = Known {
        source: machine.sources.first().copied().unwrap_or(0),
        server: machine.servers.first().copied().unwrap_or(0),
        ..Known::default()
    };
    for (path, properties) in machine.tree {
        if !path.starts_with("/pci@") {
            continue;
        }
        let get = |name: &str| {
            let found = properties.iter().find(|(own, _)| own == name);
            found.map(|(_, value)| cells(value)).unwrap_or_default()
        };
        if let [high, low, ..] = get("reg")[..] {
            known.unit = [high, low];
        }
        if let [connector] = get("ibm,my-drc-index")[..] {
            known.connector = connector;
        }
    }
    known
}

/// Makes the calls of the instance that is under test.
fn hunt(machine: &mut Machine, calls: Calls) -> Verdict {
    let Some(rtas) = machine.rtas else {
        skip!("no instance of RTAS")
    };
    let functions = functions(machine);
    if functions.is_empty() {
        skip!("/rtas has no function that LoPAR knows")
    }
    let known = known(machine);
    let stopped = machine.servers.get(1..).unwrap_or_default().to_vec();
    let world = World {
        area: machine.arena + AREA,
        memory_end: machine.memory_end,
        end_is_free: machine.claimed_end && machine.memory_end <= 1 << 32,
        high: high(machine),
        rtas: rtas.base..rtas.base + rtas.size,
        cell: rtas.width.cell(),
        mode64: rtas.width != Width::Mode32,
        functions: &functions,
        known,
        stopped: &stopped,
    };
    let mut ends = Vec::new();
    ends.push(world.area..world.area + World::AREA);
    if world.end_is_free {
        ends.push(world.memory_end - 0x1000..world.memory_end);
    }
    let rest = unused(machine, &rtas, &ends);
    let bytes: u64 = rest.iter().map(|range| range.end - range.start).sum();
    let mut hunt = Hunt::new(machine.gate, rtas, &world, calls, rest);
    match hunt.run() {
        Ok(tally) => pass!("{tally}, {} MiB unchanged by each batch", bytes >> 20),
        Err(found) => fail!(found.wanted(), "{found}"),
    }
}

/// For the self-test: which call of a list a broken instance writes into `rest` on.
pub fn culprit(machine: &mut Machine, rest: core::ops::Range<u64>) -> Option<Case> {
    let rtas: Rtas = machine.rtas?;
    let functions = functions(machine);
    let world = World {
        area: machine.arena + AREA,
        memory_end: machine.memory_end,
        end_is_free: false,
        high: None,
        rtas: rtas.base..rtas.base + rtas.size,
        cell: rtas.width.cell(),
        mode64: true,
        functions: &functions,
        known: Known::default(),
        stopped: &[],
    };
    let kept: Vec<u8> = rest.clone().map(memory::read_u8).collect();
    let calls = Calls::Listed(listed::counts);
    let ranges = core::iter::once(rest.clone()).collect();
    let mut hunt = Hunt::new(machine.gate, rtas, &world, calls, ranges);
    hunt.statuses = false;
    let found = hunt.run().err();
    memory::write(rest.start, &kept);
    found.and_then(|found| found.wrote())
}
