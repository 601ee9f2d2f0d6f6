//! Results for machines: TAP, JSON lines, and the tests of a JUnit file.

use super::catalogue::{Catalogue, Requirement};
use super::standing::{Column, Standing, Verdict};
use crate::report::{self, Tested};
use anyhow::Result;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// A requirement on a firmware.
#[derive(Serialize)]
struct Line<'a> {
    firmware: &'a str,
    qemu: &'a str,
    runs: &'a str,
    requirement: &'a str,
    words: &'a str,
    proved: bool,
    #[serde(flatten)]
    standing: &'a Standing,
}

/// All pairs of a requirement that `key` chooses and a column.
fn each<'a>(
    catalogue: &'a Catalogue,
    columns: &'a [Column],
    key: &'a str,
) -> impl Iterator<Item = (&'a Column, &'a Requirement, &'a Standing)> {
    columns.iter().flat_map(move |column| {
        let rows = catalogue.requirements.iter().zip(&column.standings);
        let rows = rows.filter(move |(requirement, standing)| chosen(requirement, standing, key));
        rows.map(move |(requirement, standing)| (column, requirement, standing))
    })
}

/// Whether `key` is in the number, a function or a check of a requirement.
pub fn chosen(requirement: &Requirement, standing: &Standing, key: &str) -> bool {
    requirement.matches(key) || standing.seen.iter().any(|seen| seen.check.contains(key))
}

/// One JSON object a line: each requirement on each firmware.
pub fn json(catalogue: &Catalogue, columns: &[Column], key: &str) -> Result<String> {
    let mut text = String::new();
    for (column, requirement, standing) in each(catalogue, columns, key) {
        let line = Line {
            firmware: &column.firmware,
            qemu: &column.qemu,
            runs: &column.runs,
            requirement: &requirement.id,
            words: &requirement.words,
            proved: catalogue.is_proved(&requirement.id),
            standing,
        };
        writeln!(text, "{}", serde_json::to_string(&line)?)?;
    }
    Ok(text)
}

/// The Test Anything Protocol, version 14: a test point for each requirement on each firmware.
pub fn tap(catalogue: &Catalogue, columns: &[Column], key: &str) -> Result<String> {
    let mut points = String::new();
    let mut count = 0;
    for (column, requirement, standing) in each(catalogue, columns, key) {
        count += 1;
        let words = requirement.words.replace('#', "\\#");
        let id = requirement.id.replace('#', "\\#");
        let point = format!("{count} - {} {id} {words}", column.name);
        match standing.verdict {
            Verdict::Pass => writeln!(points, "ok {point}")?,
            Verdict::Fail => {
                let why = serde_json::to_string(&standing.why)?;
                let known = standing.known.as_ref();
                let known = known.map(|reason| format!(" # TODO {}", reason.replace('#', "\\#")));
                let known = known.unwrap_or_default();
                writeln!(
                    points,
                    "not ok {point}{known}\n  ---\n  message: {why}\n  ..."
                )?;
            }
            skipped => {
                let why = standing.why.replace('#', "\\#");
                writeln!(points, "ok {point} # SKIP {}: {why}", skipped.word())?;
            }
        }
    }
    Ok(format!("TAP version 14\n1..{count}\n{points}"))
}

/// The tests of a JUnit file.
pub fn tests(catalogue: &Catalogue, columns: &[Column], key: &str) -> Vec<Tested> {
    let each = each(catalogue, columns, key);
    let tests = each.map(|(column, requirement, standing)| {
        let why = standing.why.clone();
        Tested {
            name: format!("{}/{}", column.name, requirement.id),
            verdict: match standing.verdict {
                Verdict::Pass => report::Verdict::Passed(requirement.words.clone()),
                // JUnit knows no failure that is expected.
                Verdict::Fail if let Some(reason) = &standing.known => {
                    report::Verdict::Skipped(format!("fails as known, {reason}: {why}"))
                }
                Verdict::Fail => report::Verdict::Failed(format!("{} {why}", requirement.words)),
                skipped => report::Verdict::Skipped(format!("{}: {why}", skipped.word())),
            },
            duration: Duration::ZERO,
        }
    });
    tests.collect()
}

#[cfg(test)]
mod tests {
    use super::super::standing::tests::column;
    use super::*;

    const LOG: &str = "ok R1-7.2.6-1 rtas-node: x\nnot ok R1-7.2.6-3 rtas-properties: wanted \"y\"";

    #[test]
    fn tap_has_a_plan_and_a_point_for_each_requirement() {
        let (catalogue, column) = column("slof", LOG);
        let text = tap(&catalogue, &[column], "R1-7.2.6-").unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["TAP version 14", "1..5"]);
        assert!(lines[2].starts_with("ok 1 - slof R1-7.2.6-1 "), "{text}");
        let failed = lines
            .iter()
            .position(|line| line.starts_with("not ok 3"))
            .unwrap();
        assert!(lines[failed + 2].contains("wanted \\\"y\\\""), "{text}");
        assert!(text.contains("# SKIP not testable: "), "{text}");
    }

    #[test]
    fn known_failures_are_apart_and_a_file_has_none() {
        let log = "not ok R1-7.2.6-3 rtas-properties: wanted \"y\"";
        for (firmware, known) in [("slof", true), ("some.bin", false)] {
            let (catalogue, column) = column(firmware, log);
            let text = tap(&catalogue, std::slice::from_ref(&column), "R1-7.2.6-3").unwrap();
            assert_eq!(
                text.contains(" # TODO there is no rtas-version"),
                known,
                "{text}"
            );
            let tests = tests(&catalogue, &[column], "R1-7.2.6-3");
            let skipped = matches!(tests[0].verdict, report::Verdict::Skipped(_));
            assert_eq!((tests.len(), skipped), (1, known));
        }
    }

    #[test]
    fn a_number_with_a_hash_does_not_begin_a_directive() {
        let (catalogue, column) = column("slof", "");
        let text = tap(&catalogue, &[column], "R1-7.3.10.5.2-2").unwrap();
        assert!(text.contains("R1-7.3.10.5.2-2\\#2"), "{text}");
    }

    #[test]
    fn json_lines_say_verdict_and_checks() {
        let (catalogue, column) = column("slof", LOG);
        let text = json(&catalogue, &[column], "R1-7.2.6-1").unwrap();
        let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(
            (&line["verdict"], &line["firmware"]),
            (&"pass".into(), &"slof".into())
        );
        assert_eq!(line["checks"][0]["check"], "rtas-node");
        assert_eq!(line["proved"], false);
    }

    #[test]
    fn a_key_chooses_by_number_function_or_check() {
        let (catalogue, column) = column("slof", LOG);
        let columns = [column];
        let count = |key: &str| each(&catalogue, &columns, key).count();
        assert_eq!(count("R1-7.2.6-3"), 1);
        assert_eq!(count("ibm,platform-dump"), 7);
        assert!(count("rtas-properties") >= 1);
        assert_eq!(count("no such key"), 0);
    }
}
