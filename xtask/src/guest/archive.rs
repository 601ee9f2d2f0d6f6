//! A cpio archive in the `newc` format, which Linux unpacks as its initial file system
//! (Documentation/driver-api/early-userspace/buffer-format.rst of Linux).

use anyhow::{Context, Result};
use cpio::newc::{Builder, trailer};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

/// An ordinary file, a directory, a symbolic link and a character device in `st_mode`.
const FILE: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const SYMBOLIC_LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// An archive under construction. Paths have no leading slash; the directories above an entry are
/// made as needed.
pub struct Archive<W: Write> {
    output: W,
    directories: BTreeSet<String>,
    entries: u32,
}

impl<W: Write> Archive<W> {
    /// Starts an archive.
    pub fn new(output: W) -> Self {
        Self {
            output,
            directories: BTreeSet::new(),
            entries: 0,
        }
    }

    /// Adds a directory.
    pub fn directory(&mut self, path: &str) -> Result<()> {
        if path.is_empty() || !self.directories.insert(path.to_owned()) {
            return Ok(());
        }
        self.parent_of(path)?;
        self.entry(path, DIRECTORY | 0o755, (0, 0), &[])
    }

    /// Adds a file that may be executed or not.
    pub fn file(&mut self, path: &str, executable: bool, content: &[u8]) -> Result<()> {
        self.parent_of(path)?;
        let permissions = if executable { 0o755 } else { 0o644 };
        self.entry(path, FILE | permissions, (0, 0), content)
    }

    /// Adds a copy of a file of the host, following links.
    pub fn copy(&mut self, path: &str, executable: bool, from: &Path) -> Result<()> {
        let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        self.file(path, executable, &content)
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.parent_of(path)?;
        self.entry(path, SYMBOLIC_LINK | 0o777, (0, 0), target.as_bytes())
    }

    /// Adds a character device.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) -> Result<()> {
        self.parent_of(path)?;
        self.entry(path, CHARACTER_DEVICE | 0o600, (major, minor), &[])
    }

    /// Writes the end, and gives back what the archive was written to.
    pub fn finish(self) -> Result<W> {
        Ok(trailer(self.output)?)
    }

    fn parent_of(&mut self, path: &str) -> Result<()> {
        match path.rsplit_once('/') {
            Some((parent, _)) => self.directory(parent),
            None => Ok(()),
        }
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) -> Result<()> {
        // Linux takes entries of the same inode number for hard links.
        self.entries += 1;
        let size = u32::try_from(content.len())
            .with_context(|| format!("{path} is too large for an archive"))?;
        let mut writer = Builder::new(path)
            .ino(self.entries)
            .nlink(1)
            .mode(mode)
            .rdev_major(device.0)
            .rdev_minor(device.1)
            .write(&mut self.output, size);
        writer.write_all(content)?;
        writer.finish()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpio::newc::Reader;
    use std::io::Read;

    #[test]
    fn directories_come_before_what_is_in_them_and_once() {
        let mut archive = Archive::new(Vec::new());
        archive.file("a/b/one", true, b"1").unwrap();
        archive.file("a/b/two", false, b"22").unwrap();
        archive.link("a/link", "b/one").unwrap();
        archive.device("dev/console", 5, 1).unwrap();
        let bytes = archive.finish().unwrap();
        let mut seen = Vec::new();
        let mut rest = &bytes[..];
        loop {
            let mut reader = Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let mut content = String::new();
            reader.read_to_string(&mut content).unwrap();
            let entry = reader.entry();
            seen.push(format!("{} {:o} {content}", entry.name(), entry.mode()));
            rest = reader.finish().unwrap();
        }
        assert_eq!(
            seen,
            [
                "a 40755 ",
                "a/b 40755 ",
                "a/b/one 100755 1",
                "a/b/two 100644 22",
                "a/link 120777 b/one",
                "dev 40755 ",
                "dev/console 20600 ",
            ]
        );
    }
}
