//! All tests: `cargo xtask test`.

mod host;
mod stops;

use crate::build::{self, Promise};
use crate::cli::TestArgs;
use crate::conformance::{self, Case};
use crate::matrix::{self, Point, Runner};
use crate::report::{self, Count, Tested, Verdict};
use crate::{check, defaults, setup};
use anyhow::{Result, bail};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What the name of the group of checks on the build starts with.
const BUILD: &str = "build/";
/// The test that no check of the guest is one by its name alone.
const JUDGED: &str = "guest/every-requirement-with-a-check-is-judged";

/// `cargo xtask test`.
pub fn run(arguments: &TestArgs) -> Result<ExitCode> {
    let wanted = |name: &str| {
        let pattern = arguments.only.as_deref().unwrap_or_default();
        name.contains(pattern)
    };
    let points = if arguments.full {
        matrix::all()
    } else {
        matrix::pairwise()
    };
    let points: Vec<Point> = points
        .into_iter()
        .filter(|point| wanted(&matrix::name(point)))
        .collect();
    let host: Vec<_> = host::tests(&arguments.firmware, arguments.full)
        .into_iter()
        .filter(|test| wanted(&test.name))
        .collect();
    let checks: Vec<String> = check::NAMES
        .iter()
        .map(|name| format!("{BUILD}{name}"))
        .filter(|name| wanted(name))
        .collect();
    let mut guests = conformance::cases(&arguments.firmware, arguments.full);
    let all = guests.len();
    guests.retain(|case| wanted(&case.to_string()));
    // Nothing can be said of what no run judges unless all are made.
    let judged = guests.len() == all && arguments.firmware == defaults::FIRMWARE && wanted(JUDGED);
    if host.is_empty() && checks.is_empty() && guests.is_empty() && points.is_empty() {
        bail!("no test has a name that contains {:?}", arguments.only);
    }
    if arguments.list {
        let names = host.iter().map(|test| test.name.clone());
        let names = names.chain(checks);
        let names = names.chain(guests.iter().map(Case::to_string));
        let names = names.chain(judged.then(|| JUDGED.to_owned()));
        for name in names.chain(points.iter().map(matrix::name)) {
            println!("{name}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    setup::all()?;
    let mut tests = Vec::new();
    for test in host.iter().filter(|test| !test.late) {
        tests.push(measure(arguments, &test.name, || test.run())?);
    }
    if !checks.is_empty() {
        tests.extend(check_build(arguments, &checks)?);
    }
    if !guests.is_empty() {
        tests.extend(run_guests(arguments, &guests, judged)?);
    }
    if !points.is_empty() {
        tests.extend(run_points(arguments, &points)?);
    }
    for test in host.iter().filter(|test| test.late) {
        tests.push(measure(arguments, &test.name, || test.run())?);
    }
    report::write_junit(&arguments.report, &tests)?;
    let count = Count::of(&tests);
    println!("{}", count.line());
    Ok(if count.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs one test, prints what came of it.
fn measure(arguments: &TestArgs, name: &str, test: impl FnOnce() -> Verdict) -> Result<Tested> {
    let started = Instant::now();
    let verdict = test();
    let tested = Tested {
        name: name.to_owned(),
        verdict,
        duration: started.elapsed(),
    };
    tested.print(&arguments.report)?;
    Ok(tested)
}

/// Builds, and runs the checks in `names`; a build that fails fails them all.
fn check_build(arguments: &TestArgs, names: &[String]) -> Result<Vec<Tested>> {
    let started = Instant::now();
    let built = build::build(Promise::Proved).and_then(|outputs| check::Artifacts::read(&outputs));
    let mut building = started.elapsed();
    let results = built.map(|artifacts| check::all(&artifacts));
    let mut tests = Vec::new();
    for name in names {
        let verdict = match &results {
            Err(error) => Verdict::Failed(format!("{error:#}")),
            Ok(results) => {
                let found = results
                    .iter()
                    .find(|(check, _)| name.strip_prefix(BUILD) == Some(check));
                match found {
                    Some((_, Ok(()))) => Verdict::Passed(String::new()),
                    Some((_, Err(reason))) => Verdict::Failed(reason.clone()),
                    None => Verdict::Failed("there is no such check".to_owned()),
                }
            }
        };
        let tested = Tested {
            name: name.clone(),
            verdict,
            // The first one shows how long the build took.
            duration: std::mem::replace(&mut building, Duration::ZERO),
        };
        tested.print(&arguments.report)?;
        tests.push(tested);
    }
    Ok(tests)
}

/// Runs the points of the matrix and prints it as a table.
fn run_points(arguments: &TestArgs, points: &[Point]) -> Result<Vec<Tested>> {
    // A firmware that does not build fails every point, and the tests go on.
    let runner = Runner::new(&arguments.firmware);
    let tests = run_some_at_once(arguments, points, matrix::name, |point| match &runner {
        Ok(runner) => runner.run(point),
        Err(error) => Verdict::Failed(format!("{error:#}")),
    });
    let rows: Vec<(Point, Tested)> = points.iter().copied().zip(tests).collect();
    if !arguments.report.json {
        println!("\n{}\n", matrix::table(&rows));
    }
    Ok(rows.into_iter().map(|(_, tested)| tested).collect())
}

/// Runs the conformance guest. If `judged`, each requirement that it has a check of has to get a verdict.
fn run_guests(arguments: &TestArgs, cases: &[Case], judged: bool) -> Result<Vec<Tested>> {
    let runner = conformance::Runner::new(cases);
    let mut tests = run_some_at_once(arguments, cases, Case::to_string, |case| match &runner {
        Ok(runner) => runner.run(case),
        Err(error) => Verdict::Failed(format!("{error:#}")),
    });
    if let Ok(runner) = &runner
        && judged
    {
        tests.push(measure(arguments, JUDGED, || runner.all_judged())?);
    }
    Ok(tests)
}

/// Runs `run` on all of `items`, some at the same time: one test for each, in their order.
fn run_some_at_once<T: Sync>(
    arguments: &TestArgs,
    items: &[T],
    name: impl Fn(&T) -> String + Sync,
    run: impl Fn(&T) -> Verdict + Sync,
) -> Vec<Tested> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Tested)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..defaults::PARALLEL_RUNS {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else {
                        break;
                    };
                    let started = Instant::now();
                    let tested = Tested {
                        name: name(item),
                        verdict: run(item),
                        duration: started.elapsed(),
                    };
                    // A closed standard output must not lose the result.
                    let _ = tested.print(&arguments.report);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.push((index, tested));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, tested)| tested).collect()
}
