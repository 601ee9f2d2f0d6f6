//! Conformance: what a firmware answers the bare-metal guest of `tests/`, requirement by
//! requirement.
//!
//! [`catalogue`] has the requirements, [`case`] the runs, [`verdicts`] reads what the guest prints,
//! [`judge`] says whether that is what was expected, and [`known`] is the list of what is known to
//! fail. [`standing`] says what a run means for each requirement; [`table`], [`machine`] and
//! [`page`] show it.

mod case;
pub mod catalogue;
mod judge;
mod known;
mod laboratory;
mod machine;
mod page;
mod plug;
mod standing;
mod table;
mod verdicts;

pub use case::{Case, Runner, cases};
pub use laboratory::Laboratory;
pub use verdicts::{Heard, Outcome};

use crate::cli::ConformanceArgs;
use crate::error::WithHint;
use crate::report;
use crate::setup;
use anyhow::{Context, Result, bail};
use catalogue::Catalogue;
use standing::Column;
use std::fs;
use std::process::ExitCode;
use std::time::Instant;

/// Whether the catalogue of requirements keeps its rules: how many there are, or what it breaks.
pub fn check_catalogue() -> Result<String> {
    let catalogue = Catalogue::read()?;
    let broken = catalogue::broken(&catalogue)?;
    if !broken.is_empty() {
        bail!("{}", broken.join("\n"));
    }
    Ok(format!("{} requirements", catalogue.requirements.len()))
}

/// `cargo xtask conformance`.
pub fn run(arguments: &ConformanceArgs) -> Result<ExitCode> {
    if arguments.list {
        let key = arguments.only.as_deref().unwrap_or_default();
        let catalogue = Catalogue::read()?;
        println!("{}\n", table::requirements(&catalogue, key)?);
        println!("{}\n", table::known(&arguments.firmware));
        println!("{}", table::coverage(&catalogue)?);
        return Ok(ExitCode::SUCCESS);
    }
    setup::for_qemu()?;
    let catalogue = Catalogue::read()?;
    let cases = chosen(arguments)?;
    let runner = Runner::new(&cases)?;
    let mut columns = Vec::new();
    let mut unexpected = Vec::new();
    for case in &cases {
        eprintln!("{case}");
        let started = Instant::now();
        let heard = runner.hear(case)?;
        let full = case.run.name == case::FULL;
        if !full {
            // Few checks, with figures.
            for verdict in &heard.verdicts {
                eprintln!("{}", verdict.line());
            }
            eprintln!("{case}: {:.1} s", started.elapsed().as_secs_f64());
        }
        let failures = judge::failures(&heard, &known::of(&case.firmware), full);
        let column = Column::of(&catalogue, name(arguments, case), case, &heard);
        let surprises = failures.into_iter().chain(column.surprises.iter().cloned());
        unexpected.extend(surprises.map(|line| format!("{case}: {line}")));
        columns.push(column);
    }
    let key = arguments.only.as_deref().unwrap_or_default();
    if let Some(path) = &arguments.html {
        fs::write(path, page::render(&catalogue, &columns)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    report::write_junit(
        &arguments.report,
        &machine::tests(&catalogue, &columns, key),
    )?;
    if arguments.report.json {
        print!("{}", machine::json(&catalogue, &columns, key)?);
    } else if arguments.tap {
        print!("{}", machine::tap(&catalogue, &columns, key)?);
    } else {
        println!("{}\n", table::results(&catalogue, &columns, key));
        println!("{}\n", table::totals(&catalogue, &columns));
        println!("{}", table::coverage(&catalogue)?);
    }
    for line in &unexpected {
        eprintln!("UNEXPECTED {line}");
    }
    Ok(if unexpected.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The run that was asked for, on each firmware and QEMU.
fn chosen(arguments: &ConformanceArgs) -> Result<Vec<Case>> {
    let run = case::run_named(&arguments.run)
        .with_context(|| format!("there is no run {}", arguments.run))
        .hint("the runs are in tests/src/runs.rs")?;
    let mut cases = Vec::new();
    for qemu in &arguments.qemu {
        cases.extend(arguments.firmware.iter().map(|firmware| Case {
            firmware: firmware.clone(),
            qemu: qemu.clone(),
            run,
        }));
    }
    Ok(cases)
}

/// What a column is called: the firmware, and QEMU where there are several.
fn name(arguments: &ConformanceArgs, case: &Case) -> String {
    match arguments.qemu.len() {
        1 => case.firmware.clone(),
        _ => format!("{} {}", case.firmware, case.qemu),
    }
}
