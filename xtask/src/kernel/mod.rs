//! A small pseries kernel with our patch series: Debian's source, the patches and the configuration
//! of `tests/linux`, in `target/kernel/vmlinux`.
//!
//! [`source`] unpacks and patches, [`config`] configures, [`make`] runs the kernel's own build;
//! [`check`] only looks whether the patches fit. What
//! is built stays in the cache, in a directory that is named after everything that goes in.

mod check;
mod config;
mod make;
mod module;
mod source;

use crate::cli::KernelArgs;
use crate::debian::{self, Kernel, KernelVersion};
use crate::error::WithHint;
use crate::progress::Step;
use crate::{defaults, paths, setup};
use anyhow::{Context, Result};
pub use check::check;
use make::Make;
pub use make::{CROSS, compiler};
pub use module::{Tree, hammer};
use source::Series;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The file that a finished build leaves, after everything else.
const COMPLETE: &str = "complete";

/// `cargo xtask kernel`.
pub fn run(arguments: &KernelArgs) -> Result<ExitCode> {
    let version = KernelVersion::named(&arguments.version, &KernelVersion::ALL)
        .with_context(|| format!("there is no source of kernel {}", arguments.version))
        .hint("--version takes 6.1, 6.12 or 7.2, Debian's")?;
    if arguments.check {
        println!("{}", check(version)?);
        return Ok(ExitCode::SUCCESS);
    }
    let image = build(version)?.image;
    let place = paths::target_directory("kernel")?.join("vmlinux");
    replace(&image, &place)
        .with_context(|| format!("cannot copy {} to {}", image.display(), place.display()))?;
    println!("{}", place.display());
    Ok(ExitCode::SUCCESS)
}

/// Makes `place` a copy of `file`. At every moment, and whenever this process is ended, it is the old
/// file or the new one as a whole; who has the old one open keeps it.
fn replace(file: &Path, place: &Path) -> io::Result<()> {
    let directory = place.parent().unwrap_or(Path::new("."));
    let partial = tempfile::tempdir_in(directory)?;
    let copy = partial.path().join("copy");
    fs::copy(file, &copy)?;
    fs::rename(copy, place)
}

/// The version of the kernel that the command line calls `name`: `patched`, or `patched-6.12`.
pub fn patched(name: &str) -> Option<KernelVersion> {
    let version = match name.strip_prefix("patched")? {
        "" => return Some(defaults::PATCHED_KERNEL),
        rest => rest.strip_prefix('-')?,
    };
    KernelVersion::named(version, &KernelVersion::ALL)
}

/// What modules for the kernel that the command line calls `name` are built with: 6.1, 6.12, or a
/// patched one.
pub fn tree(name: &str) -> Result<Tree> {
    if let Some(version) = patched(name) {
        build(version)?;
        let directory = directory(version, &Series::read(version)?)?;
        return Ok(Tree {
            source: directory.join("source"),
            build: Make::new(&directory).output("")?,
        });
    }
    let version = KernelVersion::named(name, &KernelVersion::ALL)
        .with_context(|| format!("there are no headers of kernel {name}"))?;
    debian::kernel_headers(version)
}

/// The directory of the cache for the kernel of `version` with these patches.
fn directory(version: KernelVersion, series: &Series) -> Result<PathBuf> {
    let tarball = debian::kernel_source(version)?;
    let name = format!(
        "kernel-build-{}-{}",
        version.name(),
        series.digest(&tarball, &config::fragment()?, &make::compiler()?)
    );
    Ok(paths::cache()?.join(name))
}

/// Builds the kernel of `version`, unless the cache has it. It has no modules: what the tests need
/// is built in.
pub fn build(version: KernelVersion) -> Result<Kernel> {
    setup::for_kernel()?;
    let series = Series::read(version)?;
    let tarball = debian::kernel_source(version)?;
    let fragment = config::fragment()?;
    let directory = directory(version, &series)?;
    let make = Make::new(&directory);
    if !directory.join(COMPLETE).is_file() {
        fs::create_dir_all(&directory)?;
        let _lock = lock(&directory)?;
        // Another process may have been faster.
        if !directory.join(COMPLETE).is_file() {
            source::prepare(&tarball, &series, &directory)?;
            config::write(&make, &fragment)?;
            make.run("compiling the kernel", &["vmlinux", "modules"])?;
            modules(&make, &directory.join("modules"))?;
            fs::write(directory.join(COMPLETE), "")?;
        }
    }
    let release = make.output("include/config")?.join("kernel.release");
    let release = fs::read_to_string(&release)
        .with_context(|| format!("cannot read {}", release.display()))?;
    Ok(Kernel {
        release: release.trim().to_owned(),
        image: make.output("")?.join("vmlinux"),
        modules: directory.join("modules"),
    })
}

/// Lays out what an installed kernel of no modules has in its directory of modules.
fn modules(make: &Make, directory: &Path) -> Result<()> {
    const BUILTIN: &str = "modules.builtin";
    fs::create_dir_all(directory.join("kernel"))?;
    let list = make.output("")?.join(BUILTIN);
    fs::copy(&list, directory.join(BUILTIN))
        .with_context(|| format!("cannot copy {}", list.display()))?;
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        fs::write(path("one"), "one").unwrap();
        fs::write(path("two"), "number two").unwrap();
        replace(&path("one"), &path("place")).unwrap();
        let mut reader = File::open(path("place")).unwrap();
        replace(&path("two"), &path("place")).unwrap();
        assert_eq!(io::read_to_string(&mut reader).unwrap(), "one");
        assert_eq!(fs::read_to_string(path("place")).unwrap(), "number two");
        assert!(replace(&path("none"), &path("place")).is_err());
        assert_eq!(fs::read_to_string(path("place")).unwrap(), "number two");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_patched_kernel_is_named_by_its_version_or_is_the_usual_one() {
        assert_eq!(patched("patched"), Some(KernelVersion::V6_12));
        assert_eq!(patched("patched-6.1"), Some(KernelVersion::V6_1));
        assert_eq!(patched("patched-7.2"), Some(KernelVersion::V7_2));
        for other in ["6.12", "patched-", "patched-5.10", "patched6.1"] {
            assert_eq!(patched(other), None, "{other}");
        }
    }
}
