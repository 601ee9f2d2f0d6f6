//! How long calls take (LoPAR 7.2.4, 7.3.6.1), where QEMU counts instructions: then the timebase goes
//! on with the guest's instructions alone, whatever the host does meanwhile. What the hypervisor
//! does in a hypercall takes no time there.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use guest::functions::Function;
use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::{Check, check, shapes};
use crate::board::timebase;
use crate::subject::Machine;

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

/// The most ticks of each function, made in each of its shapes.
fn measured(machine: &mut Machine) -> Result<BTreeMap<String, u64>, Verdict> {
    if !counted() {
        return Err(Verdict::Skip(
            "the timebase does not count instructions: it needs QEMU's -icount".into(),
        ));
    }
    machine.ticks.clear();
    for check in shapes::CHECKS {
        // What they answer is a matter of those checks.
        let _ = (check.run)(machine);
    }
    Ok(core::mem::take(&mut machine.ticks))
}

macro_rules! measured {
    ($machine:expr) => {
        match measured($machine) {
            Ok(ticks) => ticks,
            Err(verdict) => return verdict,
        }
    };
}

/// Whether none takes more than `limit`, and which takes most.
fn within(ticks: &BTreeMap<String, u64>, limit: u64) -> Verdict {
    let Some((name, most)) = ticks.iter().max_by_key(|(_, ticks)| **ticks) else {
        skip!("no function of these is in /rtas")
    };
    need!(
        *most <= limit,
        format!("at most {limit} ticks"),
        "{most} of {name}"
    );
    pass!("{} functions, at most {most} ticks, of {name}", ticks.len())
}

fn every_call(machine: &mut Machine) -> Verdict {
    within(&measured!(machine), SHORT)
}

fn never_busy(machine: &mut Machine) -> Verdict {
    let mut ticks = measured!(machine);
    ticks.retain(|name, _| Function::named(name).is_some_and(|it| !it.statuses.contains(&-2)));
    within(&ticks, RARE)
}

fn power_level(machine: &mut Machine) -> Verdict {
    let mut ticks = measured!(machine);
    ticks.retain(|name, _| name == "set-power-level");
    within(&ticks, 1000 * MICROSECOND)
}
