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

/// How many processors were inside RTAS when they died. An error if nobody was: every scenario of
/// the module holds one of its processors there.
pub fn died_inside(transcript: &Transcript, notes: &Notes) -> Result<String, String> {
    let number = |key: &str| {
        let digits = transcript.facts.get(key)?.strip_prefix("0x")?;
        u64::from_str_radix(digits, 16).ok()
    };
    let area = number("rtas.linux,rtas-base")
        .zip(number("rtas.rtas-size"))
        .and_then(|(base, size)| Some(base..base.checked_add(size)?))
        .ok_or("the guest does not say where RTAS is")?;
    let inside = notes.processors.iter();
    let inside = inside.filter(|one| area.contains(&one.registers.instruction));
    let found = format!(
        "{} of {} processors died inside RTAS",
        inside.clone().count(),
        notes.processors.len()
    );
    match inside.count() {
        0 => Err(found),
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::ALL;
    use super::super::notes::Processor;
    use super::super::scenario::{Hold, Place, Work};
    use super::*;
    use crate::gdb::power::AllRegisters;

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
    fn a_run_in_which_nobody_died_inside_rtas_shows_nothing() {
        let note = |instruction| Processor {
            process: 0,
            registers: AllRegisters {
                general: [0; 32],
                instruction,
                machine_state: 0,
                condition: 0,
                link: 0,
                count: 0,
                exception: 0,
            },
        };
        let notes = |places: &[u64]| Notes {
            processors: places.iter().copied().map(note).collect(),
            vmcoreinfo: String::new(),
        };
        let said = Transcript::of(
            "OXRTAS-FACT rtas.linux,rtas-base 0x2fff0000\nOXRTAS-FACT rtas.rtas-size 0x8000\n",
        );
        let died = |places: &[u64]| died_inside(&said, &notes(places));
        assert!(died(&[0xc000_0000_0000_1000, 0x2fff_7fff]).is_ok());
        assert!(died(&[0xc000_0000_0000_1000, 0x2fff_8000]).is_err());
        assert!(died(&[]).is_err());
        assert!(died_inside(&Transcript::default(), &notes(&[0x2fff_0000])).is_err());
    }

    #[test]
    fn every_scenario_of_the_module_holds_one_of_its_processors_in_a_call() {
        let mut hammers = ALL.iter().filter(|one| one.hammer.is_some());
        assert!(hammers.all(|one| {
            let mut parts = one.hold.into_iter().flat_map(Hold::parts);
            parts.any(|part| part.work == Work::Hammer && part.place != Place::Outside)
        }));
    }

    #[test]
    fn a_deviation_after_the_last_word_is_in_the_log() {
        let log = "[    3.0] sysrq: Trigger a crash\n[    3.1] oxrtas_hammer: deviation: x\n";
        let found = |name, follows| log_failures(scenario(name), follows, log).is_some();
        assert!(found("hammer/", true));
        assert!(!found("hammer/", false) && !found("sysrq-c/", true));
    }
}
