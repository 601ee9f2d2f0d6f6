//! Installs what the other commands need: host packages through apt, and fills the cache of what
//! is only unpacked. Does nothing, quickly, when nothing is missing.

mod packages;

use crate::cli::SetupArgs;
use crate::debian::{self, KernelVersion};
use crate::defaults;
use crate::error::{EXIT_SETUP_INCOMPLETE, SetupIncomplete};
use crate::process;
use crate::progress::Step;
use anyhow::{Context, Error, Result, bail};
use packages::Package;
use std::process::{Command, ExitCode, Stdio};

/// `cargo xtask setup`.
pub fn run(arguments: &SetupArgs) -> Result<ExitCode> {
    if arguments.check {
        let mut missing: Vec<String> = packages::missing(&packages::all())?
            .iter()
            .map(|package| format!("package {} ({})", package.name, package.purpose))
            .collect();
        missing.extend(debian::missing()?.iter().map(|set| format!("cached {set}")));
        for line in &missing {
            println!("missing: {line}");
        }
        if !missing.is_empty() {
            return Ok(ExitCode::from(EXIT_SETUP_INCOMPLETE));
        }
    } else {
        all()?;
    }
    println!("everything is there");
    Ok(ExitCode::SUCCESS)
}

/// Installs and fetches everything that any command needs.
pub fn all() -> Result<()> {
    ensure(&packages::all())?;
    for version in KernelVersion::RELEASED {
        debian::kernel(version)?;
        debian::kernel_headers(version)?;
    }
    debian::kernel_source(defaults::PATCHED_KERNEL)?;
    debian::guest_programs()?;
    debian::user_programs()?;
    debian::backports_qemu()?;
    Ok(())
}

/// Installs what building the image needs, where it is missing.
pub fn for_build() -> Result<()> {
    ensure(packages::BUILD)
}

/// Installs what building a kernel needs, where it is missing.
pub fn for_kernel() -> Result<()> {
    ensure(packages::KERNEL)
}

/// Installs what building Linux' selftests needs, where it is missing.
pub fn for_selftests() -> Result<()> {
    ensure(packages::SELFTESTS)
}

/// Installs what running a machine needs, where it is missing.
pub fn for_qemu() -> Result<()> {
    ensure(packages::RUN)
}

/// Installs those of `wanted` that are missing, or tells the one command that does.
fn ensure(wanted: &[Package]) -> Result<()> {
    let missing = packages::missing(wanted)?;
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let Some(prefix) = administrator() else {
        for package in &missing {
            eprintln!("missing: {} ({})", package.name, package.purpose);
        }
        eprintln!("Run this, then try again:\n");
        eprintln!(
            "  sudo apt-get update && sudo apt-get install --no-install-recommends {}\n",
            names.join(" ")
        );
        return Err(Error::from(SetupIncomplete));
    };
    let step = Step::start(format!("installing {}", names.join(", ")));
    let install = |prefix: &[&str]| {
        apt_get(
            prefix,
            &[&["install", "-y", "--no-install-recommends"], &names[..]].concat(),
        )
    };
    // The lists of a fresh machine are absent or old. A mirror in the middle of its own update fails
    // here although the packages can be had, so the installation decides.
    step.detail("apt-get update");
    let updated = apt_get(prefix, &["update"]);
    step.detail("apt-get install");
    install(prefix).with_context(|| match updated {
        Ok(()) => "apt-get cannot install what is missing".to_owned(),
        Err(error) => format!("apt-get cannot install what is missing, and before: {error:#}"),
    })?;
    let still = packages::missing(wanted)?;
    if let Some(package) = still.first() {
        bail!(
            "apt offers no {} of version {} or newer; bookworm-security has it: add that suite to \
             the machine's apt sources",
            package.name,
            package.least.unwrap_or("any")
        );
    }
    step.finish();
    Ok(())
}

/// Words before a command that make it run as root, if there is a way that asks no password.
fn administrator() -> Option<&'static [&'static str]> {
    let user = process::output(Command::new("id").arg("-u")).unwrap_or_default();
    if user.trim() == "0" {
        return Some(&[]);
    }
    let sudo = Command::new("sudo")
        .args(["-n", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    sudo.is_ok_and(|status| status.success())
        .then_some(&["sudo", "-n"])
}

fn apt_get(prefix: &[&str], arguments: &[&str]) -> Result<()> {
    let words = [
        prefix,
        &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"],
        arguments,
    ]
    .concat();
    let (program, rest) = words.split_first().context("an empty command")?;
    process::output(Command::new(program).args(rest))?;
    Ok(())
}
