//! The results of crash runs, for people; [`crate::report`] has the forms for machines.

use super::backtrace::Backtrace;
use super::run::Run;
use super::subject::Subject;
use crate::cli::ReportArgs;
use crate::report::{self, Count, Tested, Verdict};
use anyhow::Result;
use comfy_table::presets;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use std::time::Duration;

/// A run as one test among others.
pub fn tested(run: &Run) -> Tested {
    let mut lines = run.failures.clone();
    lines.extend(run.findings.iter().cloned());
    lines.extend(run.backtraces.iter().map(Backtrace::line));
    let verdict = if run.passed() {
        lines.insert(0, format!("{}, as expected", run.came));
        Verdict::Passed(lines.join("\n"))
    } else {
        lines.extend(run.console.iter().map(|line| format!("| {line}")));
        lines.push(format!("log: {}", run.log));
        Verdict::Failed(lines.join("\n"))
    };
    Tested {
        name: format!("crash/{}", run.name()),
        verdict,
        duration: Duration::from_secs_f64(run.seconds.max(0.0)),
    }
}

/// Prints what came of all `runs` and writes the JUnit file, as the command line asks.
pub fn write(arguments: &ReportArgs, runs: &[Run]) -> Result<()> {
    let tests: Vec<Tested> = runs.iter().map(tested).collect();
    if !arguments.json {
        println!("\n{}\n", table(&series(runs)));
        println!("{}", Count::of(&tests).line());
    }
    report::write_junit(arguments, &tests)
}

/// The runs of one scenario on one subject.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// The scenario.
    pub scenario: &'static str,
    /// What it was run on.
    pub subject: Subject,
    /// What was expected.
    pub expected: String,
    /// Number of runs.
    pub runs: usize,
    /// Those that passed.
    pub passed: usize,
    /// NT_PRSTATUS notes of the last one.
    pub notes: usize,
    /// Seconds from the crash to the kdump kernel: the fastest run, the median, the slowest.
    pub crash_seconds: Option<[f64; 3]>,
    /// Seconds of a whole run, the median.
    pub seconds: f64,
    /// The last point of the last run.
    pub last: &'static str,
}

/// The series of `runs`, in order.
pub fn series(runs: &[Run]) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for run in runs {
        let same = |one: &Run| one.scenario == run.scenario && one.subject == run.subject;
        if all
            .iter()
            .any(|one| one.scenario == run.scenario && one.subject == run.subject)
        {
            continue;
        }
        let own: Vec<&Run> = runs.iter().filter(|one| same(one)).collect();
        let last = own.last().copied().unwrap_or(run);
        let to_kdump = own.iter().filter_map(|one| one.crash_seconds).collect();
        let whole = own.iter().map(|one| one.seconds).collect();
        all.push(Series {
            scenario: run.scenario,
            subject: run.subject.clone(),
            expected: run.expected.clone(),
            runs: own.len(),
            passed: own.iter().filter(|one| one.passed()).count(),
            notes: last.notes,
            crash_seconds: spread(to_kdump),
            seconds: spread(whole).map_or(0.0, |[_, median, _]| median),
            last: last.last,
        });
    }
    all
}

/// The least, the median and the greatest.
fn spread(mut values: Vec<f64>) -> Option<[f64; 3]> {
    values.sort_by(f64::total_cmp);
    let median = values.get(values.len() / 2)?;
    Some([*values.first()?, *median, *values.last()?])
}

impl Series {
    /// Whether every run passed, or how many did.
    pub fn result(&self) -> String {
        match (self.runs, self.passed) {
            (1, 1) => "passed".to_owned(),
            (1, _) => "FAILED".to_owned(),
            (runs, passed) => format!("{passed} of {runs}"),
        }
    }

    /// Seconds to the kdump kernel, in words.
    pub fn to_kdump(&self) -> String {
        match (self.crash_seconds, self.runs) {
            (None, _) => "-".to_owned(),
            (Some([_, median, _]), 1) => format!("{median:.1}"),
            (Some([least, median, greatest]), _) => {
                format!("{median:.1} ({least:.1} to {greatest:.1})")
            }
        }
    }
}

fn table(series: &[Series]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED);
    table.set_header([
        "scenario",
        "on",
        "expected",
        "result",
        "notes",
        "to kdump",
        "seconds",
        "last point",
    ]);
    for one in series {
        table.add_row([
            one.scenario.to_owned(),
            one.subject.to_string(),
            one.expected.clone(),
            one.result(),
            one.notes.to_string(),
            one.to_kdump(),
            format!("{:.1}", one.seconds),
            one.last.to_owned(),
        ]);
    }
    for index in 4..7 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::run::tests::run;
    use super::*;

    #[test]
    fn a_hang_says_where_the_processors_were() {
        let mut hung = run(Vec::new());
        hung.backtraces = vec![Backtrace {
            processor: 3,
            frames: vec!["lock_rtas+0xa8".to_owned(), "rtas_call+0x110".to_owned()],
        }];
        let Verdict::Passed(detail) = tested(&hung).verdict else {
            panic!("it is what was expected");
        };
        let line = "processor 3: lock_rtas+0xa8 < rtas_call+0x110";
        assert!(detail.contains(line), "{detail}");
    }

    #[test]
    fn a_failure_shows_the_console_and_the_log() {
        let failed = tested(&run(vec!["no dump".to_owned()]));
        let Verdict::Failed(detail) = &failed.verdict else {
            panic!("it failed");
        };
        for line in ["no dump", "| <0> & last line", "log: run.log"] {
            assert!(detail.contains(line), "{detail}");
        }
        assert_eq!(failed.name, "crash/sysrq-c/test slof 6.1 7.2 power9");
    }

    #[test]
    fn repetitions_are_one_row_with_the_count_of_passes_and_the_spread() {
        let mut runs = vec![run(Vec::new()), run(vec!["no".to_owned()]), run(Vec::new())];
        for (run, seconds) in runs.iter_mut().zip([3.0, 1.0, 2.0]) {
            run.crash_seconds = Some(seconds);
        }
        let mut other = run(Vec::new());
        other.subject.firmware = "vof".to_owned();
        runs.push(other);
        let series = series(&runs);
        assert_eq!(series.len(), 2);
        assert_eq!((series[0].runs, series[0].passed), (3, 2));
        assert_eq!(series[0].to_kdump(), "2.0 (1.0 to 3.0)");
        let table = table(&series).to_string();
        assert!(
            table.contains("2 of 3") && table.contains("passed"),
            "{table}"
        );
        assert!(!table.contains("FAILED"), "{table}");
    }
}
