//! Firmwares side by side.

use super::catalogue::{self, Catalogue, Otherwise, Requirement};
use super::known;
use super::verdicts::{Heard, Outcome};
use anyhow::Result;
use comfy_table::{Table, presets};

/// A row for each check whose requirement or name contains `pattern`, a column for each firmware,
/// and the counts in the last row.
pub fn compare(columns: &[(&str, Heard)], pattern: &str) -> Table {
    let mut table = markdown();
    let firmwares = columns.iter().map(|(firmware, _)| *firmware);
    table.set_header(["requirement", "check"].into_iter().chain(firmwares));
    let mut rows: Vec<(&str, &str)> = Vec::new();
    for verdict in columns.iter().flat_map(|(_, heard)| &heard.verdicts) {
        let row = (verdict.requirement.as_str(), verdict.check.as_str());
        if !rows.contains(&row) && (row.0.contains(pattern) || row.1.contains(pattern)) {
            rows.push(row);
        }
    }
    for row in rows {
        let cells = columns.iter().map(|(_, heard)| cell(heard, row));
        let names = [row.0.to_owned(), row.1.to_owned()];
        table.add_row(names.into_iter().chain(cells));
    }
    let counts = columns.iter().map(|(_, heard)| {
        let count = |outcome| heard.count(outcome);
        let (ok, not_ok) = (count(Outcome::Ok), count(Outcome::NotOk));
        format!("{ok} ok, {not_ok} not ok, {} skipped", count(Outcome::Skip))
    });
    let names = [String::new(), "all checks, in every width".to_owned()];
    table.add_row(names.into_iter().chain(counts));
    table
}

/// The outcomes of one check in all widths: one word where they agree.
fn cell(heard: &Heard, (requirement, check): (&str, &str)) -> String {
    let mut outcomes: Vec<(Outcome, Vec<&str>)> = Vec::new();
    for verdict in &heard.verdicts {
        if (verdict.requirement.as_str(), verdict.check.as_str()) != (requirement, check) {
            continue;
        }
        match outcomes
            .iter_mut()
            .find(|(seen, _)| *seen == verdict.outcome)
        {
            Some((_, widths)) => widths.push(&verdict.width),
            None => outcomes.push((verdict.outcome, vec![&verdict.width])),
        }
    }
    match outcomes.as_slice() {
        [] => "-".to_owned(),
        [(outcome, _)] => outcome.word().to_owned(),
        several => {
            let texts = several
                .iter()
                .map(|(outcome, widths)| format!("{} ({})", outcome.word(), widths.join(", ")));
            texts.collect::<Vec<_>>().join("; ")
        }
    }
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
        for known in known::of(firmware) {
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
    use super::*;

    #[test]
    fn a_check_is_one_row_with_the_widths_only_where_they_differ() {
        let one = Heard::of(["ok R1-1 a/32: x", "ok R1-1 a/64: x", "not ok R1-2 b: x"]);
        let other = Heard::of(["ok R1-1 a/32: x", "not ok R1-1 a/64: x"]);
        let text = compare(&[("one", one), ("other", other)], "").to_string();
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split('|').map(str::trim).collect())
            .collect();
        assert!(
            rows.contains(&vec!["", "R1-1", "a", "ok", "ok (32); not ok (64)", ""]),
            "{text}"
        );
        assert!(
            rows.contains(&vec!["", "R1-2", "b", "not ok", "-", ""]),
            "{text}"
        );
        assert!(text.contains("2 ok, 1 not ok, 0 skipped"), "{text}");
    }

    #[test]
    fn a_pattern_chooses_rows_and_leaves_the_counts() {
        let heard = Heard::of(["ok R1-1 a: x", "ok R1-2 b: x"]);
        let text = compare(&[("one", heard)], "R1-2").to_string();
        assert!(!text.contains("R1-1") && text.contains("R1-2"), "{text}");
        assert!(text.contains("2 ok"), "{text}");
    }
}
