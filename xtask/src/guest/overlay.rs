//! More for the initial file system of one guest: an archive behind the archive. Linux unpacks both
//! as one (Documentation/driver-api/early-userspace/buffer-format.rst of Linux).

use super::archive::Archive;
use super::initramfs::LOADER;
use super::{libraries, modules};
use crate::debian::Kernel;
use crate::paths;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufWriter, Write, copy};
use std::path::{Path, PathBuf};

/// What is added.
#[derive(Clone, Debug)]
pub struct Overlay<'a> {
    /// Its name, a part of the file's.
    pub name: &'a str,
    /// Unpacked packages.
    pub root: &'a Path,
    /// ELF programs below `root`; the libraries that they need come along.
    pub programs: &'a [&'a str],
    /// Scripts and data below `root`.
    pub files: &'a [&'a str],
    /// Files of the host: the path in the guest, and the file.
    pub others: Vec<(String, PathBuf)>,
    /// Texts: the path in the guest, and the text.
    pub texts: Vec<(String, &'a str)>,
    /// Modules of `kernel`. They and what they need are in `/lib/modules/user`.
    pub modules: &'a [&'a str],
    /// The kernel that is booted.
    pub kernel: &'a Kernel,
}

/// Writes a file system of `base` and `overlay`, and gives back its file.
pub fn overlaid(base: &Path, overlay: &Overlay<'_>) -> Result<PathBuf> {
    let directory = paths::target_directory("guest")?;
    let stem = base.file_stem().context("no file")?.to_string_lossy();
    let path = directory.join(format!("{stem}-{}.cpio", overlay.name));
    // Another process may do the same: each writes a file of its own and renames it.
    let mut file = tempfile::NamedTempFile::new_in(&directory)?;
    let mut base = File::open(base).with_context(|| format!("no {}", base.display()))?;
    copy(&mut base, file.as_file_mut())?;
    overlay
        .write(BufWriter::new(file.as_file_mut()))
        .with_context(|| format!("cannot make the initial file system of {}", overlay.name))?
        .flush()?;
    file.persist(&path)?;
    Ok(path)
}

impl Overlay<'_> {
    fn write<W: Write>(&self, output: W) -> Result<W> {
        let mut archive = Archive::new(output);
        let loader = LOADER.1.trim_start_matches('/');
        archive.copy(loader, true, &self.root.join(loader))?;
        archive.link(LOADER.0, LOADER.1)?;
        for path in self.programs.iter().chain(self.files) {
            archive.copy(path, true, &self.root.join(path))?;
        }
        for (path, file) in libraries::needed(self.root, self.programs)? {
            if !path.ends_with("/ld64.so.2") {
                archive.copy(&path, true, &file)?;
            }
        }
        for (path, file) in &self.others {
            archive.copy(path, true, file)?;
        }
        for (path, text) in &self.texts {
            archive.file(path, false, text.as_bytes())?;
        }
        if !self.modules.is_empty() {
            for module in modules::load_order_of(&self.kernel.modules, self.modules)? {
                let path = format!("lib/modules/user/{}.ko", module.name);
                archive.file(&path, false, &module.content)?;
            }
        }
        archive.finish()
    }
}
