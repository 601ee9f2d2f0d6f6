//! Conformance: what a firmware answers the bare-metal guest of `tests/`, requirement by
//! requirement.
//!
//! [`catalogue`] has the requirements, [`case`] the runs, [`verdicts`] reads what the guest prints, [`judge`] says whether that is
//! what was expected, [`known`] is the list of what is known to fail, and [`table`] compares
//! firmwares.

mod case;
mod catalogue;
mod judge;
mod known;
mod table;
mod verdicts;

pub use case::{Case, Runner, cases};

use crate::cli::ConformanceArgs;
use crate::error::WithHint;
use crate::setup;
use anyhow::{Context, Result, bail};
use catalogue::Catalogue;
use std::process::ExitCode;

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
        println!("{}\n", table::requirements(&Catalogue::read()?, key)?);
        println!("{}", table::known(&arguments.firmware));
        return Ok(ExitCode::SUCCESS);
    }
    setup::for_qemu()?;
    let run = case::run_named(&arguments.run)
        .with_context(|| format!("there is no run {}", arguments.run))
        .hint("the runs are in tests/src/runs.rs")?;
    let cases: Vec<Case> = arguments
        .firmware
        .iter()
        .map(|firmware| Case {
            firmware: firmware.clone(),
            qemu: arguments.qemu.clone(),
            run,
        })
        .collect();
    let runner = Runner::new(&cases)?;
    let mut columns = Vec::new();
    let mut unexpected = Vec::new();
    for case in &cases {
        eprintln!("{case}");
        let heard = runner.hear(case)?;
        let failures = judge::failures(&heard, &known::of(&case.firmware), run.name == case::FULL);
        unexpected.extend(failures.into_iter().map(|line| format!("{case}: {line}")));
        columns.push((case.firmware.as_str(), heard));
    }
    let pattern = arguments.only.as_deref().unwrap_or_default();
    println!("{}", table::compare(&columns, pattern));
    for line in &unexpected {
        println!("UNEXPECTED {line}");
    }
    Ok(if unexpected.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
