//! Running one point of the matrix.

use super::point::{Point, Task};
use crate::debian::{self, Kernel};
use crate::guest::{self, Expectation, Mode};
use crate::paths;
use crate::qemu::{Attached, Emulator, Ended, Firmware, Machine, Session, processor};
use crate::report::Verdict;
use anyhow::{Context, Result, anyhow, bail};
use std::path::PathBuf;
use std::time::Duration;

/// How long one run may take, most of it for sixteen emulated processors on two.
const LIMIT: Duration = Duration::from_secs(240);
/// Lines of a console that no run may have.
const FORBIDDEN: [&str; 4] = [
    "Kernel panic - not syncing",
    "Oops: ",
    "Exception in the firmware",
    "panicked at",
];

/// What all points share.
#[derive(Debug)]
pub struct Runner {
    firmware: Firmware,
    programs: PathBuf,
}

impl Runner {
    /// Prepares to run points on `firmware`.
    pub fn new(firmware: &str) -> Result<Self> {
        Ok(Self {
            firmware: Firmware::named(firmware)?,
            programs: debian::guest_programs()?,
        })
    }

    /// Runs `point`. Where QEMU has to refuse it, its message is the result.
    pub fn run(&self, point: &Point) -> Verdict {
        let result = if point.is_refused() {
            self.refused(point).map(Verdict::Skipped)
        } else {
            self.boot(point).map(Verdict::Passed)
        };
        match result {
            Ok(verdict) => verdict,
            Err(error) => Verdict::Failed(format!("{error:#}")),
        }
    }

    fn machine(&self, point: &Point) -> Result<(Machine, Kernel)> {
        let kernel = debian::kernel(point.kernel)?;
        let initramfs = guest::initramfs(guest::Contents {
            programs: &self.programs,
            kernel: Some(&kernel),
            kdump: false,
            hammer: None,
        })?;
        let directory = paths::target_directory("qemu-runs")?.join(log_name(point));
        let devices = match point.task {
            Task::Device(device) => vec![Attached::prepare(device, &directory)?],
            _ => Vec::new(),
        };
        let mut machine = Machine {
            emulator: Emulator::named(point.qemu)?,
            firmware: self.firmware.clone(),
            kernel: Some(kernel.image.clone()),
            initramfs: Some(initramfs),
            append: "console=hvc0".to_owned(),
            cpu: point.cpu.to_owned(),
            ic_mode: point.ic_mode,
            smp: point.smp.0.to_owned(),
            memory: point.memory.to_owned(),
            devices,
            gdb: None,
            no_reboot: point.task != Task::Reboot,
            extra: Vec::new(),
        };
        machine.run_mode(mode(point.task));
        if point.task == Task::Reboot {
            machine.add_words(&format!("oxrtas.boot={}", boot_mark()));
        }
        Ok((machine, kernel))
    }

    fn boot(&self, point: &Point) -> Result<String> {
        let (machine, kernel) = self.machine(point)?;
        let mode = mode(point.task);
        let mut expectation = Expectation::new(mode, &machine.device_names(), 1)
            .fact("release", &kernel.release)
            .fact("cpus.count", point.smp.1)
            .fact("interrupt-controller", point.controller());
        for (key, value) in machine.facts() {
            expectation = expectation.fact(key, value);
        }
        let start = || {
            let mut session = Session::start(&machine, &log_name(point), LIMIT)?;
            session.forbid(&FORBIDDEN);
            Ok(session)
        };
        let (ended, remark) = match point.task {
            Task::Hotplug => processor::run(start)?,
            _ => (start()?.finish()?, String::new()),
        };
        judge(&ended, &expectation).map(|()| remark)
    }

    /// QEMU has to end by itself, with a message.
    fn refused(&self, point: &Point) -> Result<String> {
        let (machine, _) = self.machine(point)?;
        let ended = Session::start(&machine, &log_name(point), LIMIT)?.finish()?;
        if ended.status.success() || !ended.lines.is_empty() {
            bail!("QEMU was expected to refuse this, and did not");
        }
        let message = ended.errors.first().context("QEMU gave no reason")?;
        Ok(format!("QEMU refuses: {message}"))
    }
}

/// The verdict of a run that ended.
fn judge(ended: &Ended, expectation: &Expectation) -> Result<()> {
    let failures = expectation.failures(&ended.transcript());
    if !ended.status.success() || !failures.is_empty() {
        let reasons = failures.join("\n");
        return Err(anyhow!(
            "{reasons}\nQEMU ended with {}, its console is in {}",
            ended.status,
            ended.log.display()
        ));
    }
    Ok(())
}

/// What the guest is told to do.
fn mode(task: Task) -> Mode {
    match task {
        Task::Summary => Mode::Summary,
        Task::Device(_) => Mode::Devices,
        Task::Hotplug => Mode::Hotplug,
        Task::Reboot => Mode::Reboot,
    }
}

/// A mark that no earlier run left.
fn boot_mark() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!("{:x}", now.unwrap_or_default().as_nanos())
}

/// A file name for the log of `point`.
fn log_name(point: &Point) -> String {
    point.words().join("_").replace(['=', ','], "-")
}
