//! The word under loom: calls that fail and calls that ask, on several processors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64 as Counter, Ordering as Of};

use loom::thread;

use super::LastError;
use crate::models::explore::Explorer;

/// Two processors fail and ask, as Linux does after each -1; a third asks at the end. Each error is
/// told at most once, nobody is told one that was not there, and the last one is not lost.
#[test]
fn an_error_is_told_at_most_once_and_the_last_one_is_kept() {
    Explorer::exhaustive().explore(|| {
        let word = Arc::new(LastError::new(0));
        let told: Arc<[Counter; 3]> = Arc::new([const { Counter::new(0) }; 3]);
        let count = |told: &[Counter; 3], error: Option<u32>| {
            if let Some(error) = error {
                assert!((1..=2).contains(&error), "{error} was kept by nobody");
                told[error as usize].fetch_add(1, Of::SeqCst);
            }
        };
        let threads: Vec<_> = (1..=2)
            .map(|own| {
                let (word, told) = (word.clone(), told.clone());
                thread::spawn(move || {
                    word.keep(own);
                    count(&told, word.take());
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        count(&told, word.take());
        assert_eq!(word.take(), None);
        let told: Vec<_> = told.iter().map(|times| times.load(Of::SeqCst)).collect();
        assert!(told.iter().all(|times| *times <= 1), "{told:?}");
        assert!(told.iter().sum::<u64>() >= 1, "the last error was lost");
    });
}
