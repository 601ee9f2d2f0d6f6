//! What every call into RTAS left behind in the registers, and how long it took: kept where the calls
//! are made, judged when the run is over.
//!
//! Closed until [`open`]: calls of instances that are broken on purpose come before that, and the
//! calls that are measured, or stopped at every instruction, are made with it closed.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::board::gate::{MSR_RI, Registers};

use super::kept::{self, Difference};
use super::rtas::Width;

/// The requirements that are judged here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// R1-7.2.2-1: general-purpose, condition, floating-point and vector registers.
    Registers,
    /// R1-7.2.1-7: MSR.
    Msr,
    /// R1-7.2.1-8: MSR\[RI\].
    Recoverable,
    /// R1-7.2.2-2: SPRG0, SPRG1, SPRG3, DEC.
    Sprg,
}

const RULES: usize = 4;
const WIDTHS: usize = 3;
/// Most functions that are told apart; QEMU has 45.
const MOST: usize = 96;

/// One function's calls.
struct Slot {
    /// With MSR\[RI\] 0 and 1.
    calls: [AtomicU32; 2],
    /// The longest call, in ticks of the timebase.
    longest: AtomicU64,
    /// The longest with status 0.
    longest_done: AtomicU64,
}

/// The calls of one width.
struct Page {
    /// By the index in [`TOKENS`]; the last is of tokens that are not there.
    slots: [Slot; MOST + 1],
    /// Calls whose floating-point and vector registers and DEC were compared, too.
    full: AtomicU32,
    first: [First; RULES],
}

/// The first difference that breaks a rule.
struct First {
    /// Calls that differed.
    calls: AtomicU32,
    /// Protects: the call of the first of them; `None` at start.
    /// Holder: the processor that counted it, for one assignment, and the boot processor when calls are
    /// over: nobody waits for another.
    /// Order: nothing is taken while it is held.
    /// Holder dies: no run lets a processor die there.
    call: spin::Mutex<Option<Differing>>,
}

/// A call that did not keep a register.
#[derive(Clone, Copy, Debug)]
pub struct Differing {
    /// Its token.
    pub token: u32,
    /// Whether MSR\[RI\] was 1.
    pub recoverable: bool,
    /// What it did not keep.
    pub difference: Difference,
}

/// Protects: itself: whether calls are entered; false at start.
/// Holder: the boot processor, one store, while no other makes calls.
/// Order: relaxed: what is counted is looked at by the boot processor after it waited for the others.
/// Holder dies: nothing is taken.
static OPEN: AtomicBool = AtomicBool::new(false);

/// Protects: the functions' tokens, ascending; written before [`OPEN`], then only read.
/// Holder: the boot processor, before other processors start.
/// Order: relaxed: starting a processor is a call into RTAS and a full barrier.
/// Holder dies: nothing is taken.
static TOKENS: [AtomicU32; MOST] = [const { AtomicU32::new(0) }; MOST];

/// Protects: how many of [`TOKENS`] there are. As those.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Protects: each number by itself; all zero at start. Numbers that belong together (a first difference)
/// are written by the processor that counted the first call of them, and read when calls are over.
/// Holder: any processor, one atomic step each.
/// Order: relaxed: read by the boot processor after it waited for the others' jobs.
/// Holder dies: what it did not count is not counted.
static PAGES: [Page; WIDTHS] = [const {
    Page {
        slots: [const {
            Slot {
                calls: [const { AtomicU32::new(0) }; 2],
                longest: AtomicU64::new(0),
                longest_done: AtomicU64::new(0),
            }
        }; MOST + 1],
        full: AtomicU32::new(0),
        first: [const {
            First {
                calls: AtomicU32::new(0),
                call: spin::Mutex::new(None),
            }
        }; RULES],
    }
}; WIDTHS];

fn page(width: Width) -> &'static Page {
    &PAGES[match width {
        Width::Mode32 => 0,
        Width::Mode64 => 1,
        Width::Cells64 => 2,
    }]
}

fn slot(width: Width, token: u32) -> &'static Slot {
    let known = &TOKENS[..COUNT.load(Relaxed).min(MOST)];
    let found = known.binary_search_by_key(&token, |known| known.load(Relaxed));
    &page(width).slots[found.unwrap_or(MOST)]
}

/// Enters calls from now on; `tokens` are those of the functions.
///
/// # Panics
/// If there are more functions than it has room for: a mistake of the guest.
pub fn open(tokens: impl Iterator<Item = u32>) {
    let mut tokens: Vec<u32> = tokens.collect();
    tokens.sort_unstable();
    tokens.dedup();
    assert!(tokens.len() <= MOST, "more functions than the ledger knows");
    for (place, token) in TOKENS.iter().zip(&tokens) {
        place.store(*token, Relaxed);
    }
    COUNT.store(tokens.len(), Relaxed);
    OPEN.store(true, Relaxed);
}

/// The MSR of the next call of this function: each is entered with MSR\[RI\] 0 and 1 in turn, in an
/// order that does not repeat, so that no check has the same one always. The first call of a width
/// has another one than that of the width before, for functions that are called once.
pub fn msr(width: Width, token: u32) -> u64 {
    let msr = width.msr();
    if !OPEN.load(Relaxed) {
        return msr;
    }
    let calls = &slot(width, token).calls;
    let made = calls.iter().map(|calls| calls.load(Relaxed)).sum::<u32>();
    let first = u32::from(width == Width::Mode64);
    match (made.count_ones() + first) % 2 {
        0 => msr,
        _ => msr ^ MSR_RI,
    }
}

/// Enters a call; `full` if all registers of `after` were recorded.
pub fn enter(width: Width, token: u32, before: &Registers, after: &Registers, full: bool) {
    if !OPEN.load(Relaxed) {
        return;
    }
    let recoverable = usize::from(before.msr & MSR_RI != 0);
    slot(width, token).calls[recoverable].fetch_add(1, Relaxed);
    if full {
        page(width).full.fetch_add(1, Relaxed);
    } else if kept::same_integers(before, after) {
        return;
    }
    let differs = |rule: Rule, difference: Option<Difference>| {
        let Some(difference) = difference else { return };
        let first = &page(width).first[rule as usize];
        if first.calls.fetch_add(1, Relaxed) == 0 {
            *first.call.lock() = Some(Differing {
                token,
                recoverable: recoverable == 1,
                difference,
            });
        }
    };
    let registers = kept::general(before, after).or_else(|| kept::condition(before, after));
    if full {
        let others = || kept::floating_point(before, after).or_else(|| kept::vector(before, after));
        differs(Rule::Registers, registers.or_else(others));
        differs(
            Rule::Sprg,
            kept::sprg(before, after).or_else(|| kept::decrementer(before, after)),
        );
    } else {
        differs(Rule::Registers, registers);
        differs(Rule::Sprg, kept::sprg(before, after));
    }
    differs(Rule::Msr, kept::msr(before, after));
    differs(Rule::Recoverable, kept::recoverable(before, after));
}

/// Enters how long a call took, in ticks of the timebase, and its status.
pub fn time(width: Width, token: u32, ticks: u64, status: i64) {
    if OPEN.load(Relaxed) {
        let slot = slot(width, token);
        slot.longest.fetch_max(ticks, Relaxed);
        if status == 0 {
            slot.longest_done.fetch_max(ticks, Relaxed);
        }
    }
}

/// What was compared in one width.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// Calls with MSR\[RI\] 0 and 1.
    pub calls: [u32; 2],
    /// Calls of no function of /rtas among them.
    pub of_none: u32,
    /// Functions called with MSR\[RI\] 0 and 1.
    pub functions: [u32; 2],
    /// Calls whose floating-point and vector registers and DEC were compared, too.
    pub full: u32,
    /// Tokens of functions of which no call came back.
    pub never: Vec<u32>,
}

/// What was compared so far.
pub fn compared(width: Width) -> Compared {
    let page = page(width);
    let mut compared = Compared {
        full: page.full.load(Relaxed),
        ..Compared::default()
    };
    for (index, slot) in page.slots.iter().enumerate() {
        let calls = [0, 1].map(|ri: usize| slot.calls[ri].load(Relaxed));
        for (ri, calls) in calls.into_iter().enumerate() {
            compared.calls[ri] += calls;
            compared.functions[ri] += u32::from(index < MOST && calls > 0);
        }
        if index == MOST {
            compared.of_none = calls[0] + calls[1];
        } else if index < COUNT.load(Relaxed) && calls == [0, 0] {
            compared.never.push(TOKENS[index].load(Relaxed));
        }
    }
    compared
}

/// The calls that broke a rule: how many, and the first.
pub fn broken(width: Width, rule: Rule) -> Option<(u32, Differing)> {
    let first = &page(width).first[rule as usize];
    let call = *first.call.lock();
    Some((first.calls.load(Relaxed), call?))
}

/// How long the calls of one function took at most, in ticks of the timebase.
#[derive(Clone, Copy, Debug)]
pub struct Longest {
    /// The function.
    pub token: u32,
    /// Whatever it answered.
    pub any: u64,
    /// With status 0; 0 if none of them had it.
    pub done: u64,
}

/// Forgets all times.
pub fn forget_times() {
    for slot in PAGES.iter().flat_map(|page| &page.slots) {
        slot.longest.store(0, Relaxed);
        slot.longest_done.store(0, Relaxed);
    }
}

/// The functions that were called, with their longest calls.
pub fn times(width: Width) -> Vec<Longest> {
    let slots = TOKENS.iter().zip(&page(width).slots);
    let mut times = Vec::new();
    for (token, slot) in slots.take(COUNT.load(Relaxed)) {
        let (any, done) = (slot.longest.load(Relaxed), slot.longest_done.load(Relaxed));
        if any > 0 {
            times.push(Longest {
                token: token.load(Relaxed),
                any,
                done,
            });
        }
    }
    times
}
