//! What the test module (`tests/linux/module`) says of the calls that it made.

use super::notes::Notes;
use super::scenario::Scenario;
use crate::guest::Transcript;

/// What the module prints into the kernel's log where an answer is not what LoPAR says.
const DEVIATION: &str = "oxrtas_hammer: deviation";

/// What is wrong with what the module said before the crash. `follows` says whether the firmware's
/// interrupt calls follow LoPAR: the module must see it where they do not, or it sees nothing.
pub fn failures(scenario: &Scenario, follows: bool, transcript: &Transcript) -> Vec<String> {
    if scenario.hammer.is_none() {
        return Vec::new();
    }
    let mut failures = Vec::new();
    let mut is = |fact: &str, wanted: &str, good: fn(u64) -> bool| {
        let key = format!("hammer.{fact}");
        match transcript.number(&key) {
            Some(number) if good(number) => (),
            seen => failures.push(format!("{key} is {seen:?}, expected {wanted}")),
        }
    };
    is("calls", "many", |number| number >= 1000);
    is("refused", "0", |number| number == 0);
    if follows || !scenario.compares() {
        is("deviations", "0", |number| number == 0);
    } else {
        is("deviations", "some, as QEMU's calls have them", |number| {
            number > 0
        });
    }
    failures
}

/// What is wrong with the log of a kernel that crashed while the module called.
pub fn log_failures(scenario: &Scenario, follows: bool, log: &str) -> Option<String> {
    if !follows || scenario.hammer.is_none() {
        return None;
    }
    let line = log.lines().find(|line| line.contains(DEVIATION))?;
    Some(line.to_owned())
}

/// How many processors were inside RTAS when they died.
pub fn died_inside(scenario: &Scenario, transcript: &Transcript, notes: &Notes) -> Option<String> {
    scenario.hammer?;
    let number = |key: &str| {
        let digits = transcript.facts.get(key)?.strip_prefix("0x")?;
        u64::from_str_radix(digits, 16).ok()
    };
    let base = number("rtas.linux,rtas-base")?;
    let area = base..base.checked_add(number("rtas.rtas-size")?)?;
    let inside = notes.processors.iter();
    let inside = inside.filter(|one| area.contains(&one.registers.instruction));
    Some(format!(
        "{} of {} processors died inside RTAS",
        inside.count(),
        notes.processors.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::ALL;
    use super::*;

    fn scenario(name: &str) -> &'static Scenario {
        ALL.iter().find(|one| one.name.starts_with(name)).unwrap()
    }

    fn said(calls: u64, refused: u64, deviations: u64) -> Transcript {
        Transcript::of(&format!(
            "OXRTAS-FACT hammer.calls {calls}\nOXRTAS-FACT hammer.refused {refused}\n\
             OXRTAS-FACT hammer.deviations {deviations}\n"
        ))
    }

    #[test]
    fn deviations_are_forbidden_to_firmware_that_follows_lopar_and_owed_by_the_others() {
        let hammer = scenario("hammer/");
        let failures = |follows, said: &Transcript| failures(hammer, follows, said).len();
        assert_eq!(failures(true, &said(9000, 0, 0)), 0);
        assert_eq!(failures(true, &said(9000, 0, 1)), 1);
        assert_eq!(failures(false, &said(9000, 0, 1)), 0);
        assert_eq!(failures(false, &said(9000, 0, 0)), 1);
        assert_eq!(failures(true, &said(9000, 2, 0)), 1);
        assert_eq!(failures(true, &said(10, 0, 0)), 1);
        assert_eq!(failures(true, &Transcript::default()), 3);
    }

    #[test]
    fn a_module_that_compares_nothing_owes_no_deviation_and_none_is_owed_without_it() {
        let one = scenario("direct-int-off/");
        assert!(failures(one, false, &said(9000, 0, 0)).is_empty());
        assert!(failures(scenario("sysrq-c/"), true, &Transcript::default()).is_empty());
    }

    #[test]
    fn a_deviation_after_the_last_word_is_in_the_log() {
        let log = "[    3.0] sysrq: Trigger a crash\n[    3.1] oxrtas_hammer: deviation: x\n";
        let found = |name, follows| log_failures(scenario(name), follows, log).is_some();
        assert!(found("hammer/", true));
        assert!(!found("hammer/", false) && !found("sysrq-c/", true));
    }
}
