//! What users of RTAS are known to fail, and what is known to differ between oxrtas and SLOF, each
//! with whose it is and why.

use comfy_table::{Table, presets};
use std::fmt;

/// Who would have to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// oxrtas: work to do, or meant to be so.
    Ours,
    /// QEMU, whatever the firmware.
    Qemu,
    /// SLOF.
    Slof,
}

impl fmt::Display for Whose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ours => "oxrtas",
            Self::Qemu => "QEMU",
            Self::Slof => "SLOF",
        })
    }
}

/// Whether `firmware` is a name of oxrtas, or an image, which is taken for one of ours.
pub fn is_ours(firmware: &str) -> bool {
    !matches!(firmware, "slof" | "vof")
}

/// Checks that fail.
#[derive(Debug)]
pub struct Failure {
    /// The user.
    pub user: &'static str,
    /// The names of the checks.
    pub checks: &'static [&'static str],
    /// The firmwares, by name; empty for every one.
    pub on: &'static [&'static str],
    /// Whose it is.
    pub whose: Whose,
    /// Why.
    pub reason: &'static str,
}

/// A section that is not the same on oxrtas and on SLOF.
#[derive(Debug)]
pub struct Different {
    /// The user.
    pub user: &'static str,
    /// The name of the section, which is that of its check, or of its checks up to a number.
    pub check: &'static str,
    /// Whose it is.
    pub whose: Whose,
    /// Why.
    pub reason: &'static str,
}

/// What fails.
pub const FAILURES: &[Failure] = &[
    Failure {
        user: "selftests",
        checks: &[
            "papr_vpd-1",
            "papr_vpd-2",
            "papr_vpd-3",
            "papr_vpd-4",
            "papr_vpd-5",
            "papr_vpd-6",
            "papr_vpd-7",
        ],
        on: &["slof", "vof"],
        whose: Whose::Qemu,
        reason: "skipped: without ibm,get-vpd Linux makes no /dev/papr-vpd",
    },
    Failure {
        user: "selftests",
        checks: &["papr_vpd-8"],
        on: &[],
        whose: Whose::Qemu,
        reason: "skipped: it wants a model `IBM,...` and a system-id, which QEMU's tree does not have",
    },
    Failure {
        user: "selftests",
        checks: &["papr_sysparm-6"],
        on: &[],
        whose: Whose::Qemu,
        reason: "skipped: parameter 0 is not supported (spapr_rtas.c, rtas_ibm_set_system_parameter)",
    },
    Failure {
        user: "selftests",
        checks: &["attr_test-1"],
        on: &[],
        whose: Whose::Qemu,
        reason: "skipped: no H_GET_ENERGY_SCALE_INFO, so no /sys/firmware/papr",
    },
    Failure {
        user: "lsvpd",
        checks: &["rtas-get-vpd", "lsmcode"],
        on: &["slof", "vof"],
        whose: Whose::Qemu,
        reason: "there is no ibm,get-vpd",
    },
    Failure {
        user: "rtas-errd",
        checks: &["shutdown-planned"],
        on: &["slof", "vof"],
        whose: Whose::Qemu,
        reason: "there is no EPOW sensor (spapr_drc.c, rtas_get_sensor_state), so that rtas_errd takes \
                 the event for the end of one",
    },
    Failure {
        user: "drmgr",
        checks: &["memory-add", "memory-added"],
        on: &[],
        whose: Whose::Qemu,
        reason: "QEMU refuses to isolate memory that it has not been asked to remove \
                 (spapr_drc.c, drc_isolate_logical), Linux goes on all the same, and the block \
                 cannot be acquired again",
    },
];

/// What differs.
pub const DIFFERENCES: &[Different] = &[
    Different {
        user: "powerpc-utils",
        check: "nvram-partitions",
        whose: Whose::Slof,
        reason: "SLOF keeps two logs of its own, and calls free space by another name than twelve \
                 bytes of 0x77",
    },
    Different {
        user: "powerpc-utils",
        check: "nvram-read",
        whose: Whose::Ours,
        reason: "SLOF keeps Forth's variables there; oxrtas has none",
    },
    Different {
        user: "powerpc-utils",
        check: "rtas-node",
        whose: Whose::Ours,
        reason: "oxrtas has a version and calls of its own, and room for them",
    },
    Different {
        user: "powerpc-utils",
        check: "usysident",
        whose: Whose::Qemu,
        reason: "SLOF has no ibm,get-indices to ask for indicators; oxrtas answers that there are none",
    },
    Different {
        user: "selftests",
        check: "papr_vpd",
        whose: Whose::Qemu,
        reason: "SLOF has no ibm,get-vpd, so that all tests are skipped",
    },
    Different {
        user: "rtas-errd",
        check: "shutdown-planned",
        whose: Whose::Qemu,
        reason: "SLOF has no EPOW sensor",
    },
    Different {
        user: "rtas-errd",
        check: "handled",
        whose: Whose::Qemu,
        reason: "SLOF has no EPOW sensor, so that rtas_errd plans no shutdown",
    },
    Different {
        user: "lsvpd",
        check: "rtas-get-vpd",
        whose: Whose::Qemu,
        reason: "SLOF has no ibm,get-vpd",
    },
    Different {
        user: "lsvpd",
        check: "lsvpd",
        whose: Whose::Qemu,
        reason: "SLOF has no ibm,get-vpd, which has the firmware's version and the location of the system",
    },
    Different {
        user: "lsvpd",
        check: "lsmcode",
        whose: Whose::Qemu,
        reason: "SLOF has no ibm,get-vpd, which has the firmware's version",
    },
];

/// Why `check` of `user` fails on `firmware`, if it is known to.
pub fn failure(user: &str, firmware: &str, check: &str) -> Option<&'static Failure> {
    FAILURES.iter().find(|known| {
        let here = known.on.is_empty() || known.on.contains(&firmware);
        known.user == user && known.checks.contains(&check) && here
    })
}

/// Why section `name` of `user` differs, if it is known to.
pub fn difference(user: &str, name: &str) -> Option<&'static Different> {
    let mut known = DIFFERENCES.iter();
    known.find(|known| (known.user, known.check) == (user, name))
}

/// Both lists as a table.
pub fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["user", "check", "", "whose", "why"]);
    for known in FAILURES {
        let on = match known.on {
            [] => "fails".to_owned(),
            some => format!("fails on {}", some.join(", ")),
        };
        let checks = known.checks.join(" ");
        let whose = known.whose.to_string();
        table.add_row([known.user, &checks, &on, &whose, known.reason]);
    }
    for known in DIFFERENCES {
        let whose = known.whose.to_string();
        table.add_row([known.user, known.check, "differs", &whose, known.reason]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::ALL;
    use super::*;

    #[test]
    fn what_is_known_names_checks_that_there_are() {
        let owed = |user: &str, check: &str| {
            let user = ALL.iter().find(|other| other.name == user).unwrap();
            user.owed().iter().any(|name| name == check)
        };
        for known in FAILURES {
            for check in known.checks {
                assert!(owed(known.user, check), "{} {check}", known.user);
            }
        }
        for known in DIFFERENCES {
            let first = format!("{}-1", known.check);
            assert!(
                owed(known.user, known.check) || owed(known.user, &first),
                "{} {}",
                known.user,
                known.check
            );
        }
    }

    #[test]
    fn an_image_counts_as_ours() {
        assert!(is_ours("oxrtas") && is_ours("oxrtas-claimed") && is_ours("target/oxrtas.bin"));
        assert!(!is_ours("slof") && !is_ours("vof"));
    }
}
