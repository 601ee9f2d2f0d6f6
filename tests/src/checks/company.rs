//! Calls that are made while other processors run, or call RTAS themselves (LoPAR 7.2.3, 7.3.14,
//! 7.3.23).

use alloc::format;

use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::processors::{self, SHARED};
use super::{Check, check};
use crate::answer;
use crate::board::gate::Gate;
use crate::board::processor;
use crate::function;
use crate::subject::Machine;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.23-4", "suspend-beside-others", suspend),
    check("R1-7.3.14-18", "nmi-interlock-beside-calls", interlock),
    check("R1-7.3.14-6", "nmi-register-beyond-32-mib", register),
];

/// Calls of the other processor.
const CALLS: u32 = 2_000;
/// Seconds after which it counts as lost.
const PATIENCE: u64 = 30;

/// The job of calling, with the token that the others share.
fn call(gate: &mut Gate, index: usize) {
    let token = SHARED.token();
    let rtas = SHARED.rtas();
    for _ in 0..CALLS {
        if rtas
            .quick(gate, SHARED.buffer(index), token, &[], 8)
            .is_err()
        {
            break;
        }
    }
}

/// Makes `look` while processor 1 runs, and stops it.
fn beside(machine: &mut Machine, look: fn(&mut Machine) -> Verdict) -> Verdict {
    if processors::count(machine) < 2 {
        skip!("one processor")
    }
    if let Err(verdict) = processors::start(machine, 1) {
        return verdict;
    }
    let verdict = look(machine);
    let stopped = processors::stop_one(machine, 1);
    match (verdict, stopped) {
        (Verdict::Pass(_), Err(verdict)) => verdict,
        (verdict, _) => verdict,
    }
}

fn suspend(machine: &mut Machine) -> Verdict {
    beside(machine, |machine| {
        let outcome = answer!(machine, "ibm,suspend-me", &[], 1);
        let status = outcome.status();
        need!(
            status == -9005,
            "-9005 while another processor runs",
            "{status}"
        );
        pass!("-9005 while another processor runs")
    })
}

fn interlock(machine: &mut Machine) -> Verdict {
    beside(machine, |machine| {
        let (rtas, time) = function!(machine, "get-time-of-day");
        let alone = answer!(machine, "ibm,nmi-interlock", &[], 1).status();
        SHARED.set(&rtas, machine.arena + 0x10_0000, time);
        processor::assign(1, call);
        let mut made = 0;
        let mut other = None;
        let ended = processor::wait(PATIENCE, || {
            if made < CALLS {
                match super::ask::ask(machine, "ibm,nmi-interlock", &[], 1) {
                    Ok(outcome) if outcome.status() == alone => made += 1,
                    Ok(outcome) => other = Some(outcome.status()),
                    Err(_) => other = Some(i64::MIN),
                }
            }
            other.is_some() || processor::idle(1)
        });
        let idle = processor::wait(PATIENCE, || processor::idle(1));
        need!(
            other.is_none(),
            format!("status {alone}, as without company"),
            "{other:?} after {made} calls"
        );
        need!(
            ended && idle,
            "the other processor's calls to end",
            "they did not"
        );
        pass!("{made} calls beside {CALLS} of another processor, status {alone}")
    })
}

fn register(machine: &mut Machine) -> Verdict {
    const LIMIT: u32 = 32 << 20;
    for (reset, check) in [
        (LIMIT, LIMIT),
        (LIMIT, 0x100),
        (0x100, LIMIT),
        (u32::MAX, 0x100),
    ] {
        let outcome = answer!(machine, "ibm,nmi-register", &[reset, check], 1);
        need!(
            outcome.status() == -3,
            format!("-3 for handlers at {reset:#x} and {check:#x}"),
            "{}",
            outcome.status()
        );
    }
    pass!("-3 for handlers at and beyond 32 MiB")
}
