//! Tests that are commands: on the sources, on the host, and the crash scenarios.

mod dependencies;

use super::stops::Stop;
use crate::binding;
use crate::build::Toolchain;
use crate::conformance;
use crate::debian::KernelVersion;
use crate::defaults;
use crate::kernel;
use crate::report::Verdict;
use crate::users::{self, User};
use crate::{paths, points, process};
use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::OsString;
use std::process::Command;

/// A test that is not a point of the matrix.
#[derive(Debug)]
pub struct HostTest {
    /// Its name.
    pub name: String,
    /// Whether it comes after the matrix.
    pub late: bool,
    what: What,
}

#[derive(Debug)]
enum What {
    /// A cargo command on the host.
    Cargo(
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
    ),
    /// Clippy for what runs on the machine: packages and their features.
    BareMetal(&'static [&'static str]),
    /// Every dependency is used.
    Dependencies,
    /// The catalogue of requirements keeps its rules.
    Catalogue,
    /// A test of the device-tree binding, on a firmware.
    Binding(binding::Case, String),
    /// A boot that must stop with a message, on a firmware.
    Stop(Stop, String),
    /// The patches for a kernel fit, and checkpatch has nothing to say.
    Patches(KernelVersion),
    /// The kernel with our patches builds.
    Kernel(KernelVersion),
    /// A share of the crash points, or a test of them.
    Points(points::Test),
    /// A user of RTAS, on a firmware.
    User(&'static User, String),
    /// The same on two, compared.
    Alike(&'static User, String, &'static str),
    /// Crash scenarios: what their names contain, firmware, kernel, QEMU.
    Crash(&'static str, String, &'static str, &'static str),
}

/// All of them. The crash scenarios run on `firmware`; where everything is tested, `full`, the users of
/// RTAS run on what it is compared with, too.
pub fn tests(firmware: &str, full: bool) -> Vec<HostTest> {
    let early = |name: &str, what| HostTest {
        name: name.to_owned(),
        late: false,
        what,
    };
    let mut tests = vec![
        early(
            "source/is-formatted",
            What::Cargo(&["fmt", "--all", "--check"], &[]),
        ),
        early("source/every-dependency-is-used", What::Dependencies),
        early(
            "source/clippy-on-the-host",
            What::Cargo(
                &["clippy", "--quiet", "--all-targets", "--", "-Dwarnings"],
                &[],
            ),
        ),
        early(
            "source/clippy-for-the-blob",
            What::BareMetal(&["--package", "rtas-blob"]),
        ),
        early(
            "source/clippy-for-the-firmware",
            What::BareMetal(&["--package", "oxrtas", "--features", "image"]),
        ),
        early(
            "source/clippy-for-the-conformance-guest",
            What::BareMetal(&["--package", "oxrtas-guest"]),
        ),
        early("host/catalogue-of-requirements", What::Catalogue),
        early("host/unit-tests", What::Cargo(&["test", "--quiet"], &[])),
        early(
            "host/loom-models",
            What::Cargo(
                &[
                    "test",
                    "--quiet",
                    "--release",
                    "--package",
                    "rtas",
                    "--lib",
                    "models::",
                    "--",
                    "--show-output",
                ],
                &[("RUSTFLAGS", "--cfg loom")],
            ),
        ),
    ];
    for (name, case) in binding::cases() {
        tests.push(HostTest {
            name,
            late: case.is_slow(),
            what: What::Binding(case, firmware.to_owned()),
        });
    }
    // The messages are our own firmware's.
    if firmware == defaults::FIRMWARE {
        for stop in Stop::ALL {
            tests.push(HostTest {
                name: format!("stops/{}", stop.name()),
                late: true,
                what: What::Stop(stop, firmware.to_owned()),
            });
        }
    }
    if firmware == defaults::FIRMWARE {
        for test in points::Test::ALL {
            tests.push(HostTest {
                name: format!("crash-points/{}", test.name()),
                late: true,
                what: What::Points(test),
            });
        }
    }
    for user in &users::ALL {
        tests.push(HostTest {
            name: format!("users/{}", user.name),
            late: true,
            what: What::User(user, firmware.to_owned()),
        });
        if full && firmware == defaults::FIRMWARE {
            tests.push(HostTest {
                name: format!("users/{} alike on slof", user.name),
                late: true,
                what: What::Alike(user, firmware.to_owned(), "slof"),
            });
        }
    }
    for (kernel, qemu) in [("6.1", "7.2"), ("6.12", "10.0")] {
        tests.push(HostTest {
            name: format!("crash/{kernel} {qemu}"),
            late: true,
            what: What::Crash("sysrq-c", firmware.to_owned(), kernel, qemu),
        });
    }
    // Processors that die in lockless calls, and one that does after a migration. Neither takes the
    // kernel's lock, so they need no control.
    for (name, scenario) in [("lockless-calls", "hammer/"), ("migrated", "migrated/")] {
        tests.push(HostTest {
            name: format!("crash/{name} 6.1 7.2"),
            late: true,
            what: What::Crash(scenario, firmware.to_owned(), "6.1", "7.2"),
        });
    }
    // The reason why there is an oxrtas, and the control that keeps it honest. The scenarios where a
    // processor is gone take minutes on a busy host; `qemu-crash` runs them.
    tests.push(HostTest {
        name: "crash/slof-hangs 6.1 7.2".to_owned(),
        late: true,
        what: What::Crash("frozen", "slof".to_owned(), "6.1", "7.2"),
    });
    // And that the promise is worth something: the dump, and two controls that have none.
    if firmware == defaults::FIRMWARE {
        tests.push(HostTest {
            name: format!("kernel/patches-fit {}", defaults::PATCHED_KERNEL.name()),
            late: true,
            what: What::Patches(defaults::PATCHED_KERNEL),
        });
        tests.push(HostTest {
            name: format!("kernel/patched-{} builds", defaults::PATCHED_KERNEL.name()),
            late: true,
            what: What::Kernel(defaults::PATCHED_KERNEL),
        });
        tests.push(HostTest {
            name: format!("crash/patched-{} 7.2", defaults::PATCHED_KERNEL.name()),
            late: true,
            what: What::Crash("frozen/", firmware.to_owned(), "patched", "7.2"),
        });
    }
    tests
}

impl HostTest {
    /// Runs it.
    pub fn run(&self) -> Verdict {
        let result = match &self.what {
            What::Cargo(arguments, variables) => cargo(arguments, variables),
            What::BareMetal(arguments) => bare_metal(arguments),
            What::Dependencies => dependencies::all_used(&paths::workspace()),
            What::Catalogue => conformance::check_catalogue(),
            What::Binding(case, firmware) => case.run(firmware),
            What::Stop(stop, firmware) => stop.run(firmware),
            What::Patches(version) => kernel::check(*version),
            What::Kernel(version) => kernel::build(*version).map(|built| built.release),
            What::Points(test) => test.run(),
            What::User(user, firmware) => users::test(user, firmware),
            What::Alike(user, firmware, other) => users::alike(user, firmware, other),
            What::Crash(scenario, firmware, kernel, qemu) => {
                crash(scenario, firmware, kernel, qemu)
            }
        };
        match result {
            Ok(detail) => Verdict::Passed(detail),
            Err(error) => Verdict::Failed(format!("{error:#}")),
        }
    }
}

/// Runs cargo in the workspace. The detail of tests is how many there were.
fn cargo(arguments: &[&str], variables: &[(&str, &str)]) -> Result<String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(paths::workspace()).args(arguments);
    if !variables.is_empty() {
        // Other flags, other outputs: what is built otherwise stays.
        command.env("CARGO_TARGET_DIR", paths::target_directory("loom")?);
    }
    let text = process::output(command.envs(variables.iter().copied()))?;
    match count_tests(&text) {
        Some(0) => bail!("no test ran: a filter matches nothing"),
        Some(count) => Ok(match count_executions(&text) {
            0 => format!("{count} tests"),
            explored => format!("{count} tests, {explored} executions explored"),
        }),
        None => Ok(String::new()),
    }
}

/// Adds up the tests of cargo's summaries: `test result: ok. 12 passed; ...`.
fn count_tests(text: &str) -> Option<u32> {
    let counts: Vec<u32> = text
        .lines()
        .filter_map(|line| line.strip_prefix("test result: ok. "))
        .filter_map(|rest| rest.split(' ').next()?.parse().ok())
        .collect();
    (!counts.is_empty()).then(|| counts.iter().sum())
}

/// Adds up the executions that loom's models say they explored (`rtas/src/models/explore.rs`):
/// `explored 12 executions, exhaustive: name`.
fn count_executions(text: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.strip_prefix("explored "))
        .filter_map(|rest| rest.split_once(" executions, ")?.0.parse::<u64>().ok())
        .sum()
}

/// Runs clippy on what is built for the machine.
fn bare_metal(arguments: &[&str]) -> Result<String> {
    let toolchain = Toolchain::find()?;
    // The firmware embeds the blob and a list. Clippy does not look into them, so before the first
    // build any file does.
    let built = |name: &str| Some(paths::target().join(name)).filter(|file| file.exists());
    let any_file = || paths::workspace().join("linker/blob.ld");
    let mut command = toolchain.cargo("check")?;
    command
        .args(arguments)
        .arg("--quiet")
        .env("RUSTC_WORKSPACE_WRAPPER", toolchain.clippy()?)
        .env("CLIPPY_ARGS", "-Dwarnings")
        .env("OXRTAS_BLOB", built("rtas.bin").unwrap_or_else(any_file))
        .env(
            "OXRTAS_PROMISED",
            built("oxrtas.promised").unwrap_or_else(any_file),
        );
    process::output(&mut command)?;
    Ok(String::new())
}

/// Runs the crash scenarios by our own program.
fn crash(scenario: &str, firmware: &str, kernel: &str, qemu: &str) -> Result<String> {
    let own = env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(own);
    command
        .args(["qemu-crash", "--scenario", scenario])
        .args(["--firmware", firmware])
        .args(["--kernel", kernel, "--qemu", qemu]);
    process::output(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_over_all_summaries() {
        let text = "test result: ok. 12 passed; 0 failed\nother\ntest result: ok. 3 passed; 0\n";
        assert_eq!(count_tests(text), Some(15));
        assert_eq!(
            count_tests("test result: ok. 0 passed; 0 failed\n"),
            Some(0)
        );
        assert_eq!(count_tests("nothing"), None);
    }

    #[test]
    fn explored_executions_are_added_up() {
        let text =
            "explored 12 executions, exhaustive: a\nno\nexplored 3 executions, at most 2: b\n";
        assert_eq!(count_executions(text), 15);
        assert_eq!(count_executions("explored some executions, a"), 0);
        assert_eq!(count_executions("test result: ok. 12 passed"), 0);
    }

    #[test]
    fn a_filter_that_matches_no_test_is_a_failure() {
        let arguments = [
            "test",
            "--quiet",
            "--package",
            "rtas-abi",
            "--lib",
            "no-such-test",
        ];
        assert!(cargo(&arguments, &[]).is_err());
    }

    #[test]
    fn a_failing_command_is_a_failed_test() {
        let test = HostTest {
            name: "self/fails".to_owned(),
            late: false,
            what: What::Cargo(&["no-such-subcommand-of-cargo"], &[]),
        };
        assert!(matches!(test.run(), Verdict::Failed(_)));
    }
}
