//! Programs that others wrote to use RTAS, on the firmware under test: librtas and powerpc-utils,
//! lsvpd, rtas_errd, and Linux' own selftests.
//!
//! Each [`User`] is a script of `guest/files/user/`, which judges what its programs print and end
//! with. [`run`] boots it, [`selftests`] builds Linux' own, [`judge`] says whether that is what was
//! expected, [`known`] lists what is known to fail and to differ. What the programs print is kept
//! in sections, which [`compare`] sets side by side with those on another firmware: a difference
//! that nobody has judged is a failure.

mod compare;
mod judge;
mod known;
mod run;
mod selftests;

use crate::cli::UsersArgs;
use crate::report::{self, Count, Tested, Verdict};
use crate::{process, setup};
use anyhow::{Result, bail};
use run::Heard;
use std::process::ExitCode;
use std::time::Instant;

/// A user of RTAS.
#[derive(Debug)]
pub struct User {
    /// Its name, which is that of its mode too.
    pub name: &'static str,
    /// Its script.
    script: &'static str,
    /// ELF programs of the packages.
    programs: &'static [&'static str],
    /// Scripts and data of the packages.
    files: &'static [&'static str],
    /// Modules of the kernel.
    modules: &'static [&'static str],
    /// Whether the guest has Linux' selftests.
    selftests: bool,
    /// More arguments for QEMU.
    machine: &'static [&'static str],
    /// Whether the host causes the events that the script asks for by a phase.
    events: bool,
}

/// What a user has that says nothing else.
const PLAIN: User = User {
    name: "",
    script: "",
    programs: &[],
    files: &[],
    modules: &[],
    selftests: false,
    machine: &[],
    events: false,
};

/// All of them.
pub static ALL: [User; 5] = [
    User {
        name: "powerpc-utils",
        script: include_str!("../guest/files/user/powerpc-utils.sh"),
        programs: &[
            "bin/bash",
            "usr/sbin/activate_firmware",
            "usr/sbin/errinjct",
            "usr/sbin/lparstat",
            "usr/sbin/lsprop",
            "usr/sbin/nvram",
            "usr/sbin/ppc64_cpu",
            "usr/sbin/serv_config",
            "usr/sbin/set_poweron_time",
            "usr/sbin/uesensor",
            "usr/sbin/usysident",
        ],
        files: &[
            "usr/sbin/bootlist",
            "usr/sbin/ofpathname",
            "usr/sbin/pseries_platform",
            "usr/sbin/update_flash",
        ],
        modules: &["rtas_flash"],
        ..PLAIN
    },
    User {
        name: "drmgr",
        script: include_str!("../guest/files/user/drmgr.sh"),
        programs: &["usr/sbin/drmgr", "usr/sbin/lsslot"],
        modules: &["rpadlpar_io"],
        machine: &[
            "-object",
            "memory-backend-ram,id=memory,size=512M",
            "-device",
            "pc-dimm,memdev=memory",
        ],
        ..PLAIN
    },
    User {
        name: "lsvpd",
        script: include_str!("../guest/files/user/lsvpd.sh"),
        programs: &[
            "usr/sbin/lscfg",
            "usr/sbin/lsmcode",
            "usr/sbin/lsvpd",
            "usr/sbin/rtas_ibm_get_vpd",
            "usr/sbin/sys_ident",
            "usr/sbin/vpdupdate",
        ],
        files: &[
            "etc/lsvpd/cpu_mod_conv.conf",
            "etc/lsvpd/nvme_templates.conf",
            "etc/lsvpd/scsi_templates.conf",
        ],
        ..PLAIN
    },
    User {
        name: "selftests",
        script: include_str!("../guest/files/user/selftests.sh"),
        selftests: true,
        ..PLAIN
    },
    User {
        name: "rtas-errd",
        script: include_str!("../guest/files/user/rtas-errd.sh"),
        programs: &[
            "usr/sbin/drmgr",
            "usr/sbin/rtas_errd",
            "usr/sbin/rtas_event_decode",
        ],
        files: &["etc/ppc64-diag/ppc64-diag.config", "etc/rc.powerfail"],
        modules: &["rpadlpar_io"],
        events: true,
        ..PLAIN
    },
];

/// Runs `user` on `firmware` and judges it: what was seen.
pub fn test(user: &User, firmware: &str) -> Result<String> {
    judged(user, firmware, &run::hear(user, firmware)?)
}

/// Runs it on two firmwares: both have to be as expected, and to differ where they are known to alone.
pub fn alike(user: &User, first: &str, other: &str) -> Result<String> {
    let [ours, theirs] = [first, other].map(|firmware| {
        let heard = run::hear(user, firmware)?;
        judged(user, firmware, &heard).map(|_| heard)
    });
    let (ours, theirs) = (ours?, theirs?);
    let differences = compare::differences(&ours.sections, &theirs.sections);
    let surprises = judge::differences(user, first, other, &differences);
    if !surprises.is_empty() {
        bail!("{}", surprises.join("\n"));
    }
    let mut detail = format!("{} judged differences", differences.len());
    for heard in [&ours, &theirs] {
        heard.remark_on(&mut detail);
    }
    Ok(detail)
}

fn judged(user: &User, firmware: &str, heard: &Heard) -> Result<String> {
    let failures = judge::failures(user, firmware, &heard.transcript);
    if !failures.is_empty() {
        bail!("{}\nlog: {}", failures.join("\n"), heard.log.display());
    }
    let good = |verdict: &&crate::guest::Verdict| verdict.passed;
    let verdicts = &heard.transcript.verdicts;
    let passed = verdicts.iter().filter(good).count();
    let known = verdicts.len() - passed;
    let mut detail = format!("{passed} checks, {known} known failures");
    heard.remark_on(&mut detail);
    Ok(detail)
}

/// `cargo xtask users`.
pub fn run(arguments: &UsersArgs) -> Result<ExitCode> {
    let pattern = arguments.only.as_deref().unwrap_or_default();
    let chosen: Vec<&User> = ALL
        .iter()
        .filter(|user| user.name.contains(pattern))
        .collect();
    if chosen.is_empty() {
        bail!("no user has a name that contains {pattern}");
    }
    if arguments.list {
        println!("{}", known::table());
        return Ok(ExitCode::SUCCESS);
    }
    setup::for_qemu()?;
    let mut tests = Vec::new();
    for user in chosen {
        let mut all: Vec<(&str, Heard)> = Vec::new();
        for firmware in &arguments.firmware {
            let started = Instant::now();
            let heard = run::hear(user, firmware);
            let verdict = match &heard {
                Ok(heard) => judged(user, firmware, heard),
                Err(error) => Err(anyhow::anyhow!("{error:#}")),
            };
            let name = format!("users/{} on {firmware}", user.name);
            tests.push(tested(name, started, verdict));
            tests
                .last()
                .map_or(Ok(()), |t| t.print(&arguments.report))?;
            all.extend(heard.ok().map(|heard| (firmware.as_str(), heard)));
        }
        let Some(((first, ours), others)) = all.split_first() else {
            continue;
        };
        for (other, theirs) in others {
            let started = Instant::now();
            let differences = compare::differences(&ours.sections, &theirs.sections);
            if !arguments.report.json {
                print!("{}", compare::show(user, first, other, &differences));
            }
            let surprises = judge::differences(user, first, other, &differences);
            let verdict = match surprises.is_empty() {
                true => Ok(format!("{} judged differences", differences.len())),
                false => Err(anyhow::anyhow!("{}", surprises.join("\n"))),
            };
            let name = format!("users/{} alike on {first} and {other}", user.name);
            tests.push(tested(name, started, verdict));
            tests
                .last()
                .map_or(Ok(()), |t| t.print(&arguments.report))?;
        }
    }
    report::write_junit(&arguments.report, &tests)?;
    let count = Count::of(&tests);
    if !arguments.report.json {
        println!("{}", count.line());
    }
    Ok(ExitCode::from(u8::from(count.failed > 0)))
}

fn tested(name: String, started: Instant, result: Result<String>) -> Tested {
    Tested {
        name,
        verdict: match result {
            Ok(detail) => Verdict::Passed(detail),
            Err(error) => Verdict::Failed(process::tail(&format!("{error:#}"))),
        },
        duration: started.elapsed(),
    }
}

impl User {
    /// The verdicts that its script owes: one for each `ask NAME` and `check NAME`, and one for each
    /// test of a `selftest NAME COUNT`, with one for their number.
    fn owed(&self) -> Vec<String> {
        let mut names = Vec::new();
        for line in self.script.lines() {
            let mut words = line.split_whitespace();
            let (word, name) = (words.next(), words.next().unwrap_or_default());
            match word {
                Some("ask" | "check") if !name.contains('$') => names.push(name.to_owned()),
                Some("selftest") => {
                    let count = words.next().and_then(|count| count.parse().ok());
                    names.extend((1..=count.unwrap_or(0)).map(|n: u32| format!("{name}-{n}")));
                    names.push(format!("{name}-count"));
                }
                _ => (),
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_owes_verdicts_and_each_has_a_name_of_its_own() {
        for user in &ALL {
            let mut names = user.owed();
            assert!(names.len() > 3, "{}: {names:?}", user.name);
            names.sort();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "{}", user.name);
        }
    }

    #[test]
    fn a_selftest_owes_one_verdict_a_test_and_one_on_their_number() {
        let user = User {
            script: "selftest a 2\nask b 0 x y\n  check $c d\n",
            ..PLAIN
        };
        assert_eq!(user.owed(), ["a-1", "a-2", "a-count", "b"]);
    }

    #[test]
    fn every_program_and_module_is_used_by_its_script() {
        for user in &ALL {
            for path in user.programs {
                let program = path.rsplit('/').next().unwrap();
                let by_scripts = ["bash", "bootlist"].contains(&program);
                assert!(by_scripts || user.script.contains(program), "{path}");
            }
        }
    }
}
