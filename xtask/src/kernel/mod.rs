//! A small pseries kernel with our patch series: Debian's source, the patches and the configuration
//! of `tests/linux`, in `target/kernel/vmlinux`.
//!
//! [`source`] unpacks and patches, [`config`] configures, [`make`] runs the kernel's own build. What
//! is built stays in the cache, in a directory that is named after everything that goes in.

mod config;
mod make;
mod source;

use crate::cli::KernelArgs;
use crate::debian::{self, KernelVersion};
use crate::error::WithHint;
use crate::progress::Step;
use crate::{paths, setup};
use anyhow::{Context, Result};
use make::Make;
use source::Series;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The file that a finished build leaves, after everything else.
const COMPLETE: &str = "complete";

/// `cargo xtask kernel`.
pub fn run(arguments: &KernelArgs) -> Result<ExitCode> {
    let version = KernelVersion::ALL
        .into_iter()
        .find(|version| version.name() == arguments.version)
        .with_context(|| format!("there is no source of kernel {}", arguments.version))
        .hint("--version takes 6.1 or 6.12, Debian's")?;
    let image = build(version)?;
    println!("{}", image.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds the kernel of `version`, unless the cache has it, and copies it to its place. Gives back
/// that place.
pub fn build(version: KernelVersion) -> Result<PathBuf> {
    setup::for_kernel()?;
    let series = Series::read(version)?;
    let tarball = debian::kernel_source(version)?;
    let fragment = config::fragment()?;
    let name = format!(
        "kernel-build-{}-{}",
        version.name(),
        series.digest(&tarball, &fragment, &make::compiler()?)
    );
    let directory = paths::cache()?.join(name);
    let image = directory.join("build/vmlinux");
    if !directory.join(COMPLETE).is_file() {
        fs::create_dir_all(&directory)?;
        let _lock = lock(&directory)?;
        // Another process may have been faster.
        if !directory.join(COMPLETE).is_file() {
            source::prepare(&tarball, &series, &directory)?;
            let make = Make::new(&directory);
            config::write(&make, &fragment)?;
            make.run("compiling the kernel", &["vmlinux", "modules"])?;
            fs::write(directory.join(COMPLETE), "")?;
        }
    }
    let place = paths::target_directory("kernel")?.join("vmlinux");
    fs::copy(&image, &place)
        .with_context(|| format!("cannot copy {} to {}", image.display(), place.display()))?;
    Ok(place)
}

/// Waits until no other process builds in `directory`.
fn lock(directory: &Path) -> Result<File> {
    let file = File::create(directory.join("lock"))?;
    match file.try_lock() {
        Ok(()) => (),
        Err(TryLockError::WouldBlock) => {
            let step = Step::start("waiting for another cargo xtask that builds this kernel");
            file.lock()?;
            step.finish();
        }
        Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the build"),
    }
    Ok(file)
}
