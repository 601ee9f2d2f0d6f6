//! Calls from the handler of a system reset that interrupted a call on the same processor (LoPAR
//! R1-7.2.3-7).
//!
//! Another processor calls RTAS again and again, and the boot processor sends it system resets
//! (H_SIGNAL_SYS_RESET) until one finds it at an instruction of RTAS. Then the handler makes one call
//! with a buffer of its own, and the interrupted call goes on. All of LoPAR's functions have to
//! answer there what they answer to a call that interrupts nothing, and the interrupted calls, too.

use alloc::format;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use guest::verdict::Verdict;
use guest::{need, pass, skip};
use rtas_abi::hcall::H_SIGNAL_SYS_RESET;

use super::processors::{self, SHARED};
use super::{Check, check, pci};
use crate::board::gate::Gate;
use crate::board::memory::Scratch;
use crate::board::{hypercall, processor, stop, timebase, vectors};
use crate::subject::{Machine, Rtas};

/// The checks, in order.
pub const CHECKS: &[Check] = &[check("R1-7.2.3-7", "handler-calls", handler_calls)];

/// The processor that is interrupted.
const VICTIM: usize = 1;
/// System resets that each function may take to meet a call inside RTAS.
const TRIES: u32 = 3_000;
/// Times that each function is called inside each interrupted one.
const ROUNDS: u32 = 3;
/// Seconds after which the other processor counts as lost.
const PATIENCE: u64 = 30;
/// Most inputs of a call of this check.
const INPUTS: usize = 8;
/// Bytes of NVRAM that are read and written.
const BYTES: u64 = 16;

/// A call.
#[derive(Clone)]
struct Call {
    name: &'static str,
    token: u32,
    inputs: Vec<u32>,
    outputs: usize,
}

/// Protects: a call that another processor is to make.
/// Holder: the boot processor writes it while nobody makes it.
/// Order: relaxed; giving the job, or sending the system reset, publishes it.
/// Holder dies: the run ends.
struct Order {
    token: AtomicU32,
    inputs: [AtomicU32; INPUTS],
    counts: [AtomicU32; 2],
}

impl Order {
    const fn none() -> Order {
        Order {
            token: AtomicU32::new(0),
            inputs: [const { AtomicU32::new(0) }; INPUTS],
            counts: [const { AtomicU32::new(0) }; 2],
        }
    }

    fn set(&self, call: &Call) {
        self.token.store(call.token, Ordering::Relaxed);
        for (cell, input) in self.inputs.iter().zip(&call.inputs) {
            cell.store(*input, Ordering::Relaxed);
        }
        self.counts[0].store(call.inputs.len() as u32, Ordering::Relaxed);
        self.counts[1].store(call.outputs as u32, Ordering::Relaxed);
    }

    /// Makes it: the status, or what no RTAS returns if it took an exception. Allocates nothing: it
    /// is made in a handler.
    fn make(&self, rtas: &Rtas, gate: &mut Gate, buffer: u64) -> i64 {
        let inputs = self.inputs.each_ref().map(|it| it.load(Ordering::Relaxed));
        let [count, outputs] = self
            .counts
            .each_ref()
            .map(|it| it.load(Ordering::Relaxed) as usize);
        let inputs = inputs.get(..count).unwrap_or_default();
        let token = self.token.load(Ordering::Relaxed);
        match rtas.quick(gate, buffer, token, inputs, outputs) {
            Ok([status, ..]) => status,
            Err(trap) => -1_000_000 - trap.vector as i64,
        }
    }
}

/// The call that is interrupted, and the one in the handler.
static INTERRUPTED: Order = Order::none();
static NESTED: Order = Order::none();

/// Protects: what the interrupted processor and its handler tell the boot processor; the boot
/// processor sets it before it gives the job.
/// Holder: the other processor writes all but `again`.
/// Order: `resets` and `rounds` are released after what they count, and acquired.
/// Holder dies: the boot processor's waits end and are reported.
struct Told {
    /// The job goes on.
    again: AtomicBool,
    /// Calls that the job has made.
    rounds: AtomicU32,
    /// What the interrupted function has to answer, and the last other answer.
    wanted: AtomicU64,
    other: AtomicU64,
    /// System resets that were handled.
    resets: AtomicU32,
    /// Those of them that interrupted a call inside RTAS, the last one's address and the status of
    /// the call that was made.
    inside: AtomicU32,
    address: AtomicU64,
    status: AtomicU64,
}

static TOLD: Told = Told {
    again: AtomicBool::new(false),
    rounds: AtomicU32::new(0),
    wanted: AtomicU64::new(0),
    other: AtomicU64::new(0),
    resets: AtomicU32::new(0),
    inside: AtomicU32::new(0),
    address: AtomicU64::new(0),
    status: AtomicU64::new(0),
};

/// The job of being interrupted.
fn call_on(gate: &mut Gate, index: usize) {
    stop::prepare(gate, index);
    let rtas = SHARED.rtas();
    while TOLD.again.load(Ordering::Relaxed) {
        let status = INTERRUPTED.make(&rtas, gate, SHARED.buffer(index)) as u64;
        if status != TOLD.wanted.load(Ordering::Relaxed) {
            TOLD.other.store(status, Ordering::Relaxed);
        }
        TOLD.rounds.fetch_add(1, Ordering::Release);
    }
}

/// The handler, with a gate of its own.
fn handler(gate: &mut Gate, index: usize, address: u64) {
    let rtas = SHARED.rtas();
    // At the entry, nothing of RTAS has run yet.
    if (rtas.base..rtas.base + rtas.size).contains(&address) && address != rtas.entry {
        let buffer = SHARED.buffer(processor::MAX + index);
        let status = NESTED.make(&rtas, gate, buffer);
        TOLD.status.store(status as u64, Ordering::Relaxed);
        TOLD.address.store(address, Ordering::Relaxed);
        TOLD.inside.fetch_add(1, Ordering::Relaxed);
    }
    TOLD.resets.fetch_add(1, Ordering::Release);
}

/// One of the functions, if /rtas has it.
fn call(
    machine: &Machine,
    name: &'static str,
    inputs: impl Into<Vec<u32>>,
    outputs: usize,
) -> Option<Call> {
    Some(Call {
        name,
        token: machine.token(name)?,
        inputs: inputs.into(),
        outputs,
    })
}

/// The ten functions. Those that end the run, set-power-level (0, 0) too, are called with an input too
/// many or too few, so that they are refused.
fn services(machine: &mut Machine, data: u32) -> Vec<Call> {
    let function = pci::functions(machine).first().map(pci::Function::inputs);
    let [address, high, low] = function.unwrap_or([0x00fe_0800, 0, 0]);
    let calls = [
        call(machine, "nvram-fetch", [0, data, BYTES as u32], 2),
        call(machine, "nvram-store", [0, data, BYTES as u32], 2),
        call(
            machine,
            "check-exception",
            [0x500, 0, u32::MAX, 0, data + 64, 64],
            1,
        ),
        call(machine, "display-character", [u32::from(b'\n')], 1),
        call(machine, "system-reboot", [0], 1),
        call(machine, "set-power-level", [0], 2),
        call(machine, "power-off", [0], 1),
        call(machine, "ibm,set-eeh-option", [address, high, low, 1], 1),
        call(machine, "ibm,set-slot-reset", [address, high, low, 0], 1),
        call(
            machine,
            "ibm,read-slot-reset-state2",
            [address, high, low],
            4,
        ),
    ];
    calls.into_iter().flatten().collect()
}

/// What may be interrupted.
fn victims(machine: &Machine, data: u32) -> Vec<Call> {
    let source = machine.sources.first().copied().unwrap_or(0);
    let calls = [
        call(machine, "get-time-of-day", [], 8),
        call(machine, "ibm,get-xive", [source], 3),
        call(machine, "nvram-fetch", [16, data + 128, BYTES as u32], 2),
    ];
    calls.into_iter().flatten().collect()
}

fn handler_calls(machine: &mut Machine) -> Verdict {
    let Some(rtas) = machine.rtas else {
        skip!("no instance of RTAS")
    };
    if processors::count(machine) < 2 {
        skip!("one processor")
    }
    if let Err(verdict) = processors::start(machine, VICTIM) {
        return verdict;
    }
    SHARED.set(&rtas, machine.arena + 0x10_0000, 0);
    stop::install_reset(handler);
    let verdict = interrupt_all(machine, &rtas);
    TOLD.again.store(false, Ordering::Relaxed);
    let ended = processor::wait(PATIENCE, || processor::idle(VICTIM));
    vectors::put_reset();
    if !ended {
        return verdict;
    }
    match (processors::stop_one(machine, VICTIM), &verdict) {
        (Err(other), Verdict::Pass(_)) => other,
        _ => verdict,
    }
}

fn interrupt_all(machine: &mut Machine, rtas: &Rtas) -> Verdict {
    let data = Scratch::new(256, 256);
    let services = services(machine, data.address as u32);
    let mut addresses = Vec::new();
    let mut counted = 0;
    let mut met = Vec::new();
    'victims: for victim in victims(machine, data.address as u32) {
        let alone = alone(machine, rtas, &victim);
        INTERRUPTED.set(&victim);
        TOLD.wanted.store(alone as u64, Ordering::Relaxed);
        TOLD.other.store(alone as u64, Ordering::Relaxed);
        for service in &services {
            // The boot processor's own call, while the other one makes none.
            let wanted = self::alone(machine, rtas, service);
            let must = ["nvram-fetch", "nvram-store", "display-character"];
            need!(
                wanted == 0 || !must.contains(&service.name),
                format!("status 0 of {}", service.name),
                "{wanted} outside handlers"
            );
            NESTED.set(service);
            TOLD.again.store(true, Ordering::Relaxed);
            processor::assign(VICTIM, call_on);
            for _ in 0..ROUNDS {
                let saw = match interrupt(machine) {
                    Ok(Some(status)) => status,
                    // Under emulation the resets come where an instruction takes a lock of the
                    // hypervisor's; some functions have none.
                    Ok(None) => {
                        TOLD.again.store(false, Ordering::Relaxed);
                        processor::wait(PATIENCE, || processor::idle(VICTIM));
                        continue 'victims;
                    }
                    Err(why) => {
                        let wanted = format!("{} in a handler, in {}", service.name, victim.name);
                        return Verdict::Fail(wanted, why.into());
                    }
                };
                let address = TOLD.address.load(Ordering::Relaxed);
                need!(
                    saw == wanted,
                    format!("status {wanted} of {} as without a handler", service.name),
                    "{saw} in a handler that interrupted {} at {address:#x}",
                    victim.name
                );
                addresses.push(address - rtas.base);
                counted += 1;
            }
            TOLD.again.store(false, Ordering::Relaxed);
            need!(
                processor::wait(PATIENCE, || processor::idle(VICTIM)),
                format!("an end of {}", victim.name),
                "none, after {} in a handler",
                service.name
            );
            let other = TOLD.other.load(Ordering::Relaxed) as i64;
            need!(
                other == alone,
                format!("status {alone} of an interrupted {}", victim.name),
                "{other} after {} in a handler",
                service.name
            );
        }
        met.push(victim.name);
    }
    if met.is_empty() {
        skip!("none of {TRIES} system resets met a call inside RTAS")
    }
    addresses.sort_unstable();
    addresses.dedup();
    pass!(
        "{} functions, {counted} calls from handlers that interrupted {} at {} places of RTAS",
        services.len(),
        met.join(", "),
        addresses.len()
    )
}

/// The status of a call that interrupts nothing.
fn alone(machine: &mut Machine, rtas: &Rtas, call: &Call) -> i64 {
    let order = Order::none();
    order.set(call);
    order.make(rtas, machine.gate, SHARED.buffer(0))
}

/// Sends system resets until one interrupts a call in RTAS: the status that its handler got.
fn interrupt(machine: &Machine) -> Result<Option<i64>, &'static str> {
    let server = machine.servers.get(VICTIM).copied().unwrap_or(0);
    for attempt in 0..TRIES {
        // Not before the last one's handler is left: the job has made a call since.
        let rounds = TOLD.rounds.load(Ordering::Acquire);
        let goes_on = processor::wait(PATIENCE, || TOLD.rounds.load(Ordering::Acquire) != rounds);
        if !goes_on {
            return Err("the interrupted call does not end");
        }
        // Each time a little later in a call, up to eight microseconds.
        let start = timebase();
        while timebase().wrapping_sub(start) < u64::from(attempt * 61 % 4096) {}
        let resets = TOLD.resets.load(Ordering::Acquire);
        let inside = TOLD.inside.load(Ordering::Relaxed);
        let (status, _) = hypercall::call(H_SIGNAL_SYS_RESET, &[server.into()]);
        if status != 0 {
            return Err("H_SIGNAL_SYS_RESET fails");
        }
        let handled = processor::wait(PATIENCE, || TOLD.resets.load(Ordering::Acquire) != resets);
        if !handled {
            return Err("the handler does not come back");
        }
        if TOLD.inside.load(Ordering::Relaxed) != inside {
            return Ok(Some(TOLD.status.load(Ordering::Relaxed) as i64));
        }
    }
    Ok(None)
}
