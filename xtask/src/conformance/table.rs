//! Firmwares side by side.

use super::catalogue::{self, Binds, Catalogue, Otherwise, Requirement};
use super::known::{self, Subject};
use super::machine;
use super::standing::{Column, Standing, Verdict};
use anyhow::Result;
use comfy_table::{Table, presets};
use std::collections::BTreeSet;

/// A row for each requirement that `key` chooses, a column for each firmware. Without a key, what
/// no firmware was judged by is left out.
pub fn results(catalogue: &Catalogue, columns: &[Column], key: &str) -> Table {
    let mut table = markdown();
    let names = columns.iter().map(|column| column.name.as_str());
    table.set_header(["requirement", "in our words"].into_iter().chain(names));
    for (index, requirement) in catalogue.requirements.iter().enumerate() {
        let standings = columns
            .iter()
            .filter_map(|column| column.standings.get(index));
        let standings: Vec<&Standing> = standings.collect();
        let judged = |it: &&Standing| matches!(it.verdict, Verdict::Pass | Verdict::Fail);
        let wanted = |it: &&Standing| machine::chosen(requirement, it, key);
        if standings.iter().any(wanted) && (!key.is_empty() || standings.iter().any(judged)) {
            let cells = standings.iter().map(|it| it.verdict.word().to_owned());
            let names = [requirement.id.clone(), requirement.words.clone()];
            table.add_row(names.into_iter().chain(cells));
        }
    }
    table
}

/// How many requirements each firmware passes, fails, has no use for, and cannot be asked.
pub fn totals(catalogue: &Catalogue, columns: &[Column]) -> Table {
    let mut table = markdown();
    let words = Verdict::ALL.map(Verdict::word);
    table.set_header(
        ["requirements of", "firmware", "QEMU"]
            .into_iter()
            .chain(words),
    );
    let chapter = catalogue.chapter();
    let parts: [(&str, bool); 2] = [("chapter 7", true), ("other chapters", false)];
    for (part, first) in parts {
        for column in columns {
            let of = |index: usize| (index < chapter) == first;
            let counts = Verdict::ALL.map(|verdict| column.count(verdict, of).to_string());
            let names = [part, &column.firmware, &column.qemu].map(str::to_owned);
            table.add_row(names.into_iter().chain(counts));
        }
    }
    table
}

/// The requirements to which code that ran gave a verdict, in one of the columns. What binds nobody, as
/// the guest's tests of itself, is none.
pub fn judged<'a>(catalogue: &'a Catalogue, columns: &[Column]) -> BTreeSet<&'a str> {
    let requirements = catalogue.requirements.iter().enumerate();
    let bind = requirements.filter(|(_, it)| it.binds != Binds::Nobody);
    let judged = bind.filter(|(index, _)| {
        let standings = columns.iter().filter_map(|it| it.standings.get(*index));
        standings.into_iter().any(Standing::is_judged)
    });
    judged.map(|(_, it)| it.id.as_str()).collect()
}

/// How many requirements `ids` has, of chapter 7 and of others.
fn count(catalogue: &Catalogue, ids: &BTreeSet<&str>) -> String {
    let (chapter, others) = catalogue.requirements.split_at(catalogue.chapter());
    let of = |part: &[Requirement]| {
        let own = part.iter().filter(|it| ids.contains(it.id.as_str()));
        format!("{} of {}", own.count(), part.len())
    };
    format!("{} of chapter 7, {} of others", of(chapter), of(others))
}

/// How many requirements got a verdict from code that ran, how many are left to tests of ours, and how
/// many are proved.
pub fn coverage(catalogue: &Catalogue, columns: &[Column]) -> Result<String> {
    let judged = judged(catalogue, columns);
    let mut elsewhere = catalogue.elsewhere()?;
    elsewhere.retain(|id| !judged.contains(id));
    let proved = catalogue.proved();
    let unproved = catalogue.unproved.iter().map(|(id, _)| id.as_str());
    let unproved: BTreeSet<&str> = unproved.filter(|id| judged.contains(id)).collect();
    let rest = judged
        .iter()
        .filter(|id| !proved.contains(*id) && !unproved.contains(*id));
    let rest: Vec<&str> = rest.copied().collect();
    let proved: BTreeSet<&str> = proved.intersection(&judged).copied().collect();
    Ok(format!(
        "{} requirements were judged by running code: {}\n\
         by tests on the host or of the build alone: {}\n\
         proved, of those judged, {}: {}\n\
         judged, and no fault of a firmware can break them: {}\n\
         judged, and not proved yet: {}",
        judged.len(),
        count(catalogue, &judged),
        count(catalogue, &elsewhere),
        proved.len(),
        count(catalogue, &proved),
        count(catalogue, &unproved),
        if rest.is_empty() {
            "none".to_owned()
        } else {
            rest.join(" ")
        }
    ))
}

/// The same as far as it can be told without a run: by the names of checks.
pub fn promise(catalogue: &Catalogue) -> Result<String> {
    Ok(format!(
        "named by checks of the guest: {}\n\
         by tests on the host or of the build alone: {}\n\
         proved: {}\n\
         How many are judged, a run says: cargo xtask conformance",
        count(catalogue, &catalogue.named()?),
        count(catalogue, &catalogue.elsewhere()?),
        count(catalogue, &catalogue.proved())
    ))
}

/// The requirements that `key` chooses, with whatever checks them.
pub fn requirements(catalogue: &Catalogue, key: &str) -> Result<Table> {
    let named = catalogue::guest_checks()?;
    let mut table = markdown();
    table.set_header([
        "requirement",
        "binds",
        "checked by",
        "otherwise",
        "in our words",
    ]);
    let chosen = |requirement: &&Requirement| requirement.matches(key);
    for requirement in catalogue.requirements.iter().filter(chosen) {
        let own = named.iter().filter(|(id, _)| *id == requirement.id);
        let own = own.map(|(_, name)| format!("guest/{name}"));
        let also = requirement.also.iter().map(ToString::to_string);
        let checks: Vec<String> = own.chain(also).collect();
        table.add_row([
            requirement.id.clone(),
            requirement.binds.word().to_owned(),
            checks.join(" "),
            otherwise(catalogue, requirement),
            requirement.words.clone(),
        ]);
    }
    Ok(table)
}

/// Why a requirement may have no check, in words.
fn otherwise(catalogue: &Catalogue, requirement: &Requirement) -> String {
    if let Some(option) = catalogue.option(requirement)
        && !option.here
    {
        return format!("no {}: {}", option.name, option.why);
    }
    match &requirement.otherwise {
        Otherwise::Nothing => String::new(),
        Otherwise::Absent(why) => format!("does not apply: {why}"),
        Otherwise::Untestable(why) => format!("cannot be checked: {why}"),
        Otherwise::Deviates(why) => format!("oxrtas deviates: {why}"),
        Otherwise::Open(what) => format!("no check yet: {what}"),
    }
}

/// What the firmwares are known to fail, and why.
pub fn known(firmwares: &[String]) -> Table {
    let mut table = markdown();
    table.set_header(["firmware", "requirement", "check", "why it fails"]);
    for firmware in firmwares {
        for known in known::of(Subject::named(firmware)) {
            let sometimes = if known.varies { "sometimes: " } else { "" };
            table.add_row([
                firmware.clone(),
                known.requirement.to_owned(),
                known.check.to_owned(),
                format!("{sometimes}{}", known.reason),
            ]);
        }
    }
    table
}

fn markdown() -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table
}

#[cfg(test)]
mod tests {
    use super::super::standing::tests::column;
    use super::*;

    fn rows(text: &str) -> Vec<Vec<&str>> {
        let cells = |line| str::split(line, '|').map(str::trim).collect();
        text.lines().map(cells).collect()
    }

    #[test]
    fn only_requirements_that_a_firmware_was_judged_by_are_rows() {
        let (catalogue, one) = column("slof", "ok R1-7.2.6-1 rtas-node: x");
        let (_, other) = column("vof", "not ok R1-7.2.6-4 rtas-required-functions: x");
        let columns = [one, other];
        let text = results(&catalogue, &columns, "").to_string();
        let rows = rows(&text);
        // Heading, ruler, and what those two checks speak for.
        let of = |id: &str| {
            rows.iter()
                .find(|row| row.get(1) == Some(&id))
                .map(|row| &row[3..5])
        };
        assert_eq!(of("R1-7.2.6-1"), Some(["pass", "not testable"].as_slice()));
        assert_eq!(of("R1-7.2.6-4"), Some(["not testable", "fail"].as_slice()));
        assert_eq!(of("R1-7.2.1-1"), None);
        let text = results(&catalogue, &columns, "R1-7.2.1-1").to_string();
        assert_eq!(text.lines().count(), 3, "{text}");
    }

    #[test]
    fn totals_count_every_requirement_once() {
        let (catalogue, column) = column("slof", "ok R1-7.2.6-1 rtas-node: x");
        let text = totals(&catalogue, &[column]).to_string();
        let rows = rows(&text);
        let sum =
            |row: &[&str]| -> usize { row[4..8].iter().map(|n| n.parse::<usize>().unwrap()).sum() };
        assert_eq!((rows[2][1], sum(&rows[2])), ("chapter 7", 580));
        assert_eq!(sum(&rows[2]) + sum(&rows[3]), catalogue.requirements.len());
        assert_eq!(rows[2][4], "1");
    }

    #[test]
    fn coverage_counts_what_was_judged_and_not_what_is_named() {
        let (catalogue, one) = column("slof", "ok R1-7.2.6-1 rtas-node: x");
        let (_, other) = column("vof", "not ok R1-7.2.6-4 x: y\nskip R1-7.2.6-3 x: y");
        let judged = judged(&catalogue, &[one.clone(), other.clone()]);
        assert!(judged.contains("R1-7.2.6-1") && judged.contains("R1-7.2.6-4"));
        assert!(!judged.contains("R1-7.2.6-3"), "{judged:?}");
        let text = coverage(&catalogue, &[one, other]).unwrap();
        let first = format!("{} requirements were judged", judged.len());
        assert!(text.starts_with(&first) && judged.len() < 10, "{text}");
    }

    #[test]
    fn the_list_says_checks_and_reasons() {
        let catalogue = Catalogue::read().unwrap();
        let text = requirements(&catalogue, "R1-7.3.10.1-5")
            .unwrap()
            .to_string();
        assert!(
            text.contains("guest/xive-bad-source-get") && text.contains("oxrtas deviates"),
            "{text}"
        );
    }
}
