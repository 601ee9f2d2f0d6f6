//! Whether what was heard is what was expected.

use super::compare::Difference;
use super::{User, known};
use crate::guest::Transcript;

/// What is wrong with the run of `user` on `firmware`, one line each: a check that failed and is
/// not known to, one that is known to fail and did not, and what the guest owed and did not say.
pub fn failures(user: &User, firmware: &str, transcript: &Transcript) -> Vec<String> {
    let mut failures = Vec::new();
    for verdict in &transcript.verdicts {
        let known = known::failure(user.name, firmware, &verdict.name);
        match (verdict.passed, known) {
            (true, Some(known)) => failures.push(format!(
                "{} passes: take it off the list of what fails ({})",
                verdict.name, known.reason
            )),
            (false, None) => failures.push(format!("{}: {}", verdict.name, verdict.detail)),
            _ => (),
        }
    }
    for name in user.owed() {
        if transcript.verdict(&name).is_none() {
            failures.push(format!("{name}: no verdict"));
        }
    }
    if let Err(error) = transcript.file("sections") {
        failures.push(error);
    }
    if transcript.done.as_deref() != Some(user.name) {
        let last = transcript.phases.last();
        let last = last.map_or("nothing", |phase| phase.name.as_str());
        failures.push(format!(
            "the guest did not finish: its last phase is {last}"
        ));
    }
    failures
}

/// What is wrong with `differences`: those that nobody has judged, and the judged ones that are
/// none any more. Only those between oxrtas and SLOF are judged.
pub fn differences(
    user: &User,
    first: &str,
    second: &str,
    differences: &[Difference],
) -> Vec<String> {
    let mut surprises = Vec::new();
    for difference in differences {
        if known::difference(user.name, &difference.section).is_none() {
            surprises.push(format!("{} differs", difference.section));
        }
    }
    if (known::is_ours(first), second) == (true, "slof") {
        for known in known::DIFFERENCES.iter().filter(|k| k.user == user.name) {
            if !differences.iter().any(|d| d.section == known.check) {
                surprises.push(format!(
                    "{} does not differ: take it off the list ({})",
                    known.check, known.reason
                ));
            }
        }
    }
    surprises
}

#[cfg(test)]
mod tests {
    use super::super::ALL;
    use super::*;

    const SECTIONS: &str = "OXRTAS-DATA-BEGIN sections 0 \
         e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
         OXRTAS-DATA-END sections\n";

    /// A run of `user` on SLOF in which all goes as it should.
    fn good(user: &User) -> String {
        let mut log = String::new();
        for name in user.owed() {
            let word = match known::failure(user.name, "slof", &name) {
                Some(_) => "fail",
                None => "pass",
            };
            log.push_str(&format!("OXRTAS-VERDICT {name} {word} x\n"));
        }
        format!("{log}{SECTIONS}OXRTAS-DONE {}\n", user.name)
    }

    #[test]
    fn each_line_that_is_missing_or_turned_is_a_failure() {
        for user in &ALL {
            let log = good(user);
            let judge = |log: &str| failures(user, "slof", &Transcript::of(log));
            assert_eq!(judge(&log), Vec::<String>::new());
            for line in log.lines().filter(|line| !line.contains("DATA-BEGIN")) {
                assert!(
                    !judge(&log.replace(&format!("{line}\n"), "")).is_empty(),
                    "{line}"
                );
                let turned = match line.contains(" pass ") {
                    true => line.replace(" pass ", " fail "),
                    false => line.replace(" fail ", " pass "),
                };
                if turned != line {
                    assert_eq!(judge(&log.replace(line, &turned)).len(), 1, "{turned}");
                }
            }
        }
    }

    #[test]
    fn a_difference_that_nobody_judged_or_that_is_gone_is_a_failure() {
        let user = &ALL[0];
        let difference = |section: &str| Difference {
            section: section.to_owned(),
            first: Vec::new(),
            second: Vec::new(),
        };
        let mut all: Vec<_> = known::DIFFERENCES
            .iter()
            .filter(|known| known.user == user.name)
            .map(|known| difference(known.check))
            .collect();
        let judge = |all: &[Difference]| differences(user, "oxrtas", "slof", all);
        assert!(judge(&all).is_empty());
        all.push(difference("another"));
        assert_eq!(judge(&all), ["another differs"]);
        all.pop();
        if all.pop().is_some() {
            assert_eq!(judge(&all).len(), 1);
        }
    }
}
