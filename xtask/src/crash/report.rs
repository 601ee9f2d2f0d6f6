//! The results of crash runs: a table or lines of JSON on standard output, and a JUnit file.

use super::backtrace::Backtrace;
use super::run::Run;
use crate::cli::ReportArgs;
use anyhow::{Context, Result};
use comfy_table::presets;
use comfy_table::{CellAlignment, Table};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::fs::File;
use std::time::Duration;

/// Prints `runs` and writes the JUnit file, as the command line asks. `subject` names what was
/// tested: firmware, kernel and QEMU.
pub fn write(arguments: &ReportArgs, subject: &str, runs: &[Run]) -> Result<()> {
    if arguments.json {
        for run in runs {
            println!("{}", serde_json::to_string(run)?);
        }
    } else {
        println!("{}", table(runs));
        let passed = runs.iter().filter(|run| run.passed()).count();
        println!("{subject}: {passed} passed, {} failed", runs.len() - passed);
    }
    if let Some(path) = &arguments.junit {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        junit(subject, runs).serialize(file)?;
    }
    Ok(())
}

fn table(runs: &[Run]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED);
    table.set_header([
        "scenario",
        "expected",
        "result",
        "notes",
        "to kdump",
        "seconds",
        "last point",
    ]);
    for run in runs {
        table.add_row([
            run.scenario.to_owned(),
            run.expected.clone(),
            if run.passed() { "passed" } else { "FAILED" }.to_owned(),
            run.notes.to_string(),
            run.crash_seconds
                .map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1}")),
            format!("{:.1}", run.seconds),
            run.last.to_owned(),
        ]);
    }
    for index in 3..6 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn junit(subject: &str, runs: &[Run]) -> Report {
    let mut suite = TestSuite::new(format!("qemu-crash {subject}"));
    for run in runs {
        let status = if run.passed() {
            TestCaseStatus::success()
        } else {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(run.failures.join("; "));
            status.set_description(run.console.join("\n"));
            status
        };
        let mut case = TestCase::new(run.scenario, status);
        if !run.backtraces.is_empty() {
            let lines: Vec<String> = run.backtraces.iter().map(Backtrace::line).collect();
            case.set_system_out(lines.join("\n"));
        }
        case.set_time(Duration::from_secs_f64(run.seconds.max(0.0)));
        suite.add_test_case(case);
    }
    let mut report = Report::new("oxrtas");
    report.add_test_suite(suite);
    report
}

#[cfg(test)]
mod tests {
    use super::super::run::tests::run;
    use super::*;

    #[test]
    fn the_junit_file_says_where_the_processors_of_a_hang_were() {
        let mut hung = run(Vec::new());
        hung.backtraces = vec![Backtrace {
            processor: 3,
            frames: vec!["lock_rtas+0xa8".to_owned(), "rtas_call+0x110".to_owned()],
        }];
        let junit = junit("slof", &[hung]).to_string().unwrap();
        let line = "processor 3: lock_rtas+0xa8 &lt; rtas_call+0x110";
        assert!(junit.contains(line), "{junit}");
    }

    #[test]
    fn a_failure_is_in_every_form_of_the_report() {
        let runs = [run(Vec::new()), run(vec!["no dump".to_owned()])];
        let table = table(&runs).to_string();
        assert_eq!(
            (
                table.matches("passed").count(),
                table.matches("FAILED").count()
            ),
            (1, 1)
        );
        let junit = junit("slof", &runs).to_string().unwrap();
        assert!(
            junit.contains("failures=\"1\"") && junit.contains("no dump"),
            "{junit}"
        );
        let json = serde_json::to_string(&runs[1]).unwrap();
        assert!(json.contains(r#""failures":["no dump"]"#), "{json}");
    }
}
