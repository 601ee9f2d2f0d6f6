//! The source word under loom: the hypercall is a relaxed store, so that only the barriers order it.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p rtas --release source::models`.

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
    /// Whether the barriers are there: without them a model must fail.
    barriers: bool,
}

impl Platform for &Model {
    fn h_rtas(&self, buffer: &mut HypervisorBuffer) -> i64 {
        let inputs = buffer.get(1) as usize;
        if buffer.get(0) == token("ibm,set-xive") {
            let state = u64::from(buffer.get(4)) << 8 | u64::from(buffer.get(5));
            self.source.store(state, Ordering::Relaxed);
        }
        buffer.set(3 + inputs, 0);
        0
    }

    fn full_barrier(&self) {
        if self.barriers {
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
    fn new(barriers: bool) -> Self {
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
        let platform = self;
        let sources = Sources::new(&instance, &platform);
        let mut buffer = HypervisorBuffer::new();
        let status = match call {
            Call::Off => sources.int_off(FIRST, &mut buffer),
            Call::On => sources.int_on(FIRST, &mut buffer),
            Call::Set(server, priority) => sources.set_xive(FIRST, server, priority, &mut buffer),
        };
        assert_eq!(status, 0);
    }

    fn agrees(&self) -> bool {
        let word = Word::from_bits(self.word[0].load(Ordering::SeqCst));
        let Effective { server, priority } = word.effective(BOOT as u16);
        self.source.load(Ordering::SeqCst) == u64::from(server) << 8 | u64::from(priority)
    }
}

const CALLS: [Call; 4] = [Call::Off, Call::On, Call::Set(2, 7), Call::Set(1, 0xff)];

fn two(first: Call, second: Call, barriers: bool) {
    loom::model(move || {
        let model = Arc::new(Model::new(barriers));
        let other = Arc::clone(&model);
        let thread = thread::spawn(move || other.call(second));
        model.call(first);
        thread.join().expect("no model panics");
        assert!(model.agrees());
    });
}

#[test]
fn two_calls_leave_the_hypervisor_equal_to_the_word() {
    for first in CALLS {
        for second in CALLS {
            two(first, second, true);
        }
    }
}

#[test]
#[should_panic(expected = "model.agrees()")]
fn without_barriers_the_hypervisor_may_differ() {
    two(Call::Off, Call::Set(2, 7), false);
}

#[test]
fn three_calls_leave_the_hypervisor_equal_to_the_word() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let model = Arc::new(Model::new(true));
        let threads = [Call::On, Call::Set(2, 7)].map(|call| {
            let model = Arc::clone(&model);
            thread::spawn(move || model.call(call))
        });
        model.call(Call::Off);
        for thread in threads {
            thread.join().expect("no model panics");
        }
        assert!(model.agrees());
    });
}
