//! The catalogue: every requirement of LoPAR's chapter 7, and what other chapters say of RTAS, by
//! number, in our words, with who checks it or why nobody can. The tables are in
//! `tests/catalogue/`; its README says what each column means.

mod evidence;
mod rules;
mod table;

pub use evidence::{Evidence, guest_checks};
pub use rules::broken;

use crate::paths;
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use table::Row;

/// Whom a requirement binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binds {
    /// What runs below the operating system: RTAS, the firmware, the hypervisor.
    Platform,
    /// Whoever calls RTAS.
    OperatingSystem,
    /// The platform and the operating system.
    Both,
    /// Nobody: the number is reserved, or its rule moved.
    Nobody,
}

impl Binds {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "platform" => Self::Platform,
            "os" => Self::OperatingSystem,
            "both" => Self::Both,
            "nobody" => Self::Nobody,
            _ => return None,
        })
    }

    /// The word that the tables have.
    pub fn word(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::OperatingSystem => "os",
            Self::Both => "both",
            Self::Nobody => "nobody",
        }
    }

    /// Whether the platform has to do something.
    pub fn platform(self) -> bool {
        matches!(self, Self::Platform | Self::Both)
    }
}

/// What is to be said of a requirement where no check says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "otherwise", content = "why")]
pub enum Otherwise {
    /// Nothing: checks say all of it, or its option does.
    Nothing,
    /// It does not apply to the pseries machine; why.
    Absent(String),
    /// No check on this machine can tell; why.
    Untestable(String),
    /// oxrtas does not do it, on purpose; why.
    Deviates(String),
    /// A check could tell, and there is none yet; what it would do.
    Open(String),
}

impl Otherwise {
    fn parse(text: &str) -> Option<Self> {
        if text == "-" {
            return Some(Self::Nothing);
        }
        let (word, why) = text.split_once(": ")?;
        let why = why.to_owned();
        Some(match word {
            "absent" => Self::Absent(why),
            "untestable" => Self::Untestable(why),
            "deviates" => Self::Deviates(why),
            "open" => Self::Open(why),
            _ => return None,
        })
    }
}

/// Something that LoPAR leaves to the platform, and that some requirements are about.
#[derive(Clone, Debug, Serialize)]
pub struct Choice {
    /// Its name in the tables.
    pub key: String,
    /// Its name for readers.
    pub name: String,
    /// The properties of /rtas of which one is there exactly if the platform chose it; empty where
    /// no property tells.
    pub told_by: Vec<String>,
    /// Whether the pseries machine has it.
    pub here: bool,
    /// Why, or why not.
    pub why: String,
}

/// One requirement.
#[derive(Clone, Debug, Serialize)]
pub struct Requirement {
    /// LoPAR's number, or section and subject where it has none.
    pub id: String,
    /// The title of its section, as far as the tables have it.
    pub title: String,
    /// The functions that its section is about.
    pub functions: Vec<String>,
    /// Whom it binds.
    pub binds: Binds,
    /// The key of the option that makes it apply; none if it always does.
    pub option: Option<String>,
    /// Checks that speak for it beside those that name it.
    pub also: Vec<Evidence>,
    /// What is to be said where no check says it.
    #[serde(flatten)]
    pub otherwise: Otherwise,
    /// What it asks for, in one line of our own.
    pub words: String,
    /// Where it stands: file and line.
    #[serde(skip)]
    pub place: String,
}

/// A section of chapter 7.
#[derive(Clone, Debug)]
struct Section {
    number: String,
    numbers: Vec<String>,
    title: String,
    functions: Vec<String>,
}

/// A fault that was put into a firmware, and the check that noticed.
#[derive(Clone, Debug, Serialize)]
pub struct Mutant {
    /// The requirement that it breaks, and no other.
    pub requirement: String,
    /// Its name.
    pub name: String,
    /// The checks that failed with it and pass without.
    pub caught_by: Vec<String>,
}

/// All tables.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// The requirements: those of chapter 7 first, each table in its order.
    pub requirements: Vec<Requirement>,
    /// The options, by key.
    pub options: BTreeMap<String, Choice>,
    /// The faults that were caught.
    pub mutants: Vec<Mutant>,
    /// Why no fault of a firmware can break a requirement that is judged: number and reason.
    pub unproved: Vec<(String, String)>,
    sections: Vec<Section>,
    chapter: usize,
}

impl Catalogue {
    /// Reads the tables of the checkout.
    pub fn read() -> Result<Self> {
        Self::of(&paths::workspace().join("tests/catalogue"))
    }

    /// Reads the tables in `directory`.
    pub fn of(directory: &Path) -> Result<Self> {
        let read = |name: &str, columns: &[&str]| table::read(&directory.join(name), columns);
        let words = |text: &str| -> Vec<String> {
            let words = text.split_whitespace().filter(|word| *word != "-");
            words.map(str::to_owned).collect()
        };
        let mut sections = Vec::new();
        for row in read(
            "sections.tsv",
            &["section", "last", "also", "title", "functions"],
        )? {
            let last: u32 = row.field(1).parse().with_context(|| row.wrong("last"))?;
            let mut numbers: Vec<String> = (1..=last).map(|number| number.to_string()).collect();
            numbers.extend(words(row.field(2)));
            sections.push(Section {
                number: row.field(0).to_owned(),
                numbers,
                title: row.field(3).to_owned(),
                functions: words(row.field(4)),
            });
        }
        let mut options = BTreeMap::new();
        for row in read("options.tsv", &["option", "name", "told by", "here", "why"])? {
            let told_by = row.field(2).split(',').filter(|_| row.field(2) != "-");
            let option = Choice {
                key: row.field(0).to_owned(),
                name: row.field(1).to_owned(),
                // A property's name has commas of its own: `ibm,` begins one.
                told_by: names(told_by),
                here: yes(row.field(3)).with_context(|| row.wrong("here"))?,
                why: row.field(4).to_owned(),
            };
            options.insert(option.key.clone(), option);
        }
        let mut requirements = Vec::new();
        let mut chapter = 0;
        for name in ["chapter7.tsv", "others.tsv"] {
            for row in read(
                name,
                &[
                    "requirement",
                    "binds",
                    "option",
                    "also checked by",
                    "otherwise",
                    "in our words",
                ],
            )? {
                requirements.push(requirement(&row, &sections)?);
            }
            if chapter == 0 {
                chapter = requirements.len();
            }
        }
        let mutants = read("proved.tsv", &["requirement", "mutant", "caught by"])?
            .iter()
            .map(|row| Mutant {
                requirement: row.field(0).to_owned(),
                name: row.field(1).to_owned(),
                caught_by: words(row.field(2)),
            })
            .collect();
        let unproved = read("unproved.tsv", &["requirement", "why"])?
            .iter()
            .map(|row| (row.field(0).to_owned(), row.field(1).to_owned()))
            .collect();
        Ok(Self {
            requirements,
            options,
            mutants,
            unproved,
            sections,
            chapter,
        })
    }

    /// The requirements that checks of the guest name or stand for, whether they ever gave a verdict or
    /// not.
    pub fn named(&self) -> Result<BTreeSet<&str>> {
        let named = guest_checks()?;
        let named: BTreeSet<&str> = named.iter().map(|(id, _)| id.as_str()).collect();
        let guest = |evidence: &Evidence| matches!(evidence, Evidence::Guest(_));
        let requirements = self.requirements.iter();
        let checked =
            requirements.filter(|it| named.contains(it.id.as_str()) || it.also.iter().any(guest));
        Ok(checked.map(|requirement| requirement.id.as_str()).collect())
    }

    /// The requirements that only tests on the host, or checks of what was built, speak for.
    pub fn elsewhere(&self) -> Result<BTreeSet<&str>> {
        let named = self.named()?;
        let requirements = self.requirements.iter();
        let other =
            requirements.filter(|it| !it.also.is_empty() && !named.contains(it.id.as_str()));
        Ok(other.map(|requirement| requirement.id.as_str()).collect())
    }

    /// Requirements that bind the platform and apply here, that checks of the guest are to speak for, and
    /// that none of `judged`, requirements and checks, spoke for, though no reason says why: one line
    /// each.
    pub fn silent(&self, judged: &BTreeSet<(String, String)>) -> Result<Vec<String>> {
        let named = self.named()?;
        let spoke = |requirement: &Requirement| {
            judged.iter().any(|(id, check)| {
                *id == requirement.id || requirement.also.contains(&Evidence::Guest(check.clone()))
            })
        };
        let applies = |requirement: &Requirement| {
            let option = self.option(requirement);
            requirement.binds.platform() && option.is_none_or(|option| option.here)
        };
        let requirements = self.requirements.iter();
        let silent = requirements.filter(|it| {
            applies(it)
                && it.otherwise == Otherwise::Nothing
                && named.contains(it.id.as_str())
                && !spoke(it)
        });
        Ok(silent
            .map(|it| {
                format!(
                    "{}: {}: its checks were skipped in every run",
                    it.place, it.id
                )
            })
            .collect())
    }

    /// The requirements of which a mutant that breaks one of them alone was caught.
    pub fn proved(&self) -> BTreeSet<&str> {
        let mutants = self.mutants.iter();
        mutants.map(|mutant| mutant.requirement.as_str()).collect()
    }

    /// Whether a mutant that breaks this requirement alone was caught.
    pub fn is_proved(&self, id: &str) -> bool {
        self.mutants.iter().any(|mutant| mutant.requirement == id)
    }

    /// The requirements of chapter 7 come first: how many there are.
    pub fn chapter(&self) -> usize {
        self.chapter
    }

    /// The option of a requirement.
    pub fn option(&self, requirement: &Requirement) -> Option<&Choice> {
        self.options.get(requirement.option.as_deref()?)
    }
}

impl Requirement {
    /// Whether `key` is in its number or in the name of a function that it is about.
    pub fn matches(&self, key: &str) -> bool {
        self.id.contains(key) || self.functions.iter().any(|function| function.contains(key))
    }
}

fn yes(word: &str) -> Result<bool> {
    match word {
        "yes" => Ok(true),
        "no" => Ok(false),
        other => anyhow::bail!("neither yes nor no: {other:?}"),
    }
}

/// Puts names back together that were cut behind `ibm`.
fn names<'a>(parts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for part in parts {
        match names.last_mut() {
            Some(last) if last == "ibm" => *last = format!("ibm,{part}"),
            _ => names.push(part.to_owned()),
        }
    }
    names
}

fn requirement(row: &Row, sections: &[Section]) -> Result<Requirement> {
    let id = row.field(0).to_owned();
    let number = id
        .strip_prefix("R1-")
        .and_then(|rest| rest.rsplit_once('-'));
    let section = number.and_then(|(number, _)| {
        let mut sections = sections.iter();
        sections.find(|section| section.number == number)
    });
    let also = row.field(3).split_whitespace().filter(|word| *word != "-");
    let also: Option<Vec<Evidence>> = also.map(Evidence::parse).collect();
    Ok(Requirement {
        title: section.map_or_else(String::new, |section| section.title.clone()),
        functions: section.map_or_else(Vec::new, |section| section.functions.clone()),
        binds: Binds::parse(row.field(1)).with_context(|| row.wrong("binds"))?,
        option: (row.field(2) != "-").then(|| row.field(2).to_owned()),
        also: also.with_context(|| row.wrong("also checked by"))?,
        otherwise: Otherwise::parse(row.field(4)).with_context(|| row.wrong("otherwise"))?,
        words: row.field(5).to_owned(),
        place: row.place(),
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_of_the_checkout_keeps_every_rule() {
        let catalogue = Catalogue::read().unwrap();
        assert_eq!(broken(&catalogue).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_requirement_whose_checks_say_nothing_in_any_run_is_silent() {
        let catalogue = Catalogue::read().unwrap();
        let is_silent = |id: &str, judged: &[(&str, &str)]| {
            let judged = judged.iter();
            let judged = judged.map(|(id, check)| ((*id).to_owned(), (*check).to_owned()));
            let silent = catalogue.silent(&judged.collect()).unwrap();
            let start = format!(": {id}: ");
            silent.iter().any(|line| line.contains(&start))
        };
        assert!(is_silent("R1-7.2.8-1", &[]));
        assert!(is_silent("R1-7.2.8-1", &[("R1-7.2.6-1", "rtas-node")]));
        assert!(!is_silent("R1-7.2.8-1", &[("R1-7.2.8-1", "unknown-token")]));
        // By a check of another one.
        assert!(is_silent("R1-7.2.5-1", &[]));
        assert!(!is_silent(
            "R1-7.2.5-1",
            &[("R1-7.2.4-3", "instantiate-around")]
        ));
        // With a reason, binding the operating system, without the option.
        assert!(!is_silent("R1-7.2.6.1.1-2", &[]));
        assert!(!is_silent("R1-7.2.1-1", &[]));
        assert!(!is_silent("R1-7.3.16.4-1", &[]));
    }

    #[test]
    fn all_580_requirements_of_chapter_7_are_there() {
        let catalogue = Catalogue::read().unwrap();
        let named: usize = catalogue.sections.iter().map(|it| it.numbers.len()).sum();
        assert_eq!((named, catalogue.chapter), (580, 580));
    }

    #[test]
    fn names_of_properties_keep_their_commas() {
        let of = |text: &str| names(text.split(','));
        assert_eq!(of("ibm,get-xive"), ["ibm,get-xive"]);
        assert_eq!(of("start-cpu,ibm,a,b"), ["start-cpu", "ibm,a", "b"]);
    }
}
