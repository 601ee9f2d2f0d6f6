//! The device presets: what QEMU is told, the files behind them, and what the guest must find.

use crate::cli::Device;
use crate::digest;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// A device with its files.
#[derive(Clone, Debug)]
pub struct Attached {
    /// Which preset it is.
    pub device: Device,
    /// QEMU's arguments for it.
    pub arguments: Vec<String>,
    /// Facts that the guest must report when it reads the device: name and value.
    pub facts: Vec<(String, String)>,
    /// Words for the kernel's command line.
    pub append: Option<String>,
}

/// Bytes of each disk.
const DISK_BYTES: usize = 8 << 20;
/// Bytes of the NVRAM; QEMU takes 8 KiB to 1 MiB.
const NVRAM_BYTES: usize = 64 << 10;
/// Bytes of the file that the guest fetches over the network.
const FETCHED_BYTES: usize = 256 << 10;
/// What the guest leaves in the NVRAM.
const NVRAM_MARK: &str = "a1b2";

impl Attached {
    /// The preset `device`, its files made in `directory`.
    pub fn prepare(device: Device, directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        let path = |name: &str| directory.join(name).to_string_lossy().into_owned();
        let write = |name: &str, bytes: &[u8]| {
            fs::write(directory.join(name), bytes)
                .with_context(|| format!("cannot write {name} in {}", directory.display()))
        };
        let (arguments, facts, append) = match device {
            Device::Virtio => {
                let disk = pattern(DISK_BYTES, 1);
                let file = pattern(FETCHED_BYTES, 2);
                write("virtio.disk", &disk)?;
                fs::create_dir_all(directory.join("tftp"))?;
                write("tftp/file", &file)?;
                let arguments = vec![
                    "-drive".to_owned(),
                    format!("if=none,id=disk0,format=raw,file={}", path("virtio.disk")),
                    "-device".to_owned(),
                    "virtio-blk-pci,drive=disk0".to_owned(),
                    "-netdev".to_owned(),
                    format!("user,id=net0,tftp={}", path("tftp")),
                    "-device".to_owned(),
                    "virtio-net-pci,netdev=net0,romfile=".to_owned(),
                ];
                let facts = vec![
                    ("virtio-blk.sha256".to_owned(), digest::of(&disk)),
                    ("virtio-net.sha256".to_owned(), digest::of(&file)),
                ];
                (arguments, facts, None)
            }
            Device::Vscsi => {
                let disk = pattern(DISK_BYTES, 3);
                write("vscsi.disk", &disk)?;
                let arguments = vec![
                    "-device".to_owned(),
                    "spapr-vscsi,id=scsi0".to_owned(),
                    "-drive".to_owned(),
                    format!("if=none,id=disk1,format=raw,file={}", path("vscsi.disk")),
                    "-device".to_owned(),
                    "scsi-hd,drive=disk1,bus=scsi0.0".to_owned(),
                ];
                let facts = vec![("vscsi.sha256".to_owned(), digest::of(&disk))];
                (arguments, facts, None)
            }
            Device::Nvram => {
                write("nvram", &vec![0; NVRAM_BYTES])?;
                let arguments = vec![
                    "-drive".to_owned(),
                    format!("if=pflash,format=raw,file={}", path("nvram")),
                ];
                let facts = vec![("nvram.bytes".to_owned(), NVRAM_BYTES.to_string())];
                (arguments, facts, Some(format!("oxrtas.nvram={NVRAM_MARK}")))
            }
            Device::Rng => {
                let arguments = [
                    "-object",
                    "rng-random,id=rng0,filename=/dev/urandom",
                    "-device",
                    "spapr-rng,rng=rng0,use-kvm=off",
                ];
                (arguments.map(str::to_owned).to_vec(), Vec::new(), None)
            }
        };
        Ok(Self {
            device,
            arguments,
            facts,
            append,
        })
    }
}

/// Bytes that differ everywhere, the same on every run: a linear congruential generator.
fn pattern(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_guest_must_read_is_the_hash_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Attached::prepare(Device::Vscsi, directory.path()).unwrap();
        let bytes = fs::read(directory.path().join("vscsi.disk")).unwrap();
        assert_eq!(bytes.len(), DISK_BYTES);
        assert_eq!(
            disk.facts,
            [("vscsi.sha256".to_owned(), digest::of(&bytes))]
        );
        assert!(
            disk.arguments
                .iter()
                .any(|word| word.contains("vscsi.disk"))
        );
    }

    #[test]
    fn two_disks_hold_different_bytes() {
        assert_ne!(pattern(64, 1), pattern(64, 3));
    }
}
