//! Which functions an image promises in `/rtas` (docs/binding).

use crate::error::WithHint;
use crate::points::record::{self, Record};
use crate::{digest, paths};
use anyhow::{Result, anyhow};
use clap::ValueEnum;
use rtas::table;
use std::collections::BTreeMap;

/// What an image promises: one image for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Promise {
    /// What the call table claims, and only if the crash runs of the very blob prove all of it
    Proved,
    /// What the call table claims, proved or not: the image that crash runs are made on
    Claimed,
    /// Nothing: a control, for what a kernel does without the lists
    Silent,
}

impl Promise {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Proved, Self::Claimed, Self::Silent];

    /// How `--firmware` calls the image, and what its files are called.
    pub const fn image(self) -> &'static str {
        match self {
            Self::Proved => "oxrtas",
            Self::Claimed => "oxrtas-claimed",
            Self::Silent => "oxrtas-silent",
        }
    }

    /// The promise of the image that `--firmware` calls `name`.
    pub fn of_image(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|promise| promise.image() == name)
    }

    /// The functions, in the order of the table.
    pub fn functions(self) -> Vec<&'static str> {
        match self {
            Self::Proved | Self::Claimed => table::calls()
                .filter(|call| !call.capability.is_empty())
                .map(|call| call.name)
                .collect(),
            Self::Silent => Vec::new(),
        }
    }

    /// Whether this may be promised of `blob`. The error names every function that is not proved.
    pub fn check(self, blob: &[u8]) -> Result<()> {
        match self {
            Self::Proved => {
                let record = Record::load(&paths::workspace().join(record::PATH))?;
                prove(&record, &digest::of(blob), &self.functions())
            }
            Self::Claimed | Self::Silent => Ok(()),
        }
    }
}

fn prove(record: &Record, hash: &str, functions: &[&'static str]) -> Result<()> {
    let mut unproved: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for &function in functions {
        if let Err(reason) = record.proves(hash, function) {
            unproved
                .entry(reason.to_string())
                .or_default()
                .push(function);
        }
    }
    if unproved.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = unproved
        .iter()
        .map(|(reason, functions)| format!("{}: {reason}", functions.join(", ")))
        .collect();
    Err(anyhow!(
        "the call table claims what no crash run proves\n{}",
        lines.join("\n")
    ))
    .hint(
        "`cargo xtask crash-points --record` runs the proof; until then `--promise claimed` builds \
         an image, and other commands take `--firmware oxrtas-claimed`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "00ff";

    fn record(names: &[&str]) -> Record {
        Record::full(HASH, names, 3)
    }

    #[test]
    fn images_are_found_by_their_names() {
        for promise in Promise::ALL {
            assert_eq!(Promise::of_image(promise.image()), Some(promise));
        }
        assert_eq!(Promise::of_image("slof"), None);
    }

    #[test]
    fn what_is_claimed_is_what_the_table_says() {
        let claimed = Promise::Claimed.functions();
        assert!(claimed.contains(&"ibm,int-off") && !claimed.contains(&"event-scan"));
        assert_eq!(Promise::Proved.functions(), claimed);
        assert_eq!(Promise::Silent.functions(), [""; 0]);
    }

    #[test]
    fn a_promise_needs_a_proof_of_each_function() {
        let functions = ["ibm,int-off", "nvram-store"];
        assert!(prove(&record(&functions), HASH, &functions).is_ok());
        let error = prove(&record(&["ibm,int-off"]), HASH, &functions).unwrap_err();
        let text = crate::error::describe(&error);
        assert!(text.contains("nvram-store: it was not run"), "{text}");
        assert!(!text.contains("ibm,int-off"), "{text}");
        assert!(text.contains("hint: `cargo xtask crash-points"), "{text}");
    }

    #[test]
    fn a_proof_of_another_blob_is_told_once_for_all_functions() {
        let functions = ["ibm,int-off", "nvram-store"];
        let error = prove(&record(&functions), "1234", &functions).unwrap_err();
        let text = crate::error::describe(&error);
        assert_eq!(text.matches("a blob 00ff, and this is 1234").count(), 1);
        assert!(text.contains("ibm,int-off, nvram-store: "), "{text}");
    }

    #[test]
    fn only_the_proved_image_asks_for_a_proof() {
        let other = b"not the blob";
        assert!(Promise::Claimed.check(other).is_ok());
        assert!(Promise::Silent.check(other).is_ok());
        assert!(Promise::Proved.check(other).is_err());
    }
}
