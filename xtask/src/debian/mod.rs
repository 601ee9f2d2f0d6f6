//! What is taken from Debian without being installed: kernels and programs for the guest, and a
//! second QEMU for the host. Fetched once, then used offline.

mod apt;
mod cache;
mod headers;
mod sources;

pub use headers::kernel_headers;

use crate::error::WithHint;
use crate::{defaults, digest, paths};
use anyhow::{Context, Result, anyhow};
use apt::{Apt, Machine, Package};
use cache::Filling;
use sources::Suites;
use std::fs;
use std::path::{Path, PathBuf};

/// A kernel of Debian's `powerpc64le` flavour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KernelVersion {
    /// The release's own.
    V6_1,
    /// From backports.
    V6_12,
    /// From the distribution that is under development.
    V7_2,
}

impl KernelVersion {
    /// All of them: to be booted as Debian built them, and with our patches.
    pub const ALL: [Self; 3] = [Self::V6_1, Self::V6_12, Self::V7_2];
    /// Those of the release, whose packages do not go away: what the tests boot as Debian built it.
    pub const RELEASED: [Self; 2] = [Self::V6_1, Self::V6_12];

    /// The one of `versions` that the command line calls `name`.
    pub fn named(name: &str, versions: &[Self]) -> Option<Self> {
        let mut versions = versions.iter().copied();
        versions.find(|version| version.name() == name)
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
            Self::V7_2 => "7.2",
        }
    }

    /// The distribution that has it.
    fn release(self) -> &'static str {
        match self {
            Self::V6_1 => sources::RELEASE,
            Self::V6_12 => sources::BACKPORTS,
            Self::V7_2 => sources::UNSTABLE,
        }
    }

    fn suites(self) -> Suites {
        match self {
            Self::V6_1 | Self::V6_12 => Suites::Release,
            Self::V7_2 => Suites::Unstable,
        }
    }
}

/// An unpacked kernel package.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// What `uname -r` says in the guest, `6.1.0-50-powerpc64le` for one.
    pub release: String,
    /// The image: an ELF file.
    pub image: PathBuf,
    /// The directory of its modules, with `modules.dep`-less contents as the package ships them.
    pub modules: PathBuf,
}

/// What the packages of a kernel are called, up to its version: one has all of it, or, from 7.1 on,
/// four.
const KERNEL_PARTS: [&str; 4] = [
    "linux-image-",
    "linux-base-",
    "linux-binary-",
    "linux-modules-",
];
/// Programs of the guest and the shared libraries that they need.
const GUEST_PROGRAMS: [&str; 3] = ["busybox-static", "kexec-tools", "makedumpfile"];
/// Programs that use RTAS from user space, and what starts them.
const USER_PROGRAMS: [&str; 6] = [
    "busybox-static",
    "bash",
    "powerpc-ibm-utils",
    "lsvpd",
    "ppc64-diag",
    "servicelog",
];
/// QEMU from backports.
const QEMU_SET: &str = "qemu-10.0";
/// The directory of the guest's programs.
const GUEST_SET: &str = "guest-programs";
/// The directory of the users of RTAS.
const USER_SET: &str = "user-programs";

/// The kernel of `version`, fetched when it is not in the cache.
pub fn kernel(version: KernelVersion) -> Result<Kernel> {
    let name = format!("kernel-{}", version.name());
    let root = ensure(&name, version.suites(), false, |apt| {
        let keep = |package: &str| {
            let rest = KERNEL_PARTS
                .iter()
                .find_map(|part| package.strip_prefix(part));
            rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let names = ["linux-image-powerpc64le"];
        let packages = apt.resolve(Machine::Guest, version.release(), &names, keep)?;
        Ok((Machine::Guest, packages))
    })?;
    kernel_in(&root)
}

/// The archive with the kernel's source of `version`, fetched when it is not in the cache.
pub fn kernel_source(version: KernelVersion) -> Result<PathBuf> {
    let package = format!("linux-source-{}", version.name());
    let name = format!("source-{}", version.name());
    let root = ensure(&name, version.suites(), false, |apt| {
        let names = [package.as_str()];
        let packages = apt.resolve(Machine::Host, version.release(), &names, |name| {
            name == package
        })?;
        Ok((Machine::Host, packages))
    })?;
    let path = root.join(format!("usr/src/{package}.tar.xz"));
    path.is_file()
        .then_some(path)
        .with_context(|| format!("no source in {}", root.display()))
}

/// Finds image and modules in an unpacked kernel: the image is in `/boot`, or, from 7.1 on, beside the
/// modules.
fn kernel_in(root: &Path) -> Result<Kernel> {
    let names = |directory: &Path| -> Result<Vec<String>> {
        let entries =
            fs::read_dir(directory).with_context(|| format!("no {}", directory.display()))?;
        let names = entries
            .flatten()
            .map(|entry| entry.file_name().into_string());
        Ok(names.filter_map(Result::ok).collect())
    };
    let boot = root.join("boot");
    if boot.is_dir() {
        let names = names(&boot)?;
        let release = names.iter().find_map(|name| name.strip_prefix("vmlinux-"));
        let release = release.with_context(|| format!("no vmlinux in {}", boot.display()))?;
        return Ok(Kernel {
            image: boot.join(format!("vmlinux-{release}")),
            modules: root.join("lib/modules").join(release),
            release: release.to_owned(),
        });
    }
    let all = root.join("usr/lib/modules");
    let names = names(&all)?;
    let release = names
        .first()
        .with_context(|| format!("no kernel in {}", all.display()))?;
    let modules = all.join(release);
    Ok(Kernel {
        image: modules.join("vmlinuz"),
        modules,
        release: release.clone(),
    })
}

/// The unpacked programs for the guest: a root directory with busybox, kexec, makedumpfile and
/// every shared library that they may need.
pub fn guest_programs() -> Result<PathBuf> {
    ensure(GUEST_SET, Suites::Release, false, |apt| {
        let keep = |package: &str| {
            GUEST_PROGRAMS.contains(&package)
                || package.starts_with("lib")
                || package.starts_with("zlib")
        };
        let packages = apt.resolve(Machine::Guest, sources::RELEASE, &GUEST_PROGRAMS, |name| {
            keep(name) && !name.starts_with("libperl")
        })?;
        Ok((Machine::Guest, packages))
    })
}

/// The unpacked users of RTAS, powerpc-utils and others, with every shared library that they need.
pub fn user_programs() -> Result<PathBuf> {
    ensure(USER_SET, Suites::Release, false, |apt| {
        let packages = apt.resolve(Machine::Guest, sources::RELEASE, &USER_PROGRAMS, |name| {
            let library = name.starts_with("lib") && !name.contains("perl");
            USER_PROGRAMS.contains(&name) || library || name.starts_with("zlib")
        })?;
        Ok((Machine::Guest, packages))
    })
}

/// The root of the QEMU from backports, unpacked beside the installed one, which must be there: it
/// brings most of the libraries.
pub fn backports_qemu() -> Result<PathBuf> {
    ensure(QEMU_SET, Suites::Release, false, |apt| {
        let keep = |package: &str| package.starts_with("qemu-") || package.starts_with("lib");
        let names = ["qemu-system-ppc", "qemu-system-common", "qemu-system-data"];
        let packages = apt.resolve(Machine::Host, sources::BACKPORTS, &names, keep)?;
        Ok((Machine::Host, packages))
    })
}

/// The sets that the cache does not hold, by name.
pub fn missing() -> Result<Vec<String>> {
    let cache = paths::cache()?;
    let kernels = KernelVersion::RELEASED.into_iter().flat_map(|version| {
        ["kernel", "headers", "kbuild"].map(|set| format!("{set}-{}", version.name()))
    });
    let others = [GUEST_SET, USER_SET, QEMU_SET].map(str::to_owned);
    let source = format!("source-{}", defaults::PATCHED_KERNEL.name());
    Ok(kernels
        .chain([source])
        .chain(others)
        .filter(|name| cache::current(&cache, name).is_none())
        .collect())
}

/// The current directory of set `name`; `resolve` says what to fetch if there is none, or if
/// `refresh` asks for newer packages.
fn ensure(
    name: &str,
    suites: Suites,
    refresh: bool,
    resolve: impl FnOnce(&Apt) -> Result<(Machine, Vec<Package>)>,
) -> Result<PathBuf> {
    let directory = paths::cache()?;
    if let Some(path) = cache::current(&directory, name)
        && !refresh
    {
        return Ok(path);
    }
    let filling = Filling::lock(&directory)?;
    // Another process may have been faster.
    if let Some(path) = cache::current(&directory, name)
        && !refresh
    {
        return Ok(path);
    }
    fetch(&directory, &filling, name, suites, refresh, resolve)
        .with_context(|| format!("cannot fetch {name}"))
        .hint("check that `apt-get update` works here; what is fetched once is used offline")
}

fn fetch(
    directory: &Path,
    filling: &Filling,
    name: &str,
    suites: Suites,
    refresh: bool,
    resolve: impl FnOnce(&Apt) -> Result<(Machine, Vec<Package>)>,
) -> Result<PathBuf> {
    let apt = Apt::open(&directory.join(suites.directory()), suites, refresh)?;
    let (machine, packages) = resolve(&apt)?;
    let version = version_of(&packages).ok_or_else(|| anyhow!("no package to fetch"))?;
    filling.install(name, &version, |root| {
        apt.unpack(machine, &packages, name, root)
    })
}

/// Digits of the hash over several packages.
const DIGITS: usize = 16;

/// A version for a set of packages: that of the only one, or a hash over all of them.
fn version_of(packages: &[Package]) -> Option<String> {
    if let [package] = packages {
        return Some(package.version.clone());
    }
    packages.first()?;
    let mut lines: Vec<String> = packages
        .iter()
        .map(|package| format!("{} {}\n", package.name, package.version))
        .collect();
    lines.sort();
    let mut digest = digest::of(lines.concat().as_bytes());
    digest.truncate(DIGITS);
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            size: 1,
        }
    }

    #[test]
    fn the_version_of_a_set_changes_with_any_package_and_not_with_their_order() {
        let (a, b) = (package("a", "1"), package("b", "2"));
        assert_eq!(version_of(&[]), None);
        assert_eq!(version_of(std::slice::from_ref(&a)).as_deref(), Some("1"));
        let both = version_of(&[a.clone(), b.clone()]);
        assert_eq!(both, version_of(&[b.clone(), a.clone()]));
        assert_ne!(both, version_of(&[a, package("b", "3")]));
    }

    #[test]
    fn a_kernel_package_is_found_by_its_image() {
        let root = tempfile::tempdir().unwrap();
        assert!(kernel_in(root.path()).is_err());
        fs::create_dir(root.path().join("boot")).unwrap();
        assert!(kernel_in(root.path()).is_err(), "no image");
        fs::write(root.path().join("boot/config-6.1.0-1-powerpc64le"), "").unwrap();
        fs::write(root.path().join("boot/vmlinux-6.1.0-1-powerpc64le"), "").unwrap();
        let kernel = kernel_in(root.path()).unwrap();
        assert_eq!(kernel.release, "6.1.0-1-powerpc64le");
        assert!(kernel.modules.ends_with("lib/modules/6.1.0-1-powerpc64le"));
    }
}
