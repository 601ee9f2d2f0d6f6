//! The guest on images that are no firmware of ours, with the boot arguments that somebody chooses.

use super::case::{self, Case, Runner};
use super::judge;
use super::known::{self, Subject};
use super::verdicts::Heard;
use crate::qemu::Firmware;
use anyhow::{Context, Result};
use conformance_guest::runs::Run;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

/// Runs the guest.
#[derive(Debug)]
pub struct Laboratory {
    runner: Runner,
    qemu: String,
    /// Runs with other groups of checks, by name and groups.
    runs: RefCell<BTreeMap<(String, String), &'static Run>>,
}

impl Laboratory {
    /// Prepares to run it in this QEMU.
    pub fn new(qemu: &str) -> Result<Self> {
        Ok(Self {
            runner: Runner::new(&[])?,
            qemu: qemu.to_owned(),
            runs: RefCell::default(),
        })
    }

    /// What the guest says of `image` in the machine of a run, making these groups of checks. `name`
    /// is that of the log.
    pub fn hear(&self, name: &str, image: &Path, run: &str, groups: &str) -> Result<Heard> {
        let case = Case {
            firmware: name.to_owned(),
            subject: Subject::Oxrtas,
            qemu: self.qemu.clone(),
            run: self.run(run, groups)?,
        };
        self.runner
            .hear_on(&case, Firmware::Image(image.to_owned()))
    }

    fn run(&self, name: &str, groups: &str) -> Result<&'static Run> {
        let mut runs = self.runs.borrow_mut();
        let key = (name.to_owned(), groups.to_owned());
        if let Some(run) = runs.get(&key) {
            return Ok(run);
        }
        let base = case::run_named(name).with_context(|| format!("there is no run {name}"))?;
        // A few in the life of this program.
        let run = Box::leak(Box::new(Run {
            arguments: format!("oxrtas.guest={groups}").leak(),
            ..*base
        }));
        runs.insert(key, run);
        Ok(run)
    }

    /// What is wrong with a run of oxrtas, one line each.
    pub fn failures(&self, heard: &Heard) -> Vec<String> {
        let failures = judge::failures(heard, &known::of(Subject::Oxrtas), None);
        failures.iter().map(ToString::to_string).collect()
    }
}
