//! The host packages, and which of them are missing.

use anyhow::Result;
use std::process::{Command, Stdio};

/// A package of Debian and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub purpose: &'static str,
}

const fn package(name: &'static str, purpose: &'static str) -> Package {
    Package { name, purpose }
}

/// Every package that some command needs.
pub const ALL: &[Package] = &[
    COMPILER,
    LIBRARY_SOURCE,
    LINTER,
    EMULATOR,
    EMULATOR_DATA,
    DEVICE_TREES,
    SCHEMAS,
];
/// What building the image needs.
pub const BUILD: &[Package] = &[COMPILER, LIBRARY_SOURCE, LINTER];
/// What running a machine needs.
pub const RUN: &[Package] = &[EMULATOR, EMULATOR_DATA];

const COMPILER: Package = package("rustc-web", "the compiler that matches the library source");
const LIBRARY_SOURCE: Package = package("rust-web-src", "source of Rust's core library");
const LINTER: Package = package("rust-web-clippy", "clippy for the bare-metal crates");
const EMULATOR: Package = package("qemu-system-ppc", "QEMU 7.2");
const EMULATOR_DATA: Package = package("qemu-system-data", "SLOF and VOF, to compare with");
const SCHEMAS: Package = package("dt-schema", "the checker of the device-tree binding");
const DEVICE_TREES: Package = package("device-tree-compiler", "dtc, to look at device trees");

/// Those of `wanted` that are not installed.
pub fn missing(wanted: &[Package]) -> Result<Vec<Package>> {
    // dpkg-query fails when it knows one of the packages not at all, and prints the others.
    let output = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status}\n"])
        .args(wanted.iter().map(|package| package.name))
        .stderr(Stdio::null())
        .output();
    let Ok(output) = output else {
        anyhow::bail!("dpkg-query does not run: oxrtas is developed on Debian 12");
    };
    Ok(without_installed(
        wanted,
        &String::from_utf8_lossy(&output.stdout),
    ))
}

/// Those of `wanted` that `listing` (name and state on each line) does not call installed.
fn without_installed(wanted: &[Package], listing: &str) -> Vec<Package> {
    let installed = |name: &str| {
        let line = format!("{name} installed");
        listing.lines().any(|seen| seen == line)
    };
    wanted
        .iter()
        .filter(|package| !installed(package.name))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_was_removed_is_missing() {
        let listing =
            "rustc-web installed\nrust-web-src config-files\nrust-web-src-extra installed\n";
        let missing = without_installed(&[COMPILER, LIBRARY_SOURCE, EMULATOR], listing);
        assert_eq!(missing, [LIBRARY_SOURCE, EMULATOR]);
    }
}
