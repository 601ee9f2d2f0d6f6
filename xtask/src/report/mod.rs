//! What came of tests, printed while they run and at the end, for people and for machines.

use crate::cli::ReportArgs;
use anyhow::{Context, Result};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;
use std::fs::File;
use std::time::Duration;

/// What came of one test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "result", content = "detail")]
pub enum Verdict {
    /// It holds; what was seen.
    Passed(String),
    /// It does not hold; why.
    Failed(String),
    /// It was not run; why.
    Skipped(String),
}

/// A test that was run.
#[derive(Clone, Debug, Serialize)]
pub struct Tested {
    /// Its name: group, slash, rule.
    pub name: String,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub duration: Duration,
}

fn as_seconds<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_secs_f64())
}

impl Tested {
    /// Prints it, as soon as it is known.
    pub fn print(&self, arguments: &ReportArgs) -> Result<()> {
        if arguments.json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        let seconds = self.duration.as_secs_f64();
        let (word, detail) = match &self.verdict {
            Verdict::Passed(detail) => ("pass", detail),
            Verdict::Failed(detail) => ("FAIL", detail),
            Verdict::Skipped(detail) => ("skip", detail),
        };
        println!("{word} {seconds:6.1} s  {}", self.name);
        if !detail.is_empty() {
            for line in detail.lines() {
                println!("               {line}");
            }
        }
        Ok(())
    }
}

/// The numbers of tests that passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Not run.
    pub skipped: usize,
}

impl Count {
    /// Counts them.
    pub fn of(tests: &[Tested]) -> Self {
        let mut count = Self::default();
        for test in tests {
            match test.verdict {
                Verdict::Passed(_) => count.passed += 1,
                Verdict::Failed(_) => count.failed += 1,
                Verdict::Skipped(_) => count.skipped += 1,
            }
        }
        count
    }

    /// The last line of a test run.
    pub fn line(self) -> String {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        format!("{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// Writes the file that `--junit` asks for.
pub fn write_junit(arguments: &ReportArgs, tests: &[Tested]) -> Result<()> {
    let Some(path) = &arguments.junit else {
        return Ok(());
    };
    let mut suite = TestSuite::new("oxrtas");
    for test in tests {
        let status = match &test.verdict {
            Verdict::Passed(_) => TestCaseStatus::success(),
            Verdict::Failed(detail) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(detail.clone());
                status
            }
            Verdict::Skipped(detail) => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(detail.clone());
                status
            }
        };
        let mut case = TestCase::new(test.name.clone(), status);
        case.set_time(test.duration);
        suite.add_test_case(case);
    }
    let mut report = Report::new("oxrtas");
    report.add_test_suite(suite);
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    report.serialize(file).context("cannot write the report")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tested(verdict: Verdict) -> Tested {
        Tested {
            name: "host/rule".to_owned(),
            verdict,
            duration: Duration::from_millis(1500),
        }
    }

    #[test]
    fn the_last_line_counts_each_kind() {
        let tests = [
            tested(Verdict::Passed(String::new())),
            tested(Verdict::Failed("no".to_owned())),
            tested(Verdict::Skipped("cannot".to_owned())),
            tested(Verdict::Passed(String::new())),
        ];
        let count = Count::of(&tests);
        assert_eq!(count.line(), "2 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn junit_tells_failures_and_skips_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("junit.xml");
        let arguments = ReportArgs {
            junit: Some(path.clone()),
            json: false,
        };
        let tests = [
            tested(Verdict::Failed("the reason".to_owned())),
            tested(Verdict::Skipped("cannot".to_owned())),
        ];
        write_junit(&arguments, &tests).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            text.contains("failures=\"1\"") && text.contains("the reason"),
            "{text}"
        );
        assert!(text.contains("<skipped"), "{text}");
    }

    #[test]
    fn json_has_one_object_a_test() {
        let text = serde_json::to_string(&tested(Verdict::Failed("no".to_owned()))).unwrap();
        assert_eq!(
            text,
            r#"{"name":"host/rule","result":"failed","detail":"no","seconds":1.5}"#
        );
    }
}
