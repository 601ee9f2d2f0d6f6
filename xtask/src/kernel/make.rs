//! The kernel's own build.

use crate::process::{self, Group};
use crate::progress::Step;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// What stands before the names of the compiler and its tools.
pub const CROSS: &str = "powerpc64le-linux-gnu-";

/// The version of the compiler, as it calls itself.
pub fn compiler() -> Result<String> {
    process::output(Command::new(format!("{CROSS}gcc")).arg("-dumpfullversion"))
}

/// `make` for the source below one directory.
#[derive(Clone, Debug)]
pub struct Make {
    directory: PathBuf,
}

impl Make {
    /// For `directory/source`; all that is made goes to `directory/build`.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// A directory below that of what is made, created when missing.
    pub fn output(&self, name: &str) -> Result<PathBuf> {
        let path = self.directory.join("build").join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(path)
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new("make");
        command
            .arg("-C")
            .arg(self.directory.join("source"))
            .arg(format!("O={}", self.output("")?.display()))
            .arg("ARCH=powerpc")
            .arg(format!("CROSS_COMPILE={CROSS}"))
            // Nothing of the machine that builds gets into the image.
            .args(["KBUILD_BUILD_USER=oxrtas", "KBUILD_BUILD_HOST=oxrtas"])
            .env("KBUILD_BUILD_TIMESTAMP", "1970-01-01")
            .env("LC_ALL", "C")
            // A make around this one hands its flags down.
            .env_remove("MAKEFLAGS")
            .env_remove("MFLAGS")
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Writes a configuration in which nothing is on but what `fragment` asks for and what that
    /// needs.
    pub fn configure(&self, fragment: &str) -> Result<()> {
        let path = self.directory.join("fragment.config");
        fs::write(&path, fragment)?;
        let mut command = self.command()?;
        command.env("KCONFIG_ALLCONFIG", &path).arg("allnoconfig");
        process::run_in_group(&command)
    }

    /// Makes `targets` with every processor of this machine.
    pub fn run(&self, what: &str, targets: &[&str]) -> Result<()> {
        let jobs = thread::available_parallelism().map_or(1, usize::from);
        let log = self.output("")?.join("errors");
        let step = Step::start(what);
        let mut command = self.command()?;
        command.arg(format!("-j{jobs}")).args(targets);
        // It has children and grandchildren, and takes minutes.
        let errors = File::create(&log)?;
        let mut make = Group::spawn(&command, errors.into()).context("cannot run make")?;
        let output = make.output().context("make has no output")?;
        for line in BufReader::new(output).split(b'\n') {
            // `  CC      kernel/panic.o`
            step.detail(String::from_utf8_lossy(&line?).trim());
        }
        let status = make.wait()?;
        if !status.success() {
            let errors = fs::read_to_string(&log).unwrap_or_default();
            bail!("make ended with {status}:\n{}", process::tail(&errors));
        }
        step.finish();
        Ok(())
    }
}
