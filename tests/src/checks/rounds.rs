//! A thousand rounds of stop-self and start-cpu (LoPAR 7.3.8), and what they leave behind: whatever
//! RTAS keeps for each call must come back from a processor that stops itself.
//!
//! Firmware is not asked what it keeps. Processors die inside calls, one after the other, by a system
//! reset that ends the call in the guest and that RTAS does not see the end of. As many may die after
//! the rounds as in an instance that made none. These are the last checks of both instances.

use core::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use guest::verdict::Verdict;
use guest::{need, pass, skip};
use rtas_abi::hcall::H_SIGNAL_SYS_RESET;

use super::processors::{self, SHARED};
use super::{Check, check};
use crate::board::gate::{Gate, Trap};
use crate::board::{hypercall, processor, timebase};
use crate::say;
use crate::subject::{Machine, Rtas};

/// The checks of the instance without rounds.
pub const WITHOUT: &[Check] = &[check("R1-7.3.8.1-1", "deaths-without-rounds", without)];

/// The checks of the instance with them, in order.
pub const WITH: &[Check] = &[
    check("R1-7.3.8.1-1", "stop-self-rounds", rounds),
    check("R1-7.2.3-7", "calls-while-all-are-inside", all_inside),
    check("R1-7.3.8.1-1", "deaths-after-rounds", after),
];

/// Rounds without a number in the boot arguments.
const ROUNDS: u64 = 1000;
/// Rounds between two lines that say how far it is.
const SHOWN: u64 = 100;
/// Calls of each processor while all are inside one.
const CALLS: u32 = 500;
/// Deaths for each processor after which there is no limit.
const MOST: u32 = 16;
/// Bytes of NVRAM that a call fetches.
const LENGTH: u32 = 0xf000;
/// Seconds after which a processor counts as lost.
const PATIENCE: u64 = 60;

/// Protects: how jobs ended: their status, and deaths that were surely inside a call, which ran on a
/// stack of RTAS, or perhaps.
/// Holder: the one processor that has a job; the boot processor while none has.
/// Order: relaxed; the job's start and end order.
/// Holder dies: the boot processor's wait ends, and the check fails.
static STATUS: AtomicI64 = AtomicI64::new(0);
static SURE: AtomicU32 = AtomicU32::new(0);
static PERHAPS: AtomicU32 = AtomicU32::new(0);
/// System resets that came in the gate, before or after a call.
static BESIDE: AtomicU64 = AtomicU64::new(0);

/// Where they fetch NVRAM to. Written while nobody has a job.
static DATA: AtomicU64 = AtomicU64::new(0);

/// Deaths that the instance without rounds stood, and whether there was a limit. As above.
static STOOD: AtomicU32 = AtomicU32::new(0);
static LIMITED: AtomicU32 = AtomicU32::new(0);

fn forget() {
    STATUS.store(0, Ordering::Relaxed);
    SURE.store(0, Ordering::Relaxed);
    PERHAPS.store(0, Ordering::Relaxed);
}

/// A call that is long in the hypervisor, so that a system reset comes there rather than on the way.
fn long_call(rtas: &Rtas, gate: &mut Gate, index: usize) -> Result<[i64; 3], Trap> {
    let data = DATA.load(Ordering::Relaxed) as u32;
    rtas.quick(
        gate,
        SHARED.buffer(index),
        SHARED.token(),
        &[0, data, LENGTH],
        2,
    )
}

/// The job of dying: calls until a system reset comes in one.
pub fn die(gate: &mut Gate, index: usize) {
    let rtas = SHARED.rtas();
    let area = rtas.base..rtas.base + rtas.size;
    loop {
        match long_call(&rtas, gate, index) {
            Ok([0, ..]) => {}
            Ok([status, ..]) => {
                STATUS.store(status, Ordering::Relaxed);
                return;
            }
            Err(trap) if trap.vector != 0x100 => {
                STATUS.store(i64::MIN + trap.vector as i64, Ordering::Relaxed);
                return;
            }
            // Before the call, or after it.
            Err(trap) if !area.contains(&trap.address) => {
                BESIDE.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {
                let sure = area.contains(&gate.stack_at_trap());
                let count = if sure { &SURE } else { &PERHAPS };
                count.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }
}

/// The job of calling, which has to succeed.
fn call(gate: &mut Gate, index: usize) {
    let rtas = SHARED.rtas();
    for _ in 0..CALLS {
        let status = match long_call(&rtas, gate, index) {
            Ok([status, ..]) => status,
            Err(trap) => i64::MIN + trap.vector as i64,
        };
        if status != 0 {
            STATUS.store(status, Ordering::Relaxed);
            return;
        }
    }
}

/// Lets processor number `index` die in a call, in a job that begins with [`die`]: whether it came
/// back from its job.
pub fn kill(machine: &Machine, index: usize, job: processor::Job) -> bool {
    processor::assign(index, job);
    let taken = || processor::resets(index) + BESIDE.load(Ordering::Relaxed);
    let (mut last, mut sent) = (timebase(), taken());
    processor::wait(PATIENCE, || {
        let idle = processor::idle(index);
        // Not so often that it makes no calls, and one at a time.
        if !idle && taken() == sent && timebase().wrapping_sub(last) > 0x2_0000 {
            hypercall::call(H_SIGNAL_SYS_RESET, &[machine.servers[index].into()]);
            sent += 1;
            last = timebase();
        }
        idle
    })
}

/// Prepares the jobs.
pub fn prepare(machine: &mut Machine) -> Result<usize, Verdict> {
    let count = processors::count(machine);
    if count < 2 {
        return Err(Verdict::Skip("one processor".into()));
    }
    match (machine.rtas, machine.token("nvram-fetch")) {
        (Some(rtas), Some(token)) if machine.nvram_bytes >= LENGTH => {
            SHARED.set(&rtas, machine.arena + 0x10_0000, token);
            DATA.store(machine.arena + 0x20_0000, Ordering::Relaxed);
        }
        _ => return Err(Verdict::Skip("no instance, or no nvram-fetch".into())),
    }
    Ok(count)
}

/// Lets processors die until a call is refused, or there is no limit.
fn exhaust(machine: &Machine, count: usize) -> Result<(), Verdict> {
    for index in (1..count).cycle().take(MOST as usize * count) {
        let back = kill(machine, index, die);
        let status = STATUS.load(Ordering::Relaxed);
        if !back || ![0, -1].contains(&status) {
            return Err(Verdict::Fail(
                "deaths, then status -1".into(),
                alloc::format!("status {status} of processor {index}, back: {back}"),
            ));
        }
        if status != 0 {
            break;
        }
    }
    Ok(())
}

fn deaths() -> (u32, u32, bool) {
    (
        SURE.load(Ordering::Relaxed),
        PERHAPS.load(Ordering::Relaxed),
        STATUS.load(Ordering::Relaxed) != 0,
    )
}

fn without(machine: &mut Machine) -> Verdict {
    let count = match prepare(machine) {
        Ok(count) => count,
        Err(verdict) => return verdict,
    };
    for index in 1..count {
        if let Err(verdict) = processors::start(machine, index) {
            return verdict;
        }
    }
    forget();
    if let Err(verdict) = exhaust(machine, count) {
        return verdict;
    }
    let (sure, perhaps, limited) = deaths();
    STOOD.store(sure, Ordering::Relaxed);
    LIMITED.store(limited.into(), Ordering::Relaxed);
    need!(
        !limited || sure + perhaps >= count as u32,
        "as many deaths as processors, at least",
        "{sure} and {perhaps} deaths"
    );
    pass!(
        "{count} processors: {sure} deaths, {perhaps} more perhaps, {}",
        if limited { "then -1" } else { "no limit" }
    )
}

fn rounds(machine: &mut Machine) -> Verdict {
    let count = match prepare(machine) {
        Ok(count) => count,
        Err(verdict) => return verdict,
    };
    if STOOD.load(Ordering::Relaxed) + LIMITED.load(Ordering::Relaxed) == 0 {
        skip!("the other instance was not asked")
    }
    let rounds = machine.arguments.calls.unwrap_or(ROUNDS);
    // They run since the other instance was asked.
    for round in 0..rounds {
        for index in 1..count {
            if let Err(verdict) = processors::stop_one(machine, index) {
                return verdict;
            }
        }
        for index in 1..count {
            if let Err(verdict) = processors::start(machine, index) {
                return verdict;
            }
        }
        if (round + 1) % SHOWN == 0 {
            say!("guest: {} of {rounds} rounds", round + 1);
        }
    }
    pass!("{rounds} rounds of {} processors", count - 1)
}

fn all_inside(machine: &mut Machine) -> Verdict {
    let count = match prepare(machine) {
        Ok(count) => count,
        Err(verdict) => return verdict,
    };
    forget();
    for index in 1..count {
        let back = kill(machine, index, die);
        let status = STATUS.load(Ordering::Relaxed);
        let (sure, perhaps, _) = deaths();
        need!(
            back && status == 0 && sure + perhaps == index as u32,
            alloc::format!("death {index} inside a call"),
            "status {status} of processor {index}, back: {back}, {sure} and {perhaps} deaths"
        );
    }
    for index in 1..count {
        processor::assign(index, call);
    }
    call(machine.gate, 0);
    let all = processor::wait(PATIENCE, || (1..count).all(processor::idle));
    let status = STATUS.load(Ordering::Relaxed);
    need!(all, "every processor back", "some are lost");
    need!(status == 0, "status 0 of every call", "{status}");
    pass!(
        "{CALLS} calls by each of {count} processors, while {} of them are inside another call",
        count - 1
    )
}

fn after(machine: &mut Machine) -> Verdict {
    let count = match prepare(machine) {
        Ok(count) => count,
        Err(verdict) => return verdict,
    };
    let (sure, perhaps, limited) = deaths();
    let stood = STOOD.load(Ordering::Relaxed);
    need!(
        sure + perhaps > 0 && !limited,
        "deaths, and no status but 0, before this check",
        "{sure} and {perhaps} deaths, status {}",
        STATUS.load(Ordering::Relaxed)
    );
    if let Err(verdict) = exhaust(machine, count) {
        return verdict;
    }
    let (sure, perhaps, limited) = deaths();
    need!(
        !limited || LIMITED.load(Ordering::Relaxed) != 0 && sure + perhaps >= stood,
        alloc::format!("{stood} deaths, as without the rounds"),
        "{sure}, {perhaps} more perhaps, then -1"
    );
    pass!(
        "{sure} deaths, {perhaps} more perhaps, {}; {stood} without the rounds",
        if limited { "then -1" } else { "no limit" }
    )
}
