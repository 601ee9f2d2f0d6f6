//! The list of mutants: `tests/mutants/*.toml`.

use crate::defaults;
use crate::error::WithHint;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where the list is, in the checkout.
pub const DIRECTORY: &str = "tests/mutants";
/// In the new text: whether this mutant is chosen.
pub const CHOSEN: &str = "MUTANT";
/// More requirements than this are not broken by one fault alone.
const MOST: usize = 3;

/// One fault: a small change of a source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name: what the firmware then does wrong.
    pub name: String,
    /// The requirements that it breaks, and no other.
    pub breaks: Vec<String>,
    /// The file, from the root of the checkout.
    pub file: String,
    /// What is there, exactly once.
    pub old: String,
    /// What stands there in its place. Where it says `MUTANT`, that is whether this one is chosen,
    /// and one image has all such mutants; where it does not, it has an image of its own.
    pub new: String,
    /// The groups of checks that are made, where they are not those of the file.
    #[serde(default)]
    pub groups: String,
    /// The run whose machine is taken (`tests/src/runs.rs`), where it is not that of the file.
    #[serde(default)]
    pub run: String,
}

impl Entry {
    /// Whether it shares an image with others.
    pub fn is_switched(&self) -> bool {
        self.new.contains(CHOSEN)
    }
}

/// A change that all mutants have, and that breaks nothing: it makes room for them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preparation {
    /// The file, from the root of the checkout.
    pub file: String,
    /// What is there, exactly once.
    pub old: String,
    /// What stands there in its place.
    pub new: String,
}

/// The whole list.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// What all mutants have.
    pub preparations: Vec<Preparation>,
    /// The mutants: file by file, in the order of each.
    pub mutants: Vec<Entry>,
}

/// A file of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The groups of checks that are made of its mutants, with commas between: all that have to do
    /// with the area.
    groups: String,
    /// The run whose machine is taken for its mutants.
    #[serde(default = "full")]
    run: String,
    #[serde(default)]
    prepare: Vec<Preparation>,
    mutant: Vec<Entry>,
}

/// The run with every check.
fn full() -> String {
    defaults::GUEST_RUN.to_owned()
}

/// The list of the checkout at `workspace`.
pub fn read(workspace: &Path) -> Result<List> {
    let directory = workspace.join(DIRECTORY);
    let mut paths = Vec::new();
    for entry in
        fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?
    {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            paths.push(path);
        }
    }
    paths.sort();
    let mut list = List::default();
    for path in paths {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut file: File = toml::from_str(&text)
            .with_context(|| format!("{} is no list of mutants", path.display()))
            .hint("tests/mutants/README.md says what an entry has")?;
        for entry in &mut file.mutant {
            for (own, of_file) in [
                (&mut entry.groups, &file.groups),
                (&mut entry.run, &file.run),
            ] {
                if own.is_empty() {
                    own.clone_from(of_file);
                }
            }
        }
        list.preparations.extend(file.prepare);
        list.mutants.extend(file.mutant);
    }
    judge(&list.mutants)?;
    Ok(list)
}

/// Refuses lists that make no sense.
fn judge(entries: &[Entry]) -> Result<()> {
    let mut names = BTreeSet::new();
    for Entry {
        name,
        breaks,
        new,
        groups,
        ..
    } in entries
    {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        if name.is_empty() || !name.chars().all(plain) {
            bail!("the name {name:?} of a mutant is not one of letters, digits and hyphens");
        }
        if !names.insert(name) {
            bail!("two mutants are called {name}");
        }
        let each: BTreeSet<&String> = breaks.iter().collect();
        if breaks.is_empty() || breaks.len() > MOST || each.len() != breaks.len() {
            bail!("{name} breaks {breaks:?}: one requirement is wanted, at most {MOST}");
        }
        // No group would be all of them, those of the guest itself among them.
        if groups.is_empty() {
            bail!("no checks are made of {name}");
        }
        if new.contains("unsafe") {
            bail!("{name} needs unsafe code: no mutant may");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, breaks: &[&str], new: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            breaks: breaks.iter().map(|it| (*it).to_owned()).collect(),
            file: "f".to_owned(),
            old: "o".to_owned(),
            new: new.to_owned(),
            groups: "calls".to_owned(),
            run: full(),
        }
    }

    #[test]
    fn lists_that_make_no_sense_are_refused() {
        let good = entry("a-1", &["R1-1"], "n");
        assert!(judge(std::slice::from_ref(&good)).is_ok());
        for bad in [
            entry("a b", &["R1-1"], "n"),
            entry("", &["R1-1"], "n"),
            entry("a-1", &["R1-2"], "n"),
            entry("b", &[], "n"),
            entry("b", &["R1-1", "R1-1"], "n"),
            entry("b", &["1", "2", "3", "4"], "n"),
            entry("b", &["1"], "unsafe { n }"),
        ] {
            assert!(judge(&[good.clone(), bad.clone()]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_mutant_that_asks_whether_it_is_chosen_shares_an_image() {
        assert!(entry("a", &["1"], "if MUTANT { 1 } else { 2 }").is_switched());
        assert!(!entry("a", &["1"], "1").is_switched());
    }

    #[test]
    fn the_list_of_the_checkout_is_read() {
        let mutants = read(&crate::paths::workspace()).unwrap().mutants;
        assert!(mutants.len() > 50, "{}", mutants.len());
    }
}
