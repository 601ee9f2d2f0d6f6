//! Calls that overlap, callers that die, and threads.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::source::word::Word;
use crate::testing::platforms::{Interrupted, dies_at};
use crate::testing::{FIRST, Machine};

const CALLS: [(&str, &[u32]); 8] = [
    ("ibm,set-xive", &[FIRST, 1, 5]),
    ("ibm,set-xive", &[FIRST, 2, 7]),
    ("ibm,set-xive", &[FIRST, 3, 0xff]),
    ("ibm,set-xive", &[FIRST, 2, 5]),
    ("ibm,set-xive", &[FIRST, 0, 4]),
    ("ibm,int-off", &[FIRST]),
    ("ibm,int-on", &[FIRST]),
    ("ibm,get-xive", &[FIRST]),
];

fn outputs(name: &str) -> usize {
    if name == "ibm,get-xive" { 3 } else { 1 }
}

/// A machine whose source was left enabled or masked, at server 2.
fn machine(enabled: bool) -> Machine {
    let machine = Machine::new();
    assert_eq!(machine.call("ibm,set-xive", &[FIRST, 2, 6]), 0);
    if enabled {
        assert_eq!(machine.call("ibm,int-on", &[FIRST]), 0);
    }
    machine
}

fn state(word: Word) -> (u16, u8, bool) {
    (word.server(), word.priority(), word.is_masked())
}

#[test]
fn whoever_overlaps_the_hypervisor_ends_equal_to_the_word() {
    for enabled in [false, true] {
        for (first, first_inputs) in CALLS {
            for (second, second_inputs) in CALLS {
                for at in 0..3 {
                    let machine = machine(enabled);
                    let before = machine.word(FIRST).generation();
                    let by = Interrupted::new(&machine.hypervisor, at, || {
                        machine.call_by(
                            &machine.hypervisor,
                            second,
                            second_inputs,
                            outputs(second),
                        );
                    });
                    let result = machine.call_by(&by, first, first_inputs, outputs(first));
                    if !by.was_reached() {
                        continue;
                    }
                    let case = format!(
                        "{first} {first_inputs:x?}, at hypercall {at} {second} {second_inputs:x?}"
                    );
                    assert_eq!(result[0], 0, "{case}");
                    assert!(machine.agrees(FIRST), "{case}");
                    // One after the other gives the same word, in one of the two orders.
                    let orders = [
                        [(first, first_inputs), (second, second_inputs)],
                        [(second, second_inputs), (first, first_inputs)],
                    ]
                    .map(|order| {
                        let alone = self::machine(enabled);
                        for (name, inputs) in order {
                            alone.call_by(&alone.hypervisor, name, inputs, outputs(name));
                        }
                        state(alone.word(FIRST))
                    });
                    assert!(orders.contains(&state(machine.word(FIRST))), "{case}");
                    // One write more than the commits that others made meanwhile.
                    let commits = machine.word(FIRST).generation() - before;
                    assert!(by.writes.get() <= commits, "{case}");
                }
            }
        }
    }
}

#[test]
fn a_late_writer_repairs_what_it_overwrote() {
    let machine = machine(true);
    let by = Interrupted::new(&machine.hypervisor, 0, || {
        assert_eq!(machine.call("ibm,int-off", &[FIRST]), 0);
        assert_eq!(machine.hypervisor.source(FIRST), (0, 0xff));
    });
    machine.call_by(&by, "ibm,int-on", &[FIRST], 1);
    assert!(by.was_reached());
    assert_eq!(by.hypercalls.get(), 2, "the stale write and its repair");
    assert_eq!(machine.hypervisor.source(FIRST), (0, 0xff));
}

#[test]
fn a_refused_transition_is_taken_back() {
    let machine = machine(true);
    let before = machine.word(FIRST);
    // 0: the query, 1: the write.
    let by = Interrupted::new(&machine.hypervisor, 1, || {
        machine.hypervisor.state().plugged.remove(&3);
    });
    let result = machine.call_by(&by, "ibm,set-xive", &[FIRST, 3, 5], 1);
    assert_eq!(result, [-3i32 as u32]);
    assert_eq!(state(machine.word(FIRST)), state(before));
    assert!(machine.agrees(FIRST));
    assert_eq!(
        by.hypercalls.get(),
        3,
        "query, refused write, old state again"
    );
}

#[test]
fn a_refused_transition_that_another_call_built_on_stands() {
    let machine = machine(true);
    let by = Interrupted::new(&machine.hypervisor, 1, || {
        machine.hypervisor.state().plugged.remove(&3);
        assert_eq!(machine.call("ibm,int-off", &[FIRST]), 0);
    });
    let result = machine.call_by(&by, "ibm,set-xive", &[FIRST, 3, 5], 1);
    assert_eq!(result, [0]);
    assert_eq!(machine.get_xive(FIRST), Ok((3, 5)));
    assert!(machine.agrees(FIRST));
    assert_eq!(machine.call("ibm,int-on", &[FIRST]), -3);
    assert!(machine.agrees(FIRST), "still masked");
}

#[test]
fn the_restored_state_is_written_again_after_a_refusal() {
    let machine = machine(true);
    let by = Interrupted::new(&machine.hypervisor, 1, || {
        machine.hypervisor.state().plugged.remove(&3);
        machine.hypervisor.set(FIRST, 0, 0);
    });
    let result = machine.call_by(&by, "ibm,set-xive", &[FIRST, 3, 5], 1);
    assert_eq!(result, [-3i32 as u32]);
    assert!(machine.agrees(FIRST));
}

#[test]
fn whatever_a_dead_caller_left_the_next_call_makes_true() {
    let mut deaths = 0;
    for enabled in [false, true] {
        for (dead, dead_inputs) in CALLS {
            for (next, next_inputs) in CALLS {
                if next == "ibm,get-xive" {
                    continue;
                }
                for steps in 0.. {
                    let machine = machine(enabled);
                    let before = state(machine.word(FIRST));
                    let died = dies_at(&machine.hypervisor, steps, |platform| {
                        machine.call_by(&platform, dead, dead_inputs, outputs(dead));
                    });
                    if !died {
                        break;
                    }
                    deaths += 1;
                    let alone = self::machine(enabled);
                    alone.call_by(&alone.hypervisor, dead, dead_inputs, outputs(dead));
                    let after = state(alone.word(FIRST));
                    let left = state(machine.word(FIRST));
                    assert!(
                        left == before || left == after,
                        "the old state or the new one"
                    );
                    assert_eq!(machine.call(next, next_inputs), 0);
                    assert!(
                        machine.agrees(FIRST),
                        "{dead} {dead_inputs:x?} dead at step {steps}, then {next}"
                    );
                }
            }
        }
    }
    assert!(deaths > 300, "{deaths} deaths");
}

#[test]
fn a_crash_masks_every_source_whoever_died_in_it() {
    for (dead, dead_inputs) in CALLS {
        for steps in 0.. {
            let machine = machine(true);
            let died = dies_at(&machine.hypervisor, steps, |platform| {
                machine.call_by(&platform, dead, dead_inputs, outputs(dead));
            });
            assert_eq!(machine.call("ibm,int-off", &[FIRST]), 0);
            let server = u32::from(machine.word(FIRST).server());
            assert_eq!(machine.call("ibm,set-xive", &[FIRST, server, 0xff]), 0);
            assert_eq!(machine.hypervisor.source(FIRST), (0, 0xff));
            if !died {
                break;
            }
        }
    }
}

/// Threads on shared sources: every result is legal, every `ibm,get-xive` gives a server and a
/// priority that were set together, and once all are done the hypervisor equals the words.
#[test]
fn threads_on_shared_sources_leave_the_hypervisor_equal_to_the_words() {
    const THREADS: u32 = 4;
    const ROUNDS: u32 = 60;
    const CALLS_A_ROUND: u32 = 60;
    let machine = Machine::new();
    let commits = AtomicU64::new(0);
    for round in 0..ROUNDS {
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (machine, commits) = (&machine, &commits);
                scope.spawn(move || {
                    let mut random = 0x9e37_79b9u32.wrapping_mul(1 + round * THREADS + thread);
                    for _ in 0..CALLS_A_ROUND {
                        random ^= random << 13;
                        random ^= random >> 17;
                        random ^= random << 5;
                        let number = FIRST + random % 2;
                        let server = (random >> 8) % 4;
                        let kind = (random >> 16) % 4;
                        commits.fetch_add(u64::from(kind < 3), Ordering::Relaxed);
                        match kind {
                            0 => assert_eq!(machine.call("ibm,int-off", &[number]), 0),
                            1 => assert_eq!(machine.call("ibm,int-on", &[number]), 0),
                            2 => {
                                let inputs = [number, server, server + 1];
                                assert_eq!(machine.call("ibm,set-xive", &inputs), 0);
                            }
                            _ => match machine.get_xive(number) {
                                Ok((0, 0xff)) => {}
                                Ok((server, priority)) => assert_eq!(priority, server + 1),
                                Err(status) => panic!("status {status}"),
                            },
                        }
                    }
                });
            }
        });
        for number in [FIRST, FIRST + 1] {
            assert!(machine.agrees(number), "round {round}, source {number:#x}");
        }
        let [one, other] = [FIRST, FIRST + 1].map(|number| machine.word(number).generation());
        let commits = commits.load(Ordering::Relaxed);
        assert_eq!(one + other, commits, "round {round}: a commit was lost");
        machine.hypervisor.forget();
    }
}
