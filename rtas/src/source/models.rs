//! The interrupt sources under loom: properties (a) to (c) of the rules of concurrency, with
//! callers that die at any step.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use loom::thread;
use rtas_abi::status;

use super::Sources;
use crate::models::atomic::Weakness;
use crate::models::explore::Explorer;
use crate::models::history::{Call, Event, Outcome, Specified, is_linearizable};
use crate::models::hypervisor::{GOING, Missing, Model};
use crate::models::script::{dies_at, interrupted_at};
use crate::platform::HypervisorBuffer;
use crate::testing::FIRST;

/// Does a call and looks at its result: (c) a call writes the hypervisor once, and once more for
/// each commit that others made meanwhile.
fn call(model: &Model, call: Call) -> Outcome {
    let before = model.commits(FIRST);
    let caller = model.caller();
    let instance = model.instance();
    let sources = Sources::new(instance, &caller);
    let mut buffer = HypervisorBuffer::new();
    let status = match call {
        Call::Get => {
            let (server, priority) = sources.get_xive(FIRST).expect("a source");
            assert_eq!(caller.writes.get(), 0);
            return Outcome::State(server, priority);
        }
        Call::Set(server, priority) => {
            let change = sources.set_xive(FIRST, server, priority, &mut buffer);
            sources.finish(change, &mut buffer)
        }
        Call::Off => {
            let change = sources.int_off(FIRST, &mut buffer);
            sources.finish(change, &mut buffer)
        }
        Call::On => {
            let change = sources.int_on(FIRST, &mut buffer);
            sources.finish(change, &mut buffer)
        }
        Call::Reset => {
            sources.reset(FIRST, &mut buffer);
            status::SUCCESS
        }
    };
    let own_and_others = model.commits(FIRST) - before;
    assert!(
        caller.writes.get() <= own_and_others,
        "more writes than commits"
    );
    assert_eq!(status, status::SUCCESS);
    Outcome::Done
}

/// Does calls one after the other.
fn calls(model: &Model, list: &[Call]) -> Vec<Event> {
    let event = |wanted: &Call| (*wanted, call(model, *wanted));
    list.iter().map(event).collect()
}

/// Threads that do these calls, the first of them on this thread, and then (a) some order explains
/// what all of them saw, and (b) the hypervisor equals the word.
fn together(lists: &[&'static [Call]], missing: Missing) {
    on(Model::new(1, missing), lists);
}

/// [`together`] with all that there is to explore.
fn in_every_order(lists: &[&'static [Call]]) {
    on(Model::new(1, Missing::default()).in_every_order(), lists);
}

fn on(model: Model, lists: &[&'static [Call]]) {
    let model = Arc::new(model);
    let (first, rest) = lists.split_first().expect("one list at least");
    let others: Vec<_> = rest
        .iter()
        .map(|list| {
            let (model, list) = (Arc::clone(&model), *list);
            thread::spawn(move || calls(&model, list))
        })
        .collect();
    let mut events = vec![calls(&model, first)];
    for other in others {
        events.push(other.join().expect("no thread panics"));
    }
    is_explained(&model, &events);
    assert!(model.agrees(FIRST), "the hypervisor differs from the word");
}

fn is_explained(model: &Model, events: &[Vec<Event>]) {
    let threads: Vec<&[Event]> = events.iter().map(Vec::as_slice).collect();
    let last = model.state(FIRST);
    assert!(
        is_linearizable(Model::START, &threads, last),
        "no order gives {last:?}: {events:?}"
    );
}

const OFF: &[Call] = &[Call::Off];
const CHANGES: [Call; 5] = [
    Call::Off,
    Call::On,
    Call::Set(2, 7),
    Call::Set(1, 0xff),
    Call::Reset,
];
const LISTS: [&[Call]; 5] = [
    OFF,
    &[Call::On],
    &[Call::Set(2, 7)],
    &[Call::Set(1, 0xff)],
    &[Call::Reset],
];

#[test]
fn two_calls_are_linearizable_bounded_and_leave_the_hypervisor_equal_to_the_word() {
    let explorer = Explorer::exhaustive();
    for first in LISTS {
        for second in LISTS {
            explorer.explore(move || together(&[first, second], Missing::default()));
        }
    }
}

#[test]
fn two_calls_are_so_in_every_order_of_their_accesses() {
    let explorer = Explorer::bounded(3);
    for (first, second) in [(OFF, LISTS[1]), (OFF, LISTS[2]), (LISTS[2], LISTS[1])] {
        explorer.explore(move || in_every_order(&[first, second]));
    }
}

#[test]
fn a_reader_sees_what_one_order_of_the_calls_explains() {
    const READS: &[Call] = &[Call::Get, Call::Get];
    // As Linux masks, unmasks and moves a source (arch/powerpc/sysdev/xics/ics-rtas.c).
    const MASK: &[Call] = &[Call::Off, Call::Set(2, 0xff)];
    const UNMASK: &[Call] = &[Call::Set(2, 7), Call::On];
    const MOVE: &[Call] = &[Call::Get, Call::Set(2, 5)];
    let explorer = Explorer::exhaustive();
    for list in [MASK, UNMASK, MOVE] {
        explorer.explore(move || in_every_order(&[READS, list]));
    }
}

#[test]
fn two_calls_on_one_processor_against_one_on_another() {
    const MASK: &[Call] = &[Call::Off, Call::Set(1, 0xff)];
    const UNMASK: &[Call] = &[Call::Set(2, 7), Call::On];
    let explorer = Explorer::exhaustive();
    for (first, second) in [(MASK, &[Call::On][..]), (UNMASK, OFF)] {
        explorer.explore(move || together(&[first, second], Missing::default()));
    }
    let explorer = Explorer::bounded(3);
    for (first, second) in [(MASK, UNMASK), (UNMASK, MASK)] {
        explorer.explore(move || together(&[first, second], Missing::default()));
    }
}

#[test]
fn three_calls_are_linearizable_bounded_and_leave_the_hypervisor_equal_to_the_word() {
    let explorer = Explorer::bounded(2);
    for lists in [
        [OFF, &[Call::On], &[Call::Set(2, 7)]],
        [OFF, OFF, &[Call::On]],
        [OFF, &[Call::Set(2, 7)], &[Call::Get, Call::Get]],
        [&[Call::Reset], &[Call::On], &[Call::Set(2, 7)]],
    ] {
        explorer.explore(move || together(&lists, Missing::default()));
    }
}

/// The victim dies at a step while the other calls; then one more call on the source: what the dead
/// left is the old state or the new one, and the next call makes it true.
#[test]
fn the_next_call_repairs_what_a_dead_caller_left() {
    let explorer = Explorer::exhaustive();
    for victims in CHANGES {
        for others in LISTS {
            explorer.explore_steps(6, move |steps| {
                let model = Arc::new(Model::new(1, Missing::default()));
                let other = Arc::clone(&model);
                let thread = thread::spawn(move || calls(&other, others));
                let mut victim = vec![(victims, Outcome::Died)];
                let died = dies_at(steps, || victim = calls(&model, &[victims]));
                let other = thread.join().expect("no thread panics");
                is_explained(&model, &[victim, other]);
                let next = [Call::Off, Call::On][steps % 2];
                assert_eq!(call(&model, next), Outcome::Done);
                assert!(model.agrees(FIRST), "{victims:?} dead at step {steps}");
                died
            });
        }
    }
}

#[test]
fn a_crash_masks_the_source_whoever_died_in_a_call_on_it() {
    let explorer = Explorer::bounded(2);
    for victims in [Call::On, Call::Set(2, 7)] {
        explorer.explore_steps(6, move |steps| {
            let model = Arc::new(Model::new(1, Missing::default()));
            let other = Arc::clone(&model);
            let dying = Arc::clone(&model);
            let late = thread::spawn(move || call(&other, Call::On));
            let victim = thread::spawn(move || {
                dies_at(steps, || {
                    call(&dying, victims);
                })
            });
            let died = victim.join().expect("no thread panics");
            calls(&model, &[Call::Off, Call::Set(1, 0xff)]);
            late.join().expect("no thread panics");
            // A live processor's int-on may come after int-off; the priority masks it all the same.
            assert!(model.word(FIRST).effective(0).is_masked());
            assert!(model.agrees(FIRST));
            died
        });
    }
}

#[test]
fn an_exception_handler_that_calls_at_any_step_is_one_caller_more() {
    let explorer = Explorer::exhaustive();
    for interrupted in CHANGES {
        for handlers in CHANGES {
            explorer.explore_steps(6, move |steps| {
                let model = Arc::new(Model::new(1, Missing::default()));
                let inner = Arc::clone(&model);
                let reached = interrupted_at(
                    steps,
                    move || assert_eq!(call(&inner, handlers), Outcome::Done),
                    || assert_eq!(call(&model, interrupted), Outcome::Done),
                );
                let both = [
                    vec![(interrupted, Outcome::Done)],
                    vec![(handlers, Outcome::Done)],
                ];
                is_explained(&model, if reached { &both } else { &both[..1] });
                assert!(model.agrees(FIRST));
                reached
            });
        }
    }
}

/// The server was there when it was asked for, and is gone when the source is to be sent there: the
/// call that commits last with it is refused and takes its transition back.
#[test]
fn a_refused_transition_is_taken_back_or_built_upon() {
    let explorer = Explorer::exhaustive();
    for others in [OFF, &[Call::Set(2, 7)], &[Call::Reset]] {
        explorer.explore(move || {
            let model = Arc::new(Model::new(1, Missing::default()));
            let other = Arc::clone(&model);
            let thread = thread::spawn(move || calls(&other, others));
            let before = model.commits(FIRST);
            let caller = model.caller();
            let instance = model.instance();
            let sources = Sources::new(instance, &caller);
            let mut buffer = HypervisorBuffer::new();
            let set = Call::Set(GOING, 5);
            let change = sources.set_xive(FIRST, GOING, 5, &mut buffer);
            let status = sources.finish(change, &mut buffer);
            let commits = model.commits(FIRST) - before;
            assert!(caller.writes.get() <= commits, "more writes than commits");
            let other = thread.join().expect("no thread panics");
            let own = match status {
                status::SUCCESS => vec![(set, Outcome::Done)],
                refused => {
                    assert_eq!(refused, status::PARAMETER_ERROR);
                    vec![]
                }
            };
            is_explained(&model, &[own, other]);
            assert!(model.agrees(FIRST));
        });
    }
}

/// A reader beside the same. What it sees of the refused transition no order of the calls explains, if
/// it is taken back: it is the one state that a reader may see and nobody made. A processor that moves
/// the source, as Linux does (arch/powerpc/sysdev/xics/ics-rtas.c:ics_rtas_set_affinity), writes the
/// priority back that it read; the next ibm,set-xive replaces it.
#[test]
fn a_reader_beside_a_refused_transition_sees_it_or_the_state_before_and_nothing_else() {
    const BEFORE: (u32, u32) = (1, 5);
    const REFUSED: (u32, u32) = (GOING, 6);
    const MOVED_TO: u32 = 2;
    /// Status of the refused call, what was read, what is left.
    type Seen = (i32, (u32, u32), (u32, u32));
    let all: Arc<Mutex<BTreeSet<Seen>>> = Arc::default();
    let sink = Arc::clone(&all);
    Explorer::exhaustive().explore(move || {
        let model = Arc::new(Model::new(1, Missing::default()));
        let other = Arc::clone(&model);
        let mover = thread::spawn(move || {
            let Outcome::State(server, priority) = call(&other, Call::Get) else {
                unreachable!("that is what it answers");
            };
            call(&other, Call::Set(MOVED_TO, priority));
            (server, priority)
        });
        let caller = model.caller();
        let sources = Sources::new(model.instance(), &caller);
        let mut buffer = HypervisorBuffer::new();
        let change = sources.set_xive(FIRST, GOING, REFUSED.1, &mut buffer);
        let status = sources.finish(change, &mut buffer);
        let read = mover.join().expect("no thread panics");
        let last = model.state(FIRST);
        assert!(!last.masked && model.agrees(FIRST));
        sink.lock()
            .expect("no panic")
            .insert((status, read, (last.server, last.priority)));
        // Whatever was left, the next one is as it says.
        call(&model, Call::Set(1, 5));
        assert_eq!(model.state(FIRST), Model::START);
        assert!(model.agrees(FIRST));
    });
    let wanted = [
        // One after the other, or beside each other and explained: the mover built on it.
        (status::PARAMETER_ERROR, BEFORE, (MOVED_TO, BEFORE.1)),
        (status::SUCCESS, BEFORE, (MOVED_TO, BEFORE.1)),
        (status::SUCCESS, REFUSED, (MOVED_TO, REFUSED.1)),
        // Read between the commit and the taking back: a priority that was refused is kept.
        (status::PARAMETER_ERROR, REFUSED, (MOVED_TO, REFUSED.1)),
    ];
    assert_eq!(*all.lock().expect("no panic"), wanted.into());
}

/// A processor that dies between the commit and the taking back leaves the refused state in the word: it
/// is read, with status 0, until the next call. That masks, or is refused and takes it back no further
/// than to what the dead one made, or gives the source to a server that is there.
#[test]
fn a_dead_caller_may_leave_a_server_that_is_gone_and_the_next_call_masks_or_moves() {
    Explorer::exhaustive().explore_steps(6, |steps| {
        let model = Model::new(1, Missing::default());
        let died = dies_at(steps, || {
            let caller = model.caller();
            let sources = Sources::new(model.instance(), &caller);
            let mut buffer = HypervisorBuffer::new();
            let change = sources.set_xive(FIRST, GOING, 6, &mut buffer);
            sources.finish(change, &mut buffer);
        });
        let Specified {
            server, priority, ..
        } = model.state(FIRST);
        assert!([(1, 5), (GOING, 6)].contains(&(server, priority)));
        assert_eq!(call(&model, Call::Get), Outcome::State(server, priority));
        let caller = model.caller();
        let sources = Sources::new(model.instance(), &caller);
        let mut buffer = HypervisorBuffer::new();
        let on = sources.int_on(FIRST, &mut buffer);
        let on = sources.finish(on, &mut buffer);
        assert_eq!(on == status::PARAMETER_ERROR, server == GOING);
        assert_eq!(call(&model, Call::Get), Outcome::State(server, priority));
        assert_eq!(call(&model, Call::Off), Outcome::Done);
        assert!(model.word(FIRST).effective(0).is_masked() && model.agrees(FIRST));
        assert_eq!(call(&model, Call::Set(2, 7)), Outcome::Done);
        assert_eq!(call(&model, Call::On), Outcome::Done);
        assert!(model.agrees(FIRST));
        died
    });
}

fn without(missing: Missing) {
    let explorer = Explorer::exhaustive();
    for (first, second) in [(OFF, &[Call::Set(2, 7)][..]), (&[Call::On], OFF)] {
        explorer.explore(move || together(&[first, second], missing));
    }
}

#[test]
#[should_panic(expected = "the hypervisor differs from the word")]
fn without_the_barrier_before_the_hypercall_the_hypervisor_may_differ() {
    without(Missing {
        barrier_before: true,
        ..Missing::default()
    });
}

#[test]
#[should_panic(expected = "the hypervisor differs from the word")]
fn without_the_barrier_after_the_hypercall_the_hypervisor_may_differ() {
    without(Missing {
        barrier_after: true,
        ..Missing::default()
    });
}

#[test]
#[should_panic(expected = "the hypervisor differs from the word")]
fn without_the_re_read_the_hypervisor_may_differ() {
    without(Missing {
        weakness: Weakness::NoReread,
        ..Missing::default()
    });
}

#[test]
fn the_specification_starts_where_a_word_does() {
    Explorer::exhaustive().explore(|| {
        let model = Model::new(1, Missing::default());
        assert_eq!(model.state(FIRST), Model::START);
        assert_eq!(call(&model, Call::Reset), Outcome::Done);
        assert_eq!(model.state(FIRST), Specified::AT_BOOT);
    });
}
