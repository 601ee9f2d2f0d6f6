//! The report of crash runs as a page, with a timeline for each.

use super::run::Run;
use crate::cli::QemuCrashArgs;
use crate::paths;
use anyhow::{Context, Result};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;
use std::fs;
use std::path::PathBuf;

const TEMPLATE: &str = include_str!("page.html");

/// A run as the template takes it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    run: &'a Run,
    spans: Vec<Span>,
}

/// The time from one point to the next, as a part of the longest run.
#[derive(Debug, PartialEq, Serialize)]
struct Span {
    name: &'static str,
    seconds: f64,
    left: f64,
    width: f64,
}

/// Writes `target/crash-report/index.html` and gives back its path.
pub fn write(arguments: &QemuCrashArgs, runs: &[Run]) -> Result<PathBuf> {
    let path = paths::target_directory("crash-report")?.join("index.html");
    fs::write(&path, render(arguments, runs)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn render(arguments: &QemuCrashArgs, runs: &[Run]) -> Result<String> {
    let longest = runs.iter().map(|run| run.seconds).fold(0.0, f64::max);
    let shown: Vec<Shown<'_>> = runs
        .iter()
        .map(|run| Shown {
            run,
            spans: spans(run, longest),
        })
        .collect();
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("page", TEMPLATE)?;
    Ok(environment.get_template("page")?.render(context! {
        firmware => &arguments.firmware,
        kernel => &arguments.kernel,
        qemu => &arguments.qemu,
        cpu => &arguments.cpu,
        passed => runs.iter().filter(|run| run.passed()).count(),
        runs => Serde(&shown),
    })?)
}

/// What lies between the points of `run`: each span is called after the point that it leads to.
fn spans(run: &Run, longest: f64) -> Vec<Span> {
    let percent = |seconds: f64| {
        let part = if longest > 0.0 {
            seconds / longest
        } else {
            0.0
        };
        (part * 10_000.0).round() / 100.0
    };
    let mut from = 0.0;
    let end = ("end", run.seconds);
    let points = run.timeline.iter().map(|point| (point.name, point.seconds));
    points
        .chain([end])
        .map(|(name, to)| {
            let span = Span {
                name,
                seconds: to - from,
                left: percent(from),
                width: percent(to - from),
            };
            from = to;
            span
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::backtrace::Backtrace;
    use super::super::run::tests::run;
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn arguments() -> QemuCrashArgs {
        match Cli::parse_from(["xtask", "qemu-crash", "--firmware", "slof"]).command {
            Command::QemuCrash(arguments) => arguments,
            _ => unreachable!("the command line names qemu-crash"),
        }
    }

    #[test]
    fn spans_fill_the_run_up_to_its_end() {
        let spans = spans(&run(Vec::new()), 40.0);
        let seen: Vec<_> = spans
            .iter()
            .map(|span| (span.name, span.left, span.width))
            .collect();
        assert_eq!(seen, [("crash", 0.0, 12.5), ("end", 12.5, 37.5)]);
    }

    #[test]
    fn a_hang_is_shown_with_where_the_processors_were() {
        let mut hung = run(Vec::new());
        hung.backtraces = vec![Backtrace {
            processor: 3,
            frames: vec!["lock_rtas".to_owned(), "rtas_call".to_owned()],
        }];
        let page = render(&arguments(), &[hung]).unwrap();
        assert!(page.contains("lock_rtas &lt; rtas_call"), "{page}");
    }

    #[test]
    fn a_failure_is_shown_with_the_console_and_text_is_escaped() {
        let page = render(&arguments(), &[run(Vec::new())]).unwrap();
        assert!(page.contains("1 of 1 passed") && !page.contains("last line"));
        let page = render(&arguments(), &[run(vec!["no dump".to_owned()])]).unwrap();
        assert!(page.contains("0 of 1 passed"));
        assert!(page.contains("no dump") && page.contains("&lt;0&gt; &amp; last line"));
    }
}
