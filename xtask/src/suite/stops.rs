//! Boots that must end in a message that says what is wrong and what to do, and in a stop that QEMU
//! sees.

use crate::cli::IcMode;
use crate::defaults;
use crate::paths;
use crate::qemu::{Emulator, Firmware, Machine, Session};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// How long such a boot may take.
const LIMIT: Duration = Duration::from_secs(60);
/// What QEMU says when a guest called `ibm,os-term` (`hw/ppc/spapr_rtas.c:rtas_ibm_os_term`).
const SEEN_BY_QEMU: &str = "OS terminated";

/// A boot that cannot go on.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// Without `-kernel`.
    NoKernel,
    /// With an ELF program whose first instructions are zeros.
    KernelOfZeros,
}

impl Stop {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::NoKernel, Self::KernelOfZeros];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoKernel => "no-kernel",
            Self::KernelOfZeros => "kernel-of-zeros",
        }
    }

    /// What the console says: the cause, and the option that mends it.
    const fn message(self) -> [&'static str; 2] {
        match self {
            Self::NoKernel => ["There is no kernel", "Name one: -kernel FILE"],
            Self::KernelOfZeros => [
                "there are zeros where its first instruction should be",
                "Name an ELF image for PowerPC: -kernel",
            ],
        }
    }

    fn kernel(self) -> Result<Option<PathBuf>> {
        match self {
            Self::NoKernel => Ok(None),
            Self::KernelOfZeros => {
                let file = paths::target_directory("stops")?.join("zeros.elf");
                fs::write(&file, elf_of_zeros()).with_context(|| file.display().to_string())?;
                Ok(Some(file))
            }
        }
    }

    /// Runs it on `firmware`.
    pub fn run(self, firmware: &str) -> Result<String> {
        let machine = Machine {
            emulator: Emulator::named(defaults::QEMU)?,
            firmware: Firmware::named(firmware)?,
            kernel: self.kernel()?,
            initramfs: None,
            append: String::new(),
            cpu: defaults::CPU.to_owned(),
            ic_mode: IcMode::Dual,
            smp: "1".to_owned(),
            memory: defaults::MEMORY.to_owned(),
            devices: Vec::new(),
            gdb: None,
            no_reboot: true,
            extra: Vec::new(),
        };
        let name = format!("stop {}", self.name());
        let ended = Session::start(&machine, &name, LIMIT)?.finish()?;
        for wanted in self.message() {
            if !ended.lines.iter().any(|line| line.text.contains(wanted)) {
                bail!(
                    "the console does not say {wanted:?}: {}",
                    ended.log.display()
                );
            }
        }
        if !ended.errors.iter().any(|line| line.contains(SEEN_BY_QEMU)) {
            bail!("QEMU did not see the stop: {}", ended.log.display());
        }
        Ok(String::new())
    }
}

/// A big-endian ELF64 program for PowerPC, one segment of 4096 zeros at address 0.
fn elf_of_zeros() -> Vec<u8> {
    const HEADERS: u64 = 64 + 56;
    let mut file = b"\x7fELF\x02\x02\x01".to_vec();
    file.resize(16, 0);
    for half in [2u16, 21] {
        file.extend(half.to_be_bytes()); // e_type EXEC, e_machine PPC64
    }
    file.extend(1u32.to_be_bytes()); // e_version
    for double in [0u64, 64, 0] {
        file.extend(double.to_be_bytes()); // e_entry, e_phoff, e_shoff
    }
    file.extend(0u32.to_be_bytes()); // e_flags
    for half in [64u16, 56, 1, 64, 0, 0] {
        file.extend(half.to_be_bytes()); // sizes and counts
    }
    for word in [1u32, 5] {
        file.extend(word.to_be_bytes()); // PT_LOAD, R and X
    }
    for double in [HEADERS, 0, 0, 4096, 4096, 4] {
        file.extend(double.to_be_bytes()); // p_offset, addresses, sizes, p_align
    }
    file.resize(HEADERS as usize + 4096, 0);
    file
}
