//! Calls by several processors at once, in calls a second: each on a source of its own, all on one
//! source, and one processor while the others are inside a serialised call.
//!
//! `guest: bench contention KIND WAY PROCESSORS CALLS TICKS`. `oxrtas.bench-plain=GET,SET` are the
//! instructions of one call, so that a loop of as many plain instructions (`plain`) can be measured
//! in the same run.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::{BUFFER, Function, sources};
use crate::board::gate::Gate;
use crate::board::memory;
use crate::board::repeat::{self, Repeat};
use crate::board::{processor, timebase};
use crate::checks::processors;
use crate::say;
use crate::subject::{Machine, Width};

/// Numbers of processors, ascending.
const PROCESSORS: [usize; 5] = [1, 2, 4, 8, 16];
/// Calls of all processors together.
const CALLS: u32 = 16_000;
/// Seconds after which processors count as lost.
const PATIENCE: u64 = 60;

/// Protects: what the processors of one measurement call, and how often; 0 at start.
/// Holder: written by the boot processor while the others are idle.
/// Order: relaxed; giving the job (release) publishes it.
/// Holder dies: the run ends at QEMU's time limit.
struct Plan {
    entry: AtomicU64,
    r4: AtomicU64,
    msr: AtomicU64,
    calls: AtomicU32,
    buffers: AtomicU64,
}

static PLAN: Plan = Plan {
    entry: AtomicU64::new(0),
    r4: AtomicU64::new(0),
    msr: AtomicU64::new(0),
    calls: AtomicU32::new(0),
    buffers: AtomicU64::new(0),
};

/// Protects: itself: processors that are ready, since the boot processor set it to 0.
/// Holder: any processor, one addition.
/// Order: release and acquire: who sees a number sees what those did before.
/// Holder dies: the boot processor gives up after [`PATIENCE`].
static READY: AtomicU32 = AtomicU32::new(0);

/// Protects: itself: 0 wait, 1 go on, 2 stop; 0 at start.
/// Holder: the boot processor alone writes it.
/// Order: release and acquire.
/// Holder dies: the others wait until QEMU's time limit.
static SIGNAL: AtomicU32 = AtomicU32::new(0);

/// Ticks at the start and the end of each processor's calls. Its owner alone writes it while it
/// works, the boot processor reads it after; the job's end orders both.
static TIMES: [[AtomicU64; 2]; processor::MAX] =
    [const { [const { AtomicU64::new(0) }; 2] }; processor::MAX];

impl Plan {
    fn set(&self, entry: u64, r4: u64, width: Width, calls: u32, buffers: u64) {
        self.entry.store(entry, Ordering::Relaxed);
        self.r4.store(r4, Ordering::Relaxed);
        self.msr.store(width.msr(), Ordering::Relaxed);
        self.calls.store(calls, Ordering::Relaxed);
        self.buffers.store(buffers, Ordering::Relaxed);
    }

    fn repeat(&self, index: usize) -> (Repeat, u32) {
        let repeat = Repeat {
            entry: self.entry.load(Ordering::Relaxed),
            buffer: self.buffers.load(Ordering::Relaxed) + BUFFER * index as u64,
            stride: 0,
            r4: self.r4.load(Ordering::Relaxed),
            msr: self.msr.load(Ordering::Relaxed),
        };
        (repeat, self.calls.load(Ordering::Relaxed))
    }
}

/// The job of being measured: waits for the start, and makes its calls.
fn measured(gate: &mut Gate, index: usize) {
    let (repeat, calls) = PLAN.repeat(index);
    repeat.run(gate, 4);
    READY.fetch_add(1, Ordering::Release);
    while SIGNAL.load(Ordering::Acquire) == 0 {
        core::hint::spin_loop();
    }
    TIMES[index][0].store(timebase(), Ordering::Relaxed);
    repeat.run(gate, calls);
    TIMES[index][1].store(timebase(), Ordering::Relaxed);
}

/// The job of being in the way: serialised calls until it is told to stop.
fn busy(gate: &mut Gate, index: usize) {
    let (repeat, _) = PLAN.repeat(index);
    repeat.run(gate, 4);
    READY.fetch_add(1, Ordering::Release);
    while SIGNAL.load(Ordering::Acquire) != 2 {
        repeat.run(gate, 16);
    }
}

/// Starts `job` on the processors 1 up to `count` and waits until they are ready.
fn assign(count: usize, job: processor::Job) -> bool {
    SIGNAL.store(0, Ordering::Release);
    READY.store(0, Ordering::Release);
    for index in 1..count {
        processor::assign(index, job);
    }
    processor::wait(PATIENCE, || {
        READY.load(Ordering::Acquire) as usize == count - 1
    })
}

/// Whether all processors below `count` came back.
fn back(count: usize) -> bool {
    processor::wait(PATIENCE, || (1..count).all(processor::idle))
}

/// What is called.
#[derive(Clone, Copy, PartialEq)]
enum Sources {
    Private,
    Shared,
}

/// Prints calls and ticks for each number of processors.
pub fn run(machine: &mut Machine) {
    let most = processors::count(machine);
    let Some((server, numbers)) = sources(machine, processor::MAX) else {
        say!("guest: bench failed too few interrupt sources");
        return;
    };
    let mut started = 1;
    for count in PROCESSORS.into_iter().take_while(|count| *count <= most) {
        // Those that do not take part are stopped: an idle one of this guest spins.
        while started < count {
            if let Err(verdict) = processors::start(machine, started) {
                say!("guest: bench failed {verdict:?}");
                return;
            }
            started += 1;
        }
        for (name, width) in [
            ("ibm,get-xive", Width::Mode32),
            ("ibm,get-xive", Width::Mode64),
            ("ibm,set-xive", Width::Mode32),
        ] {
            for sources in [Sources::Private, Sources::Shared] {
                let number = |index: usize| match sources {
                    Sources::Private => numbers[index],
                    Sources::Shared => numbers[0],
                };
                together(machine, count, name, width, sources, server, &number);
            }
        }
        for name in ["ibm,get-xive", "ibm,set-xive"] {
            if count > 1 {
                beside(machine, count, name, [numbers[0], server]);
            }
        }
        if let Some(&[get, set]) = machine.arguments.numbers("bench-plain") {
            for (name, instructions) in [("ibm,get-xive", get), ("ibm,set-xive", set)] {
                plain(machine, count, name, instructions as u32);
            }
        }
    }
}

/// Inputs and number of outputs of the two functions.
fn shape(name: &str, number: u32, server: u32) -> ([u32; 3], usize, u32) {
    match name {
        "ibm,get-xive" => ([number, 0, 0], 1, 3),
        _ => ([number, server, 5], 3, 1),
    }
}

/// `count` processors make the call.
fn together(
    machine: &mut Machine,
    count: usize,
    name: &str,
    width: Width,
    sources: Sources,
    server: u32,
    number: &dyn Fn(usize) -> u32,
) {
    let (Some(rtas), Some(token)) = (machine.rtas, machine.token(name)) else {
        return;
    };
    let buffers = machine.arena + 0x10_0000;
    let calls = CALLS / count as u32;
    let kind = match sources {
        Sources::Private => "private",
        Sources::Shared => "shared",
    };
    let mut good = true;
    for index in 0..count {
        let (inputs, length, outputs) = shape(name, number(index), server);
        let inputs = &inputs[..length];
        let function = Function {
            token,
            inputs,
            outputs,
            status: 0,
        };
        function.prepare(buffers + BUFFER * index as u64);
    }
    PLAN.set(rtas.entry, rtas.r4, width, calls, buffers);
    if let Some(ticks) = all(machine, count) {
        for index in 0..count {
            let (inputs, length, _) = shape(name, 0, 0);
            let cell = buffers + BUFFER * index as u64 + 4 * (3 + inputs[..length].len() as u64);
            good &= memory::read_u32(cell) == 0;
        }
        if good {
            let calls = calls * count as u32;
            say!(
                "guest: bench contention {name}{}/{kind} rtas {count} {calls} {ticks}",
                width.suffix()
            );
            return;
        }
    }
    say!("guest: bench failed {count} processors with {name}, {kind}");
}

/// Runs the plan on `count` processors: ticks from the first start to the last end.
fn all(machine: &mut Machine, count: usize) -> Option<u64> {
    if !assign(count, measured) {
        return None;
    }
    SIGNAL.store(1, Ordering::Release);
    measured(machine.gate, 0);
    if !back(count) {
        return None;
    }
    let times = |which: usize| {
        let times = TIMES[..count].iter();
        times.map(move |pair| pair[which].load(Ordering::Relaxed))
    };
    Some(times(1).max()? - times(0).min()?)
}

/// The boot processor makes the call while the others are inside get-time-of-day.
fn beside(machine: &mut Machine, count: usize, name: &str, [number, server]: [u32; 2]) {
    let tokens = (machine.token(name), machine.token("get-time-of-day"));
    let (Some(rtas), (Some(token), Some(time))) = (machine.rtas, tokens) else {
        return;
    };
    let buffers = machine.arena + 0x10_0000;
    for index in 1..count {
        let function = Function {
            token: time,
            inputs: &[],
            outputs: 8,
            status: 0,
        };
        function.prepare(buffers + BUFFER * index as u64);
    }
    let (inputs, length, outputs) = shape(name, number, server);
    let function = Function {
        token,
        inputs: &inputs[..length],
        outputs,
        status: 0,
    };
    function.prepare(buffers);
    let calls = CALLS / count as u32;
    PLAN.set(rtas.entry, rtas.r4, Width::Mode32, calls, buffers);
    let ready = assign(count, busy);
    SIGNAL.store(1, Ordering::Release);
    let (repeat, _) = PLAN.repeat(0);
    let start = timebase();
    repeat.run(machine.gate, calls);
    let ticks = timebase() - start;
    SIGNAL.store(2, Ordering::Release);
    if ready && back(count) && function.succeeded(buffers) {
        say!("guest: bench contention {name}/32/beside rtas {count} {calls} {ticks}");
    } else {
        say!("guest: bench failed {name} beside {} others", count - 1);
    }
}

/// As many plain instructions as a call has.
fn plain(machine: &mut Machine, count: usize, name: &str, instructions: u32) {
    let buffers = machine.arena + 0x10_0000;
    let (entry, rounds) = repeat::plain(instructions);
    for index in 0..count {
        memory::write_u32(buffers + BUFFER * index as u64, rounds);
    }
    let calls = CALLS / count as u32;
    PLAN.set(entry, 0, Width::Mode32, calls, buffers);
    if let Some(ticks) = all(machine, count) {
        let calls = calls * count as u32;
        say!("guest: bench contention {name}/32/private plain {count} {calls} {ticks}");
    }
}
