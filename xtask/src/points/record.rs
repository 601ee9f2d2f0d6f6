//! The record of a complete run: which blob it was of, and what each function's run covered.
//!
//! `cargo xtask crash-points --record` writes it, from a complete passing run only; the build reads
//! it and publishes a function as safe only if [`Record::proves`] it for the very blob that is built.

use super::calls;
use super::unit::{self, Kind};
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

/// The cases of a function that a record must have, in both widths, in the order of their names.
fn required_cases(function: &str) -> Vec<&'static str> {
    let cases = calls::cases().into_iter();
    let own = cases.filter(|case| case.call.function == function);
    let mut names: Vec<_> = own.map(|case| case.name).collect();
    names.sort_unstable();
    names
}

/// The campaigns beside the single deaths that a record must have, each about all functions at once,
/// and how many points each has: that many, or at least that many.
fn required_campaigns() -> BTreeMap<String, Points> {
    let mut campaigns = BTreeMap::new();
    for unit in unit::all() {
        if matches!(unit.kind, Kind::Walk(_)) {
            continue;
        }
        let points: &mut Points = campaigns.entry(unit.campaign()).or_default();
        match unit.points() {
            Some(own) => points.least += own,
            // One at least.
            None => {
                *points = Points {
                    least: points.least + 1,
                    open: true,
                }
            }
        }
    }
    campaigns
}

/// How many points a campaign has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Points {
    least: u32,
    /// Whether it may have more: the calls' traces decide it.
    open: bool,
}

impl Points {
    fn are(self, points: u32) -> bool {
        points == self.least || (self.open && points > self.least)
    }
}

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
    /// The cases that were run in one of the widths, in bits, are not those that there are.
    Cases {
        /// Bits.
        width: u32,
        /// Those that were run.
        run: Vec<String>,
        /// Those that there are.
        required: Vec<&'static str>,
    },
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
    /// A campaign is missing, did not pass, or is not of as many points as it has.
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
            Self::Cases {
                width,
                run,
                required,
            } => write!(
                out,
                "in {width}-bit width the cases {run:?} were run, and there are {required:?}"
            ),
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
            Self::Campaign(name) => {
                write!(
                    out,
                    "the campaign {name} did not pass with all points that it has"
                )
            }
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
    /// whose `rtas.bin` has the SHA-256 `hash` (lower-case hexadecimal), in all cases and with all
    /// campaigns that there are now: one that was added since has not been run.
    pub fn proves(&self, hash: &str, function: &str) -> Result<(), Reason> {
        if self.blob != hash {
            return Err(Reason::OtherBlob {
                recorded: self.blob.clone(),
                built: hash.to_owned(),
            });
        }
        let runs = self.functions.get(function).ok_or(Reason::NotRun)?;
        let required = required_cases(function);
        for (width, traces) in [(32, &runs.width32), (64, &runs.width64)] {
            let mut run: Vec<String> = traces.iter().map(|trace| trace.case.clone()).collect();
            run.sort_unstable();
            if run.is_empty() || run != required {
                return Err(Reason::Cases {
                    width,
                    run,
                    required,
                });
            }
            traces.iter().try_for_each(|trace| trace.proves(width))?;
        }
        let required = required_campaigns();
        for (name, points) in &required {
            let passed = |campaign: &Campaign| {
                campaign.passed == campaign.points && points.are(campaign.points)
            };
            if !self.campaigns.get(name).is_some_and(passed) {
                return Err(Reason::Campaign(name.clone()));
            }
        }
        let mut run = self.campaigns.keys();
        match run.find(|name| !required.contains_key(*name)) {
            Some(unknown) => Err(Reason::Campaign(unknown.clone())),
            None => Ok(()),
        }
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
impl Record {
    /// A record of these functions in which everything passed, each call having `instructions`.
    pub fn full(blob: &str, functions: &[&str], instructions: u32) -> Self {
        let function = |name: &&str| {
            let trace = |case: &&str| Trace {
                case: (*case).to_owned(),
                instructions,
                covered: instructions,
                passed: instructions,
            };
            let traces: Vec<Trace> = required_cases(name).iter().map(trace).collect();
            let function = Function {
                width32: traces.clone(),
                width64: traces,
            };
            ((*name).to_owned(), function)
        };
        let campaigns = required_campaigns().into_iter().map(|(name, points)| {
            let campaign = Campaign {
                points: points.least,
                passed: points.least,
            };
            (name, campaign)
        });
        Self {
            format: FORMAT,
            blob: blob.to_owned(),
            qemu: "QEMU emulator version 7.2".to_owned(),
            seed: 1,
            functions: functions.iter().map(function).collect(),
            campaigns: campaigns.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "00ff";
    const FUNCTION: &str = "ibm,int-off";

    fn full() -> Record {
        Record::full(HASH, &[FUNCTION, "nvram-store"], 9)
    }

    fn reason(record: &Record) -> Reason {
        record.proves(HASH, FUNCTION).unwrap_err()
    }

    /// A record in which the traces of the function in 64 bits are changed.
    fn with_traces(change: impl FnOnce(&mut Vec<Trace>)) -> Record {
        let mut record = full();
        change(&mut record.functions.get_mut(FUNCTION).unwrap().width64);
        record
    }

    #[test]
    fn a_function_is_proved_where_every_instruction_of_every_case_passed() {
        assert_eq!(full().proves(HASH, FUNCTION), Ok(()));
        assert!(required_cases(FUNCTION).len() > 1);
    }

    #[test]
    fn a_record_of_another_blob_proves_nothing() {
        let refused = full().proves("00fe", FUNCTION).unwrap_err();
        assert!(matches!(refused, Reason::OtherBlob { .. }), "{refused}");
    }

    #[test]
    fn a_function_that_was_not_run_is_not_proved() {
        assert_eq!(full().proves(HASH, "ibm,int-on"), Err(Reason::NotRun));
    }

    #[test]
    fn a_case_that_is_missing_unknown_or_there_twice_is_told() {
        let changes: [fn(&mut Vec<Trace>); 4] = [
            |traces| traces.clear(),
            |traces| drop(traces.pop()),
            |traces| traces.push(traces[0].clone()),
            |traces| traces[0].case = "of-old".to_owned(),
        ];
        for change in changes {
            let refused = reason(&with_traces(change));
            let is_told = matches!(refused, Reason::Cases { width: 64, .. });
            assert!(is_told, "{refused}");
        }
        let mut other = full();
        other
            .functions
            .get_mut("nvram-store")
            .unwrap()
            .width32
            .clear();
        assert_eq!(other.proves(HASH, FUNCTION), Ok(()), "that is another one");
    }

    #[test]
    fn a_missing_instruction_is_told() {
        for (instructions, covered, passed) in [(9, 8, 8), (0, 0, 0), (9, 10, 10)] {
            let refused = reason(&with_traces(|traces| {
                let case = traces[1].case.clone();
                traces[1] = Trace {
                    case,
                    instructions,
                    covered,
                    passed,
                };
            }));
            assert!(matches!(refused, Reason::NotCovered { .. }), "{refused}");
        }
    }

    #[test]
    fn a_point_that_did_not_pass_is_told() {
        let some = with_traces(|traces| traces[0].passed -= 1);
        assert!(matches!(reason(&some), Reason::NotPassed { .. }));
    }

    #[test]
    fn a_campaign_that_is_not_the_one_of_now_spoils_every_function() {
        for (name, points) in required_campaigns() {
            let bad = |campaign: Option<Campaign>| {
                let mut some = full();
                match campaign {
                    Some(campaign) => some.campaigns.insert(name.clone(), campaign),
                    None => some.campaigns.remove(&name),
                };
                assert_eq!(reason(&some), Reason::Campaign(name.clone()));
            };
            bad(None);
            let (points, open) = (points.least, points.open);
            for (points, passed) in [(0, 0), (points, points - 1), (points - 1, points - 1)] {
                bad(Some(Campaign { points, passed }));
            }
            // More of them were run than there are.
            let more = Campaign {
                points: points + 1,
                passed: points + 1,
            };
            if open {
                let mut some = full();
                some.campaigns.insert(name.clone(), more);
                assert_eq!(some.proves(HASH, FUNCTION), Ok(()));
            } else {
                bad(Some(more));
            }
        }
        let mut some = full();
        let campaign = Campaign {
            points: 1,
            passed: 1,
        };
        some.campaigns.insert("quadruples".to_owned(), campaign);
        assert_eq!(reason(&some), Reason::Campaign("quadruples".to_owned()));
    }

    #[test]
    fn a_record_comes_back_from_its_file_and_others_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record.json");
        let full = full();
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
