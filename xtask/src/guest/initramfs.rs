//! The initial file system of the guest.

use super::archive::Archive;
use super::{libraries, modules};
use crate::debian::Kernel;
use crate::{digest, paths};
use anyhow::{Context, Result};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Our own part of the file system.
pub(super) const SCRIPTS: [(&str, &str); 19] = [
    ("init", include_str!("files/init.sh")),
    ("oxrtas/summary.sh", include_str!("files/summary.sh")),
    (
        "oxrtas/mode-summary.sh",
        include_str!("files/mode-summary.sh"),
    ),
    ("oxrtas/mode-shell.sh", include_str!("files/mode-shell.sh")),
    (
        "oxrtas/mode-devices.sh",
        include_str!("files/mode-devices.sh"),
    ),
    (
        "oxrtas/mode-hotplug.sh",
        include_str!("files/mode-hotplug.sh"),
    ),
    (
        "oxrtas/mode-reboot.sh",
        include_str!("files/mode-reboot.sh"),
    ),
    ("oxrtas/mode-kdump.sh", include_str!("files/mode-kdump.sh")),
    ("oxrtas/mode-tree.sh", include_str!("files/mode-tree.sh")),
    ("oxrtas/vmcore.sh", include_str!("files/vmcore.sh")),
    ("oxrtas/unplug.sh", include_str!("files/unplug.sh")),
    ("oxrtas/work.sh", include_str!("files/work.sh")),
    ("oxrtas/work-clock.sh", include_str!("files/work-clock.sh")),
    (
        "oxrtas/work-console.sh",
        include_str!("files/work-console.sh"),
    ),
    ("oxrtas/work-cpus.sh", include_str!("files/work-cpus.sh")),
    ("oxrtas/work-errd.sh", include_str!("files/work-errd.sh")),
    ("oxrtas/work-msi.sh", include_str!("files/work-msi.sh")),
    ("oxrtas/work-slots.sh", include_str!("files/work-slots.sh")),
    ("oxrtas/profile.sh", include_str!("files/profile.sh")),
];
/// Where the dynamic programs look for their loader.
pub(super) const LOADER: (&str, &str) = ("lib64/ld64.so.2", "/lib/powerpc64le-linux-gnu/ld64.so.2");
/// Counted up when the layout changes in a way that the inputs do not show.
const LAYOUT: &str = "1";

/// What goes into an initial file system.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// The unpacked programs ([`crate::debian::guest_programs`]).
    pub programs: &'a Path,
    /// The kernel whose modules are packed; a kernel of the user's has none.
    pub kernel: Option<&'a Kernel>,
    /// Whether `kernel` itself, a file system for it and kexec are packed too, for a kdump.
    pub kdump: bool,
    /// The test module ([`crate::kernel::hammer`]) that goes with a kdump, built for `kernel`.
    pub hammer: Option<&'a Path>,
}

/// The file of the initial file system with these contents, made if it is not there yet.
pub fn initramfs(contents: Contents<'_>) -> Result<PathBuf> {
    let path = paths::target_directory("guest")?.join(contents.file_name());
    if path.is_file() {
        return Ok(path);
    }
    // Another process may do the same: each writes a file of its own and renames it.
    let directory = path.parent().context("no directory")?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    contents
        .write(BufWriter::new(file.as_file_mut()))
        .context("cannot make the initial file system")?;
    file.persist(&path)?;
    Ok(path)
}

impl Contents<'_> {
    /// A name that differs wherever the content does: inputs are directories of the package cache,
    /// whose names hold their versions, and our scripts.
    fn file_name(&self) -> String {
        let mut name = digest::Name::new();
        name.add(LAYOUT).add_path(self.programs);
        if let Some(kernel) = self.kernel {
            name.add_path(&kernel.image);
        }
        if let Some(hammer) = self.hammer {
            name.add_path(hammer);
        }
        for (path, text) in SCRIPTS {
            name.add(path).add(text);
        }
        let digest = name.finish();
        let release = self.kernel.map_or("any", |kernel| kernel.release.as_str());
        let kind = if self.kdump { "kdump" } else { "plain" };
        format!("initramfs-{release}-{kind}-{digest}.cpio")
    }

    fn write<W: Write>(&self, output: W) -> Result<W> {
        let mut archive = Archive::new(output);
        if self.kdump {
            let kernel = self.kernel.context("a kdump needs a kernel of Debian's")?;
            self.write_base(&mut archive, &["sbin/kexec"])?;
            archive.copy("kdump/vmlinux", false, &kernel.image)?;
            if let Some(hammer) = self.hammer {
                archive.copy("lib/oxrtas_hammer.ko", false, hammer)?;
            }
            let mut second = Archive::new(Vec::new());
            self.write_base(&mut second, &["usr/bin/makedumpfile"])?;
            archive.file("kdump/initrd", false, &second.finish()?)?;
        } else {
            self.write_base(&mut archive, &[])?;
        }
        archive.finish()
    }

    /// Busybox, scripts, modules, and `programs` with their libraries.
    fn write_base<W: Write>(&self, archive: &mut Archive<W>, programs: &[&str]) -> Result<()> {
        archive.device("dev/console", 5, 1)?;
        archive.copy("bin/busybox", true, &self.programs.join("bin/busybox"))?;
        for (path, text) in SCRIPTS {
            archive.file(path, path == "init", text.as_bytes())?;
        }
        for program in programs {
            archive.copy(program, true, &self.programs.join(program))?;
        }
        if !programs.is_empty() {
            let loader = self.programs.join(LOADER.1.trim_start_matches('/'));
            archive.copy(LOADER.1.trim_start_matches('/'), true, &loader)?;
            archive.link(LOADER.0, LOADER.1)?;
        }
        for (path, file) in libraries::needed(self.programs, programs)? {
            if !path.ends_with("/ld64.so.2") {
                archive.copy(&path, true, &file)?;
            }
        }
        let Some(kernel) = self.kernel else {
            return Ok(());
        };
        let mut order = String::new();
        for module in modules::load_order(&kernel.modules)? {
            archive.file(
                &format!("lib/modules/{}.ko", module.name),
                false,
                &module.content,
            )?;
            order.push_str(&module.name);
            order.push('\n');
        }
        archive.file("lib/modules/order", false, order.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_of_other_contents_has_another_name() {
        let kernel = |release: &str| Kernel {
            release: release.to_owned(),
            image: PathBuf::from(format!("cache/{release}/vmlinux")),
            modules: PathBuf::from("modules"),
        };
        let (old, new) = (kernel("6.1"), kernel("6.12"));
        let named = |programs: &str, kernel, kdump, hammer| {
            let programs = Path::new(programs);
            Contents {
                programs,
                kernel,
                kdump,
                hammer,
            }
            .file_name()
        };
        let name = |programs: &str, kernel, kdump| named(programs, kernel, kdump, None);
        let names = [
            name("programs-1", Some(&old), false),
            name("programs-2", Some(&old), false),
            name("programs-1", Some(&new), false),
            name("programs-1", Some(&old), true),
            name("programs-1", None, false),
            named("programs-1", Some(&old), true, Some(Path::new("a.ko"))),
            named("programs-1", Some(&old), true, Some(Path::new("b.ko"))),
        ];
        for (index, one) in names.iter().enumerate() {
            assert!(!names[index + 1..].contains(one), "{one}");
        }
        assert_eq!(names[0], name("programs-1", Some(&old), false));
    }
}
