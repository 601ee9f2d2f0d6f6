//! Whether what the guest said is what was expected of the firmware.

use super::known::Known;
use super::verdicts::{Heard, Outcome};
use std::collections::BTreeSet;

/// What is wrong with a run, one line each; nothing if it is as expected. `known` are the failures
/// of the firmware; `full` says that the run had every check, so that each of them has to show.
pub fn failures(heard: &Heard, known: &[&Known], full: bool) -> Vec<String> {
    let mut failures = Vec::new();
    let count = heard.verdicts.len();
    match heard.announced {
        None => failures.push(format!("the guest did not finish, after {count} verdicts")),
        Some(announced) if announced != count => failures.push(format!(
            "the guest announced {announced} verdicts, {count} came"
        )),
        Some(0) => failures.push("the guest made no check".to_owned()),
        Some(_) => (),
    }
    let mut keys = BTreeSet::new();
    for verdict in &heard.verdicts {
        if !keys.insert(verdict.key()) {
            failures.push(format!("twice: {}", verdict.line()));
        }
        let listed = known.iter().find(|known| known.is(verdict));
        match (verdict.outcome, listed) {
            (Outcome::NotOk, None) => failures.push(verdict.line()),
            (Outcome::Ok, Some(known)) if !known.varies => failures.push(format!(
                "{} is known to fail ({}), and passes: take it out of the list",
                verdict.key(),
                known.reason
            )),
            _ => (),
        }
    }
    if full {
        for known in known {
            if !heard.verdicts.iter().any(|verdict| known.is(verdict)) {
                failures.push(format!(
                    "{} {} is known to fail, and was not checked",
                    known.requirement, known.check
                ));
            }
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKEN: Known = Known {
        requirement: "R1-1",
        check: "broken",
        widths: &["32", "64"],
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

    fn judge(log: &str) -> Vec<String> {
        failures(&Heard::of(log.lines()), &[&BROKEN, &RACE], true)
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
    fn a_known_failure_that_is_no_check_fails_where_everything_was_checked() {
        let log = GOOD.replace("not ok R1-1 race", "ok R1-1 new");
        assert_eq!(judge(&log).len(), 1);
        let heard = Heard::of(log.lines());
        assert!(failures(&heard, &[&BROKEN, &RACE], false).is_empty());
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
