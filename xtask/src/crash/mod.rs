//! Crash scenarios: a kernel panics, its kdump kernel takes the dump, and the dump is looked at.
//!
//! [`scenario`] is the table of them, [`run`] runs one. What the guest does is in
//! [`crate::guest`], mode kdump; what it sends is read by [`notes`] (the ELF notes of the dump) and
//! [`log`] (the dead kernel's log). [`hold`] holds a processor over gdb while another one panics and
//! tells a hang; [`exit`] knows the ends without a dump; [`backtrace`] and [`symbols`] say where processors are. [`timeline`] says when which
//! point was reached, [`report`] prints the results, [`page`] makes a page of them in
//! `target/crash-report/`.
//!
//! Measured (QEMU 7.2, SLOF): Debian's 6.1 and 6.12 kdump in 128 MiB on a machine of 512 MiB, of
//! which 73 MB are left to the kdump kernel's user space on 6.1; the crash to the kdump kernel's
//! first line takes 0.6 s on one processor, 1.1 s on four, 6 s on sixteen.

mod backtrace;
mod exit;
mod hold;
mod log;
mod notes;
mod page;
mod report;
mod run;
mod scenario;
mod symbols;
mod timeline;

use crate::cli::QemuCrashArgs;
use crate::debian::{self, KernelVersion};
use crate::error::WithHint;
use crate::guest::{Contents, Mode, initramfs};
use crate::qemu::{Emulator, Firmware, Machine};
use crate::setup;
use anyhow::{Context, Result, anyhow};
use run::Run;
use scenario::Scenario;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use symbols::Symbols;

/// `cargo xtask qemu-crash`.
pub fn run(arguments: &QemuCrashArgs) -> Result<ExitCode> {
    let wanted = |scenario: &&Scenario| {
        let pattern = arguments.scenario.as_deref().unwrap_or_default();
        scenario.name.contains(pattern)
    };
    let scenarios: Vec<&Scenario> = scenario::ALL.iter().filter(wanted).collect();
    if scenarios.is_empty() {
        return Err(anyhow!("no scenario has that name"))
            .hint("`cargo xtask qemu-crash --list` shows their names");
    }
    if arguments.list {
        for scenario in scenarios {
            println!("{:24} {}", scenario.name, scenario.description);
        }
        return Ok(ExitCode::SUCCESS);
    }
    setup::for_qemu()?;
    let host = Host::prepare(arguments)?;
    let mut runs = Vec::new();
    for scenario in scenarios {
        runs.push(host.run(scenario)?);
    }
    report::write(&arguments.report, &host.subject(), &runs)?;
    let page = page::write(arguments, &runs)?;
    eprintln!("report: {}", page.display());
    Ok(if runs.iter().all(Run::passed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What all scenarios of one command share.
struct Host<'a> {
    arguments: &'a QemuCrashArgs,
    emulator: Emulator,
    firmware: Firmware,
    kernel: debian::Kernel,
    symbols: Symbols,
    initramfs: PathBuf,
}

impl<'a> Host<'a> {
    fn prepare(arguments: &'a QemuCrashArgs) -> Result<Self> {
        let version = KernelVersion::ALL
            .into_iter()
            .find(|version| version.name() == arguments.kernel)
            .with_context(|| format!("there is no kernel {}", arguments.kernel))
            .hint("--kernel takes 6.1 or 6.12: the modules and the kdump kernel belong to it")?;
        let kernel = debian::kernel(version)?;
        let programs = debian::guest_programs()?;
        Ok(Self {
            arguments,
            emulator: Emulator::named(&arguments.qemu)?,
            firmware: Firmware::named(&arguments.firmware)?,
            initramfs: initramfs(Contents {
                programs: &programs,
                kernel: Some(&kernel),
                kdump: true,
            })?,
            symbols: Symbols::read(&kernel.image)?,
            kernel,
        })
    }

    fn machine(&self, scenario: &Scenario) -> Machine {
        let reader = scenario
            .hold
            .map(|hold| format!("oxrtas.reader={} ", hold.processor));
        let append = format!(
            "console=hvc0 crashkernel={} {} oxrtas.crash={} {}{}",
            scenario.crashkernel,
            Mode::Kdump.parameter(),
            scenario.crash.parameter(),
            reader.unwrap_or_default(),
            scenario.append
        );
        Machine {
            emulator: self.emulator.clone(),
            firmware: self.firmware.clone(),
            kernel: Some(self.kernel.image.clone()),
            initramfs: Some(self.initramfs.clone()),
            append: append.trim_end().to_owned(),
            cpu: self.arguments.cpu.clone(),
            ic_mode: scenario.ic_mode,
            smp: scenario.processors.to_string(),
            memory: scenario.memory.to_owned(),
            devices: Vec::new(),
            gdb: None,
            // A kernel that cannot kdump resets, which must not look like a slow run.
            no_reboot: true,
            extra: Vec::new(),
        }
    }

    /// Firmware, kernel, QEMU and processor, for names.
    fn subject(&self) -> String {
        let arguments = self.arguments;
        let firmware = Path::new(&arguments.firmware).file_stem();
        format!(
            "{}-{}-{}-{}",
            firmware.unwrap_or_default().to_string_lossy(),
            arguments.kernel,
            arguments.qemu.replace('/', "_"),
            arguments.cpu
        )
    }

    fn run(&self, scenario: &Scenario) -> Result<Run> {
        let arguments = self.arguments;
        let name = format!("crash-{}-{}", scenario.name, self.subject());
        let expected = scenario.expected.on(&arguments.firmware);
        let machine = self.machine(scenario);
        let run = run::run(scenario, &machine, &self.symbols, &name, expected)?;
        let state = if run.passed() { "ok" } else { "FAILED" };
        eprintln!("{:24} {state:6} {:5.1} s", run.scenario, run.seconds);
        for failure in &run.failures {
            eprintln!("    {failure}");
        }
        for backtrace in &run.backtraces {
            eprintln!("    {}", backtrace.line());
        }
        Ok(run)
    }
}
