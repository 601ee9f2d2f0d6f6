//! Crash scenarios: a kernel panics, its kdump kernel takes the dump, and the dump is looked at.
//!
//! [`scenario`] says what a scenario is, [`outcome`] what can come of it, [`catalogue`] has them all, [`subject`] is what they are run
//! on, [`plan`] adds the controls, [`run`] runs one. What the guest does is in [`crate::guest`], mode
//! kdump; what it sends is read by [`notes`] (the ELF notes of the dump) and [`log`] (the dead
//! kernel's log). [`hold`] holds processors over gdb while another one crashes and tells a hang;
//! [`victims`] compares what gdb saw of them with their notes; [`exit`] knows the ends without a dump;
//! [`hammer`] and [`unplugged`] judge what the test module was answered before the crash;
//! [`backtrace`] and [`symbols`] say
//! where processors are, [`memory`] reads what they have there. [`timeline`] says when which point was reached, [`report`] prints the
//! results, [`page`] makes a page of them in `target/crash-report/`.
//!
//! Measured (QEMU 7.2, SLOF): Debian's 6.1 and 6.12 kdump in 128 MiB on a machine of 512 MiB, of
//! which 73 MB are left to the kdump kernel's user space on 6.1; the crash to the kdump kernel's
//! first line takes 0.6 s on one processor, 1.1 s on four, 6 s on sixteen.

mod backtrace;
mod catalogue;
mod exit;
mod hammer;
mod hold;
mod host;
mod log;
mod memory;
mod notes;
mod outcome;
mod page;
mod plan;
mod report;
mod run;
mod scenario;
mod stopwatch;
mod subject;
pub mod symbols;
mod timeline;
mod unplugged;
mod victims;

pub use stopwatch::Stopwatch;

use crate::cli::QemuCrashArgs;
use crate::error::WithHint;
use crate::setup;
use anyhow::{Result, anyhow};
use host::Host;
use run::Run;
use std::process::ExitCode;
use subject::Subject;

/// `cargo xtask qemu-crash`.
pub fn run(arguments: &QemuCrashArgs) -> Result<ExitCode> {
    let pattern = arguments.scenario.as_deref().unwrap_or_default();
    let subjects = Subject::all(arguments);
    let (cases, asked) = plan::plan(pattern, &subjects, !arguments.no_controls);
    if cases.is_empty() {
        return Err(anyhow!("no scenario has that name"))
            .hint("`cargo xtask qemu-crash --list` shows their names");
    }
    if arguments.list {
        let names = catalogue::ALL.iter();
        for scenario in names.filter(|scenario| scenario.name.contains(pattern)) {
            println!("{:28} {}", scenario.name, scenario.description);
        }
        return Ok(ExitCode::SUCCESS);
    }
    setup::for_qemu()?;
    let mut host = Host::new()?;
    let mut runs: Vec<Run> = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        // Controls are not repeated.
        let repetitions: Vec<u32> = match arguments.repeat {
            count @ 2.. if index < asked => (1..=count).collect(),
            _ => vec![0],
        };
        for repetition in repetitions {
            let run = host.run(case, repetition)?;
            report::tested(&run).print(&arguments.report)?;
            runs.push(run);
        }
    }
    report::write(&arguments.report, &runs)?;
    let page = page::write(&runs)?;
    eprintln!("report: {}", page.display());
    Ok(if runs.iter().all(Run::passed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
