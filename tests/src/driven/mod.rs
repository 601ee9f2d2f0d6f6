//! The machine for `cargo xtask crash-points`: processors that obey a driver over gdb
//! ([`guest::points`]). One processor runs at a time; the driver holds the others.

mod crash;

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use alloc::vec::Vec;

use guest::points::{READY, SLOTS, TOKEN, command, flag, word};

use crate::board::gate::{Gate, patterns};
use crate::board::stop::{self, Slot};
use crate::board::vectors::Vectors;
use crate::board::{hypercall, memory, processor};
use crate::checks::instantiate;
use crate::say;
use crate::subject::{Machine, Rtas, Width};
use rtas_abi::hcall::H_SIGNAL_SYS_RESET;

/// Sources of message-signalled interrupts that are looked at beside those of the tree: the first
/// ones, which is what the hypervisor gives to the only device (`include/hw/ppc/spapr_irq.h`:
/// SPAPR_IRQ_MSI).
const MESSAGES: core::ops::Range<u32> = 0x1300..0x1304;
/// All numbers that a source of this machine may have (`include/hw/ppc/spapr_irq.h`).
const NUMBERS: core::ops::Range<u32> = 0x1000..0x2000;

/// Offsets in the arena: argument buffers of the processors (512 bytes each), what the driver may
/// use, the instances as they were kept, and as they were before a crash path.
const BUFFERS: u64 = 0;
const FREE: u64 = 0x1_0000;
const KEPT: [u64; 2] = [0x10_0000, 0x20_0000];
const BEFORE: u64 = 0x30_0000;
/// Room for one copy of an instance.
const COPY: u64 = 0x10_0000;
/// Bytes for one argument buffer.
const BUFFER: u64 = 512;

/// Protects: what all processors need to know; 0 before [`run`] set it.
/// Holder: the boot processor sets it before any other one starts; constant from then on.
/// Order: relaxed: starting a processor is a barrier.
/// Holder dies: no effect.
struct Common {
    /// Entry, base, r4 and size of the instances for 32 and for 64 bits.
    instances: [[AtomicU64; 4]; 2],
    arena: AtomicU64,
    nvram_bytes: AtomicU32,
    sources: [AtomicU32; 64],
    source_count: AtomicU32,
    servers: [AtomicU32; SLOTS],
    tokens: [AtomicU32; TOKENS.len()],
}

static COMMON: Common = Common {
    instances: [const { [const { AtomicU64::new(0) }; 4] }; 2],
    arena: AtomicU64::new(0),
    nvram_bytes: AtomicU32::new(0),
    sources: [const { AtomicU32::new(0) }; 64],
    source_count: AtomicU32::new(0),
    servers: [const { AtomicU32::new(0) }; SLOTS],
    tokens: [const { AtomicU32::new(0) }; TOKENS.len()],
};

/// Functions that the guest itself calls.
const TOKENS: [&str; 9] = [
    "ibm,get-xive",
    "ibm,set-xive",
    "ibm,int-off",
    "nvram-store",
    "nvram-fetch",
    "display-character",
    "ibm,os-term",
    "system-reboot",
    "start-cpu",
];

/// Places in [`TOKENS`].
#[derive(Clone, Copy)]
enum Function {
    GetXive,
    SetXive,
    IntOff,
    NvramStore,
    NvramFetch,
    DisplayCharacter,
    OsTerm,
    SystemReboot,
    StartCpu,
}

impl Function {
    fn token(self) -> u32 {
        COMMON.tokens[self as usize].load(Ordering::Relaxed)
    }
}

/// The sources that a crash path masks.
fn sources() -> impl Iterator<Item = u32> {
    let count = COMMON.source_count.load(Ordering::Relaxed) as usize;
    COMMON
        .sources
        .iter()
        .take(count)
        .map(|source| source.load(Ordering::Relaxed))
}

fn arena(offset: u64) -> u64 {
    COMMON.arena.load(Ordering::Relaxed) + offset
}

/// The argument buffer of a processor's calls, or of its nested calls.
fn buffer(index: usize, nested: bool) -> u64 {
    let number = index + if nested { SLOTS } else { 0 };
    arena(BUFFERS + BUFFER * number as u64)
}

/// The instance that is called in `width` bits.
fn instance(width: u64) -> Rtas {
    let wide = width == 64;
    let [entry, base, r4, size] = COMMON.instances[usize::from(wide)]
        .each_ref()
        .map(|cell| cell.load(Ordering::Relaxed));
    let width = if wide { Width::Cells64 } else { Width::Mode32 };
    Rtas {
        entry,
        base,
        r4,
        size,
        width,
    }
}

/// Sets up and serves.
pub fn run(mut machine: Machine) -> ! {
    for (cell, name) in COMMON.tokens.iter().zip(TOKENS) {
        cell.store(machine.token(name).unwrap_or(0), Ordering::Relaxed);
    }
    for (name, value) in &machine.rtas_node {
        // More than the functions: the driver knows the names.
        if let [token] = crate::subject::machine::cells(value)[..] {
            say!("{TOKEN} {name} {token:x}");
        }
    }
    let mut entries = [0; 2];
    for (index, (method, width)) in [
        ("instantiate-rtas", Width::Mode32),
        ("instantiate-rtas-64", Width::Cells64),
    ]
    .into_iter()
    .enumerate()
    {
        let Some((_, base, _)) = instantiate::place(&mut machine) else {
            continue;
        };
        match instantiate::instantiate(&mut machine, method, base, width) {
            Ok(rtas) if rtas.size <= COPY => {
                let words = [rtas.entry, rtas.base, rtas.r4, rtas.size & !63];
                for (cell, word) in COMMON.instances[index].iter().zip(words) {
                    cell.store(word, Ordering::Relaxed);
                }
                entries[index] = rtas.entry;
            }
            Ok(rtas) => say!("guest: {method}: {:#x} bytes are too many", rtas.size),
            Err(why) => say!("guest: {method}: {why}"),
        }
    }
    COMMON.arena.store(machine.arena, Ordering::Relaxed);
    COMMON
        .nvram_bytes
        .store(machine.nvram_bytes, Ordering::Relaxed);
    let sources: Vec<u32> = machine.sources.iter().copied().chain(MESSAGES).collect();
    for (cell, source) in COMMON.sources.iter().zip(&sources) {
        cell.store(*source, Ordering::Relaxed);
    }
    let count = sources.len().min(COMMON.sources.len());
    COMMON.source_count.store(count as u32, Ordering::Relaxed);
    // For good: the client interface is not called again.
    core::mem::forget(Vectors::install());
    stop::install_reset(crash::nested);
    stop::prepare(machine.gate, 0);
    say!(
        "{READY} slots={:x} stop={:x} restart={:x} fwnmi={:x} entry32={:x} entry64={:x} base32={:x} base64={:x} size={:x} free={:x} trampoline={:x}",
        stop::slots(),
        stop::stop_address(),
        stop::restart_address(),
        stop::fwnmi_address(),
        entries[0],
        entries[1],
        instance(32).base,
        instance(64).base,
        instance(32).size,
        arena(FREE),
        machine.gate.address()
    );
    serve(machine.gate, 0)
}

/// The job of a processor that was started.
fn served(gate: &mut Gate, index: usize) {
    stop::prepare(gate, index);
    serve(gate, index)
}

/// Obeys the driver, for ever. Keeps nothing from one command to the next, so that a processor may
/// be given up in the middle of one.
pub fn serve(gate: &mut Gate, index: usize) -> ! {
    let slot = Slot::of(index);
    gate.attend();
    loop {
        stop::stop();
        obey(gate, index, slot);
        slot.set(word::DONE, slot.get(word::DONE).wrapping_add(1));
    }
}

#[inline(never)]
fn obey(gate: &mut Gate, index: usize, slot: &Slot) {
    let width = slot.get(word::WIDTH);
    match slot.get(word::COMMAND) {
        command::CALL => call(gate, index, slot),
        command::START => start(gate, slot),
        command::KEEP => keep(),
        command::REWIND => rewind(),
        command::CRASH => crash::crash(gate, slot, &instance(width)),
        command::REBOOT => crash::reboot(gate, slot, &instance(width)),
        command::RESET => {
            let (status, _) = hypercall::call(H_SIGNAL_SYS_RESET, &[slot.get(word::ARGUMENTS)]);
            slot.set(word::RESULTS, status as u64);
        }
        command::NOTE => crash::note(&instance(width), sources()),
        command::TAKE_BACK => crash::take_back(&instance(width), sources()),
        _ => (),
    }
}

/// Protects: the calls made under [`flag::LOCK`]; 0 while free and at start.
/// Holder: a processor for one call; others spin. On purpose: this is what RTAS must not need.
/// Order: taking acquires, giving back releases.
/// Holder dies: the others spin for ever, which is what the driver is to notice.
static LOCK: AtomicU32 = AtomicU32::new(0);

fn locked<T>(slot: &Slot, call: impl FnOnce() -> T) -> T {
    let wanted = slot.get(word::FLAGS) & flag::LOCK != 0;
    while wanted && LOCK.swap(1, Ordering::Acquire) != 0 {
        core::hint::spin_loop();
    }
    let result = call();
    if wanted {
        LOCK.store(0, Ordering::Release);
    }
    result
}

/// The RTAS call of the slot.
fn call(gate: &mut Gate, index: usize, slot: &Slot) {
    let rtas = instance(slot.get(word::WIDTH));
    let buffer = buffer(index, false);
    let inputs = slot.get(word::INPUTS).min(16) as usize;
    let outputs = slot.get(word::OUTPUTS).min(16) as usize;
    let head = [word::TOKEN, word::INPUTS, word::OUTPUTS];
    let words = head
        .into_iter()
        .chain(word::ARGUMENTS..word::ARGUMENTS + inputs);
    let mut at = buffer;
    let cell = rtas.width.cell();
    for place in words {
        put(at, slot.get(place), cell);
        at += cell;
    }
    for output in 0..outputs as u64 {
        put(at + output * cell, u64::MAX, cell);
    }
    let mut before = patterns(rtas.width.msr());
    before.gpr[3] = buffer;
    before.gpr[4] = rtas.r4;
    let trap = locked(slot, || gate.enter(rtas.entry, &before, false).err());
    slot.set(word::TRAP, trap.map_or(0, |trap| trap.vector));
    for output in 0..outputs {
        let at = at + output as u64 * cell;
        let value = match cell {
            8 => memory::read_word(at),
            _ => memory::read_u32(at) as i32 as u64,
        };
        slot.set(word::RESULTS + output, value);
    }
}

fn put(at: u64, value: u64, cell: u64) {
    match cell {
        8 => memory::write_u64(at, value),
        _ => memory::write_u32(at, value as u32),
    }
}

/// Starts another processor, by the RTAS of the slot's width; it stops at once.
fn start(gate: &mut Gate, slot: &Slot) {
    let index = slot.get(word::ARGUMENTS) as usize;
    let server = slot.get(word::ARGUMENTS + 1) as u32;
    COMMON.servers[index].store(server, Ordering::Relaxed);
    let inputs = [
        server,
        processor::start_address() as u32,
        processor::start_argument(index) as u32,
    ];
    processor::assign(index, served);
    let rtas = instance(slot.get(word::WIDTH));
    let status = rtas.status(gate, Function::StartCpu.token(), &inputs, 1);
    slot.set(word::RESULTS, status as u64);
}

/// What a source is at the hypervisor: status, server, priority.
fn at_hypervisor(source: u32) -> [u32; 3] {
    match hypercall::rtas(Function::GetXive.token(), &[source], 3)[..] {
        [status, server, priority] => [status, server, priority],
        _ => [u32::MAX; 3],
    }
}

/// Protects: the sources at the hypervisor as [`keep`] found them: server and priority.
/// Holder: the boot processor.
/// Order: relaxed, one processor.
/// Holder dies: it is not given up.
static KEPT_SOURCES: [[AtomicU32; 2]; 64] = [const { [const { AtomicU32::new(0) }; 2] }; 64];

fn keep() {
    for (wide, width) in [(0, 32), (1, 64)] {
        let rtas = instance(width);
        memory::copy(rtas.base, arena(KEPT[wide]), rtas.size);
    }
    for (source, kept) in sources().zip(&KEPT_SOURCES) {
        let [_, server, priority] = at_hypervisor(source);
        kept[0].store(server, Ordering::Relaxed);
        kept[1].store(priority, Ordering::Relaxed);
    }
}

fn rewind() {
    for (wide, width) in [(0, 32), (1, 64)] {
        let rtas = instance(width);
        memory::copy(arena(KEPT[wide]), rtas.base, rtas.size);
    }
    for (source, kept) in sources().zip(&KEPT_SOURCES) {
        let [server, priority] = kept.each_ref().map(|cell| cell.load(Ordering::Relaxed));
        hypercall::rtas(Function::SetXive.token(), &[source, server, priority], 1);
    }
    LOCK.store(0, Ordering::Relaxed);
}
