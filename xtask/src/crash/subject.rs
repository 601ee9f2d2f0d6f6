//! What is crashed: firmware, kernel, QEMU and processor model.

use super::scenario::{Outcome, Regime, Scenario, Work};
use crate::build::Promise;
use crate::cli::{IcMode, QemuCrashArgs};
use crate::guest::Transcript;
use rtas::table;
use rtas_abi::capability::Capability;
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// What one run is made on, by the names of the command line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Subject {
    /// The firmware.
    pub firmware: String,
    /// The kernel, which is also the kdump kernel.
    pub kernel: String,
    /// The QEMU.
    pub qemu: String,
    /// The processor model.
    pub cpu: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let firmware = Path::new(&self.firmware).file_stem();
        let firmware = firmware.unwrap_or_default().to_string_lossy();
        let qemu = self.qemu.replace('/', "_");
        write!(formatter, "{firmware} {} {qemu} {}", self.kernel, self.cpu)
    }
}

impl Subject {
    /// Every subject that the command line asks for.
    pub fn all(arguments: &QemuCrashArgs) -> Vec<Self> {
        let mut subjects = Vec::new();
        for qemu in &arguments.qemu {
            for kernel in &arguments.kernel {
                for firmware in &arguments.firmware {
                    subjects.push(Self {
                        firmware: firmware.clone(),
                        kernel: kernel.clone(),
                        qemu: qemu.clone(),
                        cpu: arguments.cpu.clone(),
                    });
                }
            }
        }
        subjects
    }

    /// The same on another firmware.
    pub fn on(&self, firmware: &str) -> Self {
        Self {
            firmware: firmware.to_owned(),
            ..self.clone()
        }
    }

    /// Whether the kernel has our patches.
    fn is_patched(&self) -> bool {
        self.kernel.starts_with("patched")
    }

    /// Why `scenario` cannot be run on this, if it cannot.
    pub fn cannot(&self, scenario: &Scenario) -> Option<&'static str> {
        let old = ["6.1", "patched-6.1"].contains(&self.kernel.as_str());
        let needs = scenario.works().any(|work| work == Work::Slots);
        (old && needs).then_some("/sys/kernel/dlpar has `dt` from Linux 6.12 on")
    }

    /// Whether the interrupt calls follow LoPAR: the answers of those that QEMU implements do not.
    pub fn follows_lopar(&self) -> bool {
        !matches!(self.firmware.as_str(), "slof" | "vof")
    }

    /// The functions that the firmware lists as crash-safe. An image that is named by its file is
    /// taken for one of the published kind; what it really lists is checked in the run.
    fn listed(&self) -> Vec<&'static str> {
        let promise = match self.firmware.as_str() {
            "slof" | "vof" => return Vec::new(),
            name => Promise::of_image(name).unwrap_or(Promise::Proved),
        };
        let functions = promise.functions();
        let is_listed = |call: &&table::Call| {
            call.capability.contains(Capability::CRASH_SAFE) && functions.contains(&call.name)
        };
        table::calls()
            .filter(is_listed)
            .map(|call| call.name)
            .collect()
    }

    fn regime(&self, scenario: &Scenario) -> Regime {
        let listed = self.listed();
        if self.is_patched() && scenario.calls.iter().all(|call| listed.contains(call)) {
            Regime::Lockless
        } else {
            Regime::Locking
        }
    }

    /// What has to come of `scenario` here.
    pub fn expected(&self, scenario: &Scenario) -> Outcome {
        scenario.expected.under(self.regime(scenario))
    }

    /// Whether `scenario` shows here what the lists are for, so that controls belong to it.
    pub fn wants_controls(&self, scenario: &Scenario) -> bool {
        scenario.depends_on_lists() && self.regime(scenario) == Regime::Lockless
    }

    /// What is wrong with the lists that the guest saw on a machine of `ic_mode`, and with what its
    /// kernel made of them. After the crash, in the kdump kernel, they are the same.
    pub fn failures(&self, ic_mode: IcMode, transcript: &Transcript, dumped: bool) -> Vec<String> {
        let listed = self.listed();
        let mut wanted = listed.clone();
        wanted.sort_unstable();
        let wanted = wanted.join(",");
        // What is listed and not there is not used: the interrupt calls, where QEMU has XIVE only.
        let is_there = |name: &&&str| {
            let call = table::index_of(name).and_then(|index| table::CALLS.get(index));
            ic_mode != IcMode::Xive
                || call.is_none_or(|call| !call.shape.handler.is_interrupt_call())
        };
        let used = match self.is_patched() {
            true => listed.iter().filter(is_there).count(),
            false => 0,
        };
        let used = used.to_string();
        let mut facts = vec![("crash-safe", wanted.as_str()), ("lockless", &used)];
        if dumped {
            facts.extend([
                ("second.crash-safe", wanted.as_str()),
                ("second.lockless", &used),
            ]);
        }
        let wrong = |(key, wanted): (&str, &str)| match transcript.facts.get(key) {
            Some(seen) if seen == wanted => None,
            seen => Some(format!("{key} is {seen:?}, expected {wanted:?}")),
        };
        facts.into_iter().filter_map(wrong).collect()
    }
}

/// One on the usual machine.
#[cfg(test)]
pub fn sample(firmware: &str, kernel: &str) -> Subject {
    Subject {
        firmware: firmware.to_owned(),
        kernel: kernel.to_owned(),
        qemu: "7.2".to_owned(),
        cpu: "power9".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue;
    use super::sample as subject;
    use super::*;

    fn frozen() -> &'static Scenario {
        let mut all = catalogue::ALL.iter();
        all.find(|one| one.name.starts_with("frozen/")).unwrap()
    }

    #[test]
    fn only_a_patched_kernel_on_firmware_that_lists_the_functions_gets_its_dump() {
        for (firmware, kernel, dump) in [
            ("oxrtas-claimed", "patched", true),
            ("oxrtas-claimed", "patched-6.1", true),
            ("oxrtas-silent", "patched", false),
            ("slof", "patched", false),
            ("vof", "patched", false),
            ("oxrtas-claimed", "6.12", false),
            ("slof", "6.1", false),
        ] {
            let subject = subject(firmware, kernel);
            let outcome = if dump { Outcome::Dump } else { Outcome::Hang };
            assert_eq!(subject.expected(frozen()), outcome, "{subject}");
            assert_eq!(subject.wants_controls(frozen()), dump, "{subject}");
        }
    }

    #[test]
    fn a_processor_outside_rtas_stops_nobody() {
        for control in catalogue::ALL
            .iter()
            .filter(|one| frozen().is_controlled_by(one))
        {
            assert_eq!(subject("slof", "6.1").expected(control), Outcome::Dump);
            assert!(!subject("oxrtas-claimed", "patched").wants_controls(control));
        }
    }

    #[test]
    fn lists_that_are_not_what_the_firmware_is_to_publish_are_failures() {
        let lists = |listed: &str, used: usize| {
            let log = format!("OXRTAS-FACT crash-safe {listed}\nOXRTAS-FACT lockless {used}\n");
            Transcript::of(&log)
        };
        let mut listed = subject("oxrtas-claimed", "6.12").listed();
        listed.sort_unstable();
        assert!(listed.contains(&"ibm,int-off") && !listed.contains(&"stop-self"));
        let (text, count) = (listed.join(","), listed.len());
        let failures = |firmware: &str, kernel: &str, transcript: &Transcript| {
            subject(firmware, kernel)
                .failures(IcMode::Xics, transcript, false)
                .len()
        };
        assert_eq!(
            failures("oxrtas-claimed", "patched", &lists(&text, count)),
            0
        );
        assert_eq!(failures("oxrtas-claimed", "6.12", &lists(&text, 0)), 0);
        assert_eq!(failures("oxrtas-claimed", "patched", &lists(&text, 1)), 1);
        assert_eq!(failures("oxrtas-claimed", "patched", &lists("", 0)), 2);
        assert_eq!(failures("slof", "patched", &lists("", 0)), 0);
        assert_eq!(failures("slof", "patched", &Transcript::of("")), 2);
        let missing = subject("slof", "6.1").failures(IcMode::Xics, &lists("", 0), true);
        assert_eq!(missing.len(), 2, "nothing from the kdump kernel");
        let without = lists(&text, count - 4);
        let patched = subject("oxrtas-claimed", "patched");
        assert!(patched.failures(IcMode::Xive, &without, false).is_empty());
        assert_eq!(patched.failures(IcMode::Dual, &without, false).len(), 1);
    }
}
