//! The lock-free pool of contexts: what belongs to one call (stack, hypervisor buffer, registers
//! saved at entry) comes from here.

use crate::atomic::{AtomicU64, Ordering};

/// Contexts for each possible processor: one held by a call that died, one for a call nested in an
/// exception handler, one for the kernel that comes after a crash.
pub const CONTEXTS_PER_PROCESSOR: u32 = 3;

/// The word of a context that nobody owns: what the firmware leaves there.
pub const FREE: u64 = 0;
/// The word of a context that is owned.
const OWNED: u64 = 1;

/// A context's word: whether the context is owned.
///
/// Protects:    who owns the context; [`FREE`] while nobody does, and at reset.
/// Holder:      the call that took it, from its entry to its exit; calls nest on one processor with
///              a context each; a call that never returns gives its context back first.
/// Order:       no other cell is taken to get or to give one. Taking acquires and releases, giving
///              releases: the next owner sees everything the last one did to the context, and who
///              finds a context taken sees what its owner gave back before.
/// Holder dies: the word stays as it is and the context is lost, for ever: nothing is taken back by
///              elapsed time. There are three contexts per possible processor for that.
pub type Owned = AtomicU64;

/// Takes the first context that is free: its word, or `None` when all are owned. No retry: who
/// loses a context to another call goes on to the next one.
///
/// `None` is right in this sense: at some moment more calls than there are contexts, this one and
/// the dead included, had one or were looking for one (`docs/concurrency.md`). The words are looked
/// at one after the other, so this needs their order: whoever sees a context taken sees what its
/// owner gave back before.
///
/// The entry code calls this before it has a stack, so it must compile to a leaf that touches
/// volatile registers only (checked on the disassembly by the build).
#[inline(always)]
pub fn take<'a>(contexts: impl IntoIterator<Item = &'a Owned>) -> Option<&'a Owned> {
    let mut contexts = contexts.into_iter();
    // Not `find`: the first context is nearly always free, so it comes before the loop.
    let mut owned = contexts.next()?;
    loop {
        // It acquires what the last owner did, with the release in `give`; where it fails, what
        // whoever has the context did before, with the release in the swap: the words are seen in
        // an order.
        if owned
            .compare_exchange(FREE, OWNED, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
        {
            return Some(owned);
        }
        owned = contexts.next()?;
    }
}

/// Gives a context back. The caller owns it and touches it no more.
#[inline(always)]
pub fn give(owned: &Owned) {
    owned.store(FREE, Ordering::Release);
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn words(contexts: usize) -> Vec<Owned> {
        (0..contexts).map(|_| Owned::new(FREE)).collect()
    }

    /// Takes a context: its number.
    fn number(words: &[Owned]) -> Option<usize> {
        let taken = take(words)?;
        words.iter().position(|word| core::ptr::eq(word, taken))
    }

    #[test]
    fn every_context_is_taken_once_and_then_there_is_none() {
        for contexts in [1, 3, 24, 200] {
            let words = words(contexts);
            let taken: Vec<usize> = core::iter::from_fn(|| number(&words)).collect();
            assert_eq!(taken, (0..contexts).collect::<Vec<_>>());
            assert_eq!(
                number(&words),
                None,
                "an empty pool answers, and does not wait"
            );
        }
        assert_eq!(number(&[]), None);
    }

    #[test]
    fn a_context_given_back_can_be_taken_again() {
        let words = words(70);
        while take(&words).is_some() {}
        give(&words[66]);
        assert_eq!(number(&words), Some(66));
        assert_eq!(number(&words), None);
    }

    #[test]
    fn two_threads_never_own_the_same_context() {
        let words = words(4);
        let owners = [const { core::sync::atomic::AtomicU64::new(0) }; 4];
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let mine = number(&words).expect("four threads, four contexts");
                        assert_eq!(
                            owners[mine].fetch_add(1, Ordering::Relaxed),
                            0,
                            "owned twice"
                        );
                        owners[mine].fetch_sub(1, Ordering::Relaxed);
                        give(&words[mine]);
                    }
                });
            }
        });
    }
}
