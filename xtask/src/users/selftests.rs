//! Linux' own selftests of PAPR and RTAS, built from Debian's source of the kernel.

use crate::debian::{self, KernelVersion};
use crate::kernel::{CROSS, compiler};
use crate::progress::Step;
use crate::{digest, paths, process, setup};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where they are in the source.
const SELFTESTS: &str = "tools/testing/selftests/powerpc";
/// The interfaces that they include and no C library has.
const INTERFACES: &str = "arch/powerpc/include/uapi/asm";
/// The programs: the directory, and the source without its ending.
const PROGRAMS: [(&str, &str); 4] = [
    ("papr_vpd", "papr_vpd"),
    ("papr_sysparm", "papr_sysparm"),
    ("papr_attributes", "attr_test"),
    ("syscalls", "rtas_filter"),
];
/// Counted up when they are built in another way.
const RECIPE: &str = "1";

/// Builds those of `version`, unless the cache has them: their paths in the guest, and the files.
pub fn build(version: KernelVersion) -> Result<Vec<(String, PathBuf)>> {
    setup::for_selftests()?;
    let tarball = debian::kernel_source(version)?;
    let name = format!(
        "selftests-{}-{}",
        version.name(),
        name(&tarball, &compiler()?)
    );
    let cache = paths::cache()?;
    let directory = cache.join(name);
    if !directory.is_dir() {
        let step = Step::start("building Linux' selftests");
        let partial = tempfile::Builder::new()
            .prefix("partial-")
            .tempdir_in(&cache)?;
        let built = partial.path().join("built");
        fs::create_dir(&built)?;
        compile(&tarball, partial.path(), &built)?;
        // Another process may have been faster; then its are used.
        if let Err(error) = fs::rename(&built, &directory)
            && !directory.is_dir()
        {
            return Err(error).context("cannot move the selftests to their place");
        }
        step.finish();
    }
    let programs = PROGRAMS.iter().map(|(_, program)| {
        let path = format!("oxrtas/selftests/{program}");
        (path, directory.join(program))
    });
    Ok(programs.collect())
}

/// A name for what comes of the source in `tarball`, whose path holds its version.
fn name(tarball: &Path, compiler: &str) -> String {
    let mut name = digest::Name::new();
    name.add_path(tarball).add(compiler).add(RECIPE);
    name.finish()
}

/// Unpacks what is needed of `tarball` below `work` and puts the programs into `built`.
fn compile(tarball: &Path, work: &Path, built: &Path) -> Result<()> {
    let source = work.join("source");
    fs::create_dir(&source)?;
    process::output(
        Command::new("tar")
            .arg("-xf")
            .arg(tarball)
            .arg("-C")
            .arg(&source)
            .args(["--strip-components=1", "--wildcards"])
            .arg(format!("*/{SELFTESTS}/*"))
            .arg(format!("*/{INTERFACES}/papr-*.h")),
    )?;
    // Only those: the others come with the C library, and do not mix.
    let include = work.join("include");
    fs::create_dir(&include)?;
    fs::rename(source.join(INTERFACES), include.join("asm"))?;
    let selftests = source.join(SELFTESTS);
    for (directory, program) in PROGRAMS {
        process::output(
            Command::new(format!("{CROSS}gcc"))
                .args(["-std=gnu99", "-O2", "-static"])
                .arg("-DGIT_VERSION=\"none\"")
                .arg("-I")
                .arg(selftests.join("include"))
                .arg("-I")
                .arg(&include)
                .arg(selftests.join(directory).join(format!("{program}.c")))
                .args(["harness.c", "utils.c"].map(|file| selftests.join(file)))
                .arg("-o")
                .arg(built.join(program)),
        )?;
    }
    Ok(())
}
