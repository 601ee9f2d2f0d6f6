//! Which QEMU runs.

use crate::debian;
use crate::error::WithHint;
use anyhow::{Result, anyhow};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The installed QEMU.
const INSTALLED: &str = "/usr/bin/qemu-system-ppc64";

/// A QEMU binary and what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emulator {
    binary: PathBuf,
    /// Shared libraries that came with it and are not installed.
    libraries: Option<PathBuf>,
}

impl Emulator {
    /// The binary at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            binary: path.into(),
            libraries: None,
        }
    }

    /// The QEMU called `name`: `7.2`, `10.0`, or the path of a binary. Fetches 10.0 if needed.
    pub fn named(name: &str) -> Result<Self> {
        let emulator = match name {
            "7.2" => Self::at(INSTALLED),
            "10.0" => {
                let root = debian::backports_qemu()?;
                let libraries = root.join("usr/lib/x86_64-linux-gnu");
                Self {
                    binary: root.join("usr/bin/qemu-system-ppc64"),
                    libraries: libraries.is_dir().then_some(libraries),
                }
            }
            path => Self::at(path),
        };
        if !emulator.binary.exists() {
            return Err(anyhow!("there is no QEMU at {}", emulator.binary.display())).hint(
                if name == "7.2" {
                    "it is in the package qemu-system-ppc, which `cargo xtask setup` installs"
                } else {
                    "--qemu takes 7.2, 10.0, or the path of a qemu-system-ppc64"
                },
            );
        }
        Ok(emulator)
    }

    /// The binary.
    pub fn path(&self) -> &Path {
        &self.binary
    }

    /// A command that runs it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_binary_is_told_with_what_to_do() {
        let error = Emulator::named("/nowhere/qemu").unwrap_err();
        let text = crate::error::describe(&error);
        assert!(
            text.contains("/nowhere/qemu") && text.contains("hint: "),
            "{text}"
        );
    }
}
