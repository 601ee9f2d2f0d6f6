//! The cache of unpacked packages: one directory per set and version, and a link that says which
//! one is current. Several processes may use it at the same time.

use crate::progress::Step;
use anyhow::{Context, Result};
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The cache, locked against other processes that fill it. Readers need no lock: a directory
/// appears under its name only when it is complete.
#[derive(Debug)]
pub struct Filling {
    directory: PathBuf,
    /// Unlocked when it is closed.
    _lock: File,
}

/// The current directory of set `name`, if there is one.
pub fn current(cache: &Path, name: &str) -> Option<PathBuf> {
    fs::canonicalize(cache.join(name)).ok()
}

impl Filling {
    /// Waits until no other process fills the cache.
    pub fn lock(cache: &Path) -> Result<Self> {
        let path = cache.join("lock");
        let lock =
            File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => {
                let step = Step::start("waiting for another cargo xtask that is downloading");
                lock.lock()?;
                step.finish();
            }
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the cache"),
        }
        Ok(Self {
            directory: cache.to_owned(),
            _lock: lock,
        })
    }

    /// Makes `version` of set `name` the current one; `fill` is called with an empty directory to
    /// fill if the cache does not hold that version yet.
    pub fn install(
        &self,
        name: &str,
        version: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let directory = format!("{name}-{}", version.replace(['/', ':'], "."));
        let path = self.directory.join(&directory);
        if !path.is_dir() {
            let partial = tempfile::Builder::new()
                .prefix("partial-")
                .tempdir_in(&self.directory)?;
            let root = partial.path().join("root");
            fs::create_dir(&root)?;
            fill(&root)?;
            fs::rename(&root, &path).context("cannot move what was unpacked to its place")?;
        }
        let partial = tempfile::tempdir_in(&self.directory)?;
        let link = partial.path().join("link");
        symlink(&directory, &link)?;
        fs::rename(&link, self.directory.join(name)).context("cannot set the current version")?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn a_version_is_filled_once_and_becomes_current() {
        let cache = tempfile::tempdir().unwrap();
        assert_eq!(current(cache.path(), "set"), None);
        let filling = Filling::lock(cache.path()).unwrap();
        let fill = |root: &Path| Ok(fs::write(root.join("file"), "one")?);
        let path = filling.install("set", "1:2.0", fill).unwrap();
        let again = filling
            .install("set", "1:2.0", |_| bail!("filled twice"))
            .unwrap();
        assert_eq!(path, again);
        let seen = current(cache.path(), "set").unwrap();
        assert_eq!(fs::read_to_string(seen.join("file")).unwrap(), "one");
        filling.install("set", "3", |_| Ok(())).unwrap();
        let newer = current(cache.path(), "set").unwrap();
        assert!(newer.ends_with("set-3"), "{}", newer.display());
    }

    #[test]
    fn a_failed_fill_leaves_nothing_current() {
        let cache = tempfile::tempdir().unwrap();
        let filling = Filling::lock(cache.path()).unwrap();
        let failed = filling.install("set", "1", |root| {
            fs::write(root.join("half"), "")?;
            bail!("the network is gone")
        });
        assert!(failed.is_err());
        assert_eq!(current(cache.path(), "set"), None);
        let left: Vec<_> = fs::read_dir(cache.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "only the lock file: {left:?}");
    }

    #[test]
    fn two_fillers_do_not_run_at_the_same_time() {
        let cache = tempfile::tempdir().unwrap();
        let filling = Filling::lock(cache.path()).unwrap();
        let other = File::open(cache.path().join("lock")).unwrap();
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        drop(filling);
        assert!(other.try_lock().is_ok());
    }
}
