//! start-cpu, stop-self and query-cpu-stopped-state (LoPAR 7.3.8) on every processor.

use alloc::format;
use core::sync::atomic::{AtomicU64, Ordering};

use guest::verdict::Verdict;
use guest::{fail, need, pass, skip};

use super::{Check, check};
use crate::board::gate::{Gate, MSR_SF};
use crate::board::processor;
use crate::function;
use crate::or_return;
use crate::subject::{Machine, Rtas, Width};

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.8.2-1", "start-cpu-round-trips", round_trips),
    check("R1-7.3.8.2-3", "start-cpu-r3", start_r3),
    check("R1-7.3.8.2-3", "start-cpu-msr", start_msr),
    check("R1-7.3.8.2-1", "start-cpu-running", start_running),
    check("R1-7.3.8.2-1", "start-cpu-unknown", start_unknown),
];

const ROUNDS: u32 = 20;
/// Seconds after which a processor counts as lost.
const PATIENCE: u64 = 10;

/// Protects: what jobs on other processors need: an instance, buffers, a token.
/// Holder: written by the boot processor while the others are idle or stopped.
/// Order: relaxed; giving the job (release) publishes it.
/// Holder dies: the run ends.
pub struct Shared {
    rtas: [AtomicU64; 5],
    buffers: AtomicU64,
    token: AtomicU64,
}

/// What the jobs of all checks share.
pub static SHARED: Shared = Shared {
    rtas: [const { AtomicU64::new(0) }; 5],
    buffers: AtomicU64::new(0),
    token: AtomicU64::new(0),
};

impl Shared {
    /// Sets all of it.
    pub fn set(&self, rtas: &Rtas, buffers: u64, token: u32) {
        let width = match rtas.width {
            Width::Mode32 => 0,
            Width::Mode64 => 1,
            Width::Cells64 => 2,
        };
        let words = [rtas.entry, rtas.base, rtas.r4, rtas.size, width];
        for (cell, word) in self.rtas.iter().zip(words) {
            cell.store(word, Ordering::Relaxed);
        }
        self.buffers.store(buffers, Ordering::Relaxed);
        self.token.store(token.into(), Ordering::Relaxed);
    }

    /// The token.
    pub fn token(&self) -> u32 {
        self.token.load(Ordering::Relaxed) as u32
    }

    /// The instance.
    pub fn rtas(&self) -> Rtas {
        let [entry, base, r4, size, width] = self
            .rtas
            .each_ref()
            .map(|cell| cell.load(Ordering::Relaxed));
        let width = match width {
            0 => Width::Mode32,
            1 => Width::Mode64,
            _ => Width::Cells64,
        };
        Rtas {
            entry,
            base,
            r4,
            size,
            width,
        }
    }

    /// The argument buffer of processor number `index`, 256 bytes of its own.
    pub fn buffer(&self, index: usize) -> u64 {
        self.buffers.load(Ordering::Relaxed) + 256 * index as u64
    }
}

/// The job of stopping: does not return if stop-self works.
pub fn stop(gate: &mut Gate, index: usize) {
    let token = SHARED.token();
    let _ = SHARED
        .rtas()
        .quick(gate, SHARED.buffer(index), token, &[], 1);
}

/// How many processors take part, the boot processor included.
pub fn count(machine: &Machine) -> usize {
    machine.servers.len().min(processor::MAX)
}

/// Starts processor number `index`; why it did not work.
pub fn start(machine: &mut Machine, index: usize) -> Result<(), Verdict> {
    let run = |machine: &mut Machine| -> Verdict {
        let (rtas, token) = function!(machine, "start-cpu");
        let server = machine.servers[index];
        let before = processor::arrivals(index);
        let inputs = [
            server,
            processor::start_address() as u32,
            processor::start_argument(index) as u32,
        ];
        let status = rtas.status(machine.gate, token, &inputs, 1);
        need!(
            status == 0,
            format!("status 0 of start-cpu {server:#x}"),
            "{status}"
        );
        let arrived = processor::wait(PATIENCE, || processor::arrivals(index) == before + 1);
        need!(
            arrived,
            format!("processor {server:#x} at the start address"),
            "nothing"
        );
        pass!("")
    };
    match run(machine) {
        Verdict::Pass(_) => Ok(()),
        other => Err(other),
    }
}

/// Stops processor number `index`, which is idle; why it did not work.
pub fn stop_one(machine: &mut Machine, index: usize) -> Result<(), Verdict> {
    let run = |machine: &mut Machine| -> Verdict {
        let (rtas, query) = function!(machine, "query-cpu-stopped-state");
        let (_, stop_self) = function!(machine, "stop-self");
        let server = machine.servers[index];
        SHARED.set(&rtas, machine.arena + 0x10_0000, stop_self);
        let running = state(machine, &rtas, query, server);
        need!(
            running == [0, 2],
            format!("state 2 of the running {server:#x}"),
            "{running:?}"
        );
        processor::assign(index, stop);
        let mut seen = [0; 2];
        let stopped = processor::wait(PATIENCE, || {
            seen = state(machine, &rtas, query, server);
            seen == [0, 0] || processor::idle(index)
        });
        let came_back = processor::idle(index);
        need!(
            !came_back,
            "no return from stop-self",
            "it returned, state {seen:?}"
        );
        need!(
            stopped,
            format!("state 0 of the stopped {server:#x}"),
            "{seen:?}"
        );
        processor::forget_job(index);
        pass!("")
    };
    match run(machine) {
        Verdict::Pass(_) => Ok(()),
        other => Err(other),
    }
}

fn state(machine: &mut Machine, rtas: &Rtas, query: u32, server: u32) -> [i64; 2] {
    match rtas.call(machine.gate, query, &[server], 2) {
        Ok(outcome) => [outcome.cells[0], outcome.cells[1]],
        Err(trap) => [-1_000_000, trap.vector as i64],
    }
}

fn round_trips(machine: &mut Machine) -> Verdict {
    let others = 1..count(machine);
    if others.is_empty() {
        skip!("one processor")
    }
    for _ in 0..ROUNDS {
        for index in others.clone() {
            or_return!(start(machine, index));
        }
        for index in others.clone() {
            or_return!(stop_one(machine, index));
        }
    }
    pass!(
        "{ROUNDS} rounds of {} processors, all together",
        others.len()
    )
}

fn start_r3(machine: &mut Machine) -> Verdict {
    for index in 1..count(machine) {
        let (_, r3) = processor::started_with(index);
        let wanted = processor::start_argument(index);
        need!(
            r3 == wanted,
            format!("r3 {wanted:#x} of processor {index}"),
            "{r3:#x}"
        );
    }
    if count(machine) < 2 {
        skip!("one processor")
    }
    pass!("r3 as given to start-cpu, all 64 bits")
}

fn start_msr(machine: &mut Machine) -> Verdict {
    let Some(rtas) = machine.rtas else {
        skip!("no instance of RTAS")
    };
    if count(machine) < 2 {
        skip!("one processor")
    }
    // Table 7.47; FP, FE0 and FE1 depend on the implementation.
    let sf = match rtas.width {
        Width::Mode32 | Width::Mode64 => 0,
        Width::Cells64 => MSR_SF,
    };
    const ME: u64 = 0x1000;
    const FREE: u64 = 0x2000 | 0x0800 | 0x0100;
    for index in 1..count(machine) {
        let (msr, _) = processor::started_with(index);
        need!(
            msr & !FREE == sf | ME,
            format!(
                "MSR {:#x} of processor {index} but for FP, FE0, FE1",
                sf | ME
            ),
            "{msr:#x}"
        );
    }
    pass!("SF as RTAS was instantiated, ME, and nothing else")
}

fn start_running(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "start-cpu");
    let inputs = [machine.servers[0], processor::start_address() as u32, 0];
    let status = rtas.status(machine.gate, token, &inputs, 1);
    need!(
        status == -1,
        "-1 for a processor that is not stopped",
        "{status}"
    );
    pass!("-1 for the boot processor")
}

fn start_unknown(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "start-cpu");
    for server in [0xfff0, 0xffff_ffff] {
        let inputs = [server, processor::start_address() as u32, 0];
        let status = rtas.status(machine.gate, token, &inputs, 1);
        need!(
            status == -3 || status == -1,
            format!("-3 or -1 for processor {server:#x}"),
            "{status}"
        );
    }
    if machine.rtas.is_none() {
        fail!("an instance", "none")
    }
    pass!("no such processor, refused")
}
