//! What the tables have to be, among themselves and towards the checks that there are.

use super::evidence::{self, Evidence};
use super::{Binds, Catalogue, Otherwise};
use crate::check;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};

/// What there is to check with.
struct There {
    guest: BTreeSet<(String, String)>,
    host: BTreeSet<String>,
    build: BTreeSet<String>,
}

/// Every rule that the catalogue breaks, one line each.
pub fn broken(catalogue: &Catalogue) -> Result<Vec<String>> {
    let there = There {
        guest: evidence::guest_checks()?,
        host: evidence::host_tests()?,
        build: check::NAMES.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut lines = numbers(catalogue);
    lines.extend(rows(catalogue, &there));
    lines.extend(checks(catalogue, &there));
    lines.extend(options(catalogue));
    lines.extend(mutants(catalogue, &there));
    lines.extend(unproved(catalogue, &there));
    lines.extend(crate::mutants::differences(catalogue)?);
    Ok(lines)
}

/// Each number of the chapter once, and no other.
fn numbers(catalogue: &Catalogue) -> Vec<String> {
    let mut lines = Vec::new();
    let mut seen = BTreeMap::new();
    for requirement in &catalogue.requirements {
        if let Some(first) = seen.insert(&requirement.id, &requirement.place) {
            lines.push(format!(
                "{}: {} is at {first}, too",
                requirement.place, requirement.id
            ));
        }
    }
    let chapter = catalogue.requirements.iter().take(catalogue.chapter);
    let mut extra: BTreeSet<&str> = chapter.map(|requirement| requirement.id.as_str()).collect();
    for section in &catalogue.sections {
        for number in &section.numbers {
            let id = format!("R1-{}-{number}", section.number);
            if !extra.remove(id.as_str()) {
                lines.push(format!("chapter7.tsv: {id} is missing"));
            }
        }
    }
    lines.extend(
        extra
            .into_iter()
            .map(|id| format!("chapter7.tsv: LoPAR has no {id}")),
    );
    lines
}

/// Each row makes sense, and says who checks it or why nobody does.
fn rows(catalogue: &Catalogue, there: &There) -> Vec<String> {
    let mut lines = Vec::new();
    for requirement in &catalogue.requirements {
        let mut wrong = |what: String| {
            lines.push(format!("{}: {}: {what}", requirement.place, requirement.id));
        };
        let option = catalogue.option(requirement);
        if let (Some(key), None) = (&requirement.option, option) {
            wrong(format!("there is no option {key}"));
        }
        let named = there.guest.iter().any(|(id, _)| *id == requirement.id);
        for item in &requirement.also {
            let exists = match item {
                Evidence::Guest(name) => there.guest.iter().any(|(_, own)| own == name),
                Evidence::Host(name) => there.host.contains(name),
                Evidence::Build(name) => there.build.contains(name),
            };
            if !exists {
                wrong(format!("there is no check {item}"));
            }
            if let Evidence::Guest(name) = item
                && there
                    .guest
                    .contains(&(requirement.id.clone(), name.clone()))
            {
                wrong(format!("{item} names it already"));
            }
        }
        let checked = named || !requirement.also.is_empty();
        let applies = option.is_none_or(|option| option.here);
        let says_nothing = requirement.otherwise == Otherwise::Nothing;
        if requirement.binds.platform() && applies && !checked && says_nothing {
            wrong("it binds the platform and applies, and has neither check nor reason".into());
        }
        if requirement.binds == Binds::Nobody && !says_nothing {
            wrong("it binds nobody, and needs no reason".into());
        }
        // A check may look at what comes of a caller that breaks the rule.
        if requirement.binds == Binds::OperatingSystem && !says_nothing {
            wrong("it binds the operating system alone, and needs no reason".into());
        }
        if !applies && matches!(requirement.otherwise, Otherwise::Absent(_)) {
            wrong("its option says why it does not apply".into());
        }
        if checked && matches!(requirement.otherwise, Otherwise::Absent(_)) && named {
            wrong("a check names it, so it applies".into());
        }
        if !requirement.words.ends_with('.') || requirement.words.len() > 200 {
            wrong("our words are one sentence, at most 200 letters".into());
        }
    }
    lines
}

/// Each requirement that a check names is there.
fn checks(catalogue: &Catalogue, there: &There) -> Vec<String> {
    let ids: BTreeSet<&str> = catalogue
        .requirements
        .iter()
        .map(|it| it.id.as_str())
        .collect();
    let missing = there
        .guest
        .iter()
        .filter(|(id, _)| !ids.contains(id.as_str()));
    let missing =
        missing.map(|(id, name)| format!("the check {name} names {id}, which is not there"));
    missing.collect()
}

/// Each option is somebody's.
fn options(catalogue: &Catalogue) -> Vec<String> {
    let used = |key: &str| {
        let mut requirements = catalogue.requirements.iter();
        requirements.any(|requirement| requirement.option.as_deref() == Some(key))
    };
    let unused = catalogue.options.keys().filter(|key| !used(key));
    unused
        .map(|key| format!("options.tsv: no requirement needs {key}"))
        .collect()
}

/// A mutant was caught by a check of the requirement that it breaks.
fn mutants(catalogue: &Catalogue, there: &There) -> Vec<String> {
    let mut lines = Vec::new();
    for mutant in &catalogue.mutants {
        let of = catalogue
            .requirements
            .iter()
            .find(|it| it.id == mutant.requirement);
        let Some(requirement) = of else {
            lines.push(format!(
                "proved.tsv: {} breaks {}, which is not there",
                mutant.name, mutant.requirement
            ));
            continue;
        };
        let speaks = |name: &String| {
            there
                .guest
                .contains(&(requirement.id.clone(), name.clone()))
                || requirement.also.contains(&Evidence::Guest(name.clone()))
        };
        if !mutant.caught_by.iter().any(speaks) {
            lines.push(format!(
                "proved.tsv: {} was caught by no check of {}",
                mutant.name, requirement.id
            ));
        }
    }
    lines
}

/// What no fault can break is a requirement that checks of the guest speak for, once, with a reason, and
/// that none did break.
fn unproved(catalogue: &Catalogue, there: &There) -> Vec<String> {
    let mut lines = Vec::new();
    let mut seen = BTreeSet::new();
    for (id, why) in &catalogue.unproved {
        let mut wrong = |what: &str| lines.push(format!("unproved.tsv: {id} {what}"));
        if !seen.insert(id) {
            wrong("is there twice");
        }
        if catalogue.is_proved(id) {
            wrong("is proved");
        }
        if why.len() < 10 {
            wrong("has no reason");
        }
        let requirement = catalogue.requirements.iter().find(|it| it.id == *id);
        let guest = |evidence: &Evidence| matches!(evidence, Evidence::Guest(_));
        let checked = there.guest.iter().any(|(own, _)| own == id)
            || requirement.is_some_and(|it| it.also.iter().any(guest));
        if requirement.is_none() || !checked {
            wrong("is no requirement that a check of the guest speaks for");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    const ROW: &str = "requirement\tbinds\toption\talso checked by\totherwise\tin our words\n";

    /// Rules broken by tables with one section of two requirements; `chapter` and `others` are the
    /// rows of the tables.
    fn of(chapter: &[&str], others: &[&str], proved: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: String| fs::write(directory.path().join(name), text).unwrap();
        write(
            "sections.tsv",
            "section\tlast\talso\ttitle\tfunctions\n7.9\t2\t-\tx\tf\n".into(),
        );
        write(
            "options.tsv",
            "option\tname\ttold by\there\twhy\nhere\tx\tibm,f\tyes\tx\naway\tx\t-\tno\tx\n".into(),
        );
        let rows = |rows: &[&str]| {
            let rows: Vec<String> = rows
                .iter()
                .map(|row| row.replace('|', "\t") + "\n")
                .collect();
            ROW.to_owned() + &rows.concat()
        };
        write("chapter7.tsv", rows(chapter));
        write("others.tsv", rows(others));
        // What is proved, and behind a line of dashes what cannot be.
        let (proved, unproved) = proved.split_once("---\n").unwrap_or((proved, ""));
        write(
            "proved.tsv",
            format!("requirement\tmutant\tcaught by\n{proved}"),
        );
        write("unproved.tsv", format!("requirement\twhy\n{unproved}"));
        judge(directory.path())
    }

    fn judge(directory: &Path) -> Vec<String> {
        let catalogue = Catalogue::of(directory).unwrap();
        let there = There {
            guest: [("R1-7.9-1".to_owned(), "a".to_owned())].into(),
            host: ["h".to_owned()].into(),
            build: ["b".to_owned()].into(),
        };
        let mut lines = numbers(&catalogue);
        lines.extend(rows(&catalogue, &there));
        lines.extend(checks(&catalogue, &there));
        lines.extend(options(&catalogue));
        lines.extend(mutants(&catalogue, &there));
        lines.extend(unproved(&catalogue, &there));
        lines
    }

    const ONE: &str = "R1-7.9-1|platform|here|host/h build/b|-|One.";
    const TWO: &str = "R1-7.9-2|platform|away|-|-|Two.";

    #[test]
    fn good_tables_break_nothing() {
        let proved = "R1-7.9-1\tm\ta\n";
        assert_eq!(
            of(&[ONE, TWO], &["X-1|os|-|-|-|Three."], proved),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_cannot_be_proved_is_judged_has_a_reason_and_is_not_proved() {
        let found = |proved: &str| of(&[ONE, TWO], &["X-1|os|-|-|-|Three."], proved);
        let good = "---\nR1-7.9-1\tthe hypervisor decides\n";
        assert_eq!(found(good), Vec::<String>::new());
        for (proved, text) in [
            (
                "R1-7.9-1\tm\ta\n---\nR1-7.9-1\tthe hypervisor decides\n",
                "is proved",
            ),
            ("---\nR1-7.9-1\t-\n", "has no reason"),
            (
                "---\nR1-7.9-2\tthe hypervisor decides\n",
                "is no requirement",
            ),
            (
                "---\nR1-7.9-3\tthe hypervisor decides\n",
                "is no requirement",
            ),
            (
                "---\nR1-7.9-1\tthe hypervisor decides\nR1-7.9-1\tthe hypervisor decides\n",
                "is there twice",
            ),
        ] {
            let lines = found(proved);
            assert!(
                lines.len() == 1 && lines[0].contains(text),
                "{text}: {lines:?}"
            );
        }
    }

    #[test]
    fn a_number_that_is_missing_twice_or_unknown_is_found() {
        let found = |chapter: &[&str], text: &str| {
            let lines = of(chapter, &[], "");
            assert!(
                lines.iter().any(|line| line.contains(text)),
                "{text}: {lines:?}"
            );
        };
        found(&[ONE], "R1-7.9-2 is missing");
        found(&[ONE, TWO, TWO], "is at chapter7.tsv:3, too");
        found(
            &[ONE, TWO, "R1-7.9-3|os|-|-|-|Three."],
            "LoPAR has no R1-7.9-3",
        );
    }

    #[test]
    fn a_platform_requirement_needs_a_check_or_a_reason_where_it_applies() {
        let with = |row: &str| of(&[ONE, TWO], &["X-1|os|-|-|-|Three.", row], "");
        for row in ["X-2|platform|-|-|-|Four.", "X-2|both|here|-|-|Four."] {
            let lines = with(row);
            assert!(
                lines.len() == 1 && lines[0].contains("neither check nor reason"),
                "{lines:?}"
            );
        }
        for row in [
            "X-2|platform|-|guest/a|-|Four.",
            "X-2|platform|-|-|untestable: so|Four.",
            "X-2|platform|away|-|-|Four.",
            "X-2|os|-|-|-|Four.",
        ] {
            assert_eq!(with(row), Vec::<String>::new(), "{row}");
        }
    }

    #[test]
    fn rows_that_make_no_sense_are_found() {
        for (row, text) in [
            ("X-2|platform|none|guest/a|-|Four.", "no option none"),
            ("X-2|platform|-|guest/z|-|Four.", "no check guest/z"),
            ("X-2|platform|-|host/z|-|Four.", "no check host/z"),
            ("X-2|platform|-|build/z|-|Four.", "no check build/z"),
            ("X-2|nobody|-|-|open: x|Four.", "binds nobody"),
            ("X-2|os|-|-|open: x|Four.", "operating system alone"),
            ("X-2|platform|away|-|absent: x|Four.", "its option says why"),
            ("X-2|platform|-|guest/a|-|Four", "one sentence"),
        ] {
            let lines = of(&[ONE, TWO], &[row], "");
            assert!(
                lines.iter().any(|line| line.contains(text)),
                "{row}: {lines:?}"
            );
        }
        let named = ["R1-7.9-1|platform|here|guest/a|-|One.", TWO];
        assert!(
            of(&named, &[], "")
                .iter()
                .any(|line| line.contains("names it already"))
        );
        let absent = ["R1-7.9-1|platform|here|-|absent: x|One.", TWO];
        assert!(
            of(&absent, &[], "")
                .iter()
                .any(|line| line.contains("so it applies"))
        );
    }

    #[test]
    fn a_check_of_an_unknown_requirement_and_an_unused_option_are_found() {
        let one = "R1-7.9-9|platform|-|host/h|-|One.";
        let lines = of(&[one, TWO], &[], "");
        assert!(
            lines
                .iter()
                .any(|line| line.contains("the check a names R1-7.9-1")),
            "{lines:?}"
        );
        assert!(
            lines
                .iter()
                .any(|line| line.contains("no requirement needs here")),
            "{lines:?}"
        );
    }

    #[test]
    fn a_mutant_is_caught_by_a_check_of_what_it_breaks() {
        for (proved, text) in [
            ("R1-7.9-1\tm\tz\n", "caught by no check"),
            ("R1-7.9-2\tm\ta\n", "caught by no check"),
            ("R1-7.9-7\tm\ta\n", "not there"),
        ] {
            let lines = of(&[ONE, TWO], &[], proved);
            assert!(lines.len() == 1 && lines[0].contains(text), "{lines:?}");
        }
    }
}
