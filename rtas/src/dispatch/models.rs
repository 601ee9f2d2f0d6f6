//! `power-off` under loom: the two masks of power-on events in the buffer that all processors share.
//! Whoever powers off stores its own two and makes the hypercall, which reads them on its own processor:
//! in the order of the program, and beside stores of others.

use std::sync::Arc;

use loom::thread;

use super::{CellWidth, Exit, HypervisorBuffer, Instance, Platform, long_call};
use crate::config::{Config, LeaveBuffer};
use crate::models::atomic::{Ordering, Weakness};
use crate::models::caller::{AT, Buffer};
use crate::models::explore::Explorer;
use crate::models::script::{dies_at, interrupted_at, step};
use crate::testing::config::config;
use crate::testing::token;

/// The two masks of a caller: no half of one is in another one.
type Masks = [u32; 2];
const OURS: Masks = [0x1111_2222, 0x3333_4444];
const THEIRS: Masks = [0x5555_6666, 0x7777_8888];
const THIRD: Masks = [0x9999_aaaa, 0xbbbb_cccc];

/// Stores and hypercall of one power-off: the steps at which it may end.
const STEPS: usize = 3;

/// A machine that nobody has powered off yet.
fn machine(weakness: Weakness) -> Arc<Config> {
    let config = config();
    let cells = config.power_off.cells.map(|cell| cell.weakened(weakness));
    Arc::new(Config {
        power_off: LeaveBuffer { cells },
        ..config
    })
}

/// Nothing is asked of the hypervisor before the call leaves.
struct NoCalls;

impl Platform for NoCalls {
    fn h_rtas(&self, _: &mut HypervisorBuffer) -> i64 {
        unreachable!("the entry code makes the hypercall")
    }
    fn h_rtas_about(&self, _: &mut HypervisorBuffer, _: usize, _: &mut [u8]) -> i64 {
        unreachable!("it is not about memory")
    }
    fn full_barrier(&self) {
        unreachable!("power-off has no barrier")
    }
}

/// What the hypervisor is asked for: token, numbers of inputs and outputs, masks.
type Asked = [u32; 5];

fn asked([first, second]: Masks) -> Asked {
    [token("power-off"), 2, 1, first, second]
}

/// Calls with the argument buffer `cells`, and leaves: what the hypervisor is asked for.
fn leave(config: &Config, cells: [u32; 6]) -> Asked {
    let instance = Instance {
        config,
        sources: &[],
        vpd: &[],
    };
    let mut memory = Buffer(cells);
    let mut own = HypervisorBuffer::new();
    let width = CellWidth::Bits32;
    match long_call(instance, &NoCalls, &mut memory, width, AT, &mut own) {
        Exit::Leave(buffer) => {
            // The entry code gives the context back and makes the hypercall.
            step();
            let mut cells = buffer.cells.iter();
            [(); 5].map(|()| {
                let cell = cells.next().expect("a cell");
                u32::from_be(cell.load(Ordering::Relaxed))
            })
        }
        Exit::Return(status) => panic!("it returned with {status}"),
    }
}

fn power_off(config: &Config, [first, second]: Masks) -> Asked {
    leave(config, [token("power-off"), 2, 1, first, second, 0])
}

/// A call is asked for as one of these callers said it, but for the masks, of which each is one of
/// theirs.
fn is_of(asked: Asked, callers: &[Masks]) {
    let [token, inputs, outputs, masks @ ..] = asked;
    let [whole_token, whole_inputs, whole_outputs, ..] = self::asked([0, 0]);
    assert_eq!(
        [token, inputs, outputs],
        [whole_token, whole_inputs, whole_outputs]
    );
    for (index, mask) in masks.into_iter().enumerate() {
        assert!(
            callers.iter().any(|masks| masks[index] == mask),
            "mask {index} is nobody's: {mask:#x}"
        );
    }
}

fn two_at_once(weakness: Weakness) {
    Explorer::exhaustive().explore(move || {
        let config = machine(weakness);
        let others = Arc::clone(&config);
        let other = thread::spawn(move || power_off(&others, THEIRS));
        is_of(power_off(&config, OURS), &[OURS, THEIRS]);
        is_of(other.join().expect("no thread panics"), &[OURS, THEIRS]);
    });
}

#[test]
fn each_mask_of_two_that_power_off_at_once_is_one_callers() {
    two_at_once(Weakness::None);
}

#[test]
fn each_mask_of_three_that_power_off_at_once_is_one_callers() {
    Explorer::bounded(2).explore(|| {
        let config = machine(Weakness::None);
        let others = [THEIRS, THIRD].map(|masks| {
            let config = Arc::clone(&config);
            thread::spawn(move || power_off(&config, masks))
        });
        let all = [OURS, THEIRS, THIRD];
        is_of(power_off(&config, OURS), &all);
        for other in others {
            is_of(other.join().expect("no thread panics"), &all);
        }
    });
}

/// set-power-level of everything to 0 is power-off without power-on events.
#[test]
fn a_power_level_of_zero_beside_a_power_off_mixes_with_it_alone() {
    Explorer::exhaustive().explore(|| {
        let config = machine(Weakness::None);
        let others = Arc::clone(&config);
        let other =
            thread::spawn(move || leave(&others, [token("set-power-level"), 2, 2, 0, 0, 0]));
        is_of(power_off(&config, OURS), &[OURS, [0, 0]]);
        is_of(other.join().expect("no thread panics"), &[OURS, [0, 0]]);
    });
}

fn after_a_dead_one(weakness: Weakness) {
    Explorer::exhaustive().explore_steps(STEPS, move |steps| {
        let config = machine(weakness);
        let dying = Arc::clone(&config);
        let victim = thread::spawn(move || {
            dies_at(steps, || {
                power_off(&dying, THEIRS);
            })
        });
        let died = victim.join().expect("no thread panics");
        assert_eq!(
            power_off(&config, OURS),
            asked(OURS),
            "dead at step {steps}"
        );
        died
    });
}

#[test]
fn whoever_powers_off_after_a_dead_one_gives_its_own_masks() {
    after_a_dead_one(Weakness::None);
}

#[test]
fn whoever_powers_off_beside_one_that_dies_is_not_held_up() {
    Explorer::exhaustive().explore_steps(STEPS, |steps| {
        let config = machine(Weakness::None);
        let dying = Arc::clone(&config);
        let victim = thread::spawn(move || {
            dies_at(steps, || {
                power_off(&dying, THEIRS);
            })
        });
        let seen = power_off(&config, OURS);
        if steps == 0 {
            assert_eq!(seen, asked(OURS));
        } else {
            is_of(seen, &[OURS, THEIRS]);
        }
        victim.join().expect("no thread panics")
    });
}

/// The handler's hypercall ends the machine, so the interrupted one never goes on; if it did, it would
/// ask with what it has not stored anew.
#[test]
fn an_exception_handler_that_powers_off_at_any_step_gives_its_own_masks() {
    Explorer::exhaustive().explore_steps(STEPS, |steps| {
        let config = machine(Weakness::None);
        let inner = Arc::clone(&config);
        let handler = move || assert_eq!(power_off(&inner, THEIRS), asked(THEIRS));
        let reached = interrupted_at(steps, handler, || {
            is_of(power_off(&config, OURS), &[OURS, THEIRS]);
        });
        reached
    });
}

#[test]
#[should_panic(expected = "is nobody's")]
fn with_a_mask_that_is_stored_in_two_steps_one_may_be_nobodys() {
    two_at_once(Weakness::Torn);
}

#[test]
#[should_panic(expected = "is nobody's")]
fn with_a_store_that_comes_after_the_hypercall_a_mask_may_be_nobodys() {
    two_at_once(Weakness::Late);
}

#[test]
#[should_panic(expected = "dead at step")]
fn where_the_first_mask_stays_a_dead_one_decides() {
    after_a_dead_one(Weakness::FirstStays);
}
