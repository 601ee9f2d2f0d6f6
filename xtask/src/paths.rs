//! Where things are: the checkout, what is built, and the cache outside the checkout.

use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::path::PathBuf;

/// The root of the checkout.
pub fn workspace() -> PathBuf {
    let own = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map_or_else(|| own.clone(), PathBuf::from)
}

/// The directory of build outputs: `target`, or what `CARGO_TARGET_DIR` says.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => workspace().join(directory),
        None => workspace().join("target"),
    }
}

/// A checkout that is built, and where what is built goes.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// Its root.
    pub workspace: PathBuf,
    /// The directory of its build outputs.
    pub target: PathBuf,
}

impl Checkout {
    /// The one that this program belongs to.
    pub fn own() -> Self {
        Self {
            workspace: workspace(),
            target: target(),
        }
    }
}

/// A directory below [`target`], created when missing.
pub fn target_directory(name: &str) -> Result<PathBuf> {
    let directory = target().join(name);
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory)
}

/// The cache for what is downloaded: `$XDG_CACHE_HOME/oxrtas`, or `~/.cache/oxrtas`. Created when
/// missing.
pub fn cache() -> Result<PathBuf> {
    let base = match (env::var_os("XDG_CACHE_HOME"), env::var_os("HOME")) {
        (Some(cache), _) if !cache.is_empty() => PathBuf::from(cache),
        (_, Some(home)) if !home.is_empty() => PathBuf::from(home).join(".cache"),
        _ => bail!("neither XDG_CACHE_HOME nor HOME says where downloads may be kept"),
    };
    let cache = base.join("oxrtas");
    fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    Ok(cache)
}
