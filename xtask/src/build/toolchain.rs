//! The compiler for the bare-metal crates, with the source of its core library, and the linker.

use crate::error::WithHint;
use crate::paths::Checkout;
use crate::process;
use anyhow::{Context, Result, anyhow};
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's compiler (package rustc-web).
const DEBIAN_COMPILER: &str = "/usr/bin/rustc";
/// A file of the library source, relative to a compiler's root (package rust-web-src, component
/// rust-src of rustup).
const LIBRARY_SOURCE: &str = "lib/rustlib/src/rust/library/Cargo.toml";

/// What builds for the machine.
#[derive(Debug)]
pub struct Toolchain {
    /// The compiler.
    pub compiler: PathBuf,
    /// Its root.
    root: PathBuf,
    /// The directory of rust-lld.
    linker_directory: PathBuf,
}

impl Toolchain {
    /// Finds it: Debian's compiler if it has the library source, because the proof of the blob is
    /// of the bytes that this one makes, else rustup's.
    pub fn find() -> Result<Self> {
        let default = PathBuf::from("rustc");
        let default_root = root_of(&default)?;
        let debian = PathBuf::from(DEBIAN_COMPILER);
        let debian_root = root_of(&debian).ok();
        let (compiler, root) = [(debian, debian_root), (default, Some(default_root.clone()))]
            .into_iter()
            .filter_map(|(compiler, root)| Some((compiler, root?)))
            .find(|(_, root)| root.join(LIBRARY_SOURCE).is_file())
            .ok_or_else(|| anyhow!("no compiler has the source of the core library"))
            .hint(
                "`cargo xtask setup` installs rustc-web and rust-web-src; \
                 `rustup component add rust-src` does as well",
            )?;
        let host = "lib/rustlib/x86_64-unknown-linux-gnu/bin";
        let linker_directory = [&default_root, &root]
            .into_iter()
            .map(|root| root.join(host))
            .find(|directory| directory.join("rust-lld").is_file())
            .ok_or_else(|| anyhow!("rust-lld is in neither {default_root:?} nor {root:?}"))
            .hint("it comes with rustup's toolchains")?;
        Ok(Self {
            compiler,
            root,
            linker_directory,
        })
    }

    /// A cargo command that uses this compiler for the target of `linker/`; arguments of the
    /// subcommand follow.
    pub fn cargo(&self, subcommand: &str) -> Result<Command> {
        self.cargo_in(&Checkout::own(), subcommand)
    }

    /// The same in any checkout.
    pub fn cargo_in(&self, checkout: &Checkout, subcommand: &str) -> Result<Command> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let workspace = &checkout.workspace;
        let mut search = vec![self.linker_directory.clone()];
        search.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        let mut command = Command::new(cargo);
        command
            .current_dir(workspace)
            .env("PATH", env::join_paths(search)?)
            .env("RUSTC", &self.compiler)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags(workspace)?)
            .env_remove("RUSTFLAGS")
            .args([subcommand, "--profile", "image"])
            .arg("--target")
            .arg(workspace.join("linker/powerpc64-oxrtas.json"))
            .arg("--target-dir")
            .arg(checkout.target.join("image"))
            .args(["-Zbuild-std=core,alloc", "-Zjson-target-spec"])
            .arg("-Zbuild-std-features=compiler-builtins-mem,optimize_for_size");
        Ok(command)
    }

    /// The clippy that belongs to the compiler.
    pub fn clippy(&self) -> Result<PathBuf> {
        let driver = self.root.join("bin/clippy-driver");
        if driver.is_file() {
            return Ok(driver);
        }
        Err(anyhow!("there is no {}", driver.display()))
            .hint("`cargo xtask setup` installs it (package rust-web-clippy)")
    }

    /// Compiler flags: no path of this machine gets into the image.
    fn flags(&self, workspace: &Path) -> Result<OsString> {
        let home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let home =
            home.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
        let mut flags = OsString::new();
        let mut remap = |from: &Path, to: &str| {
            if !flags.is_empty() {
                flags.push("\u{1f}");
            }
            flags.push("--remap-path-prefix=");
            flags.push(from);
            flags.push("=");
            flags.push(to);
        };
        remap(workspace, ".");
        if let Some(home) = home {
            remap(&home, "cargo");
        }
        remap(&self.root.join("lib/rustlib/src/rust"), "rust");
        let source = self.root.join("lib/rustlib/src/rust").canonicalize();
        remap(&source.context("the library source is gone")?, "rust");
        Ok(flags)
    }
}

fn root_of(compiler: &Path) -> Result<PathBuf> {
    let text = process::output(Command::new(compiler).args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(text.trim()))
}
