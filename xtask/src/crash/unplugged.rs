//! What the interrupt calls answer about sources whose server was unplugged (`unplug.sh` of the
//! guest), and what is behind them at the hypervisor.

use super::scenario::Scenario;
use crate::guest::Transcript;

/// Steps of the guest, and what firmware that follows LoPAR 7.3.10 answers: the status, with server
/// and priority where the call tells them; then the same of the hypervisor. Masking does not fail
/// (docs/concurrency.md); a source cannot be enabled at a server that is gone, and then nothing
/// changes.
const STEPS: [(&str, &str); 19] = [
    ("on-before", "0 gone 5, 0 gone 5"),
    ("off-before", "0, 0 boot 255"),
    // Now the server is gone. QEMU keeps what it was told.
    ("on-get", "0 gone 5, 0 gone 5"),
    ("on-int-off", "0, 0 boot 255"),
    ("on-get-off", "0 gone 5, 0 boot 255"),
    ("on-set-0xff", "0, 0 boot 255"),
    // Unmasked, and silent by its priority.
    ("on-int-on", "0, 0 boot 255"),
    ("on-get-least", "0 gone 255, 0 boot 255"),
    ("direct-int-on", "-3, 0 gone 5"),
    ("direct-set-0xff", "0, 0 boot 255"),
    ("direct-get-least", "0 gone 255, 0 boot 255"),
    ("off-int-on", "-3, 0 boot 255"),
    ("off-get", "0 gone 5, 0 boot 255"),
    ("off-set-boot", "0, 0 boot 255"),
    ("off-set-gone", "-3, 0 boot 255"),
    ("off-get-boot", "0 boot 5, 0 boot 255"),
    ("off-int-on-boot", "0, 0 boot 5"),
    ("off-mask-1", "0, 0 boot 255"),
    ("off-mask-2", "0, 0 boot 255"),
];

/// What was found, or what is wrong, where the scenario unplugs a server. `follows` says whether the
/// firmware's interrupt calls follow LoPAR: the run must see it where they do not.
pub fn judge(
    scenario: &Scenario,
    follows: bool,
    transcript: &Transcript,
) -> Result<Option<String>, Vec<String>> {
    if !scenario.unplugs {
        return Ok(None);
    }
    let said = |step: &str| transcript.facts.get(&format!("unplugged.{step}"));
    let silent: Vec<String> = STEPS
        .iter()
        .filter(|(step, _)| said(step).is_none())
        .map(|(step, _)| format!("nothing is said of {step}"))
        .collect();
    if !silent.is_empty() {
        return Err(silent);
    }
    let (mut different, mut answers) = (Vec::new(), Vec::new());
    for (step, wanted) in STEPS {
        match said(step) {
            Some(said) if said != wanted => {
                different.push(format!("{step} is `{said}`, expected `{wanted}`"));
                let (said, wanted) = (answer(said), answer(wanted));
                answers.extend((said != wanted).then(|| format!("{step} {said}, not {wanted}")));
            }
            _ => (),
        }
    }
    match (follows, answers.len()) {
        (true, _) if !different.is_empty() => Err(different),
        (true, _) => Ok(Some(format!(
            "{} answers about a server that is gone are as they have to be",
            STEPS.len()
        ))),
        (false, 0) => Err(vec![
            "QEMU's calls answered as ours: the steps tell nothing".to_owned(),
        ]),
        (false, _) => Ok(Some(answers.join("; "))),
    }
}

/// The firmware's part of an answer.
fn answer(text: &str) -> &str {
    text.split(',').next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::ALL;
    use super::*;

    fn judged(follows: bool, change: Option<(&str, &str)>) -> Result<Option<String>, Vec<String>> {
        let scenario = ALL.iter().find(|one| one.unplugs).unwrap();
        let mut log = String::new();
        for (step, answer) in STEPS {
            let answer = match change {
                Some((changed, other)) if changed == step => other,
                _ => answer,
            };
            if !answer.is_empty() {
                log.push_str(&format!("OXRTAS-FACT unplugged.{step} {answer}\n"));
            }
        }
        judge(scenario, follows, &Transcript::of(&log))
    }

    #[test]
    fn every_answer_counts_and_none_may_be_missing() {
        assert!(judged(true, None).is_ok());
        for (step, _) in STEPS {
            assert!(judged(true, Some((step, "-1, 0 gone 5"))).is_err());
            for follows in [true, false] {
                assert_eq!(judged(follows, Some((step, ""))).unwrap_err().len(), 1);
            }
        }
    }

    #[test]
    fn firmware_with_the_calls_of_qemu_owes_another_answer() {
        assert!(judged(false, None).is_err());
        let found = judged(false, Some(("on-set-0xff", "-3, 0 gone 255")));
        assert!(found.unwrap().unwrap().contains("on-set-0xff -3, not 0"));
        let behind = judged(false, Some(("on-int-off", "0, 0 gone 255")));
        assert!(behind.is_err(), "it is not the answer that differs");
    }

    #[test]
    fn a_scenario_that_unplugs_nothing_owes_nothing() {
        let plain = ALL.iter().find(|one| !one.unplugs).unwrap();
        assert_eq!(judge(plain, true, &Transcript::default()), Ok(None));
    }
}
