//! The report of crash runs as a page, with a timeline for each, and the same as JSON.

use super::report::{self, Series};
use super::run::Run;
use crate::paths;
use anyhow::{Context, Result};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

const TEMPLATE: &str = include_str!("page.html");

/// A run as the template takes it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    run: &'a Run,
    name: String,
    anchor: usize,
    spans: Vec<Span>,
}

/// A row of the summary.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    series: Series,
    subject_name: String,
    result: String,
    to_kdump: String,
    /// The first run of the series that failed, or the first one.
    anchor: usize,
}

/// The time from one point to the next, as a part of the longest run.
#[derive(Debug, PartialEq, Serialize)]
struct Span {
    name: &'static str,
    seconds: f64,
    left: f64,
    width: f64,
    colour: usize,
}

/// Writes `target/crash-report/index.html`, and `runs.json` beside it. Gives back the page's path.
pub fn write(runs: &[Run]) -> Result<PathBuf> {
    let directory = paths::target_directory("crash-report")?;
    let path = directory.join("index.html");
    fs::write(&path, render(runs)?).with_context(|| format!("cannot write {}", path.display()))?;
    let json = directory.join("runs.json");
    fs::write(&json, serde_json::to_vec_pretty(runs)?)
        .with_context(|| format!("cannot write {}", json.display()))?;
    Ok(path)
}

fn render(runs: &[Run]) -> Result<String> {
    let longest = runs.iter().map(|run| run.seconds).fold(0.0, f64::max);
    let names = colours(runs);
    let shown: Vec<Shown<'_>> = runs
        .iter()
        .enumerate()
        .map(|(anchor, run)| Shown {
            run,
            name: run.name(),
            anchor,
            spans: spans(run, longest, &names),
        })
        .collect();
    let rows: Vec<Row> = report::series(runs)
        .into_iter()
        .map(|series| row(series, runs))
        .collect();
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("page", TEMPLATE)?;
    Ok(environment.get_template("page")?.render(context! {
        passed => runs.iter().filter(|run| run.passed()).count(),
        colours => Serde(&names),
        rows => Serde(&rows),
        runs => Serde(&shown),
    })?)
}

fn row(series: Series, runs: &[Run]) -> Row {
    let own = |run: &Run| run.scenario == series.scenario && run.subject == series.subject;
    let failed = runs.iter().position(|run| own(run) && !run.passed());
    let first = runs.iter().position(own);
    Row {
        subject_name: series.subject.to_string(),
        result: series.result(),
        to_kdump: series.to_kdump(),
        anchor: failed.or(first).unwrap_or(0),
        series,
    }
}

/// The names of all spans, each at the place that is its colour: one means the same in every run.
fn colours(runs: &[Run]) -> Vec<&'static str> {
    let mut seen = BTreeSet::new();
    let names = runs.iter().flat_map(|run| &run.timeline);
    names
        .map(|point| point.name)
        .chain(["end"])
        .filter(|name| seen.insert(*name))
        .collect()
}

/// What lies between the points of `run`: each span is called after the point that it leads to.
fn spans(run: &Run, longest: f64, colours: &[&'static str]) -> Vec<Span> {
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
                colour: colours.iter().position(|seen| *seen == name).unwrap_or(0),
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

    #[test]
    fn spans_fill_the_run_up_to_its_end() {
        let runs = [run(Vec::new())];
        let spans = spans(&runs[0], 40.0, &colours(&runs));
        let seen: Vec<_> = spans
            .iter()
            .map(|span| (span.name, span.left, span.width, span.colour))
            .collect();
        assert_eq!(seen, [("crash", 0.0, 12.5, 0), ("end", 12.5, 37.5, 1)]);
    }

    #[test]
    fn a_hang_is_shown_with_where_the_processors_were() {
        let mut hung = run(Vec::new());
        hung.backtraces = vec![Backtrace {
            processor: 3,
            frames: vec!["lock_rtas".to_owned(), "rtas_call".to_owned()],
        }];
        let page = render(&[hung]).unwrap();
        assert!(page.contains("lock_rtas &lt; rtas_call"), "{page}");
    }

    #[test]
    fn a_failure_is_shown_with_the_console_and_text_is_escaped() {
        let page = render(&[run(Vec::new())]).unwrap();
        assert!(page.contains("1 of 1 ") && !page.contains("last line"));
        let page = render(&[run(Vec::new()), run(vec!["no dump".to_owned()])]).unwrap();
        assert!(page.contains("1 of 2 "));
        assert!(page.contains("no dump") && page.contains("&lt;0&gt; &amp; last line"));
        // The row of both leads to the one that failed.
        assert!(page.contains("href=\"#run-1\""), "{page}");
    }
}
