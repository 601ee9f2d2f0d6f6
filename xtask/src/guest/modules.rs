//! Kernel modules: which ones the guest needs, and in which order they load.
//!
//! Debian's packages hold no `modules.dep` (depmod writes it when they are installed), so the order
//! comes from the modules themselves: `depends=` in section `.modinfo`. Measured: 18 modules for
//! 6.1 (virtio itself is modular there), 8 for 6.12, whose files are xz-compressed.

use anyhow::{Context, Result, bail};
use lzma_rust2::XzReader;
use object::{Object, ObjectSection};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Drivers of the devices that the tests use. One that is built into the kernel is passed over.
const WANTED: [&str; 6] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "ibmvscsi",
    "sd_mod",
    "pseries_rng",
];

/// A module, uncompressed.
#[derive(Debug)]
pub struct Module {
    /// Its name, with underscores.
    pub name: String,
    /// The ELF file.
    pub content: Vec<u8>,
}

/// The wanted modules below `directory` (`lib/modules/RELEASE`) and those that they need, each
/// after what it needs.
pub fn load_order(directory: &Path) -> Result<Vec<Module>> {
    load_order_of(directory, &WANTED)
}

/// As [`load_order`], for the modules `wanted`.
pub fn load_order_of(directory: &Path, wanted: &[&str]) -> Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    find(&directory.join("kernel"), &mut files)?;
    let builtin = fs::read_to_string(directory.join("modules.builtin"))
        .with_context(|| format!("no modules.builtin in {}", directory.display()))?;
    let builtin: BTreeSet<String> = builtin
        .lines()
        .filter_map(|line| module_name(Path::new(line)))
        .collect();
    let mut contents = BTreeMap::new();
    let mut needs = |name: &str| {
        if builtin.contains(name) {
            return Ok(None);
        }
        let path = files
            .get(name)
            .with_context(|| format!("the kernel has no module {name}"))?;
        let content = read(path)?;
        let needed = dependencies(&content)
            .with_context(|| format!("cannot read module {}", path.display()))?;
        contents.insert(name.to_owned(), content);
        Ok(Some(needed))
    };
    let mut order = Vec::new();
    for name in wanted {
        add(name, &mut needs, &mut order, &mut Vec::new())?;
    }
    Ok(order
        .into_iter()
        .filter_map(|name| {
            let content = contents.remove(&name)?;
            Some(Module { name, content })
        })
        .collect())
}

/// Adds `name` to `order` behind everything that it needs. `needs` says what that is, nothing for
/// one that is built into the kernel; `pending` are the modules that led here.
fn add(
    name: &str,
    needs: &mut impl FnMut(&str) -> Result<Option<Vec<String>>>,
    order: &mut Vec<String>,
    pending: &mut Vec<String>,
) -> Result<()> {
    if order.iter().any(|known| known == name) {
        return Ok(());
    }
    if pending.iter().any(|waiting| waiting == name) {
        bail!("module {name} depends on itself");
    }
    let Some(needed) = needs(name)? else {
        return Ok(());
    };
    pending.push(name.to_owned());
    for other in needed {
        add(&other, needs, order, pending)?;
    }
    pending.pop();
    order.push(name.to_owned());
    Ok(())
}

fn find(directory: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("no {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            find(&path, files)?;
        } else if let Some(name) = module_name(&path) {
            files.insert(name, path);
        }
    }
    Ok(())
}

/// `pseries_rng` for `.../pseries-rng.ko.xz`: modules are named with underscores.
fn module_name(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let (name, extension) = file.split_once(".ko")?;
    matches!(extension, "" | ".xz").then(|| name.replace('-', "_"))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let file = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    if path.extension().is_none_or(|extension| extension != "xz") {
        return Ok(file);
    }
    let mut content = Vec::new();
    XzReader::new(&file[..], false)
        .read_to_end(&mut content)
        .with_context(|| format!("cannot decompress {}", path.display()))?;
    Ok(content)
}

/// The modules that one needs: `depends=a,b` among the zero-terminated strings of `.modinfo`.
fn dependencies(module: &[u8]) -> Result<Vec<String>> {
    let file = object::File::parse(module)?;
    let section = file.section_by_name(".modinfo").context("no .modinfo")?;
    Ok(depends(section.data()?))
}

fn depends(modinfo: &[u8]) -> Vec<String> {
    modinfo
        .split(|byte| *byte == 0)
        .filter_map(|entry| str::from_utf8(entry).ok()?.strip_prefix("depends="))
        .flat_map(|names| names.split(','))
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_with_underscores_compressed_or_not() {
        let name = |path: &str| module_name(Path::new(path));
        assert_eq!(
            name("drivers/pseries-rng.ko.xz").as_deref(),
            Some("pseries_rng")
        );
        assert_eq!(name("drivers/sd_mod.ko").as_deref(), Some("sd_mod"));
        assert_eq!(name("modules.order"), None);
        assert_eq!(name("drivers/x.ko.orig"), None);
    }

    #[test]
    fn dependencies_are_read_from_modinfo() {
        let modinfo = b"license=GPL\0depends=net-failover,virtio_ring\0name=virtio_net\0";
        assert_eq!(depends(modinfo), ["net_failover", "virtio_ring"]);
        assert!(depends(b"depends=\0").is_empty());
        assert!(depends(b"").is_empty());
    }

    #[test]
    fn a_module_comes_after_what_it_needs_and_once() {
        let mut needs = |name: &str| {
            Ok(Some(match name {
                "net" => vec!["failover".to_owned(), "virtio".to_owned()],
                "failover" => vec!["virtio".to_owned()],
                "builtin" => return Ok(None),
                "a" => vec!["b".to_owned()],
                "b" => vec!["a".to_owned()],
                _ => Vec::new(),
            }))
        };
        let mut order = Vec::new();
        for name in ["net", "builtin", "virtio"] {
            add(name, &mut needs, &mut order, &mut Vec::new()).unwrap();
        }
        assert_eq!(order, ["virtio", "failover", "net"]);
        let cycle = add("a", &mut needs, &mut order, &mut Vec::new()).unwrap_err();
        assert!(cycle.to_string().contains("depends on itself"));
    }

    #[test]
    fn a_wanted_module_that_is_neither_file_nor_built_in_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("kernel")).unwrap();
        let builtin: Vec<String> = WANTED.iter().map(|name| format!("{name}.ko\n")).collect();
        fs::write(directory.path().join("modules.builtin"), builtin.concat()).unwrap();
        assert!(load_order(directory.path()).unwrap().is_empty());
        fs::write(directory.path().join("modules.builtin"), "").unwrap();
        let error = load_order(directory.path()).unwrap_err();
        assert!(format!("{error:#}").contains("no module virtio_pci"));
    }
}
