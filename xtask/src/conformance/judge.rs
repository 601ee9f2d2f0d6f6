//! Whether what the guest said is what was expected of the firmware.

use super::known::Known;
use super::verdicts::{Heard, Outcome};
use conformance_guest::runs::Run;
use std::collections::BTreeSet;
use std::fmt;

/// Something that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unexpected {
    /// The requirement and the check that it is about; none if it is about the run.
    pub about: Option<(String, String)>,
    /// What it is, on one line.
    pub text: String,
}

impl Unexpected {
    /// Something about the run.
    pub fn of_run(text: String) -> Self {
        Self { about: None, text }
    }

    fn of(requirement: &str, check: &str, text: String) -> Self {
        Self {
            about: Some((requirement.to_owned(), check.to_owned())),
            text,
        }
    }
}

impl fmt::Display for Unexpected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(formatter)
    }
}

/// What is wrong with a run; nothing if it is as expected. `known` are the failures of the firmware;
/// `run` is the one that was made, if every check of it was: what it makes for sure has to show.
pub fn failures(heard: &Heard, known: &[&Known], run: Option<&Run>) -> Vec<Unexpected> {
    let mut failures = Vec::new();
    let count = heard.verdicts.len();
    let mut of_run = |text: String| failures.push(Unexpected::of_run(text));
    match heard.announced {
        None => of_run(format!("the guest did not finish, after {count} verdicts")),
        Some(announced) if announced != count => of_run(format!(
            "the guest announced {announced} verdicts, {count} came"
        )),
        Some(0) => of_run("the guest made no check".to_owned()),
        Some(_) => (),
    }
    let mut keys = BTreeSet::new();
    for verdict in &heard.verdicts {
        let mut wrong = |text: String| {
            failures.push(Unexpected::of(&verdict.requirement, &verdict.check, text));
        };
        if !keys.insert(verdict.key()) {
            wrong(format!("twice: {}", verdict.line()));
        }
        let listed = known.iter().find(|known| known.is(verdict));
        match (verdict.outcome, listed) {
            (Outcome::NotOk, None) => wrong(verdict.line()),
            (Outcome::Ok, Some(known)) if !known.varies => wrong(format!(
                "{} is known to fail ({}), and passes: take it out of the list",
                verdict.key(),
                known.reason
            )),
            _ => (),
        }
    }
    let showing = known
        .iter()
        .filter(|known| run.is_some_and(|run| known.shows_in(run)));
    for known in showing {
        if !heard.verdicts.iter().any(|verdict| known.is(verdict)) {
            let (requirement, check) = (known.requirement, known.check);
            let text = format!("{requirement} {check} is known to fail, and was not checked");
            failures.push(Unexpected::of(requirement, check, text));
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::super::case::{FULL, run_named};
    use super::*;

    const BROKEN: Known = Known {
        requirement: "R1-1",
        check: "broken",
        widths: &["32", "64"],
        run: FULL,
        varies: false,
        reason: "of old",
    };
    const RACE: Known = Known {
        check: "race",
        widths: &[],
        varies: true,
        ..BROKEN
    };
    const GOOD: &str = "ok R1-1 fine/32: x\nnot ok R1-1 broken/32: wanted 1, saw 2\n\
        skip R1-1 broken/64: x\nnot ok R1-1 race: wanted 1, saw 2\nguest: done, 4 checks\n";

    fn judge_in(log: &str, run: Option<&Run>) -> Vec<String> {
        let failures = failures(&Heard::of(log.lines()), &[&BROKEN, &RACE], run);
        failures.iter().map(ToString::to_string).collect()
    }

    fn judge(log: &str) -> Vec<String> {
        judge_in(log, run_named(FULL))
    }

    #[test]
    fn known_failures_are_as_expected() {
        assert_eq!(judge(GOOD), Vec::<String>::new());
        assert_eq!(
            judge(&GOOD.replace("not ok R1-1 race", "ok R1-1 race")).len(),
            0
        );
    }

    #[test]
    fn a_failure_that_is_not_known_fails() {
        for line in ["not ok R1-1 fine/32:", "not ok R1-2 broken/32:"] {
            let log = GOOD.replace("ok R1-1 fine/32:", line);
            let failures = judge(&log);
            assert_eq!(failures.len(), 1, "{failures:?}");
            assert!(failures.iter().all(|text| text.starts_with(line)));
        }
    }

    #[test]
    fn a_failure_is_known_in_its_widths_only() {
        let log = GOOD.replace("skip R1-1 broken/64", "not ok R1-1 broken/cells64");
        assert_eq!(judge(&log).len(), 1);
    }

    #[test]
    fn a_known_failure_that_passes_fails() {
        let failures = judge(&GOOD.replace("not ok R1-1 broken/32", "ok R1-1 broken/32"));
        assert!(failures.len() == 1 && failures.iter().all(|text| text.contains("take it out")));
    }

    #[test]
    fn a_known_failure_that_was_not_checked_fails_in_its_own_run() {
        let log = GOOD.replace("not ok R1-1 race", "ok R1-1 new");
        assert_eq!(judge(&log).len(), 1);
        assert_eq!(judge_in(&log, None), [""; 0]);
        assert_eq!(judge_in(&log, run_named("dual")), [""; 0]);
    }

    #[test]
    fn a_guest_that_stops_early_loses_a_line_or_repeats_one_fails() {
        let mut lines: Vec<&str> = GOOD.lines().collect();
        assert_eq!(judge(&GOOD.replace("guest: done, 4 checks\n", "")).len(), 1);
        assert_eq!(judge(&GOOD.replace("done, 4", "done, 5")).len(), 1);
        assert_eq!(judge(&GOOD.replace("done, 4", "done, four")).len(), 1);
        assert!(!judge("guest: done, 0 checks").is_empty());
        lines.remove(0);
        assert_eq!(judge(&lines.join("\n")).len(), 1);
        assert_eq!(judge(&GOOD.replace("broken/64", "broken/32")).len(), 1);
    }
}
