//! What speaks for a requirement: checks of the guest, and tests of ours.

use crate::paths;
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A check or test, as the tables name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// `guest/NAME`: a check of the guest.
    Guest(String),
    /// `host/NAME`: a function that is a test on the host, loom's models among them.
    Host(String),
    /// `build/NAME`: a check of what was built.
    Build(String),
}

impl Evidence {
    /// Reads the form that the tables have.
    pub fn parse(text: &str) -> Option<Self> {
        let (group, name) = text.split_once('/')?;
        let name = name.to_owned();
        Some(match group {
            "guest" => Self::Guest(name),
            "host" => Self::Host(name),
            "build" => Self::Build(name),
            _ => return None,
        })
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (group, name) = match self {
            Self::Guest(name) => ("guest", name),
            Self::Host(name) => ("host", name),
            Self::Build(name) => ("build", name),
        };
        write!(formatter, "{group}/{name}")
    }
}

impl Serialize for Evidence {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is seen from outside of a machine that the guest runs on.
const OUTSIDE: &str = "xtask/src/conformance/outside.rs";

/// The checks in the sources of the guest, and of what is seen from outside: requirement and name.
pub fn guest_checks() -> Result<BTreeSet<(String, String)>> {
    let mut checks = BTreeSet::new();
    for text in sources(&paths::workspace().join("tests/src/checks"))? {
        checks.extend(checks_in(&text));
    }
    let path = paths::workspace().join(OUTSIDE);
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    checks.extend(checks_in(&text));
    Ok(checks)
}

/// The calls of `check(REQUIREMENT, NAME, ...)` in a source, and the values
/// `Check { requirement: REQUIREMENT, name: NAME, ... }`, all literals.
fn checks_in(text: &str) -> Vec<(String, String)> {
    let literal = |text: &str| -> Option<(String, usize)> {
        let rest = text.trim_start();
        let inner = rest.strip_prefix('"')?;
        let end = inner.find('"')?;
        let used = text.len() - rest.len() + end + 2;
        Some((inner.get(..end)?.to_owned(), used))
    };
    let calls = text.match_indices("check(").filter(|(at, _)| {
        let before = text.get(..*at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    });
    let mut checks = Vec::new();
    for (at, word) in calls.chain(text.match_indices("requirement: ")) {
        let rest = text.get(at + word.len()..).unwrap_or_default();
        let Some((requirement, used)) = literal(rest) else {
            continue;
        };
        let rest = rest.get(used..).unwrap_or_default();
        let name = rest.strip_prefix(',').map(str::trim_start);
        let name = name.map(|rest| rest.strip_prefix("name:").unwrap_or(rest));
        let Some((name, _)) = name.and_then(literal) else {
            continue;
        };
        checks.push((requirement, name));
    }
    checks
}

/// The names of all functions in the workspace that are tests.
pub fn host_tests() -> Result<BTreeSet<String>> {
    let mut tests = BTreeSet::new();
    for package in ["rtas", "fdt-gen", "qemu", "tests", "xtask"] {
        for text in sources(&paths::workspace().join(package))? {
            tests.extend(tests_in(&text));
        }
    }
    Ok(tests)
}

fn tests_in(text: &str) -> Vec<String> {
    let mut tests = Vec::new();
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        if line == "#[test]" {
            marked = true;
        } else if let Some(rest) = line.strip_prefix("fn ") {
            if marked {
                tests.extend(rest.split('(').next().map(str::to_owned));
            }
            marked = false;
        }
    }
    tests
}

/// All Rust sources below `directory`.
fn sources(directory: &Path) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    let mut open: Vec<PathBuf> = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        let entries = fs::read_dir(&directory)
            .with_context(|| format!("cannot read {}", directory.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                texts.push(text);
            }
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_found_however_they_are_broken_into_lines() {
        let text = "pub const fn check(\n requirement: &str) {}\n\
            check(\"R1-1\", \"a\", a),\n    check(\n        \"R1-2\",\n        \"b\",\n\
            b,\n ),\n recheck(\"R1-3\", \"c\", c);\n\
            Check {\n requirement: \"R1-4\",\n name: \"d\",\n run: d };";
        let wanted = [("R1-1", "a"), ("R1-2", "b"), ("R1-4", "d")];
        let wanted: Vec<_> = wanted
            .map(|(id, name)| (id.to_owned(), name.to_owned()))
            .into();
        assert_eq!(checks_in(text), wanted);
    }

    #[test]
    fn the_sources_have_checks_and_tests() {
        let checks = guest_checks().unwrap();
        let known = ("R1-7.2.8-1".to_owned(), "unknown-token".to_owned());
        assert!(
            checks.contains(&known) && checks.len() > 50,
            "{}",
            checks.len()
        );
        let tests = host_tests().unwrap();
        assert!(tests.contains("the_sources_have_checks_and_tests"));
        assert!(!tests.contains("guest_checks"));
    }

    #[test]
    fn evidence_is_written_as_it_is_read() {
        for text in ["guest/a", "host/b", "build/c"] {
            assert_eq!(Evidence::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Evidence::parse("other/d"), None);
    }
}
