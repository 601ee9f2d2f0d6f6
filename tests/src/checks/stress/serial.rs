//! Every serialised call, by two processors, both the same one at about the same time: what an
//! operating system must not do (R1-7.2.3-1) and may do by mistake. Both finish with a status that
//! the function may return.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use guest::bad::{Case, Known, World};
use guest::functions::{FUNCTIONS, Function};

use super::PLAN;
use super::meet::{self, deviates};
use crate::board::gate::Gate;
use crate::checks::bad::AREA;
use crate::checks::bad::hunt::{Calls, Hunt};
use crate::checks::processors::SHARED;
use crate::subject::{Machine, Width};

/// Tokens of [`FUNCTIONS`] in /rtas, 0 for none.
///
/// Protects: itself.
/// Holder: the boot processor writes it while the others are idle; giving them the job publishes it.
/// Order: none.
/// Holder dies: the run has not begun.
static TOKENS: [AtomicU32; 64] = [const { AtomicU32::new(0) }; 64];
const _: () = assert!(FUNCTIONS.len() <= TOKENS.len());

/// Protects: itself: two calls of the same function for each two steps.
/// Holder: either processor, one fetch-and-add a call.
/// Order: none.
/// Holder dies: the other goes on.
static TURN: AtomicU32 = AtomicU32::new(0);

/// Calls made, functions that they are of, and calls that began before the other of the two ended.
///
/// Protects: themselves.
/// Holder: either processor, one addition a call.
/// Order: none; read when both are idle.
/// Holder dies: one call is not counted.
static MADE: AtomicU64 = AtomicU64::new(0);
static COUNT: AtomicU32 = AtomicU32::new(0);
static OVERLAPS: AtomicU64 = AtomicU64::new(0);

/// Pairs whose times are kept: more than one processor can be ahead of the other.
const PAIRS: usize = 16;
/// How often a processor looks whether the other one comes to the same call.
const LOOKS: u32 = 10_000;

/// Number of a pair, begin and end of one of its calls, in ticks of the timebase; and how many calls
/// have ended.
///
/// Protects: the times, for the other processor.
/// Holder: whoever makes the call its own times; whoever ends second looks at the other's.
/// Order: the count is acquire and release.
/// Holder dies: the pair is not compared.
static SPANS: [[[AtomicU64; 3]; 2]; PAIRS] =
    [const { [const { [const { AtomicU64::new(0) }; 3] }; 2] }; PAIRS];
static ENDED: [AtomicU32; PAIRS] = [const { AtomicU32::new(0) }; PAIRS];

/// Calls that were made, functions that they are of, and calls that overlapped.
pub fn made() -> (u64, u32, u64) {
    let overlaps = OVERLAPS.load(Ordering::Relaxed);
    (
        MADE.load(Ordering::Relaxed),
        COUNT.load(Ordering::Relaxed),
        overlaps,
    )
}

/// Counts the pair of call `turn`, if this was the second of it and it overlapped with the first.
fn compare(turn: u32, [began, ended]: [u64; 2]) {
    let (pair, own) = (turn / 2, (turn % 2) as usize);
    let slot = pair as usize % PAIRS;
    for (place, value) in SPANS[slot][own].iter().zip([pair.into(), began, ended]) {
        place.store(value, Ordering::Relaxed);
    }
    if ENDED[slot].fetch_add(1, Ordering::AcqRel) % 2 == 1 {
        let other = SPANS[slot][1 - own].each_ref();
        let [same, other_began, other_ended] = other.map(|place| place.load(Ordering::Relaxed));
        if same == u64::from(pair) && other_began < ended && began < other_ended {
            OVERLAPS.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Reads the tokens.
pub fn prepare(machine: &Machine) {
    for (place, function) in TOKENS.iter().zip(FUNCTIONS) {
        let token = match function.ends {
            None => machine.token(function.name).unwrap_or(0),
            Some(_) => 0,
        };
        place.store(token, Ordering::Relaxed);
    }
    MADE.store(0, Ordering::Relaxed);
    OVERLAPS.store(0, Ordering::Relaxed);
    TURN.store(0, Ordering::Relaxed);
    for ended in &ENDED {
        ended.store(0, Ordering::Relaxed);
    }
}

/// The job of the processor `number` of those that make serialised calls.
pub fn run(gate: &mut Gate, number: usize) {
    let rtas = SHARED.rtas();
    let tokens = TOKENS.iter().map(|token| token.load(Ordering::Relaxed));
    let all = tokens.zip(FUNCTIONS).filter(|(token, _)| *token != 0);
    let functions: Vec<(u32, &'static Function)> = all.collect();
    COUNT.store(functions.len() as u32, Ordering::Relaxed);
    let [source, server, connector, high, low] = PLAN
        .known
        .each_ref()
        .map(|known| known.load(Ordering::Relaxed));
    let world = World {
        area: PLAN.arena.load(Ordering::Relaxed) + AREA + World::AREA * number as u64,
        memory_end: PLAN.memory_end.load(Ordering::Relaxed),
        end_is_free: false,
        high: None,
        rtas: rtas.base..rtas.base + rtas.size,
        cell: rtas.width.cell(),
        mode64: rtas.width != Width::Mode32,
        functions: &functions,
        known: Known {
            source,
            server,
            connector,
            unit: [high, low],
        },
        stopped: &[],
    };
    let none = Calls::Random { seed: 0, count: 0 };
    let mut hunt = Hunt::new(gate, rtas, &world, none, Vec::new());
    while !meet::stopped() {
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        // The other one of the pair comes about now, if the host lets it run.
        let pair = turn | 1;
        let mut looks = 0..LOOKS;
        while TURN.load(Ordering::Relaxed) <= pair && looks.next().is_some() {
            core::hint::spin_loop();
        }
        let place = turn as usize / 2;
        let Some((token, function)) = functions.get(place % functions.len().max(1)) else {
            return;
        };
        let case = Case::good(&world, *token, function);
        if let Err(found) = hunt.one(&case) {
            deviates(format_args!("{found}"));
        }
        compare(turn, hunt.span);
        MADE.fetch_add(1, Ordering::Relaxed);
    }
}
