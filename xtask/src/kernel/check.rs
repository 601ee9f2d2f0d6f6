//! Whether a patch series fits Debian's source of its version, line by line, and what that version's
//! own `scripts/checkpatch.pl` says of it. Nothing is built.

use super::source::Series;
use crate::debian::{self, KernelVersion};
use crate::error::WithHint;
use crate::progress::Step;
use crate::{process, setup};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What checkpatch reads: itself and its word lists.
const CHECKPATCH: [&str; 3] = [
    "scripts/checkpatch.pl",
    "scripts/spelling.txt",
    "scripts/const_structs.checkpatch",
];
/// Of two commits that the patches cite: checkpatch looks them up in the history, which a source
/// package does not have.
const NO_HISTORY: &str = "Unknown commit id";

/// Checks the series of `version`: a line that says how many patches are fine.
///
/// # Errors
/// The first patch that does not fit, or what checkpatch says.
pub fn check(version: KernelVersion) -> Result<String> {
    setup::for_kernel()?;
    let series = Series::read(version)?;
    let tarball = debian::kernel_source(version)?;
    let place = tempfile::tempdir().context("no place for the source")?;
    let files: BTreeSet<&str> = CHECKPATCH.into_iter().chain(series.files()).collect();
    unpack(&tarball, version, &files, place.path())?;
    series.apply(place.path())?;
    for path in series.paths() {
        let output = Command::new("perl")
            .arg(place.path().join(CHECKPATCH[0]))
            .args(["--strict", "--no-tree", "--no-summary", "--terse"])
            .arg(path)
            .current_dir(place.path())
            .output()
            .context("cannot run perl")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let complaints = complaints(&said);
        if !complaints.is_empty() {
            bail!("checkpatch of {}: {complaints:?}", path.display());
        }
        // No line at all and a failure: it did not run.
        if said.is_empty() && !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!("checkpatch of {} did not run: {why}", path.display());
        }
    }
    let count = series.paths().count();
    Ok(format!("{count} patches fit {}", version.name()))
}

/// What checkpatch found, without what it cannot know here.
fn complaints(said: &str) -> Vec<&str> {
    said.lines()
        .filter(|line| !line.is_empty() && !line.contains(NO_HISTORY))
        .collect()
}

/// Unpacks these files of the source in `tarball`.
fn unpack(
    tarball: &Path,
    version: KernelVersion,
    files: &BTreeSet<&str>,
    place: &Path,
) -> Result<()> {
    let step = Step::start(format!("looking into the source of {}", version.name()));
    let root = format!("linux-source-{}", version.name());
    let mut command = Command::new("tar");
    command.args(["--strip-components=1", "-xf"]).arg(tarball);
    command.arg("-C").arg(place);
    command.args(files.iter().map(|file| format!("{root}/{file}")));
    process::output(&mut command)
        .hint("a patch may name a file that this version does not have")?;
    step.finish();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_a_history_is_passed_over() {
        let said = "a.patch:7: WARNING: Unknown commit id 'f88aabad33ea', maybe rebased\n\
                    a.patch:9: CHECK: Alignment should match open parenthesis\n\n";
        let found = ["a.patch:9: CHECK: Alignment should match open parenthesis"];
        assert_eq!(complaints(said), found);
        assert!(complaints("").is_empty());
    }
}
