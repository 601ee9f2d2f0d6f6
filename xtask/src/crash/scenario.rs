//! The crash scenarios: data, so that one more is one more entry.

use crate::cli::IcMode;
use std::fmt;

/// How the kernel is made to crash: the guest's `oxrtas.crash=`, and what the host does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// `echo c > /proc/sysrq-trigger` in the guest.
    SysrqC,
}

impl Crash {
    /// The value of `oxrtas.crash=`.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::SysrqC => "sysrq-c",
        }
    }

    /// Whether all processors stop for the crash.
    pub fn everybody_answers(self) -> bool {
        match self {
            Self::SysrqC => true,
        }
    }

    /// What the panic line of the dead kernel has to contain.
    pub fn reason(self) -> &'static str {
        match self {
            Self::SysrqC => "sysrq triggered crash",
        }
    }
}

/// What has to come of a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The kdump kernel finds a whole dump.
    Dump,
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dump => formatter.write_str("a dump"),
        }
    }
}

/// What has to come of a scenario on each firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// On oxrtas, and on any image that is named by its file.
    pub oxrtas: Outcome,
    /// On SLOF.
    pub slof: Outcome,
    /// On VOF.
    pub vof: Outcome,
}

impl Expected {
    /// The same on every firmware.
    const DUMP: Self = Self {
        oxrtas: Outcome::Dump,
        slof: Outcome::Dump,
        vof: Outcome::Dump,
    };

    /// On the firmware that the command line calls `name`.
    pub fn on(self, name: &str) -> Outcome {
        match name {
            "slof" => self.slof,
            "vof" => self.vof,
            _ => self.oxrtas,
        }
    }
}

/// One way to crash one machine.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name: `sysrq-c/xics-4-2G`.
    pub name: &'static str,
    /// What it shows, in one line.
    pub description: &'static str,
    /// How the kernel crashes.
    pub crash: Crash,
    /// Interrupt controller mode.
    pub ic_mode: IcMode,
    /// Processors; all of them are online and have to leave a note.
    pub processors: u32,
    /// QEMU's `-m`.
    pub memory: &'static str,
    /// `crashkernel=` of the first kernel.
    pub crashkernel: &'static str,
    /// More words for the first kernel.
    pub append: &'static str,
    /// What has to come of it.
    pub expected: Expected,
    /// Seconds that it may take.
    pub limit_seconds: u64,
}

const PLAIN: Scenario = Scenario {
    name: "",
    description: "",
    crash: Crash::SysrqC,
    ic_mode: IcMode::Xics,
    processors: 4,
    memory: "2G",
    crashkernel: "256M",
    append: "",
    expected: Expected::DUMP,
    limit_seconds: 300,
};

/// All scenarios. Seconds measured on QEMU 7.2 with SLOF, two host cores, alone: 13 for one
/// processor, 18 to 21 for four, 50 for sixteen: the fourteen stopped ones spin, and share the two
/// cores with the kdump kernel.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "sysrq-c/xics-1-512M",
        description: "one processor on the smallest machine, XICS",
        processors: 1,
        memory: "512M",
        crashkernel: "128M",
        ..PLAIN
    },
    Scenario {
        name: "sysrq-c/xics-4-2G",
        description: "the crash path masks every source through RTAS, XICS",
        ..PLAIN
    },
    Scenario {
        name: "sysrq-c/xics-16-2G",
        description: "sixteen processors answer the crash NMI, XICS",
        processors: 16,
        limit_seconds: 600,
        ..PLAIN
    },
    Scenario {
        name: "sysrq-c/dual-1-2G",
        description: "one processor, XIVE chosen at CAS",
        ic_mode: IcMode::Dual,
        processors: 1,
        ..PLAIN
    },
    Scenario {
        name: "sysrq-c/dual-4-512M",
        description: "four processors on the smallest machine, XIVE chosen at CAS",
        ic_mode: IcMode::Dual,
        memory: "512M",
        crashkernel: "128M",
        ..PLAIN
    },
    Scenario {
        name: "sysrq-c/xive-4-2G",
        description: "a machine without the four interrupt calls, XIVE",
        ic_mode: IcMode::Xive,
        ..PLAIN
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_machine_and_differ() {
        for (index, scenario) in ALL.iter().enumerate() {
            let Scenario {
                ic_mode,
                processors,
                memory,
                ..
            } = scenario;
            let machine = format!("/{}-{processors}-{memory}", ic_mode.name());
            assert!(scenario.name.ends_with(&machine), "{}", scenario.name);
            assert!(!scenario.description.is_empty(), "{}", scenario.name);
            let others = ALL.iter().skip(index + 1);
            assert!(others.clone().all(|other| other.name != scenario.name));
        }
    }

    #[test]
    fn every_smp_interrupt_mode_and_memory_of_the_issue_is_there() {
        assert!(
            [1, 4, 16]
                .iter()
                .all(|count| ALL.iter().any(|s| s.processors == *count))
        );
        let modes = [IcMode::Xics, IcMode::Xive, IcMode::Dual];
        assert!(
            modes
                .iter()
                .all(|mode| ALL.iter().any(|s| s.ic_mode == *mode))
        );
        assert!(
            ["512M", "2G"]
                .iter()
                .all(|size| ALL.iter().any(|s| s.memory == *size))
        );
    }
}
