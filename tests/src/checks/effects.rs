//! What the four interrupt calls do to a source, seen by the hypervisor alone (LoPAR 7.3.10): apart
//! from what they tell, which is a matter of [`super::interrupts`].

use alloc::format;

use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::interrupts::{self, Calls};
use super::{Check, check};
use crate::board::hypercall;
use crate::subject::Machine;
use crate::subject::machine::cells;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.10.3-4", "effect-of-int-off", off),
    check("R1-7.3.10.4-4", "effect-of-int-on", on),
    check("R1-7.3.10.1-5", "unlisted-source-get", unlisted),
];

macro_rules! calls {
    ($machine:expr) => {
        match interrupts::calls($machine) {
            Ok(calls) => calls,
            Err(verdict) => return verdict,
        }
    };
}

/// The priority that the interrupt controller works with.
fn effective(calls: &Calls, source: u32) -> u32 {
    hypercall::rtas(calls.get, &[source], 3)[2]
}

fn made(machine: &mut Machine, calls: &Calls, token: u32, inputs: &[u32]) -> i64 {
    calls.rtas.status(machine.gate, token, inputs, 1)
}

fn off(machine: &mut Machine) -> Verdict {
    let calls = calls!(machine);
    let server = machine.servers.first().copied().unwrap_or(0);
    for source in machine.sources.clone() {
        calls.settle(machine, source);
        let statuses = [
            made(machine, &calls, calls.set, &[source, server, 5]),
            made(machine, &calls, calls.on, &[source]),
            made(machine, &calls, calls.off, &[source]),
        ];
        let masked = effective(&calls, source);
        calls.settle(machine, source);
        need!(
            statuses == [0; 3] && masked == 0xff,
            format!("statuses 0 and priority 0xff of {source:#x}"),
            "{statuses:?}, {masked:#x}"
        );
    }
    pass!("{} sources were silent", machine.sources.len())
}

fn on(machine: &mut Machine) -> Verdict {
    let calls = calls!(machine);
    let server = machine.servers.first().copied().unwrap_or(0);
    for source in machine.sources.clone() {
        calls.settle(machine, source);
        // On first: a set-xive of an enabled source means the same to everybody.
        let statuses = [
            made(machine, &calls, calls.on, &[source]),
            made(machine, &calls, calls.set, &[source, server, 5]),
            made(machine, &calls, calls.off, &[source]),
            made(machine, &calls, calls.on, &[source]),
        ];
        let enabled = effective(&calls, source);
        calls.settle(machine, source);
        need!(
            statuses == [0; 4] && enabled == 5,
            format!("statuses 0 and priority 5 of {source:#x}"),
            "{statuses:?}, {enabled:#x}"
        );
    }
    pass!("{} sources were presented", machine.sources.len())
}

/// To the letter: a source that no interrupt-ranges lists is not implemented.
fn unlisted(machine: &mut Machine) -> Verdict {
    let calls = calls!(machine);
    let mut listed = alloc::vec::Vec::new();
    for (_, properties) in machine.tree {
        for (_, value) in properties
            .iter()
            .filter(|(name, _)| name == "interrupt-ranges")
        {
            for range in cells(value).chunks_exact(2) {
                listed.push(range[0]..range[0].saturating_add(range[1]));
            }
        }
    }
    let sources = machine.sources.iter().copied();
    let unlisted = sources.filter(|source| !listed.iter().any(|range| range.contains(source)));
    let Some(source) = unlisted.max() else {
        skip!("interrupt-ranges lists every source of the tree")
    };
    let status = calls.rtas.status(machine.gate, calls.get, &[source], 3);
    need!(
        status == -3,
        format!("-3 for source {source:#x}, which no interrupt-ranges lists"),
        "{status}"
    );
    pass!("-3 for source {source:#x}")
}
