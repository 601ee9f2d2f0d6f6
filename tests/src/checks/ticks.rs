//! How long calls take (LoPAR 7.2.4, 7.3.6.1), where QEMU counts instructions: then the timebase goes
//! on with the guest's instructions alone, whatever the host does meanwhile. What the hypervisor
//! does in a hypercall takes no time there.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use guest::functions::Function;
use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::{Check, FUNCTIONS, check, every_call, interrupts, same};
use crate::board::timebase;
use crate::subject::Machine;
use crate::subject::ledger::{self, Longest};

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.2.4-4", "ticks-of-every-call", every_call),
    check("R1-7.2.4-5", "ticks-of-calls-never-busy", never_busy),
    check("R1-7.3.6.1-5", "ticks-of-set-power-level", power_level),
];

/// Ticks of a microsecond: every pseries machine has a timebase of 512 MHz.
const MICROSECOND: u64 = 512;
/// The longest time that R1-7.2.4-5 allows.
const RARE: u64 = 250 * MICROSECOND;
/// LoPAR leaves open how long a very short time is. A fifth of what it allows rarely.
const SHORT: u64 = 50 * MICROSECOND;

/// Whether the same instructions take the same time, which they do only where they are counted.
fn counted() -> bool {
    let mut seen: Vec<u64> = Vec::new();
    for _ in 0..4 {
        let start = timebase();
        for round in 0..10_000 {
            core::hint::black_box(round);
        }
        seen.push(timebase().wrapping_sub(start));
    }
    let most = seen.iter().max().copied().unwrap_or(u64::MAX);
    seen.iter().all(|ticks| most - ticks <= 16)
}

/// The longest call of each function, and of those that it answered with status 0: made in each of its
/// shapes, and by the checks that look at what the functions do. Once a width.
fn measured(machine: &mut Machine) -> Result<Vec<Longest>, Verdict> {
    let Some(rtas) = machine.rtas else {
        return Err(Verdict::Skip("no instance of RTAS".into()));
    };
    if let Some((width, timed)) = &machine.timed
        && *width == rtas.width
    {
        return Ok(timed.clone());
    }
    if !counted() {
        return Err(Verdict::Skip(
            "the timebase does not count instructions: it needs QEMU's -icount".into(),
        ));
    }
    ledger::forget_times();
    let tables = FUNCTIONS.iter().map(|(_, table)| *table);
    let tables = tables.chain([interrupts::CHECKS, same::CHECKS]);
    for check in tables.flatten() {
        // What they answer is a matter of those checks.
        let _ = (check.run)(machine);
    }
    let timed = ledger::times(rtas.width);
    machine.timed = Some((rtas.width, timed.clone()));
    Ok(timed)
}

macro_rules! measured {
    ($machine:expr) => {
        match measured($machine) {
            Ok(timed) => timed,
            Err(verdict) => return verdict,
        }
    };
}

/// Whether none takes more than `limit`, which takes most, and which of those with status 0.
fn within(machine: &Machine, timed: &[Longest], limit: u64) -> Verdict {
    let name = |longest: &Longest| every_call::name(machine, longest.token);
    let Some(most) = timed.iter().max_by_key(|longest| longest.any) else {
        skip!("no function of these is in /rtas")
    };
    need!(
        most.any <= limit,
        format!("at most {limit} ticks"),
        "{} of {}",
        most.any,
        name(most)
    );
    let (done, never): (Vec<&Longest>, Vec<&Longest>) =
        timed.iter().partition(|longest| longest.done > 0);
    let never: Vec<String> = never.into_iter().map(name).collect();
    let longest = done.iter().max_by_key(|longest| longest.done);
    let longest = longest.map_or("none".into(), |longest| {
        format!("{} ticks, of {}", longest.done, name(longest))
    });
    pass!(
        "{} functions, at most {} ticks, of {}; with status 0 {} of them, at most {longest}; never with \
         0: {}",
        timed.len(),
        most.any,
        name(most),
        done.len(),
        never.join(" ")
    )
}

fn every_call(machine: &mut Machine) -> Verdict {
    let timed = measured!(machine);
    within(machine, &timed, SHORT)
}

fn never_busy(machine: &mut Machine) -> Verdict {
    let mut timed = measured!(machine);
    timed.retain(|longest| {
        let name = every_call::name(machine, longest.token);
        Function::named(&name).is_some_and(|it| !it.statuses.contains(&-2))
    });
    within(machine, &timed, RARE)
}

fn power_level(machine: &mut Machine) -> Verdict {
    let mut timed = measured!(machine);
    timed.retain(|longest| every_call::name(machine, longest.token) == "set-power-level");
    within(machine, &timed, 1000 * MICROSECOND)
}
