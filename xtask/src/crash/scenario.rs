//! The crash scenarios: data, so that one more is one more entry.

use crate::cli::IcMode;
use std::fmt;

/// How the kernel is made to crash: the guest's `oxrtas.crash=`, and what the host does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// `echo c > /proc/sysrq-trigger` in the guest.
    SysrqC,
    /// The same without a kdump kernel: the kernel says so to the host, by ibm,os-term.
    NoKdump,
    /// `echo b`: the emergency reboot, without a panic.
    SysrqB,
}

impl Crash {
    /// The value of `oxrtas.crash=`.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::SysrqC => "sysrq-c",
            Self::NoKdump => "no-kdump",
            Self::SysrqB => "sysrq-b",
        }
    }

    /// Whether the guest loads a kdump kernel before.
    pub fn wants_kdump(self) -> bool {
        self == Self::SysrqC
    }

    /// What the panic line of the dead kernel has to contain.
    pub fn reason(self) -> &'static str {
        "sysrq triggered crash"
    }

    /// The function of the kernel that the crashing processor passes, before it calls RTAS.
    pub fn function(self) -> &'static str {
        match self {
            Self::SysrqC | Self::NoKdump => "panic",
            Self::SysrqB => "machine_restart",
        }
    }
}

/// Where a processor is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the hypercall instruction inside get-time-of-day: the kernel's RTAS lock is taken.
    GetTimeOfDay,
    /// At the first instruction of the kernel's rtas_call: the lock is not taken yet.
    Outside,
}

/// What becomes of a processor that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is released once the crash's system reset is pending on it. It parks in the kernel's
    /// handler, answers the crash, and never comes back to where it was.
    Frozen,
    /// It is held to the end and answers nobody.
    Gone,
}

/// A processor that is held while another one panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Which, as Linux counts. It reads the clock through RTAS in a loop until then.
    pub processor: u32,
    /// Where.
    pub place: Place,
    /// And then.
    pub fate: Fate,
}

/// What has to come of a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The kdump kernel finds a whole dump.
    Dump,
    /// The panicking processor waits for the kernel's RTAS lock for ever.
    Hang,
    /// The machine is reset, and there is no dump.
    Reset,
    /// The host is told that the kernel panicked, and there is no dump.
    OsTerm,
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dump => formatter.write_str("a dump"),
            Self::Hang => formatter.write_str("a hang in rtas_call"),
            Self::Reset => formatter.write_str("a reset"),
            Self::OsTerm => formatter.write_str("ibm,os-term"),
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

    /// The same on every firmware: the lock is the kernel's, so a kernel that asks nobody for it
    /// hangs on all of them.
    const HANG: Self = Self {
        oxrtas: Outcome::Hang,
        slof: Outcome::Hang,
        vof: Outcome::Hang,
    };

    /// The same on every firmware.
    const RESET: Self = Self {
        oxrtas: Outcome::Reset,
        slof: Outcome::Reset,
        vof: Outcome::Reset,
    };

    /// The same on every firmware.
    const OS_TERM: Self = Self {
        oxrtas: Outcome::OsTerm,
        slof: Outcome::OsTerm,
        vof: Outcome::OsTerm,
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
    /// The processor that is held over gdb, if one is.
    pub hold: Option<Hold>,
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
    hold: None,
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
    Scenario {
        name: "frozen/xics-4-2G",
        description: "a processor dies inside get-time-of-day and answers the crash",
        hold: Some(held(Place::GetTimeOfDay, Fate::Frozen)),
        expected: Expected::HANG,
        ..PLAIN
    },
    Scenario {
        name: "frozen-control/xics-4-2G",
        description: "the same processor, held outside RTAS: shows that holding does no harm",
        hold: Some(held(Place::Outside, Fate::Frozen)),
        ..PLAIN
    },
    Scenario {
        name: "gone/xics-4-2G",
        description: "a processor dies inside get-time-of-day and never answers",
        append: GIVE_UP,
        limit_seconds: 600,
        hold: Some(held(Place::GetTimeOfDay, Fate::Gone)),
        expected: Expected::HANG,
        ..PLAIN
    },
    Scenario {
        name: "gone-control/xics-4-2G",
        description: "the same processor, held outside RTAS for good",
        append: GIVE_UP,
        limit_seconds: 600,
        hold: Some(held(Place::Outside, Fate::Gone)),
        ..PLAIN
    },
    Scenario {
        name: "os-term/xics-4-2G",
        description: "a panic without a kdump kernel tells the host",
        crash: Crash::NoKdump,
        expected: Expected::OS_TERM,
        ..PLAIN
    },
    Scenario {
        name: "os-term-held/xics-4-2G",
        description: "the same, after a processor died inside get-time-of-day",
        crash: Crash::NoKdump,
        hold: Some(held(Place::GetTimeOfDay, Fate::Frozen)),
        expected: Expected::HANG,
        ..PLAIN
    },
    Scenario {
        name: "os-term-held-control/xics-4-2G",
        description: "the same processor, held outside RTAS",
        crash: Crash::NoKdump,
        hold: Some(held(Place::Outside, Fate::Frozen)),
        expected: Expected::OS_TERM,
        ..PLAIN
    },
    Scenario {
        name: "sysrq-b/xics-4-2G",
        description: "the emergency reboot resets the machine",
        crash: Crash::SysrqB,
        expected: Expected::RESET,
        ..PLAIN
    },
    Scenario {
        name: "sysrq-b-held/xics-4-2G",
        description: "the same while a processor stands inside get-time-of-day: nobody panics, so \
                      every kernel waits for its lock",
        crash: Crash::SysrqB,
        hold: Some(held(Place::GetTimeOfDay, Fate::Gone)),
        expected: Expected::HANG,
        ..PLAIN
    },
    Scenario {
        name: "sysrq-b-held-control/xics-4-2G",
        description: "the same processor, held outside RTAS",
        crash: Crash::SysrqB,
        hold: Some(held(Place::Outside, Fate::Gone)),
        expected: Expected::RESET,
        ..PLAIN
    },
];

/// Without it Linux waits for a processor that does not answer for ever
/// (arch/powerpc/kexec/crash.c:crash_kexec_prepare_cpus).
const GIVE_UP: &str = "panic=10";

/// Processor 1: neither the one that boots nor the one that panics, which is 0.
const fn held(place: Place, fate: Fate) -> Hold {
    Hold {
        processor: 1,
        place,
        fate,
    }
}

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
    fn every_scenario_that_holds_a_processor_in_rtas_has_its_control() {
        let held = |scenario: &&Scenario| scenario.hold.is_some();
        for scenario in ALL.iter().filter(held) {
            let hold = scenario.hold.unwrap();
            assert_ne!(hold.processor, 0, "{}: 0 panics", scenario.name);
            assert!(hold.processor < scenario.processors, "{}", scenario.name);
            // A reset asks nobody for an answer.
            let waits = hold.fate == Fate::Frozen
                || scenario.append.contains(GIVE_UP)
                || scenario.crash == Crash::SysrqB;
            assert!(waits, "{}: Linux would wait for ever", scenario.name);
            if hold.place == Place::Outside {
                assert_ne!(scenario.expected, Expected::HANG, "{}", scenario.name);
                continue;
            }
            let place = Place::Outside;
            let control = Some(Hold { place, ..hold });
            let same = |other: &&Scenario| {
                other.hold == control
                    && other.crash == scenario.crash
                    && (other.ic_mode, other.processors, other.memory, other.append)
                        == (
                            scenario.ic_mode,
                            scenario.processors,
                            scenario.memory,
                            scenario.append,
                        )
            };
            assert!(ALL.iter().any(|other| same(&other)), "{}", scenario.name);
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
