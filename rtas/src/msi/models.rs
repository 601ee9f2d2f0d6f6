//! `ibm,change-msi` under loom, beside calls on a source of the block that changes hands.

use std::sync::Arc;

use loom::thread;
use rtas_abi::status;

use super::change_msi;
use crate::decode::Header;
use crate::memory::{CallerMemory, CellWidth, Cells};
use crate::models::atomic::Weakness;
use crate::models::caller::{AT, Buffer};
use crate::models::explore::Explorer;
use crate::models::history::{Call, Event, Outcome, is_linearizable};
use crate::models::hypervisor::{Missing, Model};
use crate::models::script::dies_at;
use crate::platform::HypervisorBuffer;
use crate::source::Sources;
use crate::table;
use crate::testing::{FIRST, token};

/// The first device asks for `wanted` sources: its status.
fn change(model: &Model, wanted: u32) -> i32 {
    change_of(model, 0, wanted)
}

/// A device asks for `wanted` sources: its status.
fn change_of(model: &Model, device: u32, wanted: u32) -> i32 {
    let caller = model.caller();
    let instance = model.instance();
    let sources = Sources::new(instance, &caller);
    let all = FIRST..FIRST + sources.count();
    let commits = || all.clone().map(|number| model.commits(number)).sum::<u64>();
    let before = commits();
    let token = token("ibm,change-msi");
    let mut memory = Buffer([token, 6, 4, device, 0, 0, 3, wanted, 1, 0, 0, 0, 0]);
    let cells = Cells::new(&memory.bounds(), CellWidth::Bits32, AT).expect("a place for cells");
    let shape = table::shape(table::index_of("ibm,change-msi").unwrap()).unwrap();
    let request = Header::read(&memory, cells).request(shape);
    let mut cells = HypervisorBuffer::new();
    let status = change_msi(
        instance.config,
        sources,
        &mut memory,
        &mut cells,
        token,
        &request.expect("a buffer that is in order"),
    );
    let made = commits() - before;
    assert!(caller.writes.get() <= made, "more writes than commits");
    status
}

/// A call on the first source: Linux need not know that the source is about to go.
fn call(model: &Model, call: Call) -> Event {
    call_on(model, FIRST, call)
}

fn call_on(model: &Model, number: u32, call: Call) -> Event {
    let caller = model.caller();
    let instance = model.instance();
    let sources = Sources::new(instance, &caller);
    let mut cells = HypervisorBuffer::new();
    let change = match call {
        Call::Off => sources.int_off(number, &mut cells),
        Call::On => sources.int_on(number, &mut cells),
        Call::Set(server, priority) => sources.set_xive(number, server, priority, &mut cells),
        Call::Get | Call::Reset => unreachable!("not in these models"),
    };
    assert_eq!(sources.finish(change, &mut cells), status::SUCCESS);
    (call, Outcome::Done)
}

const CALLS: [Call; 3] = [Call::Off, Call::On, Call::Set(2, 7)];
const RESET: Event = (Call::Reset, Outcome::Done);

/// A device that has the first of two sources, both enabled.
fn model(missing: Missing) -> Arc<Model> {
    let model = Model::new(2, missing);
    model.devices.lock().expect("nobody died")[0] = Some((FIRST, 1));
    Arc::new(model)
}

/// The device releases its source, or gets the other one for it, beside a call.
fn beside(wanted: u32, other: Call, missing: Missing) {
    let model = model(missing);
    let others = Arc::clone(&model);
    let thread = thread::spawn(move || call(&others, other));
    assert_eq!(change(&model, wanted), status::SUCCESS);
    let event = thread.join().expect("no thread panics");
    let last = model.state(FIRST);
    assert!(
        is_linearizable(Model::START, &[&[event], &[RESET]], last),
        "no order gives {last:?}"
    );
    let new: &[Event] = if wanted == 0 { &[] } else { &[RESET] };
    let last = model.state(FIRST + 1);
    assert!(is_linearizable(Model::START, &[new], last));
    for number in [FIRST, FIRST + 1] {
        assert!(model.agrees(number), "the hypervisor differs from the word");
    }
}

#[test]
fn a_source_that_changes_hands_beside_a_call_on_it_is_true_at_the_hypervisor() {
    let explorer = Explorer::exhaustive();
    for wanted in [0, 1] {
        for other in CALLS {
            explorer.explore(move || beside(wanted, other, Missing::default()));
        }
    }
}

#[test]
fn the_next_call_on_each_source_repairs_what_a_dead_caller_left_half_done() {
    let explorer = Explorer::exhaustive();
    for wanted in [0, 1] {
        for other in CALLS {
            explorer.explore_steps(8, move |steps| {
                let model = model(Missing::default());
                let others = Arc::clone(&model);
                let thread = thread::spawn(move || call(&others, other));
                let died = dies_at(steps, || {
                    change(&model, wanted);
                });
                let event = thread.join().expect("no thread panics");
                let reset = (Call::Reset, Outcome::Died);
                let last = model.state(FIRST);
                assert!(is_linearizable(Model::START, &[&[event], &[reset]], last));
                // The crash path, and the kernel after it.
                for number in [FIRST, FIRST + 1] {
                    let caller = model.caller();
                    let instance = model.instance();
                    let sources = Sources::new(instance, &caller);
                    let mut cells = HypervisorBuffer::new();
                    let change = sources.int_off(number, &mut cells);
                    assert_eq!(sources.finish(change, &mut cells), status::SUCCESS);
                    assert!(model.agrees(number), "dead at step {steps}");
                }
                let has = model.devices.lock().expect("nobody died")[0].is_some();
                let next = change(&model, 0);
                assert_eq!(next == status::SUCCESS, has);
                assert!(model.agrees(FIRST) && model.agrees(FIRST + 1));
                died
            });
        }
    }
}

mod at_once;

fn without(missing: Missing) {
    for other in [Call::On, Call::Set(2, 7)] {
        Explorer::exhaustive().explore(move || beside(0, other, missing));
    }
}

#[test]
#[should_panic(expected = "the hypervisor differs from the word")]
fn without_the_barrier_before_the_hypercall_a_released_source_may_differ() {
    without(Missing {
        barrier_before: true,
        ..Missing::default()
    });
}

#[test]
#[should_panic(expected = "the hypervisor differs from the word")]
fn without_the_barrier_after_the_hypercall_a_released_source_may_differ() {
    without(Missing {
        barrier_after: true,
        ..Missing::default()
    });
}

#[test]
#[should_panic(expected = "the hypervisor differs from the word")]
fn without_the_re_read_a_released_source_may_differ() {
    without(Missing {
        weakness: Weakness::NoReread,
        ..Missing::default()
    });
}
