//! The units that a run is made of: what is done at one go, resumed and spread over machines.

use super::calls::{self, Case};
use conformance_guest::source::Random;
use std::collections::BTreeSet;
use std::fmt;

/// Widths, in bits.
pub const WIDTHS: [u32; 2] = [32, 64];
/// Parts that the sampled campaigns are cut into, and points of each.
pub const PARTS: u32 = 8;
/// Points of one part of the sampled campaigns.
pub const POINTS_OF_A_PART: u32 = 25;
/// Machines with all processors dead: processors at the beginning, possible ones, runs.
const MACHINES: [(usize, usize, u32); 2] = [(2, 4, 4), (8, 64, 1)];

/// What a unit is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A processor dies at every instruction of a call.
    Walk(Case),
    /// A processor takes a system reset inside a call and calls RTAS from the handler.
    Nested(Case),
    /// So many processors die in calls, at places that are sampled.
    Several {
        /// Dead ones: 2 or 3.
        dead: usize,
        /// The part of the sample.
        part: u32,
    },
    /// All possible processors are inside a call at once.
    Everyone {
        /// Processors at the beginning; the others are added while the machine runs.
        present: usize,
        /// All of them.
        possible: usize,
        /// The number of the run.
        part: u32,
    },
}

/// One unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// What it is about.
    pub kind: Kind,
    /// Bits of the width that RTAS is entered in.
    pub width: u32,
}

impl fmt::Display for Unit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/", self.campaign())?;
        match &self.kind {
            Kind::Walk(case) | Kind::Nested(case) => {
                write!(out, "{}/{}", case.call.function, case.name)?;
            }
            Kind::Several { part, .. } | Kind::Everyone { part, .. } => write!(out, "{part}")?,
        }
        write!(out, "/{}", self.width)
    }
}

impl Unit {
    /// What its name begins with, and what its points are counted as.
    pub fn campaign(&self) -> String {
        match &self.kind {
            Kind::Walk(_) => "walk".to_owned(),
            Kind::Nested(_) => "nested".to_owned(),
            Kind::Several { dead: 2, .. } => "pairs".to_owned(),
            Kind::Several { .. } => "triples".to_owned(),
            Kind::Everyone { possible, .. } => format!("all-{possible}"),
        }
    }

    /// How many points it has, where the calls' traces do not decide it.
    pub fn points(&self) -> Option<u32> {
        match &self.kind {
            Kind::Walk(_) | Kind::Nested(_) => None,
            Kind::Several { .. } => Some(POINTS_OF_A_PART),
            // A crash path, and then nested calls on each.
            Kind::Everyone { possible, .. } => Some(1 + *possible as u32),
        }
    }

    /// The command that runs all of it again, in the same `setting`.
    pub fn again(&self, setting: &Setting) -> String {
        format!("cargo xtask crash-points --only {self} {setting}")
    }

    /// The command that runs one of its points again.
    pub fn repeat(&self, point: usize, setting: &Setting) -> String {
        format!("cargo xtask crash-points --only {self} --at {point} {setting}")
    }
}

/// What a run depends on beside its units, as options of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The seed of all sampling.
    pub seed: u64,
    /// All other options that are not left out.
    pub others: String,
}

impl fmt::Display for Setting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "--seed {}{}", self.seed, self.others)
    }
}

/// All units, in the order in which they are run.
pub fn all() -> Vec<Unit> {
    let cases = calls::cases();
    let mut kinds: Vec<Kind> = cases.iter().cloned().map(Kind::Walk).collect();
    kinds.extend(cases.iter().cloned().map(Kind::Nested));
    for dead in [2, 3] {
        kinds.extend((0..PARTS).map(|part| Kind::Several { dead, part }));
    }
    for (present, possible, runs) in MACHINES {
        kinds.extend((0..runs).map(|part| Kind::Everyone {
            present,
            possible,
            part,
        }));
    }
    let units = kinds.into_iter().flat_map(|kind| {
        let unit = move |width| Unit {
            kind: kind.clone(),
            width,
        };
        WIDTHS.into_iter().map(unit)
    });
    units.collect()
}

/// Which points of a unit are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// All of them.
    All,
    /// At most so many, by sampling.
    Sample(usize),
    /// This one.
    Point(usize),
}

/// At most `count` of the numbers below `length`.
pub fn sample(random: &mut Random, length: usize, count: usize) -> BTreeSet<usize> {
    (0..count)
        .map(|_| random.below(length as u64) as usize)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_unit_has_a_name_of_its_own() {
        let units = all();
        let names: HashSet<String> = units.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), units.len());
        assert!(names.contains("walk/ibm,int-off/in-flight/32"));
        assert!(names.contains("all-64/0/64"));
    }

    #[test]
    fn a_unit_tells_the_command_that_repeats_it() {
        let setting = Setting {
            seed: 7,
            others: " --broken lock".to_owned(),
        };
        let units = all();
        let unit = units.iter().find(|unit| unit.to_string() == "pairs/0/64");
        let (again, point) = unit
            .map(|unit| (unit.again(&setting), unit.repeat(3, &setting)))
            .unwrap();
        assert_eq!(
            again,
            "cargo xtask crash-points --only pairs/0/64 --seed 7 --broken lock"
        );
        assert_eq!(
            point,
            "cargo xtask crash-points --only pairs/0/64 --at 3 --seed 7 --broken lock"
        );
    }
}
