//! The crash scenarios: data, so that one more is one more entry.

use super::scenario::{Crash, Expected, Fate, Hold, Outcome, Place, Scenario, Work};
use crate::cli::IcMode;
use rtas_abi::name;

/// Four processors, XICS, and nobody held.
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
    migrates: false,
    unplugs: false,
    others: &[],
    hammer: None,
    calls: MASKING,
    expected: Expected::always(Outcome::Dump),
    limit_seconds: 300,
};

/// What masks a source (arch/powerpc/sysdev/xics/ics-rtas.c:ics_rtas_mask_real_irq).
const MASKING: &[&str] = &[name::IBM_INT_OFF, name::IBM_SET_XIVE];
/// What stores the report of a panic or an oops (arch/powerpc/kernel/nvram_64.c:oops_to_nvram).
const NVRAM: &[&str] = &[name::NVRAM_FETCH, name::NVRAM_STORE];
/// What a panic calls that ends in a reset.
const NVRAM_AND_REBOOT: &[&str] = &[name::NVRAM_FETCH, name::NVRAM_STORE, name::SYSTEM_REBOOT];
/// Masking and the report.
const MASKING_AND_NVRAM: &[&str] = &[
    name::IBM_INT_OFF,
    name::IBM_SET_XIVE,
    name::NVRAM_FETCH,
    name::NVRAM_STORE,
];

/// Processor 1 is inside get-time-of-day while another one crashes.
const FROZEN: Scenario = Scenario {
    hold: Some(Hold {
        processors: VICTIM,
        work: Work::Clock,
        place: Place::Inside(name::GET_TIME_OF_DAY),
        fate: Fate::Frozen,
        and: None,
    }),
    expected: Expected::without_lock(Outcome::Dump),
    ..PLAIN
};

/// The same, and Linux gives up waiting for it. Without `panic=` it waits for a processor that does
/// not answer for ever (arch/powerpc/kexec/crash.c:crash_kexec_prepare_cpus).
const GONE: Scenario = Scenario {
    hold: Some(Hold {
        processors: VICTIM,
        work: Work::Clock,
        place: Place::Inside(name::GET_TIME_OF_DAY),
        fate: Fate::Gone,
        and: None,
    }),
    append: GIVE_UP,
    expected: Expected::without_lock(Outcome::Dump),
    limit_seconds: 600,
    ..PLAIN
};

/// Neither the processor that boots nor the one that panics, which is 0.
const VICTIM: &[u32] = &[1];
const GIVE_UP: &str = "panic=10";

/// Processor 1 is inside an interrupt call.
const fn interrupt(name: &'static str, description: &'static str, call: &'static str) -> Scenario {
    Scenario {
        name,
        description,
        hold: Some(Hold {
            processors: VICTIM,
            work: Work::Console,
            place: Place::Inside(call),
            fate: Fate::Frozen,
            and: None,
        }),
        ..FROZEN
    }
}

/// Processor 1 is inside an interrupt call that the test module makes: nobody owns the kernel's lock.
const fn direct(
    name: &'static str,
    description: &'static str,
    call: &'static str,
    hammer: &'static str,
) -> Scenario {
    Scenario {
        name,
        description,
        hold: Some(Hold {
            processors: VICTIM,
            work: Work::Hammer,
            place: Place::Inside(call),
            fate: Fate::Frozen,
            and: None,
        }),
        hammer: Some(hammer),
        ..PLAIN
    }
}

/// `scenario` with its processors held outside RTAS, where the lock makes no difference.
const fn control(scenario: Scenario, name: &'static str, description: &'static str) -> Scenario {
    let hold = match scenario.hold {
        Some(hold) => Some(Hold {
            place: Place::Outside,
            ..hold
        }),
        None => None,
    };
    Scenario {
        name,
        description,
        hold,
        expected: Expected::always(match scenario.crash {
            Crash::SysrqC | Crash::Nmi => match scenario.expected.lockless {
                Outcome::Twice => Outcome::Twice,
                _ => Outcome::Dump,
            },
            Crash::NoKdump => Outcome::OsTerm,
            Crash::Restart => Outcome::Restart,
            Crash::SysrqB => Outcome::Reset,
        }),
        ..scenario
    }
}

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
        ..FROZEN
    },
    control(
        FROZEN,
        "frozen-control/xics-4-2G",
        "the same processor, held outside RTAS: shows that holding does no harm",
    ),
    Scenario {
        name: "gone/xics-4-2G",
        description: "a processor dies inside get-time-of-day and never answers",
        ..GONE
    },
    control(
        GONE,
        "gone-control/xics-4-2G",
        "the same processor, held outside RTAS for good",
    ),
    interrupt(
        "set-xive/xics-4-2G",
        "a processor dies inside ibm,set-xive, before the hypervisor is told",
        name::IBM_SET_XIVE,
    ),
    interrupt(
        "get-xive/xics-4-2G",
        "a processor dies inside ibm,get-xive",
        name::IBM_GET_XIVE,
    ),
    interrupt(
        "int-off/xics-4-2G",
        "a processor dies inside ibm,int-off, before the hypervisor is told",
        name::IBM_INT_OFF,
    ),
    interrupt(
        "int-on/xics-4-2G",
        "a processor dies inside ibm,int-on, before the hypervisor is told",
        name::IBM_INT_ON,
    ),
    control(
        interrupt("", "", name::IBM_INT_ON),
        "interrupt-control/xics-4-2G",
        "a processor that masks and unmasks, held outside RTAS",
    ),
    Scenario {
        name: "os-term/xics-4-2G",
        description: "a panic without a kdump kernel tells the host",
        crash: Crash::NoKdump,
        calls: NVRAM,
        expected: Expected::always(Outcome::OsTerm),
        ..PLAIN
    },
    OS_TERM_HELD,
    control(
        OS_TERM_HELD,
        "os-term-held-control/xics-4-2G",
        "the same processor, held outside RTAS",
    ),
    Scenario {
        name: "restart/xics-4-2G",
        description: "the same, the host lets the kernel go on, and the kernel resets the machine",
        crash: Crash::Restart,
        append: RESTART,
        calls: NVRAM_AND_REBOOT,
        expected: Expected::always(Outcome::Restart),
        ..PLAIN
    },
    RESTART_HELD,
    control(
        RESTART_HELD,
        "restart-held-control/xics-4-2G",
        "the same processor, held outside RTAS",
    ),
    Scenario {
        name: "sysrq-b/xics-4-2G",
        description: "the emergency reboot resets the machine",
        crash: Crash::SysrqB,
        expected: Expected::always(Outcome::Reset),
        ..PLAIN
    },
    SYSRQ_B_HELD,
    control(
        SYSRQ_B_HELD,
        "sysrq-b-held-control/xics-4-2G",
        "the same processor, held outside RTAS",
    ),
    HAMMER,
    Scenario {
        name: "hammer-clock/xics-4-2G",
        description: "the same while two others read the clock under the kernel's lock as well",
        others: &[(2, Work::Clock), (3, Work::Clock)],
        expected: Expected::BY_CHANCE,
        ..HAMMER
    },
    Scenario {
        name: "hammer-cores/xics-4-2G",
        description: "the same while DLPAR removes and adds a processor under the kernel's lock",
        others: &[(2, Work::Cores)],
        // A source cannot be given to the processor that comes and goes.
        hammer: Some("processors=1-2+servers=0-2"),
        expected: Expected::BY_CHANCE,
        ..HAMMER
    },
    Scenario {
        name: "hammer-msi/xics-4-2G",
        description: "the same while a PCI device gets its MSIs and gives them back",
        others: &[(2, Work::Msi)],
        expected: Expected::BY_CHANCE,
        ..HAMMER
    },
    Scenario {
        name: "hammer-slots/xics-4-2G",
        description: "the same while a PCI device is plugged, taken in, given back and unplugged",
        others: &[(2, Work::Slots)],
        expected: Expected::BY_CHANCE,
        ..HAMMER
    },
    HAMMER_CONNECTOR,
    control(
        HAMMER_CONNECTOR,
        "hammer-connector-control/xics-4-2G",
        "the same, with the one that would own the lock outside RTAS",
    ),
    direct(
        "direct-set-xive/xics-4-2G",
        "a processor dies inside ibm,set-xive of a source that the crash masks, without the lock",
        name::IBM_SET_XIVE,
        "processors=1+only=ibm,set-xive+source=0x1000",
    ),
    direct(
        "direct-get-xive/xics-4-2G",
        "the same inside ibm,get-xive",
        name::IBM_GET_XIVE,
        "processors=1+only=ibm,get-xive+source=0x1000",
    ),
    direct(
        "direct-int-off/xics-4-2G",
        "the same inside ibm,int-off",
        name::IBM_INT_OFF,
        "processors=1+only=ibm,int-off+source=0x1000",
    ),
    direct(
        "direct-int-on/xics-4-2G",
        "the same inside ibm,int-on",
        name::IBM_INT_ON,
        "processors=1+only=ibm,int-on+source=0x1000",
    ),
    Scenario {
        name: "cores/xics-4-2G",
        description: "a panic while DLPAR removes and adds a processor",
        others: &[(1, Work::Cores)],
        expected: Expected::BY_CHANCE,
        ..PLAIN
    },
    CONNECTOR,
    control(
        CONNECTOR,
        "connector-control/xics-4-2G",
        "the same processor, held outside RTAS",
    ),
    Scenario {
        name: "unplugged/xics-4-2G",
        description: "sources were set to a processor that was unplugged: masking them does not fail",
        unplugs: true,
        ..PLAIN
    },
    Scenario {
        name: "msi/xics-4-2G",
        description: "a panic while a PCI device gets its MSIs and gives them back",
        others: &[(1, Work::Msi)],
        expected: Expected::BY_CHANCE,
        ..PLAIN
    },
    CHANGE_MSI,
    control(
        CHANGE_MSI,
        "change-msi-control/xics-4-2G",
        "the same processor, held outside RTAS",
    ),
    Scenario {
        name: "slots/xics-4-2G",
        description: "a panic while a PCI device is plugged, taken in, given back and unplugged",
        others: &[(1, Work::Slots)],
        expected: Expected::BY_CHANCE,
        ..PLAIN
    },
    SLOTS,
    control(
        SLOTS,
        "slots-msi-control/xics-4-2G",
        "the same processor, held outside RTAS",
    ),
    ERRD,
    control(
        ERRD,
        "errd-control/xics-4-2G",
        "the same processor, held outside RTAS",
    ),
    Scenario {
        name: "second/xics-4-2G",
        description: "the kdump kernel panics as well, after a processor died inside ibm,int-off",
        append: AGAIN,
        expected: Expected::always(Outcome::Twice),
        ..direct(
            "",
            "",
            name::IBM_INT_OFF,
            "processors=1+only=ibm,int-off+source=0x1000",
        )
    },
    SECOND,
    control(
        SECOND,
        "second-clock-control/xics-4-2G",
        "the same processor, held outside RTAS",
    ),
    ALL_OTHERS,
    control(
        ALL_OTHERS,
        "all-control/xics-4-2G",
        "the same, with the one that would own the lock outside RTAS",
    ),
    Scenario {
        name: "migrated/xics-4-2G",
        description: "a processor is inside ibm,int-off, without the lock, when the machine is \
                      migrated, and dies there in another QEMU",
        migrates: true,
        ..direct(
            "",
            "",
            name::IBM_INT_OFF,
            "processors=1+only=ibm,int-off+source=0x1000",
        )
    },
    MIGRATED,
    control(
        MIGRATED,
        "migrated-clock-control/xics-4-2G",
        "the same processor, held outside RTAS",
    ),
    NMI,
    control(
        NMI,
        "nmi-control/xics-4-2G",
        "the same with the processor held outside RTAS",
    ),
];

/// Three processors make all four calls. One of them is held, so that at least one dies inside RTAS:
/// that another one is there as well is chance.
const HAMMER: Scenario = Scenario {
    name: "hammer/xics-4-2G",
    description: "three processors make interrupt calls without a lock, and one of them dies inside \
                  ibm,int-off, the others wherever they are",
    ..direct("", "", name::IBM_INT_OFF, "processors=1-3")
};

const HAMMER_CONNECTOR: Scenario = Scenario {
    name: "hammer-connector/xics-4-2G",
    description: "a processor that adds another one dies inside ibm,configure-connector, one that \
                  hammers inside ibm,int-off",
    hold: Some(Hold {
        processors: VICTIM,
        work: Work::Cores,
        place: Place::Inside(name::IBM_CONFIGURE_CONNECTOR),
        fate: Fate::Frozen,
        // The last one comes and goes.
        and: Some(&Hold {
            processors: &[2],
            work: Work::Hammer,
            place: Place::Inside(name::IBM_INT_OFF),
            fate: Fate::Frozen,
            and: None,
        }),
    }),
    hammer: Some("processors=2+servers=0-2"),
    ..FROZEN
};

const ALL_OTHERS: Scenario = Scenario {
    name: "all/xics-4-2G",
    description: "all other processors die inside RTAS, one of them under the kernel's lock",
    hold: Some(Hold {
        processors: VICTIM,
        work: Work::Clock,
        place: Place::Inside(name::GET_TIME_OF_DAY),
        fate: Fate::Frozen,
        and: Some(&Hold {
            processors: &[2, 3],
            work: Work::Hammer,
            place: Place::Inside(name::IBM_SET_XIVE),
            fate: Fate::Frozen,
            and: None,
        }),
    }),
    hammer: Some("processors=2-3+only=ibm,set-xive+source=0x1000"),
    ..FROZEN
};

const CONNECTOR: Scenario = Scenario {
    name: "connector/xics-4-2G",
    description: "a processor that adds another one dies inside ibm,configure-connector",
    hold: Some(Hold {
        processors: VICTIM,
        work: Work::Cores,
        place: Place::Inside(name::IBM_CONFIGURE_CONNECTOR),
        fate: Fate::Frozen,
        and: None,
    }),
    ..FROZEN
};

const CHANGE_MSI: Scenario = Scenario {
    name: "change-msi/xics-4-2G",
    description: "a processor that gives a PCI device its MSIs dies inside ibm,change-msi",
    hold: Some(Hold {
        processors: VICTIM,
        work: Work::Msi,
        place: Place::Inside(name::IBM_CHANGE_MSI),
        fate: Fate::Frozen,
        and: None,
    }),
    ..FROZEN
};

const SLOTS: Scenario = Scenario {
    name: "slots-msi/xics-4-2G",
    description: "a processor that takes in a PCI device that was plugged dies inside ibm,change-msi",
    hold: Some(Hold {
        processors: VICTIM,
        work: Work::Slots,
        place: Place::Inside(name::IBM_CHANGE_MSI),
        fate: Fate::Frozen,
        and: None,
    }),
    ..FROZEN
};

const ERRD: Scenario = Scenario {
    name: "errd/xics-4-2G",
    description: "drmgr, which rtas_errd started to take in a PCI device, dies inside \
                  ibm,configure-connector that it calls from user space",
    hold: Some(Hold {
        processors: VICTIM,
        work: Work::Errd,
        place: Place::Inside(name::IBM_CONFIGURE_CONNECTOR),
        fate: Fate::Frozen,
        and: None,
    }),
    ..FROZEN
};

/// Makes the kdump kernel panic when it has looked at the dump.
const AGAIN: &str =
    "oxrtas.second=maxcpus=1,reset_devices,irqpoll,noirqdistrib,oxrtas.again=sysrq-c";

const SECOND: Scenario = Scenario {
    name: "second-clock/xics-4-2G",
    description: "the same, after a processor died inside get-time-of-day",
    append: AGAIN,
    expected: Expected::without_lock(Outcome::Twice),
    ..FROZEN
};

const MIGRATED: Scenario = Scenario {
    name: "migrated-clock/xics-4-2G",
    description: "the same inside get-time-of-day, with the lock",
    migrates: true,
    ..FROZEN
};

const OS_TERM_HELD: Scenario = Scenario {
    name: "os-term-held/xics-4-2G",
    description: "the same, after a processor died inside get-time-of-day",
    crash: Crash::NoKdump,
    calls: NVRAM,
    expected: Expected::without_lock(Outcome::OsTerm),
    ..FROZEN
};

/// Makes a panic end in a reset, after a second (kernel/panic.c:panic).
const RESTART: &str = "panic=1";

const RESTART_HELD: Scenario = Scenario {
    name: "restart-held/xics-4-2G",
    description: "the same, after a processor died inside get-time-of-day",
    crash: Crash::Restart,
    append: RESTART,
    calls: NVRAM_AND_REBOOT,
    expected: Expected::without_lock(Outcome::Restart),
    ..FROZEN
};

const SYSRQ_B_HELD: Scenario = Scenario {
    name: "sysrq-b-held/xics-4-2G",
    description: "the same while a processor stands inside get-time-of-day: nobody panics, so every \
                  kernel waits for its lock",
    crash: Crash::SysrqB,
    append: "",
    expected: Expected::always(Outcome::Hang),
    ..GONE
};

const NMI: Scenario = Scenario {
    name: "nmi/xics-4-2G",
    description: "a system reset of all while a processor is inside get-time-of-day",
    crash: Crash::Nmi,
    calls: MASKING_AND_NVRAM,
    ..FROZEN
};

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
        for scenario in ALL {
            let Some(hold) = scenario.hold else { continue };
            let mut seen = vec![0]; // 0 panics.
            for processor in hold.parts().flat_map(|part| part.processors) {
                assert!(!seen.contains(processor), "{}", scenario.name);
                assert!(*processor < scenario.processors, "{}", scenario.name);
                seen.push(*processor);
            }
            assert!(hold.parts().all(|part| part.fate == hold.fate));
            // A reset asks nobody for an answer.
            let waits = hold.fate == Fate::Frozen
                || scenario.append.contains(GIVE_UP)
                || scenario.crash == Crash::SysrqB;
            assert!(waits, "{}: Linux would wait for ever", scenario.name);
            let controls = ALL.iter().filter(|other| scenario.is_controlled_by(other));
            // The module never comes to rtas_call, and shows where it is held that this does no harm.
            let inside = hold.place != Place::Outside && hold.work != Work::Hammer;
            let wanted = usize::from(inside);
            assert_eq!(controls.count(), wanted, "{}", scenario.name);
        }
    }

    #[test]
    fn a_scenario_depends_on_the_lists_where_a_processor_dies_in_rtas() {
        for scenario in ALL {
            let parts = scenario.hold.into_iter().flat_map(Hold::parts);
            // The test module takes no lock.
            let mut owners = parts.filter(|part| part.work != Work::Hammer);
            let inside = owners.any(|part| part.place != Place::Outside);
            // The patch does not cover a reboot without a panic (tests/linux/README.md).
            let owns = inside && scenario.crash != Crash::SysrqB;
            let may_own = scenario
                .others
                .iter()
                .any(|(_, work)| *work != Work::Hammer);
            let depends = owns || may_own;
            assert_eq!(scenario.depends_on_lists(), depends, "{}", scenario.name);
        }
    }

    #[test]
    fn each_of_the_four_interrupt_calls_is_died_in() {
        let calls = [
            name::IBM_SET_XIVE,
            name::IBM_GET_XIVE,
            name::IBM_INT_OFF,
            name::IBM_INT_ON,
        ];
        let places: Vec<Place> = ALL
            .iter()
            .filter_map(|scenario| Some(scenario.hold?.place))
            .collect();
        for call in calls {
            assert!(places.contains(&Place::Inside(call)), "{call}");
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
