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

/// Tokens of [`FUNCTIONS`] in /rtas, 0 for none. Written while the others are idle.
static TOKENS: [AtomicU32; 64] = [const { AtomicU32::new(0) }; 64];
const _: () = assert!(FUNCTIONS.len() <= TOKENS.len());

/// Protects: itself: two calls of the same function for each two steps.
/// Holder: either processor, one fetch-and-add a call.
/// Order: none.
/// Holder dies: the other goes on.
static TURN: AtomicU32 = AtomicU32::new(0);

/// Calls made, and functions that they are of.
static MADE: AtomicU64 = AtomicU64::new(0);
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Calls that were made, and functions that they are of.
pub fn made() -> (u64, u32) {
    (MADE.load(Ordering::Relaxed), COUNT.load(Ordering::Relaxed))
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
        let turn = TURN.fetch_add(1, Ordering::Relaxed) as usize / 2;
        let Some((token, function)) = functions.get(turn % functions.len().max(1)) else {
            return;
        };
        let case = Case::good(&world, *token, function);
        if let Err(found) = hunt.one(&case) {
            deviates(format_args!("{found}"));
        }
        MADE.fetch_add(1, Ordering::Relaxed);
    }
}
