//! The four interrupt calls by all processors at once (LoPAR R1-7.3.10.1-2 and its siblings), each
//! on a source of its own and all on one, while one of them makes serialised calls, too.

use alloc::format;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use guest::source::{Call, LEAST_FAVORED, Random, Source};
use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::interrupts::{self, Calls};
use super::processors::{self, SHARED};
use super::{Check, check};
use crate::board::gate::Gate;
use crate::board::{hypercall, processor};
use crate::subject::Machine;

/// The checks, in order; the first makes the calls, the others look at what it left.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.10.1-2", "xive-concurrent-statuses", statuses),
    check("R1-7.3.10.1-4", "xive-concurrent-results", results),
    check(
        "R1-7.3.10.2-4",
        "xive-concurrent-private-effect",
        private_effect,
    ),
    check(
        "R1-7.3.10.2-4",
        "xive-concurrent-shared-effect",
        shared_effect,
    ),
];

/// Calls of each processor; [`super::stress`] makes more.
const CALLS: u32 = 4_000;
/// Seconds after which the processors count as lost.
const PATIENCE: u64 = 120;

/// What one processor works on and what it found. Written by its owner alone while it runs, by
/// the boot processor before and read by it after; the job's start and end order both.
struct Lane {
    source: AtomicU32,
    /// Server and priority last set, and the mask, of its own source.
    server: AtomicU32,
    priority: AtomicU32,
    masked: AtomicU32,
    calls: AtomicU64,
    /// Statuses other than 0, and the last of them.
    statuses: AtomicU32,
    status: AtomicU64,
    /// Results other than the specification's, and the last: told priority, wanted.
    wrong: AtomicU32,
    told: AtomicU64,
    wanted: AtomicU64,
}

static LANES: [Lane; processor::MAX] = [const {
    Lane {
        source: AtomicU32::new(0),
        server: AtomicU32::new(0),
        priority: AtomicU32::new(0),
        masked: AtomicU32::new(0),
        calls: AtomicU64::new(0),
        statuses: AtomicU32::new(0),
        status: AtomicU64::new(0),
        wrong: AtomicU32::new(0),
        told: AtomicU64::new(0),
        wanted: AtomicU64::new(0),
    }
}; processor::MAX];

/// Tokens and numbers that every processor needs: get, set, off, on, the shared source, the time's
/// token, the number of processors, the number of calls of each; and the processors' servers.
///
/// Protects: itself.
/// Holder: the boot processor writes it while the others are idle; giving them the job publishes it.
/// Order: none.
/// Holder dies: the run has not begun.
static COMMON: [AtomicU32; 8] = [const { AtomicU32::new(0) }; 8];
static SERVERS: [AtomicU32; processor::MAX] = [const { AtomicU32::new(0) }; processor::MAX];

const PRIORITIES: [u32; 5] = [0, 5, 6, 0xfe, LEAST_FAVORED];

fn hammer(gate: &mut Gate, index: usize) {
    let rtas = SHARED.rtas();
    let buffer = SHARED.buffer(index);
    let [get, set, off, on, shared, time, processors, goal] =
        COMMON.each_ref().map(|cell| cell.load(Ordering::Relaxed));
    let lane = &LANES[index];
    let own = lane.source.load(Ordering::Relaxed);
    let mut random = Random::new(0xc0_ffee + index as u64);
    let mut source = Source {
        server: None,
        ..Source::BOOT
    };
    let last = index + 1 == processors as usize;
    let mut made = 0;
    let mut call = |gate: &mut Gate, token: u32, inputs: &[u32], outputs: usize| -> [i64; 3] {
        made += 1;
        let cells = match rtas.quick(gate, buffer, token, inputs, outputs) {
            Ok(cells) => cells,
            Err(trap) => [-1_000_000 - trap.vector as i64, 0, 0],
        };
        if cells[0] != 0 {
            lane.statuses.fetch_add(1, Ordering::Relaxed);
            lane.status.store(cells[0] as u64, Ordering::Relaxed);
        }
        cells
    };
    let wrong = |told: i64, wanted: u64| {
        lane.wrong.fetch_add(1, Ordering::Relaxed);
        lane.told.store(told as u64, Ordering::Relaxed);
        lane.wanted.store(wanted, Ordering::Relaxed);
    };
    for round in 0.. {
        if lane.calls.load(Ordering::Relaxed) >= u64::from(goal) {
            break;
        }
        if last && time != 0 && round % 16 == 0 {
            call(gate, time, &[], 8);
        }
        let number = if round % 2 == 0 { own } else { shared };
        let server = SERVERS[random.below(processors.into()) as usize].load(Ordering::Relaxed);
        let priority = PRIORITIES[random.below(5) as usize];
        let change = match random.below(3) {
            0 => Call::Set(server, priority),
            1 => Call::Off,
            _ => Call::On,
        };
        match change {
            Call::Set(server, priority) => call(gate, set, &[number, server, priority], 1),
            Call::Off => call(gate, off, &[number], 1),
            Call::On => call(gate, on, &[number], 1),
        };
        let [_, told_server, told] = call(gate, get, &[number], 3);
        if number == own {
            source = source.after(change);
            if told != i64::from(source.priority) {
                wrong(told, source.priority.into());
            } else if source
                .server
                .is_some_and(|server| told_server != i64::from(server))
            {
                wrong(told_server, source.server.unwrap_or(0).into());
            }
        } else if !PRIORITIES.iter().any(|legal| told == i64::from(*legal)) {
            wrong(told, u64::MAX);
        }
        lane.calls.fetch_add(2, Ordering::Relaxed);
    }
    lane.calls.store(made, Ordering::Relaxed);
    lane.server
        .store(source.server.unwrap_or(0), Ordering::Relaxed);
    lane.priority.store(source.priority, Ordering::Relaxed);
    lane.masked.store(source.masked.into(), Ordering::Relaxed);
}

/// A source for each processor and one for all: those of the tree, and where they are too few,
/// others that the hypervisor knows.
fn choose(machine: &Machine, calls: &Calls) -> Vec<u32> {
    let wanted = processors::count(machine) + 1;
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

macro_rules! calls {
    ($machine:expr) => {
        match interrupts::calls($machine) {
            Ok(calls) => calls,
            Err(verdict) => return verdict,
        }
    };
}

fn statuses(machine: &mut Machine) -> Verdict {
    let calls = calls!(machine);
    let count = processors::count(machine);
    if count < 2 {
        skip!("one processor")
    }
    let sources = choose(machine, &calls);
    if sources.len() <= count {
        skip!("{} sources for {count} processors", sources.len())
    }
    for number in &sources[..=count] {
        calls.settle(machine, *number);
    }
    let time = machine.token("get-time-of-day").unwrap_or(0);
    let common = [
        calls.get,
        calls.set,
        calls.off,
        calls.on,
        sources[0],
        time,
        count as u32,
        CALLS,
    ];
    for (cell, value) in COMMON.iter().zip(common) {
        cell.store(value, Ordering::Relaxed);
    }
    for index in 0..count {
        let lane = &LANES[index];
        SERVERS[index].store(machine.servers[index], Ordering::Relaxed);
        lane.source.store(sources[index + 1], Ordering::Relaxed);
        lane.calls.store(0, Ordering::Relaxed);
        lane.statuses.store(0, Ordering::Relaxed);
        lane.wrong.store(0, Ordering::Relaxed);
    }
    for index in 1..count {
        if let Err(verdict) = processors::start(machine, index) {
            return verdict;
        }
    }
    SHARED.set(&calls.rtas, machine.arena + 0x10_0000, 0);
    for index in 1..count {
        processor::assign(index, hammer);
    }
    hammer(machine.gate, 0);
    let all = processor::wait(PATIENCE, || (1..count).all(processor::idle));
    let progress: Vec<u64> = LANES[..count]
        .iter()
        .map(|lane| lane.calls.load(Ordering::Relaxed))
        .collect();
    need!(all, "every processor back", "calls made {progress:?}");
    for index in 1..count {
        if let Err(verdict) = processors::stop_one(machine, index) {
            return verdict;
        }
    }
    for (index, lane) in LANES[..count].iter().enumerate() {
        let bad = lane.statuses.load(Ordering::Relaxed);
        let status = lane.status.load(Ordering::Relaxed) as i64;
        need!(
            bad == 0,
            "status 0 of every call",
            "processor {index}: {bad} others, the last {status}"
        );
    }
    pass!(
        "{} calls by {count} processors",
        progress.iter().sum::<u64>()
    )
}

/// The number of processors whose lanes are filled, or a skip.
macro_rules! lanes {
    ($machine:expr) => {{
        let count = processors::count($machine);
        if LANES[0].calls.load(Ordering::Relaxed) == 0 {
            skip!("the calls were not made")
        }
        &LANES[..count]
    }};
}

fn results(machine: &mut Machine) -> Verdict {
    for (index, lane) in lanes!(machine).iter().enumerate() {
        let wrong = lane.wrong.load(Ordering::Relaxed);
        let (told, wanted) = (
            lane.told.load(Ordering::Relaxed),
            lane.wanted.load(Ordering::Relaxed),
        );
        need!(
            wrong == 0,
            "every ibm,get-xive as specified",
            "processor {index}: {wrong} others, the last told {told:#x}, not {wanted:#x}"
        );
    }
    pass!("what every processor was told of its own source, and of the shared one")
}

fn private_effect(machine: &mut Machine) -> Verdict {
    let calls = calls!(machine);
    let lanes = lanes!(machine);
    for lane in lanes {
        let number = lane.source.load(Ordering::Relaxed);
        let masked = lane.masked.load(Ordering::Relaxed) != 0;
        let priority = lane.priority.load(Ordering::Relaxed);
        let wanted = if masked { LEAST_FAVORED } else { priority };
        let direct = hypercall::rtas(calls.get, &[number], 3);
        need!(
            direct[2] == wanted,
            format!("effective priority {wanted:#x} of source {number:#x}"),
            "{direct:x?}"
        );
        let server = lane.server.load(Ordering::Relaxed);
        if wanted != LEAST_FAVORED {
            need!(
                direct[1] == server,
                format!("server {server:#x} of source {number:#x}"),
                "{direct:x?}"
            );
        }
    }
    for lane in lanes {
        calls.settle(machine, lane.source.load(Ordering::Relaxed));
    }
    pass!("{} sources as their processors left them", lanes.len())
}

fn shared_effect(machine: &mut Machine) -> Verdict {
    let calls = calls!(machine);
    let _ = lanes!(machine);
    let number = COMMON[4].load(Ordering::Relaxed);
    let told = calls.rtas.call(machine.gate, calls.get, &[number], 3);
    let Ok(told) = told else {
        return Verdict::Fail("a return".into(), format!("{told:x?}"));
    };
    let direct = hypercall::rtas(calls.get, &[number], 3);
    let consistent = i64::from(direct[2]) == told.cells[2] || direct[2] == LEAST_FAVORED;
    need!(
        consistent,
        format!("effective priority {:#x} or 0xff", told.cells[2]),
        "{direct:x?}"
    );
    // Enabling shows whether the saved values survived.
    let status = calls.rtas.status(machine.gate, calls.on, &[number], 1);
    let after = hypercall::rtas(calls.get, &[number], 3);
    need!(
        status == 0 && i64::from(after[2]) == told.cells[2],
        format!("effective priority {:#x} after int-on", told.cells[2]),
        "status {status}, {after:x?}"
    );
    calls.settle(machine, number);
    pass!(
        "the hypervisor has {direct:x?}, RTAS tells {:x?}",
        told.cells
    )
}
