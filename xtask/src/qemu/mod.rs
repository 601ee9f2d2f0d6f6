//! Machines: how QEMU is told about them, and how they are run.

mod binary;
mod console;
mod devices;
mod machine;
pub mod processor;
mod qmp;
pub mod removal;
mod session;
pub mod socket;
mod visitor;

pub use binary::Emulator;
pub use console::Seen;
pub use devices::Attached;
pub use machine::{Firmware, Machine};
pub use qmp::Qmp;
pub use session::{Ended, Session};
pub use visitor::{Door, Stay, come_and_go};

use crate::build::{self, Promise};
use crate::cli::{MachineArgs, QemuArgs};
use crate::debian::{self, Kernel, KernelVersion};
use crate::error::WithHint;
use crate::guest::{self, Expectation, Mode};
use crate::{kernel, paths, process, setup};
use anyhow::{Context, Result, anyhow};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// A kernel that can be booted.
#[derive(Clone, Debug)]
pub enum Bootable {
    /// Debian's, or one made of its source: with modules for our initial file system.
    Debian(Kernel),
    /// A file.
    File(PathBuf),
}

impl Bootable {
    /// The kernel called `name`: `6.1`, `6.12`, `7.2`, `patched` or `patched-VERSION` (which is built), or
    /// the path of a file.
    pub fn named(name: &str) -> Result<Self> {
        match KernelVersion::named(name, &KernelVersion::ALL) {
            Some(version) => Ok(Self::Debian(debian::kernel(version)?)),
            None if let Some(version) = kernel::patched(name) => {
                Ok(Self::Debian(kernel::build(version)?))
            }
            None if Path::new(name).is_file() => Ok(Self::File(PathBuf::from(name))),
            None => Err(anyhow!("there is no kernel {name}")).hint(
                "--kernel takes 6.1, 6.12, 7.2, patched, patched-6.1, or the path of an image",
            ),
        }
    }

    /// That with modules, if it is one.
    pub fn debian(&self) -> Option<&Kernel> {
        match self {
            Self::Debian(kernel) => Some(kernel),
            Self::File(_) => None,
        }
    }

    /// Its image.
    pub fn image(&self) -> &Path {
        match self {
            Self::Debian(kernel) => &kernel.image,
            Self::File(path) => path,
        }
    }
}

impl Firmware {
    /// The firmware called `name`: one of [`Promise`] (which is built), `slof`, `vof`, or the path
    /// of an image.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "slof" => Ok(Self::Slof),
            "vof" => Ok(Self::Vof),
            ours if let Some(promise) = Promise::of_image(ours) => {
                Ok(Self::Image(build::build(promise)?.image))
            }
            path if Path::new(path).is_file() => Ok(Self::Image(PathBuf::from(path))),
            path => Err(anyhow!("there is no firmware {path}"))
                .hint("--firmware takes oxrtas, slof, vof, or the path of an image"),
        }
    }
}

/// The machine that the command line describes. `directory` is for the files behind its devices.
pub fn machine(arguments: &MachineArgs, directory: &Path) -> Result<(Machine, Bootable)> {
    setup::for_qemu()?;
    let kernel = Bootable::named(&arguments.kernel)?;
    let devices = arguments
        .devices
        .iter()
        .map(|&device| Attached::prepare(device, directory))
        .collect::<Result<Vec<_>>>()?;
    let machine = Machine {
        emulator: Emulator::named(&arguments.qemu)?,
        firmware: Firmware::named(&arguments.firmware)?,
        kernel: Some(kernel.image().to_owned()),
        initramfs: None,
        append: "console=hvc0".to_owned(),
        cpu: arguments.cpu.clone(),
        ic_mode: arguments.ic_mode,
        smp: arguments.smp.clone(),
        memory: arguments.memory.clone(),
        devices,
        gdb: None,
        no_reboot: false,
        extra: Vec::new(),
    };
    Ok((machine, kernel))
}

/// `cargo xtask qemu`.
pub fn run(arguments: &QemuArgs) -> Result<ExitCode> {
    let directory = paths::target_directory("qemu-runs")?.join("interactive");
    let (mut machine, kernel) = machine(&arguments.machine, &directory)?;
    machine.initramfs = match &arguments.initramfs {
        Some(path) => Some(path.clone()),
        None => Some(guest::initramfs(guest::Contents {
            programs: &debian::guest_programs()?,
            kernel: kernel.debian(),
            kdump: false,
            hammer: None,
        })?),
    };
    let mode = match (arguments.no_shell, machine.devices.is_empty()) {
        (false, _) => Mode::Shell,
        (true, true) => Mode::Summary,
        (true, false) => Mode::Devices,
    };
    machine.run_mode(mode);
    if let Some(words) = &arguments.append {
        machine.add_words(words);
    }
    machine.gdb = arguments.gdb;
    machine.extra = arguments.extra.clone();
    if arguments.dry_run {
        let command = machine.command(&machine::TERMINAL);
        println!("{}", process::show(&command));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(port) = arguments.gdb {
        eprintln!("halted; in gdb: target remote :{port}");
    }
    if arguments.no_shell {
        return summary(&machine, mode, Duration::from_secs(arguments.timeout));
    }
    interactive(&machine)
}

/// Runs a machine on this terminal.
fn interactive(machine: &Machine) -> Result<ExitCode> {
    let status = machine
        .command(&machine::TERMINAL)
        .status()
        .with_context(|| format!("cannot run {}", machine.emulator.path().display()))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs a machine to its end, printing its console, and judges it by the guest's verdicts.
fn summary(machine: &Machine, mode: Mode, limit: Duration) -> Result<ExitCode> {
    let ended = Session::start_shown(machine, "no-shell", limit)?.finish()?;
    let mut expectation = Expectation::new(mode, &machine.device_names(), 0);
    for (key, value) in machine.facts() {
        expectation = expectation.fact(key, value);
    }
    let failures = expectation.failures(&ended.transcript());
    if failures.is_empty() && ended.status.success() {
        println!("The guest is fine ({:.1} s).", ended.duration.as_secs_f64());
        return Ok(ExitCode::SUCCESS);
    }
    println!("QEMU ended with {}.", ended.status);
    for failure in failures {
        println!("FAILED {failure}");
    }
    Ok(ExitCode::FAILURE)
}
