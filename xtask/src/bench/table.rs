//! Figures as tables: a table for each chart, the goals, and what changed since another run.

use super::figure::{Figure, Record, Spread, Unit, ratio, unique};
use super::goals::{self, Goal};
use crate::cli::BenchGroup;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::fmt::Write as _;

/// A table for each chart.
pub fn figures(record: &Record) -> String {
    let mut text = String::new();
    for group in BenchGroup::ALL {
        for chart in record.charts(group) {
            let figures = record.chart(chart);
            let unit = figures.first().map_or("", |figure| figure.unit.word());
            // Text has no errors.
            let _ = writeln!(text, "{}: {chart} [{unit}]", group.name());
            let _ = writeln!(text, "{}\n", of_chart(record, &figures));
        }
    }
    text
}

/// One chart: a row for each point, a column for each subject, and how many times the first one is
/// of each other.
fn of_chart(record: &Record, figures: &[&Figure]) -> Table {
    let points = unique(figures.iter().map(|figure| figure.point.as_str()));
    let subjects = unique(figures.iter().map(|figure| figure.subject.as_str()));
    let first = record.firmware.first().map_or("", String::as_str);
    let others: Vec<&str> = subjects
        .iter()
        .copied()
        .filter(|name| *name != first)
        .collect();
    let compared = subjects.contains(&first);
    let mut header = vec![String::new()];
    header.extend(subjects.iter().map(|name| (*name).to_owned()));
    if compared {
        header.extend(others.iter().map(|name| format!("{first} / {name}")));
    }
    let mut table = empty(header);
    for point in points {
        let of = |subject: &str| {
            let mut found = figures.iter();
            found.find(|figure| (&*figure.point, &*figure.subject) == (point, subject))
        };
        let mut row = vec![point.to_owned()];
        row.extend(
            subjects
                .iter()
                .map(|subject| of(subject).map_or(String::new(), |f| cell(f))),
        );
        if compared {
            row.extend(others.iter().map(|other| {
                let pair = of(first).zip(of(other));
                let ratio = pair.and_then(|(ours, theirs)| ratio(&ours.values, &theirs.values));
                ratio.map(goals::spread).unwrap_or_default()
            }));
        }
        table.add_row(row);
    }
    table
}

/// Median, lowest and highest.
fn cell(figure: &Figure) -> String {
    let Some(Spread { low, median, high }) = Spread::of(&figure.values) else {
        return String::new();
    };
    let show = |value| figure.unit.show(value);
    match figure.values.len() {
        1 => show(median),
        _ => format!("{} ({} to {})", show(median), show(low), show(high)),
    }
}

/// The goals.
pub fn goals(goals: &[Goal]) -> Table {
    let mut table = empty(
        ["goal", "limit", "measured", "reached"]
            .map(str::to_owned)
            .into(),
    );
    for goal in goals {
        let met = match goal.met {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "not measured",
        };
        table.add_row([&*goal.what, &*goal.limit, &*goal.measured, met]);
    }
    table
}

/// A figure that both runs have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Chart, point and subject.
    pub figure: String,
    /// What the values count.
    pub unit: Unit,
    /// The median then.
    pub before: f64,
    /// The median now.
    pub now: f64,
    /// By how much it changed, in percent.
    pub percent: f64,
    /// Whether that is more than chance: any change of an exact figure, otherwise rounds that do
    /// not overlap.
    pub significant: bool,
}

/// The figures that both records have, in the order of the new one.
pub fn changes(before: &Record, now: &Record) -> Vec<Change> {
    let mut changes = Vec::new();
    for figure in &now.figures {
        let old = before.values(&figure.chart, &figure.point, &figure.subject);
        let pair = old.and_then(Spread::of).zip(Spread::of(&figure.values));
        let Some((old, new)) = pair else {
            continue;
        };
        let apart = new.low > old.high || new.high < old.low;
        changes.push(Change {
            figure: format!("{}: {}: {}", figure.subject, figure.chart, figure.point),
            unit: figure.unit,
            before: old.median,
            now: new.median,
            percent: 100.0 * (new.median - old.median) / old.median,
            // Half an instruction is the resolution of the timebase.
            significant: match figure.unit.is_exact() {
                true => (new.median - old.median).abs() >= 1.0,
                false => apart,
            },
        });
    }
    changes
}

/// What changed by more than chance, and how many figures did not.
pub fn changed(changes: &[Change]) -> String {
    let mut table = empty(
        ["since then", "before", "now", "change"]
            .map(str::to_owned)
            .into(),
    );
    let (significant, same): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|change| change.significant);
    for change in &significant {
        table.add_row([
            change.figure.clone(),
            change.unit.show(change.before),
            change.unit.show(change.now),
            format!("{:+.1} %", change.percent),
        ]);
    }
    let rest = format!("{} of {} figures are the same", same.len(), changes.len());
    match significant.is_empty() {
        true => rest,
        false => format!("{table}\n{rest}"),
    }
}

fn empty(header: Vec<String>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::figure::tests::record;
    use super::*;

    #[test]
    fn a_chart_compares_the_first_firmware_with_the_others() {
        let text = figures(&record());
        assert!(text.contains("boot: boot [s]"), "{text}");
        let row = text.lines().find(|line| line.contains("5.50")).unwrap();
        assert!(row.contains("5.50 (2.00 to 9.00)"), "{row}");
        assert!(row.contains("2.50 (2.00 to 3.00)"), "{row}");
    }

    #[test]
    fn an_exact_figure_changes_by_any_instruction_and_a_time_when_no_round_overlaps() {
        let before = record();
        let mut now = record();
        assert!(
            changes(&before, &now)
                .iter()
                .all(|change| !change.significant)
        );
        assert_eq!(
            changed(&changes(&before, &now)),
            "4 of 4 figures are the same"
        );
        for figure in &mut now.figures {
            for value in &mut figure.values {
                *value += if figure.unit == Unit::Instructions {
                    3.0
                } else {
                    1.0
                };
            }
        }
        let changes = changes(&before, &now);
        let significant: Vec<bool> = changes.iter().map(|change| change.significant).collect();
        assert_eq!(significant, [true, true, false, false]);
        assert_eq!(changes[0].percent, 1.0);
        assert!(changed(&changes).contains("+1.0 %"));
    }
}
