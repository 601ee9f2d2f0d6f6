//! System resets that go to the handler of `ibm,nmi-register` (LoPAR 7.3.14): the last checks of a
//! run. The firmware has to give the tree back first, with what a kernel tells of the instance, since
//! the hypervisor keeps the state of a processor there; so the client interface is gone afterwards.

use alloc::format;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use guest::verdict::Verdict;
use guest::{fail, need, pass, skip};
use rtas_abi::hcall::H_SIGNAL_SYS_RESET;

use super::{Check, check, processors};
use crate::answer;
use crate::board::gate::{self, Gate, Registers, patterns};
use crate::board::memory::{self, Scratch};
use crate::board::{fwnmi, hypercall, processor, stop};
use crate::or_return;
use crate::subject::Machine;

/// The checks, in order: the first does what the others look at.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.14-8", "fwnmi-system-resets", system_resets),
    check("R1-7.3.14-9", "fwnmi-registers", registers),
    check("R1-7.3.14-9", "fwnmi-r3", r3),
    check("R1-7.3.14-7", "fwnmi-vectors-unwritten", unwritten),
    check("R1-7.3.14-10", "fwnmi-machine-check", machine_check),
    // The last of a run: where it fails, processors are lost.
    check("R1-7.3.8.1-2", "stopped-through-a-system-reset", stopped),
];

/// Seconds after which a processor counts as lost.
const PATIENCE: u64 = 30;
/// All processors but the one that asks (LoPAR 14.11.4.6, H_SIGNAL_SYS_RESET).
const ALL_OTHERS: u64 = -2i64 as u64;
/// What a firmware must not write to: the vectors of both interrupts, and page 7.
const KEPT: [core::ops::Range<u64>; 3] = [0x100..0x200, 0x200..0x300, 0x7000..0x8000];
/// No register differs.
const NONE: u32 = u32::MAX;
/// Registers beside the general ones.
const OTHERS: [&str; 9] = [
    "CR",
    "XER",
    "CTR",
    "MSR",
    "an SPRG",
    "a vector-scalar register",
    "FPSCR",
    "VSCR",
    "VRSAVE",
];

/// Protects: what one processor tells of its system resets.
/// Holder: that processor and its handler; the boot processor reads.
/// Order: `handled` and the job's end are released after what they tell of.
/// Holder dies: the boot processor's waits end and are reported.
struct Told {
    handled: AtomicU32,
    /// The register that a reset changed: a general one, 32 and more one of [`OTHERS`], or [`NONE`].
    changed: AtomicU32,
    /// r3 before and in the handler.
    r3: [AtomicU64; 2],
}

static TOLD: [Told; processor::MAX] = [const {
    Told {
        handled: AtomicU32::new(0),
        changed: AtomicU32::new(NONE),
        r3: [const { AtomicU64::new(0) }; 2],
    }
}; processor::MAX];

/// Protects: how many processors were reset, the boot processor counted, 0 if the first check did
/// not get so far; where the cells for their loops are; and how many bytes of [`KEPT`] changed.
/// Holder: the boot processor.
/// Order: relaxed; giving a job publishes it.
/// Holder dies: the run ends.
struct State {
    processors: AtomicU32,
    cells: AtomicU64,
    written: AtomicU32,
}

static STATE: State = State {
    processors: AtomicU32::new(0),
    cells: AtomicU64::new(0),
    written: AtomicU32::new(0),
};

fn cells(index: usize) -> u64 {
    STATE.cells.load(Ordering::Relaxed) + 64 * index as u64
}

/// The handler: all of it is that it came here.
fn handler(_gate: &mut Gate, index: usize, _address: u64) {
    TOLD[index].handled.fetch_add(1, Ordering::Release);
}

/// The job of being reset: every register is known while it turns round.
fn turn(gate: &mut Gate, index: usize) {
    stop::prepare(gate, index);
    let mut before = patterns(gate::msr());
    before.gpr[3] = cells(index);
    let changed = match gate.enter(fwnmi::loop_address(), &before, true) {
        Ok(after) => first_changed(gate.entered_with(), &after),
        Err(trap) => trap.vector as u32 | 0x8000_0000,
    };
    let told = &TOLD[index];
    told.r3[0].store(before.gpr[3], Ordering::Relaxed);
    told.r3[1].store(fwnmi::r3(gate), Ordering::Relaxed);
    told.changed.store(changed, Ordering::Relaxed);
}

/// The first register that is another, but for those that the loop and the way back use.
fn first_changed(before: &Registers, after: &Registers) -> u32 {
    let loops = [5, 11, 12];
    let general = (0..32).find(|index| {
        !loops.contains(index) && before.gpr[*index as usize] != after.gpr[*index as usize]
    });
    let sprgs = |it: &Registers| [it.sprg0, it.sprg1, it.sprg3];
    // The loop compares in CR0.
    let same = [
        (before.cr ^ after.cr) & 0x0fff_ffff == 0,
        before.xer == after.xer,
        before.ctr == after.ctr,
        before.msr == after.msr,
        sprgs(before) == sprgs(after),
        before.vsr == after.vsr,
        before.fpscr == after.fpscr,
        before.vscr[1] == after.vscr[1],
        before.vrsave == after.vrsave,
    ];
    let other = same.iter().position(|same| !same);
    general
        .or(other.map(|place| 32 + place as u32))
        .unwrap_or(NONE)
}

/// Tells where RTAS is, as a kernel does, and ends the client interface; why it did not work.
fn give_back(machine: &mut Machine) -> Result<(), Verdict> {
    let failed = |wanted: &str, saw| Err(Verdict::Fail(wanted.into(), saw));
    let Some(rtas) = machine.rtas else {
        return Err(Verdict::Skip("no instance of RTAS".into()));
    };
    let Some(client) = machine.client.take() else {
        return Err(Verdict::Skip("no client interface".into()));
    };
    let gate = &mut *machine.gate;
    let node = client.finddevice(gate, "/rtas");
    let value = Scratch::new(256, 256);
    for (name, address) in [
        ("linux,rtas-base", rtas.base),
        ("linux,rtas-entry", rtas.entry),
    ] {
        memory::write_u32(value.address, address as u32);
        let name = client.string(1, name);
        let length = client.one(gate, "setprop", &[node, name, value.address as u32, 4]);
        if length != 4 {
            return failed("length 4 of setprop", format!("{length:#x}"));
        }
    }
    match client.call(gate, "quiesce", &[], 0) {
        Ok(answer) if answer.result == 0 => Ok(()),
        other => failed("quiesce to succeed", format!("{other:x?}")),
    }
}

fn kept() -> Vec<u8> {
    KEPT.into_iter().flatten().map(memory::read_u8).collect()
}

fn system_resets(machine: &mut Machine) -> Verdict {
    if machine.token("ibm,nmi-register").is_none() {
        skip!("/rtas has no ibm,nmi-register")
    }
    let count = processors::count(machine);
    if count < 2 {
        skip!("one processor")
    }
    or_return!(give_back(machine));
    let _vectors = crate::board::vectors::Vectors::install();
    stop::install_reset(handler);
    STATE
        .cells
        .store(machine.arena + 0x20_0000, Ordering::Relaxed);
    let before = kept();
    let reset = fwnmi::handler_address() as u32;
    // A machine check would go where it goes without a registration.
    let status = answer!(machine, "ibm,nmi-register", &[reset, 0x200], 1).status();
    need!(status == 0, "status 0 of ibm,nmi-register", "{status}");
    for index in 1..count {
        memory::fill(cells(index), 64, 0);
        or_return!(processors::start(machine, index));
        processor::assign(index, turn);
    }
    for index in 1..count {
        let server = machine.servers[index];
        or_return!(turns(index, 0));
        let (status, _) = hypercall::call(H_SIGNAL_SYS_RESET, &[server.into()]);
        need!(status == 0, "status 0 of H_SIGNAL_SYS_RESET", "{status}");
        or_return!(turns(index, 1));
    }
    let (status, _) = hypercall::call(H_SIGNAL_SYS_RESET, &[ALL_OTHERS]);
    need!(status == 0, "status 0 of H_SIGNAL_SYS_RESET", "{status}");
    for index in 1..count {
        or_return!(turns(index, 2));
        memory::write_u32(cells(index), 1);
        need!(
            processor::wait(PATIENCE, || processor::idle(index)),
            format!("processor {index} to go on"),
            "it did not"
        );
    }
    let after = kept();
    let written = before.iter().zip(&after).filter(|(was, is)| was != is);
    STATE
        .written
        .store(written.count() as u32, Ordering::Relaxed);
    STATE.processors.store(count as u32, Ordering::Relaxed);
    for (index, told) in TOLD.iter().enumerate().take(count).skip(1) {
        or_return!(processors::stop_one(machine, index));
        let [_, seen] = &told.r3;
        need!(
            seen.load(Ordering::Relaxed) != 0,
            format!("processor {index} at the registered handler"),
            "it was at the vector alone"
        );
    }
    pass!("{} processors, each by itself and all together", count - 1)
}

/// Whether a processor turns round after so many system resets.
fn turns(index: usize, resets: u32) -> Result<(), Verdict> {
    let handled = || TOLD[index].handled.load(Ordering::Acquire);
    let rounds = || memory::read_word(cells(index) + 8);
    let there = processor::wait(PATIENCE, || handled() == resets);
    let seen = rounds();
    if there && processor::wait(PATIENCE, || rounds() != seen) {
        return Ok(());
    }
    Err(Verdict::Fail(
        format!("{resets} system resets of processor {index}, and that it goes on"),
        format!("{} resets, {seen} rounds", handled()),
    ))
}

/// The processors that were reset, or a skip.
macro_rules! reset {
    () => {
        match STATE.processors.load(Ordering::Relaxed) {
            0 => skip!("no processor was reset"),
            count => 1..count as usize,
        }
    };
}

fn registers(_machine: &mut Machine) -> Verdict {
    let others = reset!();
    for index in others.clone() {
        let changed = TOLD[index].changed.load(Ordering::Relaxed);
        if changed == NONE {
            continue;
        }
        let wanted = format!("the registers of processor {index} as they were, r3 in the area");
        match OTHERS.get((changed as usize).wrapping_sub(32)) {
            Some(name) => fail!(wanted, "another {name}"),
            None => fail!(wanted, "another r{changed:#x}"),
        }
    }
    pass!("all but r3 of {} processors", others.len())
}

/// To the letter: it is for machine checks that r3 is an address (R1-7.3.14-13).
fn r3(_machine: &mut Machine) -> Verdict {
    let others = reset!();
    for index in others.clone() {
        let [wanted, saw] = TOLD[index]
            .r3
            .each_ref()
            .map(|it| it.load(Ordering::Relaxed));
        need!(
            wanted == saw,
            format!("r3 {wanted:#x} of processor {index}"),
            "{saw:#x}"
        );
    }
    pass!("r3 of {} processors", others.len())
}

/// An address of no memory and no device, far behind both.
const NOWHERE: u64 = 0x80_0000_0000;
/// Vectors: of the machine check, and of one that nothing of the guest's raises.
const MACHINE_CHECK: u64 = 0x200;
const UNUSED: u32 = 0xf60;
/// MSR\[ME\]: machine checks are taken.
const MSR_ME: u64 = 0x1000;

fn machine_check(machine: &mut Machine) -> Verdict {
    reset!();
    let _vectors = crate::board::vectors::Vectors::install();
    stop::install_reset(handler);
    // The handler to be entered is what stands at another vector, which tells its own number.
    let inputs = [fwnmi::handler_address() as u32, UNUSED];
    let status = answer!(machine, "ibm,nmi-register", &inputs, 1).status();
    need!(status == 0, "status 0 of ibm,nmi-register", "{status}");
    let code = machine.arena + 0x22_0000;
    memory::write_u32(code, 0xe8a5_0000); // ld r5, 0(r5)
    memory::write_u32(code + 4, 0x4e80_0020); // blr
    memory::flush_instructions(code, 8);
    let mut before = patterns(gate::msr() | MSR_ME);
    before.gpr[5] = NOWHERE;
    match machine.gate.enter(code, &before, false) {
        Ok(_) => skip!("no machine check: a load from {NOWHERE:#x} gives a value"),
        Err(trap) if trap.vector == u64::from(UNUSED) => pass!("at the registered handler"),
        Err(trap) if trap.vector == MACHINE_CHECK => {
            fail!(
                "a machine check at the registered handler",
                "it is at the vector"
            )
        }
        Err(trap) => fail!("a machine check", "{trap:x?}"),
    }
}

/// Seconds in which a stopped processor may begin to run that should not.
const MOMENT: u64 = 2;

fn stopped(machine: &mut Machine) -> Verdict {
    let others = reset!();
    // For ever: a processor may be in what is put there.
    core::mem::forget(crate::board::vectors::Vectors::install());
    let mark = cells(0);
    memory::fill(mark, 64, 0);
    // Whoever comes there tells, and turns round for ever.
    crate::board::vectors::put_other(
        0x100,
        &[
            0x3c60_0000 | (mark >> 16) as u32,  // lis r3, mark@h
            0x6063_0000 | mark as u32 & 0xffff, // ori r3, r3, mark@l
            0x7863_0020,                        // clrldi r3, r3, 32
            0x3880_0001,                        // li r4, 1
            0x9083_0000,                        // stw r4, 0(r3)
            0x4800_0000,                        // b .
        ],
    );
    for index in others.clone() {
        let server = machine.servers[index];
        let before = answer!(machine, "query-cpu-stopped-state", &[server], 2).cells;
        need!(
            before == [0, 0],
            format!("state 0 of {server:#x} before"),
            "{before:?}"
        );
        let (status, _) = hypercall::call(H_SIGNAL_SYS_RESET, &[server.into()]);
        need!(status == 0, "status 0 of H_SIGNAL_SYS_RESET", "{status}");
        let ran = processor::wait(MOMENT, || memory::read_u32(mark) != 0);
        let after = answer!(machine, "query-cpu-stopped-state", &[server], 2).cells;
        need!(
            !ran && after == [0, 0],
            format!("{server:#x} to stay stopped, and to run nothing"),
            "states {after:?}, the vector of the system reset run: {ran}"
        );
    }
    pass!("{} stopped processors stayed so", others.len())
}

fn unwritten(_machine: &mut Machine) -> Verdict {
    let others = reset!();
    let written = STATE.written.load(Ordering::Relaxed);
    need!(
        written == 0,
        "0x100 to 0x2ff and 0x7000 to 0x7fff as they were",
        "{written} bytes changed"
    );
    pass!("unchanged by the resets of {} processors", others.len())
}
