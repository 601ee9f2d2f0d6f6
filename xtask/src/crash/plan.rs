//! What one command runs: the scenarios that it names, and the controls that keep them honest.

use super::catalogue;
use super::scenario::Scenario;
use super::subject::Subject;
use crate::build::Promise;

/// One run to make.
#[derive(Clone, Debug)]
pub struct Case {
    /// The scenario.
    pub scenario: &'static Scenario,
    /// What it is run on.
    pub subject: Subject,
}

impl Case {
    fn is(&self, scenario: &Scenario, subject: &Subject) -> bool {
        self.scenario.name == scenario.name && self.subject == *subject
    }
}

/// Firmware on which a patched kernel still has to hang: one that knows nothing of the lists, and
/// ours without them.
const WITHOUT_LISTS: [&str; 2] = ["slof", Promise::Silent.image()];

/// The runs of the scenarios whose names contain `pattern` on all of `subjects`, and how many of
/// them were asked for: the rest are controls.
pub fn plan(pattern: &str, subjects: &[Subject], controls: bool) -> (Vec<Case>, usize) {
    let wanted: Vec<&'static Scenario> = catalogue::ALL
        .iter()
        .filter(|scenario| scenario.name.contains(pattern))
        .collect();
    let mut cases: Vec<Case> = Vec::new();
    for subject in subjects {
        for &scenario in &wanted {
            if let Some(why) = subject.cannot(scenario) {
                eprintln!("left out: {} on {subject}: {why}", scenario.name);
                continue;
            }
            cases.push(Case {
                scenario,
                subject: subject.clone(),
            });
        }
    }
    let asked = cases.len();
    if controls {
        for index in 0..asked {
            let more = cases.get(index).map(controls_of).unwrap_or_default();
            for case in more {
                if !cases
                    .iter()
                    .any(|known| known.is(case.scenario, &case.subject))
                {
                    cases.push(case);
                }
            }
        }
    }
    (cases, asked)
}

/// What belongs to `case` (docs/crash.md): the same processors held outside RTAS, and a
/// patched kernel without the lists.
fn controls_of(case: &Case) -> Vec<Case> {
    let outside = catalogue::ALL
        .iter()
        .filter(|other| case.scenario.is_controlled_by(other))
        .map(|scenario| Case {
            scenario,
            subject: case.subject.clone(),
        });
    let without: &[&str] = if case.subject.wants_controls(case.scenario) {
        &WITHOUT_LISTS
    } else {
        &[]
    };
    let without = without.iter().map(|firmware| Case {
        scenario: case.scenario,
        subject: case.subject.on(firmware),
    });
    outside.chain(without).collect()
}

#[cfg(test)]
mod tests {
    use super::super::scenario::{Hold, Outcome, Place, Work};
    use super::super::subject::sample as subject;
    use super::*;

    fn names(cases: &[Case]) -> Vec<String> {
        let name = |case: &Case| format!("{} {}", case.scenario.name, case.subject.firmware);
        cases.iter().map(name).collect()
    }

    #[test]
    fn the_headline_brings_its_three_controls() {
        let subjects = [subject("oxrtas-claimed", "patched")];
        let (cases, asked) = plan("frozen/", &subjects, true);
        assert_eq!(asked, 1);
        assert_eq!(
            names(&cases),
            [
                "frozen/xics-4-2G oxrtas-claimed",
                "frozen-control/xics-4-2G oxrtas-claimed",
                "frozen/xics-4-2G slof",
                "frozen/xics-4-2G oxrtas-silent",
            ]
        );
        let hangs = |case: &&Case| case.subject.expected(case.scenario) == Outcome::Hang;
        assert_eq!(cases.iter().filter(hangs).count(), 2);
        assert_eq!(plan("frozen/", &subjects, false).0.len(), 1);
    }

    #[test]
    fn what_a_kernel_cannot_do_is_left_out() {
        let asked = |kernel| plan("slots-msi/", &[subject("slof", kernel)], true).1;
        assert_eq!((asked("6.1"), asked("patched-6.1")), (0, 0));
        assert_eq!(
            (asked("6.12"), asked("patched"), asked("patched-7.2")),
            (1, 1, 1)
        );
    }

    #[test]
    fn a_stock_kernel_has_no_lists_to_control_and_nothing_runs_twice() {
        let (cases, _) = plan("frozen", &[subject("slof", "6.1")], true);
        assert_eq!(
            names(&cases),
            ["frozen/xics-4-2G slof", "frozen-control/xics-4-2G slof"]
        );
    }

    #[test]
    fn every_case_in_rtas_has_its_control_on_the_same_subject() {
        let subjects = [subject("oxrtas-claimed", "patched"), subject("slof", "6.1")];
        let (cases, asked) = plan("", &subjects, true);
        for case in cases.iter().take(asked) {
            // The test module never comes to where a control is held.
            let inside = |hold: &Hold| hold.place != Place::Outside && hold.work != Work::Hammer;
            if case.scenario.hold.as_ref().is_some_and(inside) {
                let control = |other: &Case| {
                    case.scenario.is_controlled_by(other.scenario) && other.subject == case.subject
                };
                assert!(cases.iter().any(control), "{}", case.scenario.name);
            }
        }
    }
}
