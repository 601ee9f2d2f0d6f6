//! Whether a mutant was caught, and what else noticed.

use super::entry::Entry;
use crate::conformance::catalogue::{Catalogue, Evidence};
use crate::conformance::{Heard, Outcome};
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};

/// How many requirements beside its own a mutant may break, by the checks that notice: some rules
/// say the same thing, and one check may look at two things.
const MOST_OTHERS: usize = 5;

/// What came of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caught {
    /// The checks that noticed, in the order in which they were made.
    pub by: Vec<String>,
    /// The requirements that they name, beside those that the mutant is to break.
    pub others: BTreeSet<String>,
}

/// What the checks say, by requirement, check and width.
type Outcomes = BTreeMap<String, Outcome>;

fn outcomes(heard: &Heard) -> Outcomes {
    let verdicts = heard.verdicts.iter();
    verdicts.map(|it| (it.key(), it.outcome)).collect()
}

/// Judges what the guest said of a mutant, `sound` being what it says of the same firmware without
/// one. The error says why it is no proof.
pub fn judge(entry: &Entry, catalogue: &Catalogue, sound: &Heard, heard: &Heard) -> Result<Caught> {
    let count = heard.verdicts.len();
    if heard.announced != Some(count) {
        bail!("the guest did not get to its end: {count} verdicts");
    }
    let before = outcomes(sound);
    let failed = heard.verdicts.iter().filter(|verdict| {
        verdict.outcome == Outcome::NotOk && before.get(&verdict.key()) == Some(&Outcome::Ok)
    });
    let mut by: Vec<String> = Vec::new();
    let mut others = BTreeSet::new();
    let mut proved = BTreeSet::new();
    let mut lines = Vec::new();
    for verdict in failed {
        lines.push(verdict.line());
        if !by.contains(&verdict.check) {
            by.push(verdict.check.clone());
        }
        let mut own = false;
        for id in &entry.breaks {
            let requirement = catalogue.requirements.iter().find(|it| it.id == *id);
            let requirement = requirement.with_context(|| format!("there is no {id}"))?;
            let named = Evidence::Guest(verdict.check.clone());
            if verdict.requirement == *id || requirement.also.contains(&named) {
                proved.insert(id.as_str());
                own = true;
            }
        }
        if !own {
            others.insert(verdict.requirement.clone());
        }
    }
    let missing = entry.breaks.iter().map(String::as_str);
    let missing: Vec<&str> = missing.filter(|id| !proved.contains(id)).collect();
    if !missing.is_empty() {
        bail!(
            "no check of {} noticed\n{}",
            missing.join(", "),
            or_nothing(&lines)
        );
    }
    if others.len() > MOST_OTHERS {
        bail!(
            "it breaks {} other requirements, not its own alone\n{}",
            others.len(),
            lines.join("\n")
        );
    }
    Ok(Caught { by, others })
}

fn or_nothing(lines: &[String]) -> String {
    if lines.is_empty() {
        "no check noticed anything".to_owned()
    } else {
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "ok R1-7.2.8-1 unknown-token/32: x\nok R1-7.2.8-1 unknown-token/64: x\n\
        ok R1-7.2.2-1 registers-general/32: x\nskip R1-7.3.8.3-1 query/32: x\n\
        guest: done, 4 checks\n";

    fn mutant(breaks: &[&str]) -> Entry {
        Entry {
            name: "m".to_owned(),
            breaks: breaks.iter().map(|it| (*it).to_owned()).collect(),
            file: String::new(),
            old: String::new(),
            new: String::new(),
            groups: String::new(),
            run: String::new(),
        }
    }

    fn judged(breaks: &[&str], log: &str) -> Result<Caught> {
        let catalogue = Catalogue::read().unwrap();
        let (sound, heard) = (Heard::of(SOUND.lines()), Heard::of(log.lines()));
        judge(&mutant(breaks), &catalogue, &sound, &heard)
    }

    #[test]
    fn a_check_of_the_requirement_has_to_notice() {
        let log = SOUND.replace("ok R1-7.2.8-1", "not ok R1-7.2.8-1");
        let caught = judged(&["R1-7.2.8-1"], &log).unwrap();
        assert_eq!(
            (caught.by, caught.others.len()),
            (vec!["unknown-token".to_owned()], 0)
        );
        assert!(judged(&["R1-7.2.2-1"], &log).is_err());
        assert!(judged(&["R1-7.2.8-1"], SOUND).is_err());
        assert!(judged(&["R1-7.2.8-1", "R1-7.2.2-1"], &log).is_err());
    }

    #[test]
    fn a_check_that_the_catalogue_names_for_the_requirement_counts() {
        // The link register holds the address to return to: registers-general speaks for it.
        let log = SOUND.replace("ok R1-7.2.2-1", "not ok R1-7.2.2-1");
        assert!(judged(&["R1-7.2.7-7"], &log).is_ok());
    }

    #[test]
    fn what_did_not_pass_before_does_not_notice() {
        let log = SOUND.replace("skip R1-7.3.8.3-1", "not ok R1-7.3.8.3-1");
        assert!(judged(&["R1-7.3.8.3-1"], &log).is_err());
    }

    #[test]
    fn a_guest_that_stops_early_proves_nothing() {
        let log = SOUND.replace("ok R1-7.2.8-1", "not ok R1-7.2.8-1");
        assert!(judged(&["R1-7.2.8-1"], &log.replace("guest: done", "guest:")).is_err());
    }

    #[test]
    fn a_mutant_that_breaks_many_rules_proves_none() {
        let line = |id: u32, word: &str| format!("{word} X-{id} other-{id}: x\n");
        let log = |word: &str, count: u32| {
            let others: String = (0..count).map(|id| line(id, word)).collect();
            let own = if word == "ok" { "ok" } else { "not ok" };
            format!(
                "{own} R1-7.2.8-1 unknown-token: x\n{others}guest: done, {} checks\n",
                count + 1
            )
        };
        let catalogue = Catalogue::read().unwrap();
        let judged = |count| {
            let (sound, heard) = (log("ok", count), log("not ok", count));
            let (sound, heard) = (Heard::of(sound.lines()), Heard::of(heard.lines()));
            judge(&mutant(&["R1-7.2.8-1"]), &catalogue, &sound, &heard)
        };
        let most = MOST_OTHERS as u32;
        assert_eq!(judged(most).unwrap().others.len(), MOST_OTHERS);
        assert!(judged(most + 1).is_err());
    }
}
