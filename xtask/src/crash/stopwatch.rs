//! How long a crash takes, for those who compare firmwares (`cargo xtask bench`).

use super::catalogue;
use super::host::Host;
use super::plan::Case;
use super::subject::Subject;
use crate::defaults;
use anyhow::{Context, Result, bail};

/// Crashes kernels and reads the clock.
#[derive(Debug)]
pub struct Stopwatch {
    host: Host,
}

impl Stopwatch {
    /// The scenario that is timed: four processors in XICS mode, where the crash masks interrupts
    /// through RTAS.
    pub const SCENARIO: &'static str = "sysrq-c/xics-4-2G";

    /// Prepares for crashes.
    pub fn new() -> Result<Self> {
        Ok(Self { host: Host::new()? })
    }

    /// Seconds from the crash to the kdump kernel's first line, in a run that ended with a dump.
    pub fn seconds(&mut self, firmware: &str, kernel: &str, qemu: &str) -> Result<f64> {
        let scenario = catalogue::ALL
            .iter()
            .find(|scenario| scenario.name == Self::SCENARIO)
            .context("the scenario is not in the catalogue")?;
        let subject = Subject {
            firmware: firmware.to_owned(),
            kernel: kernel.to_owned(),
            qemu: qemu.to_owned(),
            cpu: defaults::CPU.to_owned(),
        };
        let run = self.host.run(&Case { scenario, subject }, 0)?;
        if !run.passed() {
            bail!(
                "{} on {firmware}: {}",
                scenario.name,
                run.failures.join("; ")
            );
        }
        run.crash_seconds
            .context("the console does not show the kdump kernel")
    }
}
