//! The machines that are measured.

use super::figure::Record;
use super::heard::Heard;
use crate::build;
use crate::cli::{BenchArgs, BenchGroup, IcMode};
use crate::crash::Stopwatch;
use crate::debian;
use crate::defaults;
use crate::guest::{self, Mode};
use crate::progress::Step;
use crate::qemu::{Bootable, Emulator, Firmware, Machine, Session};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// How long one run may take: SLOF under -icount with 256 processors, on a busy host.
const LIMIT: Duration = Duration::from_secs(600);
/// The line of Linux before its first program.
const USER_SPACE: &str = "Run /init as init process";
/// Memory of a machine that runs the bare-metal guest.
const GUEST_MEMORY: &str = "512M";
/// Two bridges and a device behind them: a deep path, and something at bus 0, device 0, for
/// ibm,read-pci-config.
const DEEP_DEVICES: [&str; 6] = [
    "-device",
    "pci-bridge,id=bridge0,chassis_nr=1,addr=0",
    "-device",
    "pci-bridge,id=bridge1,chassis_nr=2,bus=bridge0,addr=1",
    "-device",
    "virtio-rng-pci,bus=bridge1,addr=1",
];

/// A run of the bare-metal guest.
#[derive(Clone, Debug)]
pub struct GuestRun {
    /// Its parts (`tests/src/checks/bench/mod.rs`).
    pub parts: Vec<&'static str>,
    /// More words for the guest.
    pub words: Vec<String>,
    /// Whether the timebase counts instructions.
    pub counts: bool,
    /// QEMU's `-smp`.
    pub smp: String,
    /// More arguments for QEMU.
    pub extra: Vec<String>,
}

impl GuestRun {
    /// One that counts instructions; its parts are still to be named.
    pub fn counted() -> Self {
        Self {
            parts: Vec::new(),
            words: Vec::new(),
            counts: true,
            smp: "1".to_owned(),
            extra: DEEP_DEVICES.map(str::to_owned).into(),
        }
    }

    /// One that takes time, with processors for contention.
    pub fn timed() -> Self {
        Self {
            counts: false,
            smp: "16".to_owned(),
            ..Self::counted()
        }
    }

    /// One that is over as soon as the guest is entered.
    pub fn entry(counts: bool, smp: &str, devices: usize) -> Self {
        let mut extra = Vec::new();
        for number in 0..devices {
            // Eight functions to a slot, from slot 1 on.
            let place = format!("{:x}.{}", 1 + number / 8, number % 8);
            extra.push("-device".to_owned());
            extra.push(format!("virtio-rng-pci,addr={place},multifunction=on"));
        }
        Self {
            parts: vec!["bench-entry"],
            words: Vec::new(),
            counts,
            smp: smp.to_owned(),
            extra,
        }
    }
}

/// Seconds from QEMU's start to lines of Linux's console.
#[derive(Clone, Copy, Debug)]
pub struct Phases {
    /// The kernel's first line, printed through the client interface; VOF prints none of those.
    pub first_line: Option<f64>,
    /// The client interface is done with.
    pub quiesce: Option<f64>,
    /// The first program starts.
    pub user_space: f64,
}

/// What all runs share.
pub struct Lab {
    emulator: Emulator,
    qemu: String,
    kernel: String,
    firmware: Vec<(String, Firmware)>,
    guest: PathBuf,
    image: PathBuf,
    initramfs: PathBuf,
    stopwatch: Option<Stopwatch>,
}

impl Lab {
    /// Builds and fetches what the runs need.
    pub fn prepare(arguments: &BenchArgs, groups: &BTreeSet<BenchGroup>) -> Result<Self> {
        let names = arguments.firmware.iter();
        let firmware = names.map(|name| Ok((name.clone(), Firmware::named(name)?)));
        let kernel = Bootable::named(&arguments.kernel)?;
        let crashes = groups.contains(&BenchGroup::Crash);
        Ok(Self {
            emulator: Emulator::named(&arguments.qemu)?,
            qemu: arguments.qemu.clone(),
            kernel: arguments.kernel.clone(),
            firmware: firmware.collect::<Result<_>>()?,
            guest: build::guest()?,
            image: kernel.image().to_owned(),
            initramfs: guest::initramfs(guest::Contents {
                programs: &debian::guest_programs()?,
                kernel: kernel.debian(),
                kdump: false,
                hammer: None,
            })?,
            stopwatch: crashes.then(Stopwatch::new).transpose()?,
        })
    }

    /// The names of the firmwares.
    pub fn firmwares(&self) -> Vec<String> {
        self.firmware.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The emulator.
    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// The firmware called `name`.
    pub fn firmware(&self, name: &str) -> Result<&Firmware> {
        let found = self.firmware.iter().find(|(own, _)| own == name);
        let (_, firmware) = found.with_context(|| format!("there is no firmware {name}"))?;
        Ok(firmware)
    }

    fn machine(&self, name: &str) -> Result<Machine> {
        Ok(Machine {
            emulator: self.emulator.clone(),
            firmware: self.firmware(name)?.clone(),
            kernel: Some(self.guest.clone()),
            initramfs: None,
            append: String::new(),
            cpu: defaults::CPU.to_owned(),
            ic_mode: IcMode::Xics,
            smp: "1".to_owned(),
            memory: GUEST_MEMORY.to_owned(),
            devices: Vec::new(),
            gdb: None,
            no_reboot: true,
            extra: Vec::new(),
        })
    }

    /// Runs the guest. What it could not measure is noted in `record`.
    pub fn guest(&self, firmware: &str, run: &GuestRun, record: &mut Record) -> Result<Heard> {
        let mut machine = self.machine(firmware)?;
        machine.append = format!("oxrtas.guest=bench,{}", run.parts.join(","));
        for words in &run.words {
            machine.add_words(words);
        }
        machine.smp.clone_from(&run.smp);
        machine.extra.clone_from(&run.extra);
        let (parts, devices) = (run.parts.join(" "), run.extra.len() / 2);
        let mut name = format!("bench {firmware} {parts} smp {} devices {devices}", run.smp);
        if run.counts {
            machine
                .extra
                .extend(["-icount", "shift=0,sleep=off"].map(str::to_owned));
            name.push_str(" icount");
        }
        let step = Step::start(&*name);
        let ended = Session::start(&machine, &name, LIMIT)?.finish()?;
        step.finish();
        if !ended.status.success() {
            bail!("QEMU ended with {}: {}", ended.status, ended.log.display());
        }
        let heard = Heard::of(ended.lines.iter().map(|line| line.text.as_str()))
            .with_context(|| format!("the guest's console is in {}", ended.log.display()))?;
        for reason in heard.failures() {
            let reason = format!("{name}: {reason}");
            if !record.missing.contains(&reason) {
                record.missing.push(reason);
            }
        }
        Ok(heard)
    }

    /// Boots Linux to its first program.
    pub fn linux(&self, firmware: &str) -> Result<Phases> {
        let mut machine = self.machine(firmware)?;
        machine.kernel = Some(self.image.clone());
        machine.initramfs = Some(self.initramfs.clone());
        machine.append = "console=hvc0".to_owned();
        machine.ic_mode = IcMode::Dual;
        machine.smp = defaults::SMP.to_owned();
        machine.memory = defaults::MEMORY.to_owned();
        machine.run_mode(Mode::Summary);
        let name = format!("bench {firmware} linux");
        let mut session = Session::start(&machine, &name, LIMIT)?;
        session.wait_for(&[USER_SPACE])?;
        let lines = session.lines();
        let at = |wanted: &str| {
            let found = lines.iter().find(|line| line.text.contains(wanted));
            found.map(|line| line.at.as_secs_f64())
        };
        Ok(Phases {
            first_line: at("Preparing to boot Linux version"),
            quiesce: at("Quiescing Open Firmware"),
            user_space: at(USER_SPACE).context("the line is gone")?,
        })
    }

    /// Seconds from a crash to the kdump kernel's first line.
    pub fn crash(&mut self, firmware: &str) -> Result<f64> {
        let stopwatch = self
            .stopwatch
            .as_mut()
            .context("crashes are not prepared")?;
        stopwatch.seconds(firmware, &self.kernel, &self.qemu)
    }
}
