//! Reading what the conformance guest prints: verdicts and the last line that counts them
//! (`guest::verdict` in `tests/`).

use conformance_guest::runs::{LAST_LINE, PROPERTIES_LINE, REBOOTS};
use std::collections::BTreeSet;

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// What was seen is what the requirement wants.
    Ok,
    /// It does not apply, or cannot be made.
    Skip,
    /// It is something else.
    NotOk,
}

impl Outcome {
    /// The words that begin a line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skip => "skip",
            Self::NotOk => "not ok",
        }
    }
}

/// One verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What came of the check.
    pub outcome: Outcome,
    /// The requirement: LoPAR's number, or the section of IEEE 1275.
    pub requirement: String,
    /// The name of the check.
    pub check: String,
    /// How RTAS was entered: `32`, `64`, `cells64`; empty where the check does not depend on it.
    pub width: String,
    /// What was seen, or why nothing was.
    pub text: String,
}

impl Verdict {
    /// The verdict on a line of the console, if there is one.
    fn parse(line: &str) -> Option<Self> {
        let words = [Outcome::NotOk, Outcome::Ok, Outcome::Skip];
        let (outcome, rest) = words.into_iter().find_map(|outcome| {
            let rest = line.strip_prefix(outcome.word())?;
            Some((outcome, rest.strip_prefix(' ')?))
        })?;
        let (key, text) = rest.split_once(": ")?;
        let (requirement, name) = key.split_once(' ')?;
        if requirement.is_empty() || name.is_empty() || name.contains(' ') {
            return None;
        }
        let (check, width) = name.split_once('/').unwrap_or((name, ""));
        Some(Self {
            outcome,
            requirement: requirement.to_owned(),
            check: check.to_owned(),
            width: width.to_owned(),
            text: text.to_owned(),
        })
    }

    /// Requirement and name, as they were printed.
    pub fn key(&self) -> String {
        let slash = if self.width.is_empty() { "" } else { "/" };
        format!("{} {}{slash}{}", self.requirement, self.check, self.width)
    }

    /// The line, as it was printed.
    pub fn line(&self) -> String {
        format!("{} {}: {}", self.outcome.word(), self.key(), self.text)
    }
}

/// Everything that the guest said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The verdicts, in order.
    pub verdicts: Vec<Verdict>,
    /// What the last line says how many they are; none if it did not come.
    pub announced: Option<usize>,
    /// The names of the properties of /rtas, if the guest told them.
    pub properties: Option<BTreeSet<String>>,
}

impl Heard {
    /// Reads the lines of a console.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut heard = Self::default();
        let mut before = Vec::new();
        for line in lines {
            let line = line.trim_end();
            heard.verdicts.extend(Verdict::parse(line));
            if let Some(rest) = line.strip_prefix(PROPERTIES_LINE) {
                heard.properties = Some(rest.split_whitespace().map(str::to_owned).collect());
            }
            if let Some(rest) = line.strip_prefix(LAST_LINE) {
                heard.announced = rest.strip_suffix(" checks").and_then(|n| n.parse().ok());
            }
            // A machine that starts again says all of it again.
            if line == REBOOTS {
                before.append(&mut heard.verdicts);
            }
        }
        // Unless it did not.
        if heard.announced == Some(before.len() + heard.verdicts.len()) {
            before.append(&mut heard.verdicts);
            heard.verdicts = before;
        }
        heard
    }

    /// Adds what somebody else saw, as if the guest had announced it.
    pub fn add(&mut self, verdicts: Vec<Verdict>) {
        self.announced = self.announced.map(|count| count + verdicts.len());
        self.verdicts.extend(verdicts);
    }

    /// Whether /rtas has a property of this name, if the guest told its properties.
    pub fn has(&self, property: &str) -> Option<bool> {
        let properties = self.properties.as_ref()?;
        Some(properties.contains(property))
    }

    /// Requirements and checks that gave a verdict, one way or the other.
    pub fn judged(&self) -> impl Iterator<Item = (String, String)> {
        let verdicts = self.verdicts.iter();
        let judged = verdicts.filter(|verdict| verdict.outcome != Outcome::Skip);
        judged.map(|verdict| (verdict.requirement.clone(), verdict.check.clone()))
    }

    /// How many verdicts have this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        let same = |verdict: &&Verdict| verdict.outcome == outcome;
        self.verdicts.iter().filter(same).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conformance_guest::verdict::{Report, Verdict as Printed};

    #[test]
    fn what_the_guest_prints_is_read_as_it_was_meant() {
        let mut text = String::new();
        let mut report = Report::new(&mut text);
        let printed = [
            ("R1-7.2.8-1", "a/32", Printed::Pass("status -3".into())),
            ("R1-7.3.10.1-4", "b", Printed::Fail("1".into(), "2".into())),
            (
                "IEEE1275-6.3.2.2",
                "c/cells64",
                Printed::Skip("why: so".into()),
            ),
        ];
        for (requirement, name, verdict) in &printed {
            report.verdict(requirement, name, verdict).unwrap();
        }
        report.done().unwrap();
        let console = format!("firmware: ok\n\n{text}ok\nnot ok here\nskip a b c: x\n");
        let heard = Heard::of(console.lines());
        assert_eq!(heard.announced, Some(3));
        let seen: Vec<_> = heard
            .verdicts
            .iter()
            .map(|v| {
                (
                    v.outcome,
                    v.check.as_str(),
                    v.width.as_str(),
                    v.text.as_str(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (Outcome::Ok, "a", "32", "status -3"),
                (Outcome::NotOk, "b", "", "wanted 1, saw 2"),
                (Outcome::Skip, "c", "cells64", "why: so"),
            ]
        );
        let keys: Vec<String> = heard.verdicts.iter().map(Verdict::key).collect();
        let wanted = printed.map(|(requirement, name, _)| format!("{requirement} {name}"));
        assert_eq!(keys, wanted);
    }

    #[test]
    fn the_properties_of_rtas_are_known_only_once_they_were_told() {
        let heard = Heard::of(["guest: /rtas has rtas-size ibm,get-xive"]);
        assert_eq!(heard.has("ibm,get-xive"), Some(true));
        assert_eq!(heard.has("ibm,get"), Some(false));
        assert_eq!(Heard::of([]).has("rtas-size"), None);
    }

    #[test]
    fn a_machine_that_starts_again_says_everything_again() {
        let first = "ok R1-1 a: x\nguest: reboots";
        let again = "ok R1-1 a: x\nok R1-1 b: x\nguest: done, 2 checks";
        let heard = Heard::of(format!("{first}\n{again}").lines());
        assert_eq!((heard.verdicts.len(), heard.announced), (2, Some(2)));
        // One that did not goes on where it was.
        let stays = "not ok R1-1 b: x\nguest: done, 2 checks";
        let heard = Heard::of(format!("{first}\n{stays}").lines());
        assert_eq!((heard.verdicts.len(), heard.announced), (2, Some(2)));
        assert_eq!(heard.count(Outcome::NotOk), 1);
    }

    #[test]
    fn what_somebody_else_saw_counts_as_announced() {
        let mut heard = Heard::of(["ok R1-1 a: x", "guest: done, 1 checks"]);
        heard.add(heard.verdicts.clone());
        assert_eq!((heard.verdicts.len(), heard.announced), (2, Some(2)));
    }

    #[test]
    fn a_last_line_that_was_cut_off_announces_nothing() {
        assert_eq!(Heard::of(["guest: done, 224"]).announced, None);
        assert_eq!(
            Heard::of(["guest: done, 224 checks\r"]).announced,
            Some(224)
        );
    }
}
