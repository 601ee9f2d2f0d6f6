//! The doubles of core's atomic words.

use core::cell::Cell;
use std::sync::atomic::AtomicU64 as Counter;

pub use loom::sync::atomic::Ordering;

use super::script::step;

/// What a test of the models takes away from a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weakness {
    /// Nothing: the word is what the code asks for.
    #[default]
    None,
    /// Nothing acquires.
    NoAcquire,
    /// Nothing releases.
    NoRelease,
    /// Loads and failed swaps do not acquire, and what acquires and releases does not release.
    UnorderedScan,
    /// The first load after a successful compare and swap, the re-read, gives what was swapped in.
    NoReread,
    /// A store is two of half the width.
    Torn,
    /// A store is never performed: it waits behind what comes next on its processor.
    Late,
    /// Only the first store counts.
    FirstStays,
}

loom::thread_local! {
    /// What this thread swapped in since its last load, for [`Weakness::NoReread`].
    static SWAPPED: Cell<Option<u64>> = Cell::new(None);
}

/// A word that loom explores. Each access is a step of [`super::script`].
///
/// loom 0.7 finds the accesses to reorder by the last one before each (`rt/atomic.rs`,
/// `last_access`), and a thread's own load hides another's: `load` here, then `load` and a swap
/// there, may never be explored the other way round. In a small model each access therefore comes
/// with a relaxed read-modify-write of a word beside it, `order`, which orders nothing and hides
/// nothing.
#[derive(Debug)]
pub struct AtomicU64 {
    word: loom::sync::atomic::AtomicU64,
    order: Option<loom::sync::atomic::AtomicU64>,
    fails_on_old_values: bool,
    weakness: Weakness,
    commits: Counter,
}

impl AtomicU64 {
    /// A word that lacks nothing.
    pub fn new(value: u64) -> Self {
        Self::weakened(value, Weakness::None)
    }

    /// A word that lacks something.
    pub fn weakened(value: u64, weakness: Weakness) -> Self {
        Self {
            word: loom::sync::atomic::AtomicU64::new(value),
            order: None,
            fails_on_old_values: false,
            weakness,
            commits: Counter::new(0),
        }
    }

    /// The same word, its compare-and-swaps failing also on values that it had before, as a failed
    /// one is a load and no more. loom's see the last value always. Not for who tries until it
    /// succeeds: that has no end.
    pub fn failing_on_old_values(self) -> Self {
        Self {
            fails_on_old_values: true,
            ..self
        }
    }

    /// The same word, its accesses explored in every order.
    pub fn in_every_order(self) -> Self {
        Self {
            order: Some(loom::sync::atomic::AtomicU64::new(0)),
            ..self
        }
    }

    /// How many compare-and-swaps succeeded so far, on any thread.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// As core's.
    pub fn load(&self, order: Ordering) -> u64 {
        self.access();
        match SWAPPED.with(Cell::take) {
            Some(value) if self.weakness == Weakness::NoReread => value,
            _ if matches!(self.weakness, Weakness::UnorderedScan | Weakness::NoAcquire) => {
                self.word.load(Ordering::Relaxed)
            }
            _ => self.word.load(order),
        }
    }

    /// As core's.
    pub fn store(&self, value: u64, order: Ordering) {
        self.access();
        self.word.store(value, self.weaken(order));
    }

    /// As core's.
    pub fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.access();
        let failure = match self.weakness {
            Weakness::UnorderedScan | Weakness::NoAcquire => Ordering::Relaxed,
            _ => failure,
        };
        if self.fails_on_old_values {
            let seen = self.word.load(failure);
            if seen != current {
                return Err(seen);
            }
        }
        let result = self
            .word
            .compare_exchange(current, new, self.weaken(success), failure);
        if result.is_ok() {
            self.commits.fetch_add(1, Ordering::SeqCst);
            SWAPPED.with(|swapped| swapped.set(Some(new)));
        }
        result
    }

    fn access(&self) {
        step();
        if let Some(order) = &self.order {
            order.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn weaken(&self, order: Ordering) -> Ordering {
        match (self.weakness, order) {
            (Weakness::NoAcquire, Ordering::Acquire) | (Weakness::NoRelease, Ordering::Release) => {
                Ordering::Relaxed
            }
            (Weakness::NoAcquire, Ordering::AcqRel) => Ordering::Release,
            (Weakness::NoRelease | Weakness::UnorderedScan, Ordering::AcqRel) => Ordering::Acquire,
            (_, order) => order,
        }
    }
}

/// A word of 32 bits that is stored and loaded only. Each access is a step of [`super::script`].
#[derive(Debug)]
pub struct AtomicU32 {
    word: loom::sync::atomic::AtomicU32,
    weakness: Weakness,
}

impl AtomicU32 {
    /// A word that lacks nothing.
    pub fn new(value: u32) -> Self {
        Self {
            word: loom::sync::atomic::AtomicU32::new(value),
            weakness: Weakness::None,
        }
    }

    /// The same word, which lacks something.
    pub fn weakened(self, weakness: Weakness) -> Self {
        Self { weakness, ..self }
    }

    /// As core's.
    pub fn load(&self, order: Ordering) -> u32 {
        step();
        self.word.load(order)
    }

    /// As core's.
    pub fn store(&self, value: u32, order: Ordering) {
        step();
        let half = |part: u32, of: u32| (part & 0xffff) | (of & !0xffff);
        match self.weakness {
            Weakness::Torn => {
                self.word.store(half(value, self.word.load(order)), order);
                step();
                self.word.store(value, order);
            }
            Weakness::FirstStays if self.word.load(order) != 0 => (),
            Weakness::Late => (),
            _ => self.word.store(value, order),
        }
    }
}
