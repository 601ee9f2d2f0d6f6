//! What the run of a firmware says of each requirement.

use super::catalogue::{Binds, Catalogue, Evidence, Otherwise, Requirement};
use super::judge::Unexpected;
use super::known::{self, Known, Subject};
use super::verdicts::{Heard, Outcome};
use serde::Serialize;

/// The verdict on a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Checks that speak for it passed, and none failed.
    Pass,
    /// A check that speaks for it failed, or the firmware deviates on purpose.
    Fail,
    /// It does not apply to this machine or this firmware.
    NotApplicable,
    /// It applies, and this run cannot tell.
    NotTestable,
}

impl Verdict {
    /// All of them, as totals have them.
    pub const ALL: [Self; 4] = [
        Self::Pass,
        Self::Fail,
        Self::NotApplicable,
        Self::NotTestable,
    ];

    /// The word for readers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotApplicable => "n/a",
            Self::NotTestable => "not testable",
        }
    }
}

/// What one check saw.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// The run that it was made in.
    pub run: &'static str,
    /// The check.
    pub check: String,
    /// How RTAS was entered; empty where the check does not depend on it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub width: String,
    /// What came of it: `ok`, `not ok` or `skip`.
    pub outcome: &'static str,
    /// What it saw, or why it was not made.
    pub text: String,
    /// Why it is known to fail, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<&'static str>,
}

/// What a run says of one requirement.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, unless checks that passed say it.
    pub why: String,
    /// Why it is known to fail, if nothing else failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<String>,
    /// What the checks saw that speak for it.
    #[serde(rename = "checks")]
    pub seen: Vec<Seen>,
}

impl Standing {
    /// Whether code that ran gave it a verdict.
    pub fn is_judged(&self) -> bool {
        let spoke = |seen: &Seen| seen.outcome != Outcome::Skip.word();
        matches!(self.verdict, Verdict::Pass | Verdict::Fail) && self.seen.iter().any(spoke)
    }
}

/// What was heard in a run.
#[derive(Clone, Debug)]
pub struct Said {
    /// The run's name.
    pub run: &'static str,
    /// What was heard.
    pub heard: Heard,
}

/// Whether /rtas has a property of this name in some run, if any told its properties.
fn has(said: &[Said], property: &str) -> Option<bool> {
    let told = said.iter().filter_map(|said| said.heard.has(property));
    told.reduce(|one, other| one || other)
}

/// Runs of the guest on a firmware, requirement by requirement.
#[derive(Clone, Debug)]
pub struct Column {
    /// The firmware, and QEMU where columns differ in it.
    pub name: String,
    /// The firmware: its name or its file.
    pub firmware: String,
    /// QEMU.
    pub qemu: String,
    /// The names of the runs, with blanks between.
    pub runs: String,
    /// As many as the catalogue has requirements, in its order.
    pub standings: Vec<Standing>,
    /// What is not as the tables have it.
    pub surprises: Vec<Unexpected>,
}

impl Column {
    /// Judges every requirement by what was said by a firmware on a QEMU.
    pub fn of(
        catalogue: &Catalogue,
        [name, firmware, qemu]: [&str; 3],
        subject: Subject,
        said: &[Said],
    ) -> Self {
        let known = known::of(subject);
        let standing = |requirement| standing(catalogue, requirement, subject, said, &known);
        let runs: Vec<&str> = said.iter().map(|said| said.run).collect();
        Self {
            name: name.to_owned(),
            firmware: firmware.to_owned(),
            qemu: qemu.to_owned(),
            runs: runs.join(" "),
            standings: catalogue.requirements.iter().map(standing).collect(),
            surprises: surprises(catalogue, said),
        }
    }

    /// How many of the standings that `chosen` picks have a verdict.
    pub fn count(&self, verdict: Verdict, chosen: impl Fn(usize) -> bool) -> usize {
        let standings = self.standings.iter().enumerate();
        let same = standings.filter(|(index, it)| it.verdict == verdict && chosen(*index));
        same.count()
    }
}

/// Options that /rtas has although the tables say that they are not here.
fn surprises(catalogue: &Catalogue, said: &[Said]) -> Vec<Unexpected> {
    let mut lines = Vec::new();
    for option in catalogue.options.values().filter(|option| !option.here) {
        for name in option
            .told_by
            .iter()
            .filter(|name| has(said, name) == Some(true))
        {
            lines.push(Unexpected::of_run(format!(
                "/rtas has {name}, and options.tsv says that there is no {}",
                option.name
            )));
        }
    }
    lines
}

/// Why the option of a requirement is not there, if it is not.
fn without_option(
    catalogue: &Catalogue,
    requirement: &Requirement,
    said: &[Said],
) -> Option<String> {
    let option = catalogue.option(requirement)?;
    let told: Vec<Option<bool>> = option.told_by.iter().map(|name| has(said, name)).collect();
    if told.contains(&Some(true)) {
        return None;
    }
    let absent = told.contains(&Some(false));
    let names = option.told_by.join(", ");
    match (absent, option.here) {
        (true, true) => Some(format!("/rtas has no {names}: no {}", option.name)),
        (true, false) => Some(format!("/rtas has no {names}: {}", option.why)),
        (false, false) => Some(format!("no {}: {}", option.name, option.why)),
        (false, true) => None,
    }
}

fn standing(
    catalogue: &Catalogue,
    requirement: &Requirement,
    subject: Subject,
    said: &[Said],
    known: &[&Known],
) -> Standing {
    let named = |check: &str| {
        requirement
            .also
            .contains(&Evidence::Guest(check.to_owned()))
    };
    let mut outcomes = Vec::new();
    let mut seen = Vec::new();
    for Said { run, heard } in said {
        let verdicts = heard.verdicts.iter();
        for verdict in verdicts.filter(|it| it.requirement == requirement.id || named(&it.check)) {
            let listed = known.iter().find(|known| known.is(verdict));
            outcomes.push(verdict.outcome);
            seen.push(Seen {
                run,
                check: verdict.check.clone(),
                width: verdict.width.clone(),
                outcome: verdict.outcome.word(),
                text: verdict.text.clone(),
                known: listed
                    .filter(|_| verdict.outcome == Outcome::NotOk)
                    .map(|known| known.reason),
            });
        }
    }
    let (verdict, why) = judge(catalogue, requirement, subject, said, &outcomes, &seen);
    let failed = || seen.iter().filter(|it| it.outcome == Outcome::NotOk.word());
    let known = match &requirement.otherwise {
        _ if verdict != Verdict::Fail || failed().any(|it| it.known.is_none()) => None,
        Otherwise::Deviates(why) if subject == Subject::Oxrtas => Some(why.clone()),
        _ => failed().find_map(|it| it.known).map(str::to_owned),
    };
    Standing {
        verdict,
        why,
        known,
        seen,
    }
}

fn judge(
    catalogue: &Catalogue,
    requirement: &Requirement,
    subject: Subject,
    said: &[Said],
    outcomes: &[Outcome],
    seen: &[Seen],
) -> (Verdict, String) {
    let text_of = |outcome: &str| {
        let first = seen.iter().find(|seen| seen.outcome == outcome);
        first.map_or_else(String::new, |seen| match seen.known {
            Some(reason) => format!("{}: {} ({reason})", seen.check, seen.text),
            None => format!("{}: {}", seen.check, seen.text),
        })
    };
    if let Otherwise::Deviates(why) = &requirement.otherwise
        && subject == Subject::Oxrtas
    {
        return (Verdict::Fail, why.clone());
    }
    if outcomes.contains(&Outcome::NotOk) {
        return (Verdict::Fail, text_of(Outcome::NotOk.word()));
    }
    // Nothing can be said for a rule about what is not there.
    if let Some(why) = without_option(catalogue, requirement, said) {
        return (Verdict::NotApplicable, why);
    }
    if outcomes.contains(&Outcome::Ok) {
        return (Verdict::Pass, String::new());
    }
    if !outcomes.is_empty() {
        return (Verdict::NotTestable, text_of(Outcome::Skip.word()));
    }
    match (&requirement.otherwise, requirement.binds) {
        (Otherwise::Absent(why), _) => (Verdict::NotApplicable, why.clone()),
        (_, Binds::Nobody) => (Verdict::NotApplicable, "it binds nobody".to_owned()),
        (_, Binds::OperatingSystem) => {
            let why = "it binds the operating system, not the platform";
            (Verdict::NotTestable, why.to_owned())
        }
        (Otherwise::Untestable(why), _) => (Verdict::NotTestable, why.clone()),
        (Otherwise::Open(what), _) => (Verdict::NotTestable, format!("no check yet: {what}")),
        (Otherwise::Deviates(why), _) => {
            let why = format!("no check sees it; oxrtas fails it, since {why}");
            (Verdict::NotTestable, why)
        }
        (Otherwise::Nothing, _) => (Verdict::NotTestable, elsewhere(requirement)),
    }
}

/// What is to be said of a requirement whose checks are not in this run.
fn elsewhere(requirement: &Requirement) -> String {
    let guest = |evidence: &&Evidence| matches!(evidence, Evidence::Guest(_));
    let tests = requirement.also.iter().filter(|it| !guest(it));
    let tests: Vec<String> = tests.map(ToString::to_string).collect();
    if tests.is_empty() {
        return "its checks are not in this run".to_owned();
    }
    format!("cargo xtask test checks it: {}", tests.join(", "))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::conformance::case;

    /// A catalogue of a few requirements, and the standings of a run on a firmware.
    pub fn column(firmware: &str, log: &str) -> (Catalogue, Column) {
        let catalogue = Catalogue::read().unwrap();
        let said = Said {
            run: case::FULL,
            heard: Heard::of(log.lines()),
        };
        let subject = Subject::named(firmware);
        let column = Column::of(&catalogue, [firmware, firmware, "7.2"], subject, &[said]);
        (catalogue, column)
    }

    fn stand(firmware: &str, log: &str, id: &str) -> Standing {
        let (catalogue, column) = column(firmware, log);
        let mut requirements = catalogue.requirements.iter();
        let index = requirements
            .position(|requirement| requirement.id == id)
            .unwrap();
        column.standings[index].clone()
    }

    #[test]
    fn one_check_that_fails_is_a_failure_whatever_the_others_say() {
        let id = "R1-7.2.8-1";
        let log = "ok R1-7.2.8-1 unknown-token/32: x\nnot ok R1-7.2.8-1 wrong-counts/32: wanted y";
        let standing = stand("slof", log, id);
        assert_eq!((standing.verdict, standing.seen.len()), (Verdict::Fail, 2));
        assert!(
            standing.why.starts_with("wrong-counts: wanted y (QEMU"),
            "{standing:?}"
        );
        let log = "ok R1-7.2.8-1 unknown-token/32: x\nskip R1-7.2.8-1 xive-bad-server/32: y";
        assert_eq!(stand("slof", log, id).verdict, Verdict::Pass);
    }

    #[test]
    fn a_check_of_another_requirement_counts_where_the_catalogue_says_so() {
        let log = "ok R1-7.2.4-3 instantiate-around: x";
        assert_eq!(stand("vof", log, "R1-7.2.5-1").verdict, Verdict::Pass);
        assert_eq!(
            stand("vof", log, "R1-7.2.6-1").verdict,
            Verdict::NotTestable
        );
    }

    #[test]
    fn what_its_option_does_not_have_is_not_applicable_and_says_which_property_told() {
        let log = "guest: /rtas has rtas-size start-cpu\nskip R1-7.3.10.1-4 xive-initial: y";
        let standing = stand("slof", log, "R1-7.3.10.1-4");
        assert_eq!(standing.verdict, Verdict::NotApplicable);
        assert!(
            standing.why.contains("/rtas has no ibm,get-xive"),
            "{standing:?}"
        );
        let log = log.replace("start-cpu", "ibm,get-xive");
        assert_eq!(
            stand("slof", &log, "R1-7.3.10.1-4").verdict,
            Verdict::NotTestable
        );
        assert_eq!(
            stand("slof", &log, "R1-7.3.16.4-1").verdict,
            Verdict::NotApplicable
        );
    }

    #[test]
    fn a_check_that_passes_where_the_option_is_absent_makes_no_rule_applicable() {
        // Parameter 43 is not there, and is refused as it should be.
        let id = "R1-7.3.16.17-1";
        let log = format!("guest: /rtas has rtas-size\nok {id} parameter-43/32: -3");
        let standing = stand("oxrtas", &log, id);
        assert_eq!(standing.verdict, Verdict::NotApplicable, "{standing:?}");
        assert!(!standing.is_judged());
        let log = log.replace("ok R1", "not ok R1");
        assert_eq!(stand("oxrtas", &log, id).verdict, Verdict::Fail);
    }

    #[test]
    fn only_what_ran_and_was_not_skipped_is_judged() {
        let judged = |log: &str, id: &str| stand("oxrtas", log, id).is_judged();
        let id = "R1-7.2.8-1";
        assert!(judged("ok R1-7.2.8-1 unknown-token/32: x", id));
        assert!(judged("not ok R1-7.2.8-1 unknown-token/32: x", id));
        assert!(!judged("skip R1-7.2.8-1 unknown-token/32: x", id));
        assert!(!judged("", id));
        // A deviation that no check sees.
        let (catalogue, column) = column("oxrtas", "");
        for (requirement, standing) in catalogue.requirements.iter().zip(&column.standings) {
            assert!(!standing.is_judged(), "{}", requirement.id);
        }
    }

    #[test]
    fn a_failure_is_known_if_all_that_failed_is() {
        let id = "R1-7.3.10.1-5";
        let log = format!("not ok {id} unlisted-source-get/32: x");
        assert!(stand("oxrtas", &log, id).known.is_some());
        assert!(stand("slof", &log, id).known.is_some());
        assert!(stand("image.bin", &log, id).known.is_none());
        let log = format!("{log}\nnot ok {id} xive-bad-source-get/32: x");
        assert!(stand("oxrtas", &log, id).known.is_none());
        assert!(
            stand("slof", &format!("ok {id} x/32: x"), id)
                .known
                .is_none()
        );
    }

    #[test]
    fn what_binds_the_operating_system_is_not_testable_here() {
        assert_eq!(
            stand("slof", "", "R1-7.2.1-1").verdict,
            Verdict::NotTestable
        );
        assert_eq!(
            stand("slof", "", "R1-7.3.8-1").verdict,
            Verdict::NotApplicable
        );
    }

    #[test]
    fn a_deviation_is_a_failure_of_oxrtas_though_its_checks_pass() {
        let id = "R1-7.3.5.4.1.2-1";
        let log = format!("ok {id} indicator-9005/32: x");
        assert_eq!(stand("oxrtas", &log, id).verdict, Verdict::Fail);
        for other in ["slof", "image.bin"] {
            assert_ne!(stand(other, &log, id).verdict, Verdict::Fail);
        }
    }

    #[test]
    fn an_option_that_should_not_be_here_is_a_surprise() {
        let (_, column) = column("slof", "guest: /rtas has ibm,platform-dump ibm,get-xive");
        assert_eq!(column.surprises.len(), 1, "{:?}", column.surprises);
    }
}
