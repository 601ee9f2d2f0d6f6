//! The pool under loom. What a call does with its context is a relaxed load and a relaxed store, so
//! only the pool's own acquire and release order one owner's work before the next one's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64 as Counter};

use loom::thread;

use super::{FREE, give, take};
use crate::atomic::{AtomicU64, Ordering};
use crate::models::atomic::Weakness;
use crate::models::explore::Explorer;
use crate::models::script::{dies_at, interrupted_at, step};

/// One context. The counters are no part of the model: they only keep account of it.
struct Context {
    owned: AtomicBool,
    uses: Counter,
    content: loom::sync::atomic::AtomicU64,
}

struct Model {
    words: Vec<AtomicU64>,
    contexts: Vec<Context>,
}

impl Model {
    /// A pool of so many contexts.
    fn new(contexts: usize) -> Self {
        Self::weakened(contexts, Weakness::None)
    }

    fn weakened(contexts: usize, weakness: Weakness) -> Self {
        let word = |_| AtomicU64::weakened(FREE, weakness).failing_on_old_values();
        let context = |_| Context {
            owned: AtomicBool::new(false),
            uses: Counter::new(0),
            content: loom::sync::atomic::AtomicU64::new(0),
        };
        Self {
            words: (0..contexts).map(word).collect(),
            contexts: (0..contexts).map(context).collect(),
        }
    }

    /// Takes a context: its number.
    fn take(&self) -> Option<usize> {
        let taken = take(&self.words)?;
        self.words
            .iter()
            .position(|word| core::ptr::eq(word, taken))
    }

    /// The same, the accesses to the words explored in every order: for small models.
    fn in_every_order(self) -> Self {
        let words = self.words.into_iter();
        Self {
            words: words.map(AtomicU64::in_every_order).collect(),
            ..self
        }
    }

    /// One call, with `inside` in its middle. Whether it got a context.
    fn call(&self, inside: impl FnOnce()) -> bool {
        let Some(number) = self.take() else {
            return false;
        };
        let context = &self.contexts[number];
        let owned = context.owned.swap(true, Ordering::SeqCst);
        assert!(!owned, "owned twice");
        step();
        let content = context.content.load(Ordering::Relaxed);
        let uses = context.uses.load(Ordering::SeqCst);
        assert_eq!(content, uses, "the last owner's work is not seen");
        inside();
        step();
        context.content.store(content + 1, Ordering::Relaxed);
        context.uses.store(uses + 1, Ordering::SeqCst);
        give(&self.words[number]);
        context.owned.store(false, Ordering::SeqCst);
        true
    }

    /// A call that finds a context.
    fn served(&self) {
        assert!(self.call(|| ()), "no context");
    }

    /// A call that finds a context, and a second one that is nested in it.
    fn served_nested(&self) {
        assert!(self.call(|| self.served()), "no context");
    }

    /// A call that leaves: it gives its context back, and is in the hypervisor one step later, for
    /// good, with a buffer that is no context's. `gave` tells that it came there.
    fn leaves(&self, gave: &AtomicBool) {
        self.served();
        gave.store(true, Ordering::SeqCst);
        step();
    }

    /// How many contexts dead processors hold, by our own account.
    fn lost(&self) -> usize {
        let owned = |context: &&Context| context.owned.load(Ordering::SeqCst);
        self.contexts.iter().filter(owned).count()
    }

    /// All are at rest: every context that no dead processor holds can be had, and then there is an
    /// answer that there is none.
    fn is_whole(&self) {
        for _ in self.lost()..self.contexts.len() {
            let number = self.take().expect("a context that nobody holds");
            let owned = self.contexts[number].owned.swap(true, Ordering::SeqCst);
            assert!(!owned, "a dead processor's context");
        }
        assert_eq!(self.take(), None);
    }
}

/// Threads that do `body`, this one among them.
fn threads(count: usize, model: &Arc<Model>, body: fn(&Model)) {
    let others: Vec<_> = (1..count)
        .map(|_| {
            let model = Arc::clone(model);
            thread::spawn(move || body(&model))
        })
        .collect();
    body(model);
    for other in others {
        other.join().expect("no thread panics");
    }
}

#[test]
fn two_processors_are_served_in_every_order() {
    Explorer::exhaustive().explore(|| {
        let model = Arc::new(Model::new(2).in_every_order());
        threads(2, &model, Model::served);
        model.is_whole();
    });
}

#[test]
fn two_processors_with_nested_calls_are_all_served() {
    Explorer::exhaustive().explore(|| {
        let model = Arc::new(Model::new(4));
        threads(2, &model, Model::served_nested);
        model.is_whole();
    });
}

#[test]
fn as_many_calls_as_contexts_are_served_one_after_the_other() {
    Explorer::exhaustive().explore(|| {
        let model = Arc::new(Model::new(2));
        threads(2, &model, |model| {
            model.served();
            model.served();
        });
        model.is_whole();
    });
}

#[test]
fn as_many_calls_as_contexts_are_served_on_three_processors() {
    Explorer::bounded(2).explore(|| {
        let model = Arc::new(Model::new(3));
        threads(3, &model, |model| {
            model.served();
            model.served();
        });
        model.is_whole();
    });
}

#[test]
fn an_exception_handler_that_calls_at_any_step_is_served() {
    Explorer::exhaustive().explore_steps(5, |steps| {
        let model = Arc::new(Model::new(3));
        let other = Arc::clone(&model);
        let thread = thread::spawn(move || other.served());
        let handlers = Arc::clone(&model);
        let reached = interrupted_at(steps, move || handlers.served(), || model.served());
        thread.join().expect("no thread panics");
        model.is_whole();
        reached
    });
}

#[test]
fn an_exception_handler_that_dies_in_a_call_at_any_step_costs_one_context() {
    Explorer::exhaustive().explore_steps(4, |steps| {
        let mut reached = false;
        for inner in 0..4 {
            let model = Arc::new(Model::new(3));
            let handlers = Arc::clone(&model);
            reached |= interrupted_at(
                steps,
                move || assert!(dies_at(inner, || handlers.served())),
                || model.served(),
            );
            assert!(model.lost() <= 1);
            model.is_whole();
        }
        reached
    });
}

#[test]
fn a_dead_processors_context_is_never_used_again_and_the_others_are_served() {
    Explorer::exhaustive().explore_steps(10, |steps| {
        let model = Arc::new(Model::new(4));
        let other = Arc::clone(&model);
        let thread = thread::spawn(move || other.served_nested());
        let died = dies_at(steps, || model.served_nested());
        thread.join().expect("no thread panics");
        assert!(model.lost() <= 2 * usize::from(died));
        model.is_whole();
        died
    });
}

#[test]
fn two_survivors_of_a_dead_processor_are_served() {
    Explorer::bounded(2).explore_steps(5, |steps| {
        let model = Arc::new(Model::new(3));
        let others = [(); 2].map(|()| {
            let other = Arc::clone(&model);
            thread::spawn(move || other.served())
        });
        let died = dies_at(steps, || model.served());
        for other in others {
            other.join().expect("no thread panics");
        }
        model.is_whole();
        died
    });
}

/// Where it dies before, one context is lost; in the hypervisor it holds nothing.
#[test]
fn a_processor_that_leaves_holds_no_context_once_it_is_in_the_hypervisor() {
    Explorer::exhaustive().explore_steps(5, |steps| {
        let model = Arc::new(Model::new(2));
        let other = Arc::clone(&model);
        let thread = thread::spawn(move || other.served());
        let gave = AtomicBool::new(false);
        let died = dies_at(steps, || model.leaves(&gave));
        thread.join().expect("no thread panics");
        let gave = gave.load(Ordering::SeqCst);
        assert!(died || gave);
        assert!(model.lost() <= usize::from(!gave), "lost at step {steps}");
        model.is_whole();
        died
    });
}

/// One context is enough for any number of them, one after the other, and for who comes then.
#[test]
fn processors_that_leave_one_after_the_other_lose_no_context() {
    Explorer::exhaustive().explore(|| {
        let model = Arc::new(Model::new(1));
        for _ in 0..2 {
            let leaving = Arc::clone(&model);
            let thread = thread::spawn(move || leaving.leaves(&AtomicBool::new(false)));
            thread.join().expect("no thread panics");
        }
        assert_eq!(model.lost(), 0);
        model.served();
        model.is_whole();
    });
}

/// Two that power off, and a third call beside: no more contexts are needed than calls.
#[test]
fn two_processors_that_leave_at_once_and_a_call_beside_are_served() {
    Explorer::bounded(2).explore(|| {
        let model = Arc::new(Model::new(3));
        threads(3, &model, |model| model.leaves(&AtomicBool::new(false)));
        assert_eq!(model.lost(), 0);
        model.is_whole();
    });
}

/// The hypervisor stores a status into the buffer that it is called with.
#[test]
#[should_panic(expected = "the last owner's work is not seen")]
fn leaving_with_a_buffer_of_the_context_itself_spoils_the_next_owners_work() {
    Explorer::exhaustive().explore(|| {
        let model = Arc::new(Model::new(1));
        let leaving = Arc::clone(&model);
        let thread = thread::spawn(move || {
            if leaving.call(|| ()) {
                leaving.contexts[0].content.store(0, Ordering::Relaxed);
            }
        });
        model.call(|| ());
        model.call(|| ());
        thread.join().expect("no thread panics");
    });
}

#[test]
fn exhaustion_is_an_answer_and_somebody_is_served() {
    Explorer::exhaustive().explore(|| {
        let model = Arc::new(Model::new(1));
        let other = Arc::clone(&model);
        let thread = thread::spawn(move || other.call(|| ()));
        let served = model.call(|| ());
        let other_served = thread.join().expect("no thread panics");
        assert!(served || other_served);
        model.is_whole();
    });
}

#[test]
fn exhaustion_by_the_dead_is_an_answer() {
    Explorer::exhaustive().explore_steps(4, |steps| {
        let model = Arc::new(Model::new(1));
        let other = Arc::clone(&model);
        let thread = thread::spawn(move || other.call(|| ()));
        let died = dies_at(steps, || {
            model.call(|| ());
        });
        thread.join().expect("no thread panics");
        let lost = model.lost();
        assert_eq!(model.call(|| ()), lost == 0);
        died
    });
}

fn without(weakness: Weakness) {
    Explorer::exhaustive().explore(move || {
        let model = Arc::new(Model::weakened(2, weakness));
        threads(2, &model, |model| {
            model.served();
            model.served();
        });
    });
}

#[test]
#[should_panic(expected = "the last owner's work is not seen")]
fn without_the_acquire_of_take_an_owner_misses_the_last_ones_work() {
    without(Weakness::NoAcquire);
}

#[test]
#[should_panic(expected = "the last owner's work is not seen")]
fn without_the_release_of_give_an_owner_misses_the_last_ones_work() {
    without(Weakness::NoRelease);
}

/// The context that the other has given back is there, but an old view of its word says that it is
/// owned, and the one that the other has now is owned.
#[test]
#[should_panic(expected = "no context")]
fn without_order_between_the_words_a_scan_misses_a_context_that_is_free() {
    without(Weakness::UnorderedScan);
}
