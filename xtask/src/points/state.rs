//! What was done so far, below `target`, so that a run can be broken off, go on, and be put together
//! from several machines.

use super::record::{Campaign, FORMAT, Function, Record, Trace};
use super::unit::{self, Kind, Unit};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What came of a unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Points that there are: for a walk the instructions of the call.
    pub points: u32,
    /// Points that were run.
    pub covered: u32,
    /// Of these, those that were all they must be.
    pub passed: u32,
    /// What was wrong, a point each.
    pub failures: Vec<String>,
    /// What is worth knowing beside.
    pub note: String,
    /// Time on the host, in seconds.
    pub seconds: f64,
}

impl Done {
    /// Whether all is as it must be.
    pub fn complete(&self) -> bool {
        self.points > 0
            && self.covered == self.points
            && self.passed == self.points
            && self.failures.is_empty()
    }
}

/// Everything that was done of one blob with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// SHA-256 of the blob, or the name of another firmware.
    pub blob: String,
    /// QEMU's version.
    pub qemu: String,
    /// The seed.
    pub seed: u64,
    /// By the unit's name.
    pub units: BTreeMap<String, Done>,
    #[serde(skip)]
    path: PathBuf,
}

impl State {
    /// The state kept in `directory` for this blob, QEMU and seed, or a new one.
    pub fn open(directory: &Path, blob: &str, qemu: &str, seed: u64, name: &str) -> Result<Self> {
        let short: String = blob.chars().take(16).collect();
        let path = directory.join(format!("{short}-{seed}{name}.json"));
        let fresh = Self {
            blob: blob.to_owned(),
            qemu: qemu.to_owned(),
            seed,
            units: BTreeMap::new(),
            path: path.clone(),
        };
        if !path.exists() {
            return Ok(fresh);
        }
        let mut state = Self::load(&path)?;
        // Another QEMU: what it said is not mixed with this one's.
        if !state.matches(&fresh) {
            return Ok(fresh);
        }
        state.path = path;
        Ok(state)
    }

    fn load(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no state", path.display()))
    }

    fn matches(&self, other: &Self) -> bool {
        (&self.blob, &self.qemu, self.seed) == (&other.blob, &other.qemu, other.seed)
    }

    /// Adds what another machine did, kept in the file at `path`.
    pub fn merge(&mut self, path: &Path) -> Result<()> {
        let other = Self::load(path)?;
        if !self.matches(&other) {
            bail!(
                "{} is of another blob, another QEMU or another seed",
                path.display()
            );
        }
        for (name, done) in other.units {
            let worse = |own: &Done| own.complete() && !done.complete();
            if !self.units.get(&name).is_some_and(worse) {
                self.units.insert(name, done);
            }
        }
        self.store()
    }

    /// Whether a unit is complete.
    pub fn has(&self, unit: &Unit) -> bool {
        self.units
            .get(&unit.to_string())
            .is_some_and(Done::complete)
    }

    /// Adds what came of a unit, and keeps it.
    pub fn add(&mut self, unit: &Unit, done: Done) -> Result<()> {
        self.units.insert(unit.to_string(), done);
        self.store()
    }

    /// Where it is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn store(&self) -> Result<()> {
        let directory = self.path.parent().context("no directory")?;
        fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        file.persist(&self.path)
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(())
    }

    /// The record, if everything was run and passed.
    pub fn record(&self) -> Result<Record> {
        let mut record = Record {
            format: FORMAT,
            blob: self.blob.clone(),
            qemu: self.qemu.clone(),
            seed: self.seed,
            functions: BTreeMap::new(),
            campaigns: BTreeMap::new(),
        };
        let mut missing = Vec::new();
        for unit in unit::all() {
            let name = unit.to_string();
            let Some(done) = self.units.get(&name).filter(|done| done.complete()) else {
                missing.push(name);
                continue;
            };
            let Kind::Walk(case) = &unit.kind else {
                let campaign: &mut Campaign = record.campaigns.entry(unit.campaign()).or_default();
                campaign.points += done.points;
                campaign.passed += done.passed;
                continue;
            };
            let function: &mut Function = record
                .functions
                .entry(case.call.function.to_owned())
                .or_default();
            let traces = match unit.width {
                32 => &mut function.width32,
                _ => &mut function.width64,
            };
            traces.push(Trace {
                case: case.name.to_owned(),
                instructions: done.points,
                covered: done.covered,
                passed: done.passed,
            });
        }
        if let [first, ..] = &missing[..] {
            bail!(
                "{} units are missing or did not pass, {first} among them",
                missing.len()
            );
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(points: u32) -> Done {
        Done {
            points,
            covered: points,
            passed: points,
            ..Done::default()
        }
    }

    fn full(directory: &Path) -> State {
        let mut state = State::open(directory, "00ff", "QEMU", 1, "").unwrap();
        for unit in unit::all() {
            let points = unit.points().unwrap_or(7);
            state.units.insert(unit.to_string(), passed(points));
        }
        state
    }

    #[test]
    fn a_record_needs_every_unit_to_have_passed() {
        let directory = tempfile::tempdir().unwrap();
        let state = full(directory.path());
        let record = state.record().unwrap();
        for call in rtas::table::calls() {
            assert_eq!(record.proves("00ff", call.name), Ok(()), "{}", call.name);
        }
        // A prime step meets every kind of unit.
        for unit in unit::all().iter().step_by(37) {
            let name = unit.to_string();
            let mut less = state.clone();
            less.units.remove(&name);
            let error = format!("{:#}", less.record().unwrap_err());
            assert!(error.contains(&name), "{error}");
            for spoil in [
                |done: &mut Done| done.covered -= 1,
                |done: &mut Done| done.passed -= 1,
                |done: &mut Done| done.failures.push("no".to_owned()),
                |done: &mut Done| *done = Done::default(),
            ] {
                let mut bad = state.clone();
                bad.units.get_mut(&name).map(spoil).unwrap();
                assert!(bad.record().is_err());
            }
        }
    }

    #[test]
    fn a_run_goes_on_where_it_was_broken_off() {
        let directory = tempfile::tempdir().unwrap();
        let units = unit::all();
        let unit = units.first().unwrap();
        let mut state = State::open(directory.path(), "00ff", "QEMU", 1, "").unwrap();
        state.add(unit, passed(7)).unwrap();
        let again = State::open(directory.path(), "00ff", "QEMU", 1, "").unwrap();
        assert!(again.has(unit));
        for (blob, qemu, seed) in [
            ("00fe", "QEMU", 1),
            ("00ff", "other", 1),
            ("00ff", "QEMU", 2),
        ] {
            let other = State::open(directory.path(), blob, qemu, seed, "").unwrap();
            assert!(!other.has(unit), "{blob} {qemu} {seed}");
        }
    }

    #[test]
    fn machines_share_the_work_and_nothing_that_passed_is_lost() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let units = unit::all();
        let [first, second, ..] = &units[..] else {
            panic!("two units");
        };
        let mut state = State::open(one.path(), "00ff", "QEMU", 1, "").unwrap();
        state.add(first, passed(7)).unwrap();
        let mut other = State::open(two.path(), "00ff", "QEMU", 1, "").unwrap();
        other.add(second, passed(7)).unwrap();
        other.add(first, Done::default()).unwrap();
        state.merge(other.path()).unwrap();
        assert!(state.has(first) && state.has(second));
        let mut stranger = State::open(two.path(), "00fe", "QEMU", 1, "").unwrap();
        stranger.add(first, passed(7)).unwrap();
        assert!(state.merge(stranger.path()).is_err());
    }
}
