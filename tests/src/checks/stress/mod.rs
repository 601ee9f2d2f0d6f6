//! Every processor at work for a long time (LoPAR R1-7.3.10.1-2 and its siblings, R1-7.2.3-1): most
//! make the four interrupt calls on sources of their own and on shared ones ([`lane`]), two make
//! every serialised call, the same at the same time ([`serial`]), one takes a device in and
//! gives it back while it is plugged and unplugged ([`plug`]).

mod lane;
mod meet;
mod plug;
mod serial;

use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use guest::runs::{PLUG, PLUGGED};
use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::bad::known;
use super::interrupts::{self, Calls};
use super::processors::{self, SHARED};
use super::{Check, check};
use crate::board::gate::Gate;
use crate::board::{hypercall, processor};
use crate::say;
use crate::subject::Machine;

/// The checks, in order: the first makes the calls, the others look at what it found.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.10.1-2", "stress-interrupt-calls", interrupt_calls),
    check("R1-7.2.3-1", "stress-serialised-calls", serialised_calls),
    check("R1-13.5.3.5-1", "stress-configure-connector", connectors),
];

/// Calls without a number in the boot arguments.
const CALLS: u64 = 100_000;
/// Most sources that are shared.
const SHARED_SOURCES: usize = 4;
/// A server that no machine has.
const NO_SERVER: u32 = 0xfff0;
/// Seconds after which a processor counts as lost.
const PATIENCE: u64 = 120;

/// What all processors know.
///
/// Protects: itself.
/// Holder: the boot processor writes it while the others are idle; giving them the job publishes it.
/// Order: none.
/// Holder dies: the run has not begun.
struct Plan {
    /// Tokens of get-xive, set-xive, int-off, int-on.
    tokens: [AtomicU32; 4],
    /// Processors that make interrupt calls, serialised calls, and plug.
    shares: [AtomicU32; 3],
    /// How many rounds.
    rounds: AtomicU32,
    /// Servers of the processors.
    servers: [AtomicU32; processor::MAX],
    /// Sources: the shared ones, then one for each processor.
    sources: [AtomicU32; SHARED_SOURCES + processor::MAX],
    /// The arena.
    arena: AtomicU64,
    /// End of the memory at 0.
    memory_end: AtomicU64,
    /// Source, server, connector and unit of serialised calls.
    known: [AtomicU32; 5],
}

static PLAN: Plan = Plan {
    tokens: [const { AtomicU32::new(0) }; 4],
    shares: [const { AtomicU32::new(0) }; 3],
    rounds: AtomicU32::new(0),
    servers: [const { AtomicU32::new(0) }; processor::MAX],
    sources: [const { AtomicU32::new(0) }; SHARED_SOURCES + processor::MAX],
    arena: AtomicU64::new(0),
    memory_end: AtomicU64::new(0),
    known: [const { AtomicU32::new(0) }; 5],
};

impl Plan {
    /// Processors that do each kind of work: interrupt calls, serialised calls, plugging.
    fn shares(&self) -> [usize; 3] {
        self.shares
            .each_ref()
            .map(|share| share.load(Ordering::Relaxed) as usize)
    }

    /// Their numbers.
    fn work(&self) -> [Range<usize>; 3] {
        let [lanes, serial, plug] = self.shares();
        let end = lanes + serial;
        [0..lanes, lanes..end, end..end + plug]
    }
}

/// The job of every processor.
fn work(gate: &mut Gate, index: usize) {
    let [lanes, serial, plug] = PLAN.work();
    if lanes.contains(&index) {
        lane::run(gate, index);
    } else if serial.contains(&index) {
        serial::run(gate, index - serial.start);
    } else if plug.contains(&index) {
        plug::run(gate, index);
    }
}

/// Sources for all: those of the tree, and where they are too few, others that the hypervisor
/// knows.
fn choose(machine: &Machine, calls: &Calls, wanted: usize) -> Vec<u32> {
    let mut sources = machine.sources.clone();
    let mut candidate = sources.last().copied().unwrap_or(0);
    while sources.len() < wanted && candidate < 0x1_0000 {
        candidate += 1;
        if hypercall::rtas(calls.get, &[candidate], 3)[0] == 0 {
            sources.push(candidate);
        }
    }
    sources
}

fn set<const N: usize>(cells: &[AtomicU32; N], values: impl IntoIterator<Item = u32>) {
    for (cell, value) in cells.iter().zip(values) {
        cell.store(value, Ordering::Relaxed);
    }
}

fn interrupt_calls(machine: &mut Machine) -> Verdict {
    meet::begin();
    let calls = match interrupts::calls(machine) {
        Ok(calls) => calls,
        Err(verdict) => return verdict,
    };
    let count = processors::count(machine);
    if count < 2 {
        skip!("one processor")
    }
    let plugs = usize::from(machine.arguments.plug && count > 5);
    let serial = if count > 3 { 2 } else { 0 };
    let lanes = count - serial - plugs;
    let sources = choose(machine, &calls, SHARED_SOURCES + count + 1);
    if sources.len() <= SHARED_SOURCES + count {
        skip!("{} sources for {count} processors", sources.len())
    }
    set(&PLAN.tokens, [calls.get, calls.set, calls.off, calls.on]);
    set(
        &PLAN.shares,
        [lanes, serial, plugs].map(|share| share as u32),
    );
    let goal = machine.arguments.calls.unwrap_or(CALLS);
    let rounds = goal.div_ceil(lanes as u64 * lane::CALLS as u64);
    PLAN.rounds.store(rounds as u32, Ordering::Relaxed);
    set(&PLAN.servers, machine.servers.iter().copied());
    set(&PLAN.sources, sources.iter().copied());
    PLAN.arena.store(machine.arena, Ordering::Relaxed);
    PLAN.memory_end.store(machine.memory_end, Ordering::Relaxed);
    let known = known(machine);
    let [high, low] = known.unit;
    let last = sources[SHARED_SOURCES + count];
    // No server: QEMU 7.2 would start a processor that dozes.
    set(&PLAN.known, [last, NO_SERVER, known.connector, high, low]);
    serial::prepare(machine);
    plug::prepare(machine);
    for number in &sources {
        calls.settle(machine, *number);
    }
    for index in 1..count {
        if let Err(verdict) = processors::start(machine, index) {
            return verdict;
        }
    }
    SHARED.set(&calls.rtas, machine.arena + 0x10_0000, 0);
    if plugs > 0 {
        say!("{PLUG}");
    }
    for index in 1..count {
        processor::assign(index, work);
    }
    work(machine.gate, 0);
    let all = processor::wait(PATIENCE, || (1..count).all(processor::idle));
    if plugs > 0 {
        say!("{PLUGGED}");
        // For whoever plugs to hear it: QEMU 7.2 does not end while a command is in the air.
        processor::wait(1, || false);
    }
    let deviation = meet::deviation();
    need!(all, "every processor back", "some are lost; {deviation}");
    for index in 1..count {
        if let Err(verdict) = processors::stop_one(machine, index) {
            return verdict;
        }
    }
    for number in &sources {
        calls.settle(machine, *number);
    }
    need!(deviation.is_empty(), "no deviation", "{deviation}");
    let made = lane::made(lanes);
    pass!(
        "{made} calls by {lanes} processors on {SHARED_SOURCES} shared sources and {lanes} of their \
         own in {rounds} rounds: an order for every history, and after each round the hypervisor \
         has it"
    )
}

fn serialised_calls(_: &mut Machine) -> Verdict {
    let [lanes, serial, _] = PLAN.shares();
    if serial == 0 || lane::made(lanes) == 0 {
        skip!("no processor made them")
    }
    let (calls, functions, overlaps) = serial::made();
    let deviation = meet::deviation();
    need!(deviation.is_empty(), "no deviation", "{deviation}");
    need!(calls > 0, "calls", "none");
    need!(overlaps > 0, "two calls at the same time", "none");
    pass!(
        "{calls} calls of {functions} functions, each by two processors, {overlaps} pairs at the same \
         time, with legal statuses"
    )
}

fn connectors(machine: &mut Machine) -> Verdict {
    let [_, _, plugs] = PLAN.shares();
    if plugs == 0 {
        let why = if machine.arguments.plug {
            "too few processors"
        } else {
            "nothing is plugged in this run"
        };
        skip!("{why}")
    }
    let (configured, released) = plug::made();
    let deviation = meet::deviation();
    need!(deviation.is_empty(), "no deviation", "{deviation}");
    need!(
        configured > 0 && released > 0,
        "devices configured and given back",
        "{configured} and {released}"
    );
    pass!("{configured} devices configured, {released} given back meanwhile")
}
