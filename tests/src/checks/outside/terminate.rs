//! The end of an operating system (LoPAR 7.3.9.1), on a machine that goes on after it.

use alloc::format;
use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use guest::runs::TERMINATES;
use guest::verdict::Verdict;
use guest::{need, pass, skip};

use crate::board::gate::Gate;
use crate::board::memory::{self, Scratch};
use crate::checks::processors::{self, SHARED};
use crate::checks::{ask, rounds};
use crate::say;
use crate::subject::Machine;

const TERMINATE: &str = "ibm,os-term";

/// A string of the guest's, with its end.
fn string(text: &str) -> Scratch {
    let scratch = Scratch::new(256, 128);
    memory::fill(scratch.address, 256, 0);
    memory::write(scratch.address, text.as_bytes());
    scratch
}

/// Tells of the end: the status.
fn terminate(machine: &mut Machine, words: &str) -> Result<i64, Verdict> {
    let Some(rtas) = machine.rtas.filter(|_| machine.token(TERMINATE).is_some()) else {
        return Err(Verdict::Skip(format!("no instance, or no {TERMINATE}")));
    };
    let text = format!("{words}{}", rtas.width.suffix());
    say!("{TERMINATES}{text}");
    let string = string(&text);
    Ok(ask::ask(machine, TERMINATE, &[string.address as u32], 1)?.status())
}

pub(super) fn takes(machine: &mut Machine) -> Verdict {
    // What became of the string, the runner sees.
    match terminate(machine, "the end of this guest") {
        Ok(0) => pass!("status 0"),
        Ok(status) => guest::fail!("status 0", "{status}"),
        Err(verdict) => verdict,
    }
}

pub(super) fn returns(machine: &mut Machine) -> Verdict {
    if machine.rtas_property("ibm,extended-os-term").is_none() {
        skip!("/rtas has no ibm,extended-os-term")
    }
    // No kernel dump is configured.
    for time in 0..2 {
        match terminate(machine, "once more") {
            Ok(0) => {}
            Ok(status) => guest::fail!("status 0", "{status}, call {time}"),
            Err(verdict) => return verdict,
        }
    }
    pass!("it came back twice")
}

/// Token and string for [`die_and_tell`], and what it was answered. Written while no processor has a
/// job.
static TOKEN: AtomicU64 = AtomicU64::new(0);
static STRING: AtomicU64 = AtomicU64::new(0);
static ANSWER: AtomicI64 = AtomicI64::new(0);

/// The job: a system reset ends a call, and its handler tells of the end.
fn die_and_tell(gate: &mut Gate, index: usize) {
    rounds::die(gate, index);
    let token = TOKEN.load(Ordering::Relaxed) as u32;
    let string = STRING.load(Ordering::Relaxed) as u32;
    let buffer = SHARED.buffer(index);
    let answer = SHARED.rtas().quick(gate, buffer, token, &[string], 1);
    let answer = answer.map_or_else(|trap| i64::MIN + trap.vector as i64, |cells| cells[0]);
    ANSWER.store(answer, Ordering::Relaxed);
}

pub(super) fn in_handler(machine: &mut Machine) -> Verdict {
    let (Some(rtas), Some(token)) = (machine.rtas, machine.token(TERMINATE)) else {
        skip!("no instance, or no {TERMINATE}")
    };
    if let Err(verdict) = rounds::prepare(machine) {
        return verdict;
    }
    let text = format!("in a handler{}", rtas.width.suffix());
    let string = string(&text);
    TOKEN.store(token.into(), Ordering::Relaxed);
    STRING.store(string.address, Ordering::Relaxed);
    ANSWER.store(i64::MAX, Ordering::Relaxed);
    if let Err(verdict) = processors::start(machine, 1) {
        return verdict;
    }
    say!("{TERMINATES}{text}");
    let back = rounds::kill(machine, 1, die_and_tell);
    let answer = ANSWER.load(Ordering::Relaxed);
    if back && let Err(verdict) = processors::stop_one(machine, 1) {
        return verdict;
    }
    need!(
        back && answer == 0,
        "status 0 after a system reset inside a call",
        "{answer}, processor back: {back}"
    );
    pass!("status 0 after a system reset inside a call")
}
