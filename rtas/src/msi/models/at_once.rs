//! Two ibm,change-msi at once, which is a mistake of their callers (R1-7.2.3-1): that both finish, and
//! all the states that it can leave, each of them with what puts it right.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use loom::thread;
use rtas_abi::status;

use super::{call_on, change, change_of, model};
use crate::models::explore::Explorer;
use crate::models::history::{Call, Specified};
use crate::models::hypervisor::{Missing, Model};
use crate::testing::FIRST;

/// Both finish, with a status that one order of them gives, and the next call on each source makes
/// word and hypervisor agree.
#[test]
fn two_changes_at_once_both_finish_with_a_legal_status() {
    let explorer = Explorer::bounded(2);
    for (first, second) in [(0, 0), (0, 1), (1, 0)] {
        explorer.explore(move || {
            let model = model(Missing::default());
            let others = Arc::clone(&model);
            let thread = thread::spawn(move || change(&others, second));
            let statuses = [change(&model, first), thread.join().expect("no panic")];
            let legal = |status: &i32| [status::SUCCESS, status::HARDWARE_ERROR].contains(status);
            assert!(statuses.iter().all(legal), "{statuses:?}");
            assert!(statuses.contains(&status::SUCCESS), "{statuses:?}");
            for number in [FIRST, FIRST + 1] {
                call_on(&model, number, Call::Off);
                assert!(model.agrees(number));
            }
        });
    }
}

/// What all executions of a model left.
fn seen<T: Ord + Send + Debug + 'static>(
    model: impl Fn() -> T + Send + Sync + 'static,
) -> BTreeSet<T> {
    let all = Arc::new(Mutex::new(BTreeSet::new()));
    let sink = Arc::clone(&all);
    Explorer::bounded(3).explore(move || {
        let last = model();
        sink.lock().expect("no panic").insert(last);
    });
    let mut all = all.lock().expect("no panic");
    std::mem::take(&mut *all)
}

/// A source that a driver has set up, and how the model's callers do it (Linux:
/// arch/powerpc/sysdev/xics/ics-rtas.c:ics_rtas_unmask_irq).
const SET_UP: Specified = Specified {
    server: 2,
    priority: 7,
    masked: false,
};

fn set_up(model: &Model, number: u32) {
    call_on(model, number, Call::Set(SET_UP.server, SET_UP.priority));
    call_on(model, number, Call::On);
}

/// How a source is found: as the driver set it up, as it is at boot, or enabled with the priority 0xff of
/// boot, which no interrupt passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    SetUp,
    AtBoot,
    EnabledAtNoPriority,
    SetUpButMasked,
}

fn found(model: &Model, number: u32) -> Found {
    let Specified {
        server,
        priority,
        masked,
    } = model.state(number);
    match (server, priority, masked) {
        (2, 7, false) => Found::SetUp,
        (2, 7, true) => Found::SetUpButMasked,
        _ if model.state(number) == Specified::AT_BOOT => Found::AtBoot,
        (0, 0xff, false) => Found::EnabledAtNoPriority,
        _ => panic!("{server} {priority} {masked}"),
    }
}

/// The source that the second device got, by the caller's own query.
fn first_of(model: &Model, device: usize) -> Option<u32> {
    let devices = model.devices.lock().expect("nobody died");
    devices[device].map(|(first, _)| first)
}

/// A device gives its source up; the hypervisor has it free at once, and gives it to another device,
/// whose driver sets it up. The first call goes on late and resets what is not its device's any more.
#[test]
fn a_late_change_resets_a_source_that_another_device_has_and_setting_it_up_again_heals_it() {
    let states = seen(|| {
        let model = model(Missing::default());
        let others = Arc::clone(&model);
        let other = thread::spawn(move || {
            assert_eq!(change_of(&others, 1, 1), status::SUCCESS);
            let number = first_of(&others, 1).expect("a source");
            set_up(&others, number);
            number
        });
        assert_eq!(change(&model, 0), status::SUCCESS);
        let number = other.join().expect("no thread panics");
        let last = found(&model, number);
        assert!(model.agrees(number), "the hypervisor differs from the word");
        // int-on alone answers success and leaves the priority of boot.
        call_on(&model, number, Call::On);
        let healed_by_on = model.state(number) == SET_UP;
        set_up(&model, number);
        assert_eq!(model.state(number), SET_UP);
        assert!(model.agrees(number));
        (number == FIRST, last, healed_by_on)
    });
    let wanted = [
        // It was given another one, or the first call was early.
        (false, Found::SetUp, true),
        (true, Found::SetUp, true),
        // The first call was late.
        (true, Found::AtBoot, false),
        (true, Found::EnabledAtNoPriority, false),
    ];
    assert_eq!(states, wanted.into());
}

/// Two for one device: neither may reset what the first got and the second took away again, nor what the
/// device has in the end, if that is where both saw it begin. The hypervisor has such a source enabled at
/// priority 0, as it leaves one that was freed, and the word says what it said.
#[test]
fn two_changes_of_one_device_may_leave_its_source_and_a_free_one_untrue_until_the_next_call() {
    let states = seen(|| {
        let model = model(Missing::default());
        let others = Arc::clone(&model);
        let other = thread::spawn(move || change(&others, 1));
        assert_eq!(change(&model, 1), status::SUCCESS);
        assert_eq!(other.join().expect("no thread panics"), status::SUCCESS);
        let has = first_of(&model, 0).expect("a source");
        let free = FIRST + FIRST + 1 - has;
        let untrue = [has, free].map(|number| !model.agrees(number));
        // The next owner's ibm,change-msi, and the next call, make it true.
        assert_eq!(change_of(&model, 1, 1), status::SUCCESS);
        assert_eq!(first_of(&model, 1), Some(free));
        assert!(model.agrees(free), "the next owner does not heal it");
        call_on(&model, has, Call::Off);
        assert!(model.agrees(has), "the next call does not heal it");
        untrue
    });
    let all = [false, true].map(|has| [false, true].map(|free| [has, free]));
    assert_eq!(states, all.into_iter().flatten().collect());
}

/// Two for one device that want different numbers: the first of them takes the second's block for its
/// own, with its own number, and resets a source behind it that is another device's.
#[test]
fn two_changes_of_one_device_with_different_counts_may_reset_a_third_ones_source() {
    let neighbour = FIRST + 1;
    let states = seen(move || {
        let model = Arc::new(Model::new(4, Missing::default()));
        model.devices.lock().expect("nobody died")[1] = Some((neighbour, 1));
        set_up(&model, neighbour);
        let others = Arc::clone(&model);
        let other = thread::spawn(move || change(&others, 1));
        assert_eq!(change(&model, 2), status::SUCCESS);
        assert_eq!(other.join().expect("no thread panics"), status::SUCCESS);
        let last = found(&model, neighbour);
        assert!(model.agrees(neighbour));
        set_up(&model, neighbour);
        assert_eq!(model.state(neighbour), SET_UP);
        assert!(model.agrees(neighbour));
        last
    });
    assert_eq!(states, [Found::SetUp, Found::AtBoot].into());
}

/// One after the other, as R1-7.2.3-1 has it, nothing of that comes about.
#[test]
fn one_change_after_the_other_leaves_every_source_true_and_nobody_elses_touched() {
    Explorer::exhaustive().explore(|| {
        let model = Arc::new(Model::new(4, Missing::default()));
        model.devices.lock().expect("nobody died")[1] = Some((FIRST + 1, 1));
        set_up(&model, FIRST + 1);
        for wanted in [2, 1, 1, 0] {
            assert_eq!(change(&model, wanted), status::SUCCESS);
            assert_eq!(model.state(FIRST + 1), SET_UP);
            assert!((FIRST..FIRST + 4).all(|number| model.agrees(number)));
        }
    });
}
