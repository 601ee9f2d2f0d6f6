//! The lock-free pool of contexts: what belongs to one call (stack, hypervisor buffer, registers
//! saved at entry) comes from here.

use crate::atomic::{AtomicU64, Ordering};

/// Contexts that one word of the pool keeps count of.
pub const CONTEXTS_PER_WORD: u32 = 64;

/// Contexts for each possible processor: one held by a call that died, one for a call nested in an
/// exception handler, one for the kernel that comes after a crash.
pub const CONTEXTS_PER_PROCESSOR: u32 = 3;

/// The words that keep count of the contexts.
///
/// Protects:    who owns which context; bit n of word w, counted from the lowest bit, is set while
///              context 64 w + n is owned; at reset the bits of contexts that exist are clear and
///              the rest are set.
/// Holder:      the call that set the bit, from its entry to its exit; calls nest on one processor
///              with a context each; a call that never returns gives its context back first.
/// Order:       no other cell is taken to get or to give one. Taking acquires and releases, giving
///              releases: the next owner sees everything the last one did to the context, and who
///              finds a context taken sees what its owner gave back before.
/// Holder dies: the bit stays set and the context is lost, for ever: nothing is taken back by
///              elapsed time. The pool has three contexts per possible processor for that.
#[derive(Clone, Copy, Debug)]
pub struct Pool<'a> {
    words: &'a [AtomicU64],
}

impl<'a> Pool<'a> {
    /// The pool that `words` keep count of.
    pub const fn new(words: &'a [AtomicU64]) -> Self {
        Self { words }
    }

    /// What word `index` of a pool of `contexts` holds at reset.
    pub const fn word_at_reset(contexts: u32, index: u32) -> u64 {
        let before = index.saturating_mul(CONTEXTS_PER_WORD);
        match contexts.saturating_sub(before) {
            0 => u64::MAX,
            left if left >= CONTEXTS_PER_WORD => 0,
            left => u64::MAX << left,
        }
    }

    /// Takes a context: its number, or `None` when all are owned. Lock-free: a retry means that
    /// another call took the very context in the meantime.
    ///
    /// `None` is right in this sense: at some moment more calls than there are contexts, this one
    /// and the dead included, had one or were looking for one. The words are looked at one after
    /// the other, so this needs their order: whoever sees a context taken sees what its owner gave
    /// back before.
    ///
    /// The entry code calls this before it has a stack, so it must compile to a leaf that touches
    /// volatile registers only (checked on the disassembly by the build).
    #[inline]
    pub fn take(self) -> Option<u32> {
        let mut base = 0;
        for word in self.words {
            loop {
                // Acquire, with the release in `fetch_or`: the words are seen in an order.
                let free = !word.load(Ordering::Acquire);
                let lowest = free & free.wrapping_neg();
                if lowest == 0 {
                    break;
                }
                // Acquire, with the release in `give`: what the last owner did is done.
                if word.fetch_or(lowest, Ordering::AcqRel) & lowest == 0 {
                    return Some(base + lowest.trailing_zeros());
                }
            }
            base += CONTEXTS_PER_WORD;
        }
        None
    }

    /// Gives context `number` back. The caller owns it and touches it no more.
    #[inline]
    pub fn give(self, number: u32) {
        if let Some(word) = self.words.get((number / CONTEXTS_PER_WORD) as usize) {
            word.fetch_and(!(1 << (number % CONTEXTS_PER_WORD)), Ordering::Release);
        }
    }

    /// How many contexts are owned, of `contexts` that exist.
    pub fn owned(self, contexts: u32) -> u32 {
        let set: u32 = self
            .words
            .iter()
            .map(|word| word.load(Ordering::Relaxed).count_ones())
            .sum();
        let all = (self.words.len() as u32).saturating_mul(CONTEXTS_PER_WORD);
        set.saturating_sub(all.saturating_sub(contexts))
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn words(contexts: u32) -> Vec<AtomicU64> {
        (0..contexts.div_ceil(CONTEXTS_PER_WORD))
            .map(|index| AtomicU64::new(Pool::word_at_reset(contexts, index)))
            .collect()
    }

    #[test]
    fn every_context_is_given_out_once_and_then_none() {
        for contexts in [1, 3, 63, 64, 65, 128, 192] {
            let words = words(contexts);
            let pool = Pool::new(&words);
            let taken: HashSet<u32> = core::iter::from_fn(|| pool.take()).collect();
            assert_eq!(taken, (0..contexts).collect(), "{contexts} contexts");
            assert_eq!(pool.owned(contexts), contexts);
            assert_eq!(
                pool.take(),
                None,
                "an empty pool answers, and does not wait"
            );
        }
    }

    #[test]
    fn a_context_given_back_can_be_taken_again() {
        let words = words(70);
        let pool = Pool::new(&words);
        while pool.take().is_some() {}
        pool.give(66);
        assert_eq!(pool.owned(70), 69);
        assert_eq!(pool.take(), Some(66));
    }

    #[test]
    fn two_threads_never_own_the_same_context() {
        let words = words(4);
        let owners: Vec<AtomicU64> = (0..4).map(|_| AtomicU64::new(0)).collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let pool = Pool::new(&words);
                        let mine = pool.take().expect("four threads, four contexts");
                        let owner = &owners[mine as usize];
                        assert_eq!(owner.fetch_add(1, Ordering::Relaxed), 0, "owned twice");
                        owner.fetch_sub(1, Ordering::Relaxed);
                        pool.give(mine);
                    }
                });
            }
        });
    }
}
