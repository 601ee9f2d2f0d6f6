//! Makes the machines that scenarios crash. What several of them use is prepared once.

use super::plan::Case;
use super::run::{self, Run};
use super::scenario::{Hold, Place, Scenario};
use super::subject::Subject;
use super::symbols::Symbols;
use crate::debian::{self, Kernel};
use crate::error::WithHint;
use crate::guest::{Contents, Mode, Overlay, initramfs, overlaid};
use crate::kernel;
use crate::qemu::{Bootable, Emulator, Firmware, Machine};
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What is ready so far, by the names of the command line.
#[derive(Debug)]
pub struct Host {
    programs: PathBuf,
    emulators: HashMap<String, Emulator>,
    firmware: HashMap<String, Firmware>,
    kernels: HashMap<String, Prepared>,
}

/// A kernel, its symbols, and the file system in which it crashes.
#[derive(Debug)]
struct Prepared {
    kernel: Kernel,
    symbols: Symbols,
    initramfs: PathBuf,
}

impl Host {
    /// With nothing but the guest's programs.
    pub fn new() -> Result<Self> {
        Ok(Self {
            programs: debian::guest_programs()?,
            emulators: HashMap::new(),
            firmware: HashMap::new(),
            kernels: HashMap::new(),
        })
    }

    /// Runs `case`.
    pub fn run(&mut self, case: &Case, repetition: u32) -> Result<Run> {
        let Case { scenario, subject } = case;
        self.prepare(subject)?;
        let kernel = self.kernels.get(&subject.kernel).context("no kernel")?;
        let machine = self.machine(scenario, subject, kernel)?;
        run::run(scenario, subject, repetition, &machine, &kernel.symbols)
    }

    fn prepare(&mut self, subject: &Subject) -> Result<()> {
        let Subject {
            firmware,
            kernel,
            qemu,
            ..
        } = subject;
        if !self.kernels.contains_key(kernel) {
            let prepared = Prepared::named(kernel, &self.programs)?;
            self.kernels.insert(kernel.clone(), prepared);
        }
        if !self.emulators.contains_key(qemu) {
            self.emulators.insert(qemu.clone(), Emulator::named(qemu)?);
        }
        if !self.firmware.contains_key(firmware) {
            let found = Firmware::named(firmware)?;
            self.firmware.insert(firmware.clone(), found);
        }
        Ok(())
    }

    fn machine(
        &self,
        scenario: &Scenario,
        subject: &Subject,
        kernel: &Prepared,
    ) -> Result<Machine> {
        let mut words = vec![
            "console=hvc0".to_owned(),
            format!("crashkernel={}", scenario.crashkernel),
            Mode::Kdump.parameter(),
            format!("oxrtas.crash={}", scenario.crash.parameter()),
        ];
        let parts = || scenario.hold.into_iter().flat_map(Hold::parts);
        let victims = parts().flat_map(|part| {
            let work = part.work.parameter();
            let processors = part.processors.iter();
            processors.map(move |processor| format!("{processor}:{work}"))
        });
        words.extend(list("victims", ",", victims));
        let inside = parts().filter_map(|part| match part.place {
            Place::Inside(call) => Some(call.to_owned()),
            Place::Outside => None,
        });
        // The names have commas of their own.
        words.extend(list("inside", "+", inside));
        let others = scenario.others.iter();
        let others = others.map(|(at, work)| format!("{at}:{}", work.parameter()));
        words.extend(list("others", ",", others));
        words.extend(scenario.unplugs.then(|| "oxrtas.unplug=1".to_owned()));
        words.extend(
            scenario
                .hammer
                .map(|words| format!("oxrtas.hammer={words}")),
        );
        let mut devices: Vec<&'static [&'static str]> = Vec::new();
        for work in scenario.works() {
            if !devices.contains(&work.devices()) {
                devices.push(work.devices());
            }
        }
        devices.push(scenario.crash.arguments());
        let extra = devices.concat().into_iter().map(str::to_owned).collect();
        words.extend((!scenario.append.is_empty()).then(|| scenario.append.to_owned()));
        let emulator = self.emulators.get(&subject.qemu).context("no QEMU")?;
        let firmware = self
            .firmware
            .get(&subject.firmware)
            .context("no firmware")?;
        Ok(Machine {
            emulator: emulator.clone(),
            firmware: firmware.clone(),
            kernel: Some(kernel.kernel.image.clone()),
            initramfs: Some(kernel.for_scenario(scenario, &subject.kernel, &self.programs)?),
            append: words.join(" "),
            cpu: subject.cpu.clone(),
            ic_mode: scenario.ic_mode,
            smp: scenario.smp(),
            memory: scenario.memory.to_owned(),
            devices: Vec::new(),
            gdb: None,
            // A kernel that cannot kdump resets, which must not look like a slow run.
            no_reboot: true,
            extra,
        })
    }
}

/// `oxrtas.NAME=` with `items`, if there are any.
fn list(name: &str, separator: &str, items: impl Iterator<Item = String>) -> Option<String> {
    let items: Vec<String> = items.collect();
    (!items.is_empty()).then(|| format!("oxrtas.{name}={}", items.join(separator)))
}

impl Prepared {
    fn named(name: &str, programs: &PathBuf) -> Result<Self> {
        let kernel = Bootable::named(name)?;
        let kernel = kernel
            .debian()
            .with_context(|| format!("{name} is a file"))
            .hint("the kdump kernel and its modules belong to it: 6.1, 6.12, patched")?;
        Ok(Self {
            kernel: kernel.clone(),
            symbols: Symbols::read(&kernel.image)?,
            initramfs: initramfs(Contents {
                programs,
                kernel: Some(kernel),
                kdump: true,
                hammer: None,
            })?,
        })
    }

    /// The file system for `scenario`.
    fn for_scenario(&self, scenario: &Scenario, name: &str, programs: &Path) -> Result<PathBuf> {
        if !scenario.needs_module() {
            return Ok(self.initramfs.clone());
        }
        let base = self.with_hammer(name, programs)?;
        if !scenario.needs_daemon() {
            return Ok(base);
        }
        overlaid(
            &base,
            &Overlay {
                name: "errd",
                root: &debian::user_programs()?,
                programs: &["usr/sbin/drmgr", "usr/sbin/rtas_errd"],
                files: &["etc/ppc64-diag/ppc64-diag.config"],
                others: Vec::new(),
                texts: Vec::new(),
                modules: &["rpadlpar_io"],
                kernel: &self.kernel,
            },
        )
    }

    /// The same file system with the test module, for the kernel that the command line calls `name`.
    fn with_hammer(&self, name: &str, programs: &Path) -> Result<PathBuf> {
        let hammer = kernel::hammer(&kernel::tree(name)?)?;
        initramfs(Contents {
            programs,
            kernel: Some(&self.kernel),
            kdump: true,
            hammer: Some(&hammer),
        })
    }
}
