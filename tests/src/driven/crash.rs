//! What a crashing processor does, and what must be true afterwards.

use core::sync::atomic::{AtomicU32, Ordering};

use guest::points::{fault, flag, word};
use guest::source::LEAST_FAVORED;

use super::{
    BEFORE, COMMON, FREE, Function, NUMBERS, arena, at_hypervisor, buffer, locked, sources,
};
use crate::board::gate::Gate;
use crate::board::stop::{self, Slot};
use crate::board::{hypercall, memory, timebase};
use crate::subject::Rtas;
use rtas_abi::hcall::{H_LOGICAL_MEMOP, H_SUCCESS};

/// Protects: the sources at the hypervisor before a crash path: server and priority.
/// Holder: the boot processor.
/// Order: relaxed, one processor.
/// Holder dies: it is not given up.
static BEFORE_SOURCES: [[AtomicU32; 2]; NUMBERS.end as usize - NUMBERS.start as usize] =
    [const { [const { AtomicU32::new(0) }; 2] }; NUMBERS.end as usize - NUMBERS.start as usize];

/// Operands of H_LOGICAL_MEMOP: the logarithm of the elements' size, and the operation.
const DOUBLE_WORD: u64 = 3;
const COPY: u64 = 0;

/// A crash path under way.
struct Crash<'a> {
    gate: &'a mut Gate,
    slot: &'a Slot,
    rtas: &'a Rtas,
    calls: u64,
}

impl Crash<'_> {
    /// Remembers the first thing that is wrong.
    fn check(&self, ok: bool, what: u64, subject: u32, seen: i64) {
        if !ok && self.slot.get(word::FAULT) == 0 {
            self.slot.set(word::FAULT, what);
            self.slot.set(word::SUBJECT, subject.into());
            self.slot.set(word::SEEN, seen as u64);
        }
    }

    fn call(&mut self, function: Function, inputs: &[u32], outputs: usize) -> [i64; 3] {
        self.calls += 1;
        let (gate, rtas) = (&mut *self.gate, self.rtas);
        let outcome = locked(self.slot, || {
            rtas.quick(gate, buffer(0, false), function.token(), inputs, outputs)
        });
        outcome.unwrap_or_else(|trap| [-1_000_000 - trap.vector as i64, 0, 0])
    }

    /// Masks one source as Linux does, and asks.
    fn mask(&mut self, source: u32) {
        let [status, ..] = self.call(Function::IntOff, &[source], 1);
        self.check(status == 0, fault::INT_OFF, source, status);
        let [status, ..] = self.call(Function::SetXive, &[source, 0, LEAST_FAVORED], 1);
        self.check(status == 0, fault::SET_XIVE, source, status);
        let [status, _, priority] = self.call(Function::GetXive, &[source], 3);
        self.check(status == 0, fault::GET_XIVE, source, status);
        let masked = priority == i64::from(LEAST_FAVORED);
        self.check(masked, fault::PRIORITY, source, priority);
    }

    /// The rest: the log to the NVRAM, a character, and the last word to the hypervisor.
    fn report(&mut self) {
        let (text, mark) = (
            arena(FREE - 0x100),
            self.slot.get(word::MARK).wrapping_add(1),
        );
        self.slot.set(word::MARK, mark);
        memory::write_u64(text, mark);
        let offset = COMMON.nvram_bytes.load(Ordering::Relaxed).saturating_sub(8);
        let [status, ..] = self.call(Function::NvramStore, &[offset, text as u32, 8], 2);
        self.check(status == 0, fault::NVRAM_STORE, 0, status);
        let [status, ..] = self.call(Function::DisplayCharacter, &[b'.'.into()], 1);
        self.check(status == 0, fault::DISPLAY_CHARACTER, 0, status);
    }

    fn terminate(&mut self) {
        let text = arena(FREE - 0x80);
        memory::write(text, b"crash path\0");
        let [status, ..] = self.call(Function::OsTerm, &[text as u32], 1);
        self.check(status == 0, fault::OS_TERM, 0, status);
    }

    /// What the hypervisor says of it, past the RTAS under test.
    fn judge(&self, all: impl Iterator<Item = u32>) {
        for source in all {
            let [status, _, priority] = at_hypervisor(source);
            let masked = status == 0 && priority == LEAST_FAVORED;
            self.check(masked, fault::NOT_MASKED, source, priority.into());
        }
        let copy = arena(FREE - 0x40);
        let offset = COMMON.nvram_bytes.load(Ordering::Relaxed).saturating_sub(8);
        hypercall::rtas(Function::NvramFetch.token(), &[offset, copy as u32, 8], 2);
        let found = memory::read_u64(copy);
        let kept = found == self.slot.get(word::MARK);
        self.check(kept, fault::NVRAM, 0, found as i64);
    }
}

/// The sources of this crash path.
fn chosen(slot: &Slot) -> impl Iterator<Item = u32> {
    let every = slot.get(word::FLAGS) & flag::EVERY_NUMBER != 0;
    let numbers = if every { NUMBERS } else { 0..0 };
    let sources = sources().take(if every { 0 } else { usize::MAX });
    numbers.chain(sources)
}

fn path<'a>(gate: &'a mut Gate, slot: &'a Slot, rtas: &'a Rtas) -> Crash<'a> {
    slot.set(word::FAULT, 0);
    let mut crash = Crash {
        gate,
        slot,
        rtas,
        calls: 0,
    };
    let left_out = slot.get(word::LEFT_OUT);
    for source in chosen(slot).filter(|source| u64::from(*source) != left_out) {
        crash.mask(source);
    }
    crash.report();
    crash
}

/// Remembers the instance, and `sources` at the hypervisor.
pub fn note(rtas: &Rtas, sources: impl Iterator<Item = u32>) {
    // Much faster than the guest can, where there is such a hypercall; nothing translated lies there.
    let copied = hypercall::call(
        H_LOGICAL_MEMOP,
        &[arena(BEFORE), rtas.base, DOUBLE_WORD, rtas.size / 8, COPY],
    );
    if copied.0 != H_SUCCESS {
        memory::copy(rtas.base, arena(BEFORE), rtas.size);
    }
    for (source, before) in sources.zip(&BEFORE_SOURCES) {
        let [_, server, priority] = at_hypervisor(source);
        before[0].store(server, Ordering::Relaxed);
        before[1].store(priority, Ordering::Relaxed);
    }
}

/// Puts the instance and the sources back to what they were at [`note`].
pub fn take_back(rtas: &Rtas, sources: impl Iterator<Item = u32>) {
    memory::copy(arena(BEFORE), rtas.base, rtas.size);
    for (source, before) in sources.zip(&BEFORE_SOURCES) {
        let [server, priority] = before.each_ref().map(|cell| cell.load(Ordering::Relaxed));
        hypercall::rtas(Function::SetXive.token(), &[source, server, priority], 1);
    }
}

/// Goes through a crash, and then puts instance and sources back to what they were.
pub fn crash(gate: &mut Gate, slot: &Slot, rtas: &Rtas) {
    note(rtas, chosen(slot));
    let start = timebase();
    let mut crash = path(gate, slot, rtas);
    crash.terminate();
    slot.set(word::TICKS, timebase().wrapping_sub(start));
    slot.set(word::CALLS, crash.calls);
    crash.judge(chosen(slot));
    take_back(rtas, chosen(slot));
}

/// Goes through a crash that ends in system-reboot.
pub fn reboot(gate: &mut Gate, slot: &Slot, rtas: &Rtas) {
    let mut crash = path(gate, slot, rtas);
    crash.judge(chosen(slot));
    if slot.get(word::FAULT) != 0 {
        return;
    }
    let [status, ..] = crash.call(Function::SystemReboot, &[], 1);
    crash.check(false, fault::SYSTEM_REBOOT, 0, status);
}

/// Offsets in the buffer of a processor's nested calls, behind their cells: what they store in the
/// NVRAM, and what is then found there.
const NESTED_TEXT: u64 = 0x80;
const NESTED_COPY: u64 = 0xc0;

/// The calls of a handler, with the processor's own buffers.
struct Nested<'a> {
    gate: &'a mut Gate,
    slot: &'a Slot,
    rtas: Rtas,
    buffer: u64,
}

impl Nested<'_> {
    /// Remembers the first thing that is wrong.
    fn check(&self, ok: bool, what: u64, seen: i64) {
        if !ok && self.slot.get(word::NESTED_FAULT) == 0 {
            self.slot.set(word::NESTED_FAULT, what);
            self.slot.set(word::NESTED_SEEN, seen as u64);
        }
    }

    fn call(&mut self, function: Function, inputs: &[u32], outputs: usize) -> [i64; 3] {
        let calls = self.slot.get(word::NESTED_CALLS).wrapping_add(1);
        self.slot.set(word::NESTED_CALLS, calls);
        let (gate, rtas) = (&mut *self.gate, &self.rtas);
        let outcome = locked(self.slot, || {
            rtas.quick(gate, self.buffer, function.token(), inputs, outputs)
        });
        outcome.unwrap_or_else(|trap| [-1_000_000 - trap.vector as i64, 0, 0])
    }

    /// Masks the source as Linux does, and asks.
    fn mask(&mut self, source: u32) {
        let [status, ..] = self.call(Function::IntOff, &[source], 1);
        self.check(status == 0, fault::INT_OFF, status);
        let [status, ..] = self.call(Function::SetXive, &[source, 0, LEAST_FAVORED], 1);
        self.check(status == 0, fault::SET_XIVE, status);
        let [status, _, priority] = self.call(Function::GetXive, &[source], 3);
        self.check(status == 0, fault::GET_XIVE, status);
        let masked = priority == i64::from(LEAST_FAVORED);
        self.check(masked, fault::PRIORITY, priority);
    }

    /// Stores `mark` in the NVRAM at `offset`, and says something.
    fn report(&mut self, offset: u32, mark: u64) {
        let text = self.buffer + NESTED_TEXT;
        memory::write_u64(text, mark);
        let [status, ..] = self.call(Function::NvramStore, &[offset, text as u32, 8], 2);
        self.check(status == 0, fault::NVRAM_STORE, status);
        let [status, ..] = self.call(Function::DisplayCharacter, &[b'n'.into()], 1);
        self.check(status == 0, fault::DISPLAY_CHARACTER, status);
    }

    /// What the hypervisor says of it, past the RTAS under test.
    fn judge(&self, source: u32, offset: u32, mark: u64) {
        let [held, _, priority] = at_hypervisor(source);
        let masked = held == 0 && priority == LEAST_FAVORED;
        self.check(masked, fault::NOT_MASKED, priority.into());
        let copy = self.buffer + NESTED_COPY;
        hypercall::rtas(Function::NvramFetch.token(), &[offset, copy as u32, 8], 2);
        let found = memory::read_u64(copy);
        self.check(found == mark, fault::NVRAM, found as i64);
    }
}

/// The handler of the system reset: it calls RTAS, in the middle of whatever was interrupted, what
/// Linux calls on its way to a crash.
pub fn nested(gate: &mut Gate, index: usize, _: u64) {
    let slot = Slot::of(index);
    slot.set(word::NESTED_FAULT, 0);
    slot.set(word::NESTED_CALLS, 0);
    let source = slot.get(word::NESTED_SOURCE) as u32;
    if source == 0 {
        return;
    }
    let resets = slot.get(word::RESETS).wrapping_add(1);
    let mut nested = Nested {
        gate,
        slot,
        rtas: super::instance(slot.get(word::WIDTH)),
        buffer: buffer(index, true),
    };
    // Beside the word of the crash path; another one each time.
    let offset = COMMON.nvram_bytes.load(Ordering::Relaxed);
    let offset = offset.saturating_sub(16);
    let mark = (index as u64) << 32 | resets;
    let start = timebase();
    if Slot::of(0).get(word::LEFT_OUT) != u64::from(source) {
        nested.mask(source);
    }
    nested.report(offset, mark);
    slot.set(word::NESTED_TICKS, timebase().wrapping_sub(start));
    nested.judge(source, offset, mark);
    slot.set(word::RESETS, resets);
    stop::stop();
}
