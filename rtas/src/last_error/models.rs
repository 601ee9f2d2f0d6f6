//! The word under loom: errors that are kept and asked for at once, by processors that die or are
//! interrupted at any step.
//!
//! Where an error is kept beside one that is taken, loom 0.7 lets a swap that read the value before
//! a store come after that store, so that the store is lost. No single word does that: of an access
//! to one word alone there is one order, in which a swap follows what it read. So these models let
//! the newer error be gone where the older one was told, and nothing else.

use std::sync::Arc;

use loom::thread;

use super::LastError;
use crate::models::explore::Explorer;
use crate::models::script::{dies_at, interrupted_at, step};

const OLDER: u32 = 1;
const NEWER: u32 = 2;

/// A word that holds the older error.
fn word() -> Arc<LastError> {
    let word = LastError::new(0);
    word.keep(OLDER);
    Arc::new(word)
}

/// `rtas-last-error`: takes the error, and then, one step later, tells it.
fn tell(word: &LastError) -> Option<u32> {
    let told = word.take();
    step();
    told
}

/// The error that was told and the one that is left, where the newer one was kept beside.
fn is_of_some_order(told: Option<u32>, left: Option<u32>) -> bool {
    match told {
        // loom loses the newer one here.
        Some(OLDER) => matches!(left, Some(NEWER) | None),
        Some(NEWER) => left.is_none(),
        None => left == Some(NEWER),
        Some(_) => false,
    }
}

#[test]
fn an_error_that_two_ask_for_is_told_to_one() {
    Explorer::exhaustive().explore(|| {
        let word = word();
        let others = [(); 2].map(|()| {
            let word = word.clone();
            thread::spawn(move || word.take())
        });
        let told = others.map(|other| other.join().unwrap());
        assert!(
            matches!(told, [Some(OLDER), None] | [None, Some(OLDER)]),
            "{told:?}"
        );
        assert_eq!(word.take(), None);
    });
}

/// Who dies before it has the error leaves it to the other; who dies with it has told nobody.
#[test]
fn an_error_is_told_once_at_most_though_one_that_asks_dies() {
    // Load, swap, and the step at which it is told.
    const HAS_IT: usize = 2;
    Explorer::exhaustive().explore_steps(HAS_IT + 1, |steps| {
        let word = word();
        let other = Arc::clone(&word);
        let other = thread::spawn(move || tell(&other));
        let mut told = None;
        let died = dies_at(steps, || told = tell(&word));
        let other = other.join().expect("no thread panics");
        if steps < HAS_IT {
            assert_eq!(other, Some(OLDER), "dead at step {steps}");
        } else {
            let once = matches!(
                (told, other),
                (Some(OLDER), None) | (None, Some(OLDER)) | (None, None)
            );
            assert!(once, "{told:?} and {other:?}");
            assert!(died || (told, other) != (None, None), "told to nobody");
        }
        assert_eq!(word.take(), None);
        died
    });
}

#[test]
fn an_error_that_is_kept_beside_one_that_asks_is_told_or_left() {
    Explorer::exhaustive().explore(|| {
        let word = word();
        let keeper = Arc::clone(&word);
        let keeper = thread::spawn(move || keeper.keep(NEWER));
        let told = tell(&word);
        keeper.join().expect("no thread panics");
        let left = word.take();
        assert!(is_of_some_order(told, left), "{told:?}, then {left:?}");
    });
}

/// The error of a call that dies before its store is not there; later, it is.
#[test]
fn an_error_whose_keeper_dies_is_kept_or_not() {
    Explorer::exhaustive().explore_steps(1, |steps| {
        let word = word();
        let asking = Arc::clone(&word);
        let asking = thread::spawn(move || tell(&asking));
        let died = dies_at(steps, || word.keep(NEWER));
        let told = asking.join().expect("no thread panics");
        let left = word.take();
        if died {
            assert_eq!((told, left), (Some(OLDER), None));
        } else {
            assert!(is_of_some_order(told, left), "{told:?}, then {left:?}");
        }
        died
    });
}

/// Before its swap, a dead processor that asked has changed nothing.
#[test]
fn an_error_that_is_kept_beside_one_that_asks_and_dies_is_left() {
    const HAS_IT: usize = 2;
    Explorer::exhaustive().explore_steps(HAS_IT + 1, |steps| {
        let word = word();
        let keeper = Arc::clone(&word);
        let keeper = thread::spawn(move || keeper.keep(NEWER));
        let died = dies_at(steps, || {
            tell(&word);
        });
        keeper.join().expect("no thread panics");
        let left = word.take();
        if steps < HAS_IT {
            assert_eq!(left, Some(NEWER), "dead at step {steps}");
        } else {
            assert!(matches!(left, Some(NEWER) | None), "{left:?}");
        }
        died
    });
}

/// One processor has one order, so here nothing is lost.
#[test]
fn an_exception_handler_that_asks_or_fails_at_any_step_of_one_that_asks() {
    Explorer::exhaustive().explore_steps(3, |steps| {
        let word = word();
        let inner = Arc::clone(&word);
        let mut told = None;
        let reached = interrupted_at(steps, move || inner.keep(NEWER), || told = tell(&word));
        let wanted = match (reached, steps) {
            (true, 0) => (Some(NEWER), None),
            (true, 1) => (None, Some(NEWER)),
            (true, _) => (Some(OLDER), Some(NEWER)),
            (false, _) => (Some(OLDER), None),
        };
        assert_eq!((told, word.take()), wanted, "interrupted at step {steps}");
        reached
    });
    Explorer::exhaustive().explore_steps(3, |steps| {
        let word = word();
        let (inner, seen) = (Arc::clone(&word), Arc::new(LastError::new(0)));
        let kept = Arc::clone(&seen);
        let mut told = None;
        let handler = move || {
            if let Some(error) = inner.take() {
                kept.keep(error);
            }
        };
        let reached = interrupted_at(steps, handler, || told = tell(&word));
        let both = (told, seen.take());
        let once = matches!(both, (Some(OLDER), None) | (None, Some(OLDER)));
        assert!(once, "{both:?} at step {steps}");
        assert_eq!(word.take(), None);
        reached
    });
}
