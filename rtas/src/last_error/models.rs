//! The word under loom: an error that two processors ask for.
//!
//! An error that is kept meanwhile is no model: loom 0.7 lets a swap that read the value before a
//! store come after that store, so that the store is lost. No single word does that: of an access to
//! one word alone there is one order, in which a swap follows what it read.

use std::sync::Arc;

use loom::thread;

use super::LastError;
use crate::models::explore::Explorer;

#[test]
fn an_error_that_two_ask_for_is_told_to_one() {
    Explorer::exhaustive().explore(|| {
        let word = Arc::new(LastError::new(0));
        word.keep(1);
        let others = [(); 2].map(|()| {
            let word = word.clone();
            thread::spawn(move || word.take())
        });
        let told = others.map(|other| other.join().unwrap());
        assert!(
            matches!(told, [Some(1), None] | [None, Some(1)]),
            "{told:?}"
        );
        assert_eq!(word.take(), None);
    });
}
