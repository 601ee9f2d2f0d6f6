//! What Debian's packages have for building a module for one of its kernels: headers and the
//! configuration for the guest's machine, and the programs of the kernel's build for this one.

use super::apt::Machine;
use super::{KernelVersion, ensure, kernel};
use crate::kernel::Tree;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Where the packages have the headers, and the programs.
const HEADERS: &str = "usr/src";
const PROGRAMS: &str = "usr/lib";

/// The tree to build modules for the kernel of `version` with, fetched when it is not in the cache.
pub fn kernel_headers(version: KernelVersion) -> Result<Tree> {
    let package = format!("linux-headers-{}", kernel(version)?.release);
    let headers = ensure(
        &format!("headers-{}", version.name()),
        version.suites(),
        false,
        |apt| {
            let keep = |name: &str| name.starts_with("linux-headers-");
            let names = [package.as_str()];
            let packages = apt.resolve(Machine::Guest, version.release(), &names, keep)?;
            Ok((Machine::Guest, packages))
        },
    )?;
    let build = headers.join(HEADERS).join(&package);
    let programs = programs_of(&build)?;
    let root = ensure(
        &format!("kbuild-{}", version.name()),
        version.suites(),
        false,
        |apt| {
            let names = [programs.as_str()];
            let keep = |name: &str| name == programs;
            let packages = apt.resolve(Machine::Host, version.release(), &names, keep)?;
            Ok((Machine::Host, packages))
        },
    )?;
    // The headers name the programs by `../../lib/linux-kbuild-6.1`, as if both were installed.
    let place = headers.join(PROGRAMS).join(&programs);
    fs::create_dir_all(headers.join(PROGRAMS))?;
    match symlink(root.join(PROGRAMS).join(&programs), &place) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("cannot link {}", place.display()));
        }
        _ => (),
    }
    Ok(Tree {
        source: common(&headers.join(HEADERS))?,
        build,
    })
}

/// The package of the programs that the headers in `build` are used with.
fn programs_of(build: &Path) -> Result<String> {
    let link = build.join("scripts");
    let target = fs::read_link(&link).with_context(|| format!("{} is no link", link.display()))?;
    let package = target.parent().and_then(Path::file_name);
    let package = package.context("the link to the programs has no directory")?;
    Ok(package.to_string_lossy().into_owned())
}

/// The directory of the headers that all flavours share.
fn common(directory: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with("-common") {
            return Ok(entry.path());
        }
    }
    bail!("no common headers in {}", directory.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_are_those_that_the_headers_point_to() {
        let directory = tempfile::tempdir().unwrap();
        assert!(programs_of(directory.path()).is_err());
        let link = directory.path().join("scripts");
        symlink("../../lib/linux-kbuild-6.1/scripts", link).unwrap();
        assert_eq!(programs_of(directory.path()).unwrap(), "linux-kbuild-6.1");
        assert!(common(directory.path()).is_err());
        let shared = directory.path().join("linux-headers-6.1.0-50-common");
        fs::create_dir(&shared).unwrap();
        assert_eq!(common(directory.path()).unwrap(), shared);
    }
}
