//! The record of a complete run: which blob it was of, and what each function's run covered.
//!
//! `cargo xtask crash-points --record` writes it, from a complete passing run only; the build reads
//! it and publishes a function as safe only if [`Record::proves`] it for the very blob that is built.

use crate::error::WithHint;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// Version of the file's format.
pub const FORMAT: u32 = 1;

/// Where the record is, from the root of the repository.
pub const PATH: &str = "rtas/crash-points.json";

/// Campaigns beside the single deaths that a record must have. Each is about all functions at once.
pub const REQUIRED_CAMPAIGNS: &[&str] = &["nested", "pairs", "triples", "all-4", "all-64"];

/// What a complete run found of one blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`FORMAT`].
    pub format: u32,
    /// SHA-256 of `rtas.bin`, lower-case hexadecimal.
    pub blob: String,
    /// What `qemu-system-ppc64 --version` says of the QEMU that ran it.
    pub qemu: String,
    /// The seed of all sampling.
    pub seed: u64,
    /// By the name of the function's token property.
    pub functions: BTreeMap<String, Function>,
    /// Points with several dead processors, and nested calls, by the campaign's name.
    pub campaigns: BTreeMap<String, Campaign>,
}

/// The runs of one function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Entered in 32-bit mode with 32-bit cells, as instantiate-rtas wants.
    pub width32: Vec<Trace>,
    /// Entered in 64-bit mode with 64-bit cells, as instantiate-rtas-64 wants.
    pub width64: Vec<Trace>,
}

/// One run over all instructions of a call, entry to return.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// What the call was given, and the state that it found.
    pub case: String,
    /// Instructions of the blob that the call executes.
    pub instructions: u32,
    /// Of these, those at which a processor was stopped for good.
    pub covered: u32,
    /// Of these, those after which another processor's crash path was all it must be.
    pub passed: u32,
}

/// Points that are sampled or enumerated over several calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    /// Points that were run.
    pub points: u32,
    /// Of these, those that were all they must be.
    pub passed: u32,
}

/// Why a record does not prove a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The record is of another blob.
    OtherBlob {
        /// Hash in the record.
        recorded: String,
        /// Hash of the blob in question.
        built: String,
    },
    /// The function was not run.
    NotRun,
    /// The function was not run in one of the widths, in bits.
    NoWidth(u32),
    /// Instructions at which no processor was stopped.
    NotCovered {
        /// Width, in bits, and case.
        run: (u32, String),
        /// Instructions of the call.
        instructions: u32,
        /// Of these, those covered.
        covered: u32,
    },
    /// Instructions at which a processor's death was not survived.
    NotPassed {
        /// Width, in bits, and case.
        run: (u32, String),
        /// Instructions covered.
        covered: u32,
        /// Of these, those passed.
        passed: u32,
    },
    /// A campaign is missing, is empty or did not pass.
    Campaign(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherBlob { recorded, built } => write!(
                out,
                "the crash points were recorded of a blob {recorded}, and this is {built}"
            ),
            Self::NotRun => out.write_str("it was not run"),
            Self::NoWidth(bits) => write!(out, "it was not run in {bits}-bit width"),
            Self::NotCovered {
                run: (bits, case),
                instructions,
                covered,
            } => write!(
                out,
                "{bits}-bit {case}: {covered} of {instructions} instructions covered"
            ),
            Self::NotPassed {
                run: (bits, case),
                covered,
                passed,
            } => write!(
                out,
                "{bits}-bit {case}: {passed} of {covered} points passed"
            ),
            Self::Campaign(name) => write!(out, "the campaign {name} did not pass"),
        }
    }
}

impl std::error::Error for Reason {}

impl Record {
    /// Reads the record at `path`.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))
            .hint("`cargo xtask crash-points --record` writes it")?;
        let record: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is no record of crash points", path.display()))?;
        if record.format != FORMAT {
            bail!(
                "{} has format {}, and this is for {FORMAT}",
                path.display(),
                record.format
            );
        }
        Ok(record)
    }

    /// Writes the record to `path`.
    pub fn store(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Whether it shows that any processor may die at any instruction of `function`, in the blob
    /// whose `rtas.bin` has the SHA-256 `hash` (lower-case hexadecimal).
    pub fn proves(&self, hash: &str, function: &str) -> Result<(), Reason> {
        if self.blob != hash {
            return Err(Reason::OtherBlob {
                recorded: self.blob.clone(),
                built: hash.to_owned(),
            });
        }
        let runs = self.functions.get(function).ok_or(Reason::NotRun)?;
        for (bits, traces) in [(32, &runs.width32), (64, &runs.width64)] {
            if traces.is_empty() {
                return Err(Reason::NoWidth(bits));
            }
            traces.iter().try_for_each(|trace| trace.proves(bits))?;
        }
        let required = REQUIRED_CAMPAIGNS.iter().map(|name| (*name).to_owned());
        for name in required.chain(self.campaigns.keys().cloned()) {
            let passed =
                |campaign: &Campaign| campaign.points > 0 && campaign.passed == campaign.points;
            if !self.campaigns.get(&name).is_some_and(passed) {
                return Err(Reason::Campaign(name));
            }
        }
        Ok(())
    }
}

impl Trace {
    fn proves(&self, bits: u32) -> Result<(), Reason> {
        let run = (bits, self.case.clone());
        if self.instructions == 0 || self.covered != self.instructions {
            return Err(Reason::NotCovered {
                run,
                instructions: self.instructions,
                covered: self.covered,
            });
        }
        if self.passed != self.covered {
            return Err(Reason::NotPassed {
                run,
                covered: self.covered,
                passed: self.passed,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "00ff";

    fn trace(instructions: u32, covered: u32, passed: u32) -> Trace {
        Trace {
            case: "masked".to_owned(),
            instructions,
            covered,
            passed,
        }
    }

    fn record(width32: Vec<Trace>, width64: Vec<Trace>) -> Record {
        let functions = [("ibm,int-off".to_owned(), Function { width32, width64 })];
        let campaigns = REQUIRED_CAMPAIGNS.iter().map(|name| {
            let campaign = Campaign {
                points: 1,
                passed: 1,
            };
            ((*name).to_owned(), campaign)
        });
        Record {
            format: FORMAT,
            blob: HASH.to_owned(),
            qemu: "QEMU emulator version 7.2".to_owned(),
            seed: 1,
            functions: functions.into(),
            campaigns: campaigns.collect(),
        }
    }

    fn reason(record: &Record) -> Reason {
        record.proves(HASH, "ibm,int-off").unwrap_err()
    }

    #[test]
    fn a_function_is_proved_where_every_instruction_of_both_widths_passed() {
        let full = record(vec![trace(9, 9, 9), trace(7, 7, 7)], vec![trace(8, 8, 8)]);
        assert_eq!(full.proves(HASH, "ibm,int-off"), Ok(()));
    }

    #[test]
    fn a_record_of_another_blob_proves_nothing() {
        let full = record(vec![trace(9, 9, 9)], vec![trace(8, 8, 8)]);
        let refused = full.proves("00fe", "ibm,int-off").unwrap_err();
        assert!(matches!(refused, Reason::OtherBlob { .. }), "{refused}");
    }

    #[test]
    fn a_function_that_was_not_run_is_not_proved() {
        let full = record(vec![trace(9, 9, 9)], vec![trace(8, 8, 8)]);
        assert_eq!(full.proves(HASH, "ibm,int-on"), Err(Reason::NotRun));
    }

    #[test]
    fn both_widths_are_needed() {
        let one = record(vec![trace(9, 9, 9)], vec![]);
        assert_eq!(reason(&one), Reason::NoWidth(64));
    }

    #[test]
    fn a_missing_instruction_is_told() {
        for bad in [trace(9, 8, 8), trace(0, 0, 0), trace(9, 10, 10)] {
            let some = record(vec![trace(9, 9, 9)], vec![trace(9, 9, 9), bad.clone()]);
            let refused = reason(&some);
            assert!(matches!(refused, Reason::NotCovered { .. }), "{bad:?}");
        }
    }

    #[test]
    fn a_point_that_did_not_pass_is_told() {
        let some = record(vec![trace(9, 9, 8)], vec![trace(8, 8, 8)]);
        assert!(matches!(reason(&some), Reason::NotPassed { .. }));
    }

    #[test]
    fn a_campaign_that_is_missing_empty_or_failed_spoils_every_function() {
        let full = record(vec![trace(9, 9, 9)], vec![trace(8, 8, 8)]);
        for (points, passed) in [(0, 0), (5, 4)] {
            let mut some = full.clone();
            let campaign = Campaign { points, passed };
            some.campaigns.insert("pairs".to_owned(), campaign);
            assert_eq!(reason(&some), Reason::Campaign("pairs".to_owned()));
        }
        for name in REQUIRED_CAMPAIGNS {
            let mut some = full.clone();
            some.campaigns.remove(*name);
            assert_eq!(reason(&some), Reason::Campaign((*name).to_owned()));
        }
    }

    #[test]
    fn a_record_comes_back_from_its_file_and_others_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record.json");
        let full = record(vec![trace(9, 9, 9)], vec![trace(8, 8, 8)]);
        full.store(&path).unwrap();
        assert_eq!(Record::load(&path).unwrap(), full);
        let text = fs::read_to_string(&path).unwrap();
        for (old, new) in [("\"format\": 1", "\"format\": 2"), ("\"seed\"", "\"sead\"")] {
            assert!(text.contains(old));
            fs::write(&path, text.replace(old, new)).unwrap();
            assert!(Record::load(&path).is_err(), "{new}");
        }
        fs::remove_file(&path).unwrap();
        assert!(Record::load(&path).is_err());
    }
}
