//! The test module of `tests/linux/module`, built for one kernel.

use super::make;
use crate::progress::Step;
use crate::{digest, paths, process, setup};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The file that is built.
const MODULE: &str = "oxrtas_hammer.ko";

/// What a module is built with.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The directory of the kernel's makefile.
    pub source: PathBuf,
    /// The directory of its configuration and its `Module.symvers`.
    pub build: PathBuf,
}

/// The test module for the kernel of `tree`, built unless it is there already.
pub fn hammer(tree: &Tree) -> Result<PathBuf> {
    setup::for_kernel()?;
    let files = read(&paths::workspace().join("tests/linux/module"))?;
    let name = file_name(tree, &files, &make::compiler()?);
    let directory = paths::target_directory("linux-module")?;
    let place = directory.join(name);
    if place.is_file() {
        return Ok(place);
    }
    let step = Step::start("compiling the test module");
    let build = tempfile::tempdir_in(&directory)?;
    for (name, content) in &files {
        fs::write(build.path().join(name), content)?;
    }
    process::output(&mut command(tree, build.path()))?;
    // Another process may do the same: a file is there whole or not at all.
    fs::rename(build.path().join(MODULE), &place)
        .with_context(|| format!("the kernel's build made no {MODULE}"))?;
    step.finish();
    Ok(place)
}

fn command(tree: &Tree, directory: &Path) -> Command {
    let mut command = Command::new("make");
    command
        .arg("-C")
        .arg(&tree.source)
        .arg(format!("O={}", tree.build.display()))
        .arg(format!("M={}", directory.display()))
        .arg("ARCH=powerpc")
        .arg(format!("CROSS_COMPILE={}", make::CROSS))
        // Debian's headers name a compiler of their own.
        .arg(format!("CC={}gcc", make::CROSS))
        // It takes a program that is not needed, and an image that a build has not always kept.
        .arg("CONFIG_DEBUG_INFO_BTF_MODULES=")
        .arg("modules")
        .env("LC_ALL", "C")
        .env_remove("MAKEFLAGS")
        .env_remove("MFLAGS")
        .stdin(Stdio::null());
    command
}

/// The files of `directory` by their names.
fn read(directory: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let entries = fs::read_dir(directory).with_context(|| format!("no {}", directory.display()))?;
    let mut files = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        files.insert(name, fs::read(entry.path())?);
    }
    Ok(files)
}

/// A name for what comes of these files and this compiler. The paths of `tree` hold the kernel's
/// version.
fn file_name(tree: &Tree, files: &BTreeMap<String, Vec<u8>>, compiler: &str) -> String {
    let mut name = digest::Name::new();
    name.add_path(&tree.source);
    name.add_path(&tree.build).add(compiler);
    for (file, content) in files {
        name.add(file).add(content);
    }
    format!("hammer-{}.ko", name.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_goes_into_a_module_changes_its_name() {
        let name = |build: &str, file: (&str, &str), compiler| {
            let tree = Tree {
                source: PathBuf::from("source"),
                build: PathBuf::from(build),
            };
            let files = BTreeMap::from([(file.0.to_owned(), file.1.as_bytes().to_vec())]);
            file_name(&tree, &files, compiler)
        };
        let names = [
            name("6.1", ("a.c", "x"), "12"),
            name("6.12", ("a.c", "x"), "12"),
            name("6.1", ("b.c", "x"), "12"),
            name("6.1", ("a.c", "y"), "12"),
            name("6.1", ("a.c", "x"), "13"),
        ];
        for (index, one) in names.iter().enumerate() {
            assert!(!names[index + 1..].contains(one), "{one}");
        }
    }

    #[test]
    fn the_sources_are_there() {
        let files = read(&paths::workspace().join("tests/linux/module")).unwrap();
        for name in ["Makefile", "enter.S", "hammer.c", "source.c"] {
            assert!(files.contains_key(name), "{name}");
        }
    }
}
