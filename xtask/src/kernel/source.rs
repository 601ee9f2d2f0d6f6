//! The kernel's source: Debian's, with our patches.

use crate::debian::KernelVersion;
use crate::error::WithHint;
use crate::progress::Step;
use crate::{digest, paths, process};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The patches for one version, in order.
#[derive(Debug)]
pub struct Series {
    patches: Vec<(PathBuf, Vec<u8>)>,
}

impl Series {
    /// Reads those of `version` from `tests/linux`.
    pub fn read(version: KernelVersion) -> Result<Self> {
        let directory = paths::workspace().join("tests/linux").join(version.name());
        Self::read_from(&directory)
    }

    fn read_from(directory: &Path) -> Result<Self> {
        let entries =
            fs::read_dir(directory).with_context(|| format!("no {}", directory.display()))?;
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "patch")
            {
                paths.push(path);
            }
        }
        // They are numbered as git format-patch does it.
        paths.sort();
        if paths.is_empty() {
            bail!("no patches in {}", directory.display());
        }
        let patches = paths
            .into_iter()
            .map(|path| {
                let text = fs::read(&path)?;
                Ok((path, text))
            })
            .collect::<Result<_>>()?;
        Ok(Self { patches })
    }

    /// The files of the patches, in order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.patches.iter().map(|(path, _)| path.as_path())
    }

    /// The files of the source that the patches change, as they name them; those that they make are
    /// left out.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let texts = self.patches.iter().map(|(_, text)| text);
        let lines = texts.flat_map(|text| text.split(|byte| *byte == b'\n'));
        lines.filter_map(|line| str::from_utf8(line.strip_prefix(b"--- a/")?).ok())
    }

    /// Applies the patches to the source in `directory`.
    pub fn apply(&self, directory: &Path) -> Result<()> {
        for path in self.paths() {
            // Not even the lines around a change may differ from what the patch was made for.
            process::output(
                Command::new("patch")
                    .args(["-p1", "--fuzz=0", "--forward", "-i"])
                    .arg(path)
                    .arg("-d")
                    .arg(directory),
            )
            .hint("the patches of tests/linux are made for Debian's source of that version")?;
        }
        Ok(())
    }

    /// A name for what comes of this series on the source in `tarball`, a file of the package cache
    /// whose path holds its version, with this configuration and compiler.
    pub fn digest(&self, tarball: &Path, configuration: &str, compiler: &str) -> String {
        let mut name = digest::Name::new();
        name.add_path(tarball).add(configuration).add(compiler);
        for (_, text) in &self.patches {
            name.add(text);
        }
        name.finish()
    }
}

/// Makes `directory/source`, patched, unless it is there. No other process may do so meanwhile.
pub fn prepare(tarball: &Path, series: &Series, directory: &Path) -> Result<()> {
    let place = directory.join("source");
    if place.is_dir() {
        return Ok(());
    }
    // The caller holds the lock, so one that is there was left by a run that was ended.
    let partial = directory.join("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).context("cannot remove half a source")?;
    }
    fs::create_dir(&partial)?;
    let step = Step::start("unpacking the kernel's source");
    process::run_in_group(
        Command::new("tar")
            .arg("-xf")
            .arg(tarball)
            .arg("--strip-components=1")
            .arg("-C")
            .arg(&partial),
    )?;
    step.finish();
    series.apply(&partial)?;
    fs::rename(&partial, place).context("cannot move the source to its place")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(texts: &[&str]) -> Series {
        let patch = |text: &&str| (PathBuf::from("x.patch"), text.as_bytes().to_vec());
        Series {
            patches: texts.iter().map(patch).collect(),
        }
    }

    #[test]
    fn patches_are_applied_in_the_order_of_their_numbers_and_nothing_else_is() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["0002-b.patch", "0001-a.patch", "README.md", "0003-c.patch"] {
            fs::write(directory.path().join(name), name).unwrap();
        }
        let series = Series::read_from(directory.path()).unwrap();
        let names: Vec<_> = series
            .patches
            .iter()
            .map(|(_, text)| String::from_utf8_lossy(text).into_owned())
            .collect();
        assert_eq!(names, ["0001-a.patch", "0002-b.patch", "0003-c.patch"]);
    }

    #[test]
    fn a_version_without_patches_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Series::read_from(directory.path()).is_err());
        assert!(Series::read_from(&directory.path().join("none")).is_err());
    }

    #[test]
    fn every_version_has_a_series() {
        for version in KernelVersion::ALL {
            Series::read(version).unwrap();
        }
    }

    #[test]
    fn whatever_goes_into_a_kernel_changes_its_name() {
        let name = |texts: &[&str], tarball: &str, configuration, compiler| {
            series(texts).digest(Path::new(tarball), configuration, compiler)
        };
        let names = [
            name(&["a", "b"], "6.12-1", "y", "12.2"),
            name(&["b", "a"], "6.12-1", "y", "12.2"),
            name(&["ab"], "6.12-1", "y", "12.2"),
            name(&["a", "b"], "6.12-2", "y", "12.2"),
            name(&["a", "b"], "6.12-1", "n", "12.2"),
            name(&["a", "b"], "6.12-1", "y", "14.2"),
        ];
        for (index, one) in names.iter().enumerate() {
            assert!(!names[index + 1..].contains(one), "{one}");
        }
        assert_eq!(names[0], name(&["a", "b"], "6.12-1", "y", "12.2"));
    }

    #[test]
    fn a_patch_that_does_not_fit_leaves_no_source() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("linux");
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("file"), "one\n").unwrap();
        let tarball = directory.path().join("linux.tar");
        process::output(
            Command::new("tar")
                .arg("-cf")
                .arg(&tarball)
                .arg("-C")
                .arg(directory.path())
                .arg("linux"),
        )
        .unwrap();
        let attempt = |from: &str| {
            let path = directory.path().join("0001.patch");
            let text = format!("--- a/file\n+++ b/file\n@@ -1 +1 @@\n-{from}\n+two\n");
            fs::write(&path, &text).unwrap();
            let series = Series {
                patches: vec![(path, text.into_bytes())],
            };
            prepare(&tarball, &series, directory.path())
        };
        assert!(attempt("zero").is_err());
        assert!(!directory.path().join("source").exists());
        attempt("one").unwrap();
        let text = fs::read_to_string(directory.path().join("source/file")).unwrap();
        assert_eq!(text, "two\n");
    }
}
