//! The source word under loom: the hypercall is a relaxed store, so that only the barriers order it.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p rtas --release source::models`.

use core::cell::Cell;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering, fence};
use loom::thread;

use super::Sources;
use super::word::{Effective, Word};
use crate::instance::Instance;
use crate::platform::{HypervisorBuffer, Platform};
use crate::testing::config::{BOOT, config};
use crate::testing::{FIRST, token};

/// The processors' view of the hypervisor's source.
struct Model {
    word: [AtomicU64; 1],
    source: AtomicU64,
    /// Whether the barrier before the hypercall is there, and the one after it: a model must fail
    /// without either.
    barriers: [bool; 2],
}

/// One call's hypercalls.
struct Caller<'a> {
    model: &'a Model,
    /// Whether the next barrier comes after a hypercall.
    after: Cell<bool>,
}

impl Platform for Caller<'_> {
    fn h_rtas(&self, buffer: &mut HypervisorBuffer) -> i64 {
        let inputs = buffer.get(1) as usize;
        if buffer.get(0) == token("ibm,set-xive") {
            let state = u64::from(buffer.get(4)) << 8 | u64::from(buffer.get(5));
            self.model.source.store(state, Ordering::Relaxed);
        }
        buffer.set(3 + inputs, 0);
        0
    }

    fn full_barrier(&self) {
        let after = self.after.replace(!self.after.get());
        let [before_hypercall, after_hypercall] = self.model.barriers;
        if if after {
            after_hypercall
        } else {
            before_hypercall
        } {
            fence(Ordering::SeqCst);
        }
    }
}

#[derive(Clone, Copy)]
enum Call {
    Off,
    On,
    Set(u32, u32),
}

impl Model {
    fn new(barriers: [bool; 2]) -> Self {
        let word = Word::at_reset(BOOT as u16).set_xive(1, 5).int_on();
        Self {
            word: [AtomicU64::new(word.bits())],
            source: AtomicU64::new(1 << 8 | 5),
            barriers,
        }
    }

    fn call(&self, call: Call) {
        let config = config();
        let instance = Instance {
            config: &config,
            sources: &self.word,
        };
        let platform = Caller {
            model: self,
            after: Cell::new(false),
        };
        let sources = Sources::new(&instance, &platform);
        let mut buffer = HypervisorBuffer::new();
        let status = match call {
            Call::Off => sources.int_off(FIRST, &mut buffer),
            Call::On => sources.int_on(FIRST, &mut buffer),
            Call::Set(server, priority) => sources.set_xive(FIRST, server, priority, &mut buffer),
        };
        assert_eq!(status, 0);
    }

    /// The hypervisor equals the word, and no transition of `calls` was lost.
    fn agrees(&self, calls: u64) -> bool {
        let word = Word::from_bits(self.word[0].load(Ordering::SeqCst));
        assert_eq!(word.generation(), 2 + calls, "a commit was lost");
        let Effective { server, priority } = word.effective(BOOT as u16);
        self.source.load(Ordering::SeqCst) == u64::from(server) << 8 | u64::from(priority)
    }
}

const CALLS: [Call; 4] = [Call::Off, Call::On, Call::Set(2, 7), Call::Set(1, 0xff)];

fn two(first: Call, second: Call, barriers: [bool; 2]) {
    loom::model(move || {
        let model = Arc::new(Model::new(barriers));
        let other = Arc::clone(&model);
        let thread = thread::spawn(move || other.call(second));
        model.call(first);
        thread.join().expect("no model panics");
        assert!(model.agrees(2));
    });
}

#[test]
fn two_calls_leave_the_hypervisor_equal_to_the_word() {
    for first in CALLS {
        for second in CALLS {
            two(first, second, [true; 2]);
        }
    }
}

#[test]
#[should_panic(expected = "model.agrees")]
fn without_the_barrier_before_the_hypercall_they_may_differ() {
    two(Call::Off, Call::Set(2, 7), [false, true]);
}

#[test]
#[should_panic(expected = "model.agrees")]
fn without_the_barrier_after_the_hypercall_they_may_differ() {
    two(Call::Off, Call::Set(2, 7), [true, false]);
}

#[test]
fn three_calls_leave_the_hypervisor_equal_to_the_word() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let model = Arc::new(Model::new([true; 2]));
        let threads = [Call::On, Call::Set(2, 7)].map(|call| {
            let model = Arc::clone(&model);
            thread::spawn(move || model.call(call))
        });
        model.call(Call::Off);
        for thread in threads {
            thread.join().expect("no model panics");
        }
        assert!(model.agrees(3));
    });
}
