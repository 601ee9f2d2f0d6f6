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
    /// The oldest version that will do.
    pub least: Option<&'static str>,
}

const fn package(name: &'static str, purpose: &'static str) -> Package {
    Package {
        name,
        purpose,
        least: None,
    }
}

impl Package {
    const fn since(self, least: &'static str) -> Self {
        Self {
            least: Some(least),
            ..self
        }
    }
}

/// The compiler that the target specification is written for; bookworm itself has 1.85, which does
/// not read it, bookworm-security the one that is needed.
const RUST: &str = "1.96";

/// Every package that some command needs.
pub fn all() -> Vec<Package> {
    [BUILD, RUN, KERNEL, &[C_LIBRARY, DEVICE_TREES, SCHEMAS]].concat()
}

/// What building the image needs.
pub const BUILD: &[Package] = &[COMPILER, LIBRARY_SOURCE, LINTER];
/// What running a machine needs.
pub const RUN: &[Package] = &[EMULATOR, EMULATOR_DATA];

/// What building Linux' selftests needs.
pub const SELFTESTS: &[Package] = &[CROSS_COMPILER, C_LIBRARY, UNPACKER];

/// What building a Linux kernel needs, beside the C compiler of the host.
pub const KERNEL: &[Package] = &[
    CROSS_COMPILER,
    package("make", "the kernel's build"),
    package("flex", "the kernel's configuration"),
    package("bison", "the kernel's configuration"),
    package("bc", "constants of the kernel's timers"),
    package("perl", "scripts of the kernel's build"),
    package("patch", "to apply our patches"),
    UNPACKER,
];

const CROSS_COMPILER: Package = package("gcc-powerpc64le-linux-gnu", "the kernel's compiler");
const C_LIBRARY: Package = package("libc6-dev-ppc64el-cross", "the C library of selftests");
const UNPACKER: Package = package("xz-utils", "to unpack the kernel's source");
const COMPILER: Package =
    package("rustc-web", "the compiler that matches the library source").since(RUST);
const LIBRARY_SOURCE: Package =
    package("rust-web-src", "source of Rust's core library").since(RUST);
const LINTER: Package = package("rust-web-clippy", "clippy for the bare-metal crates").since(RUST);
const EMULATOR: Package = package("qemu-system-ppc", "QEMU 7.2");
const EMULATOR_DATA: Package = package("qemu-system-data", "SLOF and VOF, to compare with");
const SCHEMAS: Package = package("dt-schema", "the checker of the device-tree binding");
const DEVICE_TREES: Package = package("device-tree-compiler", "dtc, to look at device trees");

/// Those of `wanted` that are not installed, or too old.
pub fn missing(wanted: &[Package]) -> Result<Vec<Package>> {
    // dpkg-query fails when it knows one of the packages not at all, and prints the others.
    let output = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status} ${Version}\n"])
        .args(wanted.iter().map(|package| package.name))
        .stderr(Stdio::null())
        .output();
    let Ok(output) = output else {
        anyhow::bail!("dpkg-query does not run: oxrtas is developed on Debian 12");
    };
    Ok(without_installed(
        wanted,
        &String::from_utf8_lossy(&output.stdout),
        is_at_least,
    ))
}

/// Whether Debian's order of versions puts `version` at or behind `least`.
fn is_at_least(version: &str, least: &str) -> bool {
    Command::new("dpkg")
        .args(["--compare-versions", version, "ge", least])
        .status()
        .is_ok_and(|status| status.success())
}

/// Those of `wanted` that `listing` (name, state and version on each line) does not call installed
/// in a version that will do.
fn without_installed(
    wanted: &[Package],
    listing: &str,
    is_at_least: fn(&str, &str) -> bool,
) -> Vec<Package> {
    let installed = |package: &Package| {
        listing.lines().any(|line| {
            let mut words = line.split(' ');
            words.next() == Some(package.name)
                && words.next() == Some("installed")
                && package.least.is_none_or(|least| {
                    words
                        .next()
                        .is_some_and(|version| is_at_least(version, least))
                })
        })
    };
    wanted
        .iter()
        .filter(|package| !installed(package))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_was_removed_is_missing() {
        let listing = "rustc-web installed 1.96.0+dfsg1-1~deb12u2\n\
             rust-web-src config-files 1.96.0+dfsg1-1~deb12u2\n\
             rust-web-src-extra installed 1\n";
        let wanted = [COMPILER, LIBRARY_SOURCE, EMULATOR];
        let missing = without_installed(&wanted, listing, is_at_least);
        assert_eq!(missing, [LIBRARY_SOURCE, EMULATOR]);
    }

    #[test]
    fn a_compiler_that_is_too_old_is_missing() {
        let listing = "rustc-web installed 1.85.0+dfsg3-1~deb12u3\n\
             rust-web-src installed 1.100.0+dfsg1-1\n\
             qemu-system-ppc installed 1:7.2\n";
        let wanted = [COMPILER, LIBRARY_SOURCE, EMULATOR];
        let missing = without_installed(&wanted, listing, is_at_least);
        assert_eq!(missing, [COMPILER]);
    }
}
