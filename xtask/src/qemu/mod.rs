//! Machines: how QEMU is told about them, and how they are run.

mod binary;
mod console;
mod devices;
mod machine;
mod qmp;
mod session;

pub use binary::Emulator;
pub use console::Seen;
pub use devices::Attached;
pub use machine::{Firmware, Machine};
pub use qmp::Qmp;
pub use session::{Ended, Session};

use crate::cli::{MachineArgs, QemuArgs};
use crate::debian::{self, Kernel, KernelVersion};
use crate::error::WithHint;
use crate::{paths, process, setup};
use anyhow::{Context, Result, anyhow, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// A kernel that can be booted.
#[derive(Clone, Debug)]
pub enum Bootable {
    /// Debian's, with modules for our initial file system.
    Debian(Kernel),
    /// A file.
    File(PathBuf),
}

impl Bootable {
    /// The kernel called `name`: `6.1`, `6.12`, or the path of a file.
    pub fn named(name: &str) -> Result<Self> {
        let version = KernelVersion::ALL
            .into_iter()
            .find(|version| version.name() == name);
        match version {
            Some(version) => Ok(Self::Debian(debian::kernel(version)?)),
            None if Path::new(name).is_file() => Ok(Self::File(PathBuf::from(name))),
            None => Err(anyhow!("there is no kernel {name}"))
                .hint("--kernel takes 6.1, 6.12, or the path of an image"),
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
    /// The firmware called `name`: `oxrtas` (which is built), `slof`, `vof`, or the path of an
    /// image.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "slof" => Ok(Self::Slof),
            "vof" => Ok(Self::Vof),
            "oxrtas" => bail!("oxrtas cannot be built yet"),
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
    let (mut machine, _kernel) = machine(&arguments.machine, &directory)?;
    let mode = if arguments.no_shell {
        "summary"
    } else {
        "shell"
    };
    machine.initramfs = match &arguments.initramfs {
        Some(path) => Some(path.clone()),
        None => None,
    };
    machine.append = format!("console=hvc0 oxrtas.mode={mode}");
    for words in machine
        .devices
        .iter()
        .filter_map(|device| device.append.as_deref())
        .chain(arguments.append.as_deref())
    {
        machine.append.push(' ');
        machine.append.push_str(words);
    }
    machine.gdb = arguments.gdb;
    machine.extra = arguments.extra.clone();
    let command = machine.command(&machine::TERMINAL);
    if arguments.dry_run {
        println!("{}", process::show(&command));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(port) = arguments.gdb {
        eprintln!("waiting for gdb: target remote :{port}");
    }
    if arguments.no_shell {
        return summary(&machine, Duration::from_secs(arguments.timeout));
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

/// Runs a machine to its end, prints its console, and judges it by the guest's verdicts.
fn summary(machine: &Machine, limit: Duration) -> Result<ExitCode> {
    let session = Session::start(machine, "summary", limit)?;
    let ended = session.finish()?;
    println!("{}", ended.lines.join("\n"));
    Ok(ExitCode::FAILURE)
}
