//! Firmwares with a fault: whether the suite notices when a requirement is broken.
//!
//! [`entry`] reads the list of faults, `tests/mutants/*.toml`; [`sources`] puts them into a copy of
//! the checkout, so that the sources themselves have no switch; [`judge`] says which checks noticed,
//! and [`record`] keeps that in the catalogue. Most mutants share one image, in which a number says
//! which of them it is; those that cannot ask for the number have an image each.

mod entry;
mod judge;
mod record;
mod sources;

use crate::build::{self, Promise};
use crate::cli::MutantsArgs;
use crate::conformance::catalogue::Catalogue;
use crate::conformance::{Heard, Laboratory};
use crate::partition::Partition;
use crate::progress::Step;
use crate::report::{self, Count, Tested, Verdict};
use crate::{paths, setup};
use anyhow::{Context, Result, bail};
use comfy_table::{Table, presets};
use entry::{Entry, List};
use judge::Caught;
use sources::Copy;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Where the catalogue's table of proofs and the list of mutants differ, one line each.
pub fn differences(catalogue: &Catalogue) -> Result<Vec<String>> {
    let list = entry::read(&paths::workspace())?;
    Ok(record::differences(&list.mutants, &catalogue.mutants))
}

/// `cargo xtask mutants`.
pub fn run(arguments: &MutantsArgs) -> Result<ExitCode> {
    let workspace = paths::workspace();
    let all = entry::read(&workspace)?;
    let entries = &all.mutants;
    let wanted = |entry: &Entry| {
        let named = |key: &String| {
            let named = entry.name.contains(key) || entry.run.contains(key);
            named || entry.breaks.iter().any(|id| id.contains(key))
        };
        arguments.only.is_empty() || arguments.only.iter().any(named)
    };
    let chosen = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| wanted(entry));
    let chosen: Vec<(usize, &Entry)> = chosen.collect();
    let chosen = arguments.partition.unwrap_or(Partition::WHOLE).of(chosen);
    if chosen.is_empty() {
        bail!(
            "no mutant has a name, a requirement or a run that contains {:?}",
            arguments.only
        );
    }
    if arguments.list {
        println!("{}", list(&chosen));
        return Ok(ExitCode::SUCCESS);
    }
    setup::for_qemu()?;
    let catalogue = Catalogue::read()?;
    let mut breeder = Breeder::new(&all, &arguments.qemu)?;
    let mut caught = BTreeMap::new();
    let mut tests = Vec::new();
    for (index, entry) in chosen {
        let started = Instant::now();
        let result = breeder.run(&catalogue, index, entry);
        let tested = Tested {
            name: format!("mutant/{}", entry.name),
            verdict: match &result {
                Ok(caught) => Verdict::Passed(told(entry, caught)),
                Err(error) => Verdict::Failed(format!("{error:#}")),
            },
            duration: started.elapsed(),
        };
        tested.print(&arguments.report)?;
        tests.push(tested);
        caught.insert(entry.name.as_str(), result.ok());
        // After each, so that a run that is broken off leaves what it did.
        if arguments.record {
            let table = record::table(entries, &catalogue.mutants, &caught);
            fs::write(workspace.join(record::PATH), table)
                .with_context(|| format!("cannot write {}", record::PATH))?;
        }
    }
    report::write_junit(&arguments.report, &tests)?;
    let count = Count::of(&tests);
    println!("{}", count.line());
    Ok(if count.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What is said of a mutant that was caught.
fn told(entry: &Entry, caught: &Caught) -> String {
    let mut text = format!("{}: {}", entry.breaks.join(", "), caught.by.join(", "));
    if !caught.others.is_empty() {
        let others: Vec<&str> = caught.others.iter().map(String::as_str).collect();
        text.push_str(&format!("; also {}", others.join(", ")));
    }
    text
}

fn list(entries: &[(usize, &Entry)]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["mutant", "breaks", "source"]);
    for (_, entry) in entries {
        table.add_row([&entry.name, &entry.breaks.join(" "), &entry.file]);
    }
    table
}

/// Makes mutants and runs the guest on them.
struct Breeder {
    copy: Copy,
    texts: BTreeMap<String, String>,
    /// The image that has all switched mutants.
    image: Vec<u8>,
    directory: PathBuf,
    laboratory: Laboratory,
    /// What the guest says of the firmware without a fault, by run and groups of checks.
    sound: BTreeMap<(String, String), Heard>,
}

impl Breeder {
    fn new(list: &List, qemu: &str) -> Result<Self> {
        let texts = sources::switched(&paths::workspace(), list)?;
        let copy = Copy::make()?;
        copy.fill(&texts)?;
        let step = Step::start("building the image of all mutants");
        let image = fs::read(build::build_in(&copy.checkout, Promise::Silent)?.image)?;
        step.finish();
        Ok(Self {
            copy,
            texts,
            image,
            directory: paths::target_directory("mutants/images")?,
            laboratory: Laboratory::new(qemu)?,
            sound: BTreeMap::new(),
        })
    }

    /// The image of mutant `index`.
    fn image(&self, index: usize, entry: &Entry) -> Result<Vec<u8>> {
        if entry.is_switched() {
            return sources::choose(&self.image, sources::number(index)?);
        }
        let texts = sources::alone(&paths::workspace(), &self.texts, entry)?;
        self.copy.fill(&texts)?;
        let built = build::build_in(&self.copy.checkout, Promise::Silent);
        // The copy is that of all mutants again, whatever came of this one.
        self.copy.fill(&self.texts)?;
        Ok(fs::read(built?.image)?)
    }

    fn hear(&self, name: &str, image: &[u8], entry: &Entry) -> Result<Heard> {
        let path = self.directory.join(name).with_extension("bin");
        fs::write(&path, image).with_context(|| format!("cannot write {}", path.display()))?;
        let Entry { run, groups, .. } = entry;
        self.laboratory.hear(name, &path, run, groups)
    }

    fn run(&mut self, catalogue: &Catalogue, index: usize, entry: &Entry) -> Result<Caught> {
        let made = (entry.run.clone(), entry.groups.clone());
        if !self.sound.contains_key(&made) {
            let heard = self.hear("none", &self.image, entry)?;
            let failures = self.laboratory.failures(&heard);
            if !failures.is_empty() {
                bail!(
                    "the firmware without a mutant fails:\n{}",
                    failures.join("\n")
                );
            }
            self.sound.insert(made.clone(), heard);
        }
        let image = self.image(index, entry)?;
        let heard = self.hear(&entry.name, &image, entry)?;
        let sound = self.sound.get(&made).context("nothing to compare with")?;
        judge::judge(entry, catalogue, sound, &heard)
    }
}
