//! The socket at which the stub of a machine listens.

use super::Gdb;
use anyhow::Result;
use std::path::PathBuf;
use std::time::Instant;
use tempfile::TempDir;

/// A place for it. It is gone when this is dropped; a connection stays.
#[derive(Debug)]
pub struct Stub {
    // A socket's path may have 108 bytes only, so it is not in the target directory.
    directory: TempDir,
}

impl Stub {
    /// A new place.
    pub fn new() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("oxrtas-").tempdir()?;
        Ok(Self { directory })
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("gdb")
    }

    /// What makes QEMU listen there.
    pub fn arguments(&self) -> [String; 2] {
        let path = self.path();
        let words = format!("unix:{},server=on,wait=off", path.display());
        ["-gdb".to_owned(), words]
    }

    /// Connects, which stops the machine. Everything on the connection ends at `deadline`.
    pub fn connect(&self, deadline: Instant) -> Result<Gdb> {
        Gdb::connect(&self.path(), deadline)
    }
}
