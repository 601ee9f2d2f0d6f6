//! Shared libraries: what a program of Debian needs to run, found by its DT_NEEDED entries.

use anyhow::{Context, Result};
use object::Endianness;
use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn, FileHeader};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where libraries are in an unpacked package, and in the guest.
const DIRECTORIES: [&str; 2] = ["lib/powerpc64le-linux-gnu", "usr/lib/powerpc64le-linux-gnu"];

/// The libraries that the programs at `programs` (paths below `root`) need, their own needs
/// included: path in the guest and file.
pub fn needed(root: &Path, programs: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut pending: Vec<PathBuf> = programs.iter().map(|path| root.join(path)).collect();
    while let Some(file) = pending.pop() {
        for name in names(&file)? {
            let (path, library) = DIRECTORIES
                .iter()
                .map(|directory| format!("{directory}/{name}"))
                .find_map(|path| {
                    let library = root.join(&path);
                    library.exists().then_some((path, library))
                })
                .with_context(|| format!("{} needs {name}: not there", file.display()))?;
            if found.insert(path, library.clone()).is_none() {
                pending.push(library);
            }
        }
    }
    Ok(found)
}

/// The DT_NEEDED names of one file; none if it is linked statically.
fn names(file: &Path) -> Result<Vec<String>> {
    let data = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    dynamic_names(&data).with_context(|| format!("{} is damaged", file.display()))
}

fn dynamic_names(data: &[u8]) -> Result<Vec<String>> {
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let Some((entries, strings)) = sections.dynamic(endian, data)? else {
        return Ok(Vec::new());
    };
    let strings = sections.strings(endian, data, strings)?;
    let mut names = Vec::new();
    for entry in entries
        .iter()
        .filter(|entry| entry.tag(endian) == elf::DT_NEEDED)
    {
        let name = entry.string(endian, strings)?;
        names.push(String::from_utf8_lossy(name).into_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_of_a_program_are_those_of_its_dynamic_section() {
        // This test is a dynamic program itself.
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(
            dynamic_names(&own)
                .unwrap()
                .contains(&"libc.so.6".to_owned())
        );
        assert!(dynamic_names(&own[..40]).is_err());
    }

    #[test]
    fn a_library_that_is_not_there_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::copy(
            std::env::current_exe().unwrap(),
            root.path().join("program"),
        )
        .unwrap();
        let error = needed(root.path(), &["program"]).unwrap_err();
        assert!(error.to_string().contains("program needs lib"), "{error}");
        assert!(needed(root.path(), &[]).unwrap().is_empty());
    }
}
