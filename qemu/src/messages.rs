//! Why a boot fails: what is wrong, and what to do about it.

use core::fmt;
use core::ops::Range;

use fdt_gen::facts::FactError;
use fdt_gen::rtas_node::{CapabilityError, RtasNodeError};

use crate::board::BadAddress;
use crate::flat_tree::TreeError;
use crate::kernel::NotAProgram;
use crate::memory_map::{ClaimError, Owner};

const MIB: u64 = 1 << 20;

/// A reason to stop instead of starting a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// r3 does not hold the address of a device tree.
    Tree {
        /// What r3 holds.
        address: u64,
        /// What is wrong there.
        error: TreeError,
    },
    /// The tree lacks something without which nothing works.
    Missing(&'static str),
    /// The tree does not say what RTAS needs to know.
    Fact(FactError),
    /// The image promises what the call table does not have, or claims in a way that is refused.
    Promise(CapabilityError<'static>),
    /// The tree's `/rtas` cannot be edited.
    RtasNode(RtasNodeError),
    /// Less memory at address 0 than the firmware and a client need.
    TooLittleMemory {
        /// Bytes that there are.
        found: u64,
        /// Bytes that there must be.
        needed: u64,
    },
    /// There is nothing to boot.
    NoKernel {
        /// QEMU names devices to boot from, which this firmware does not do.
        has_boot_list: bool,
    },
    /// The kernel does not fit into memory.
    KernelOutsideMemory(Range<u64>, u64),
    /// Something that was loaded lies where something else is.
    Overlap {
        /// What was loaded.
        what: Owner,
        /// Where.
        range: Range<u64>,
        /// What it would overwrite.
        over: Owner,
    },
    /// The initrd is not in memory.
    InitrdOutsideMemory(Range<u64>, u64),
    /// What was loaded cannot be started.
    NotAProgram {
        /// Where it was loaded.
        address: u64,
        /// Why it cannot be started.
        error: NotAProgram,
    },
    /// The machine is too large for RTAS.
    RtasTooLarge,
    /// No memory is left for something of the firmware's.
    NoRoom {
        /// What it is for.
        purpose: &'static str,
        /// Bytes that it needs.
        size: u64,
        /// Why no place was found.
        error: ClaimError,
    },
    /// The board refused an access that the memory map allows.
    Inaccessible(BadAddress),
    /// The tree cannot be edited or written.
    TreeLimit(&'static str),
}

impl From<BadAddress> for Failure {
    fn from(bad: BadAddress) -> Self {
        Self::Inaccessible(bad)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tree { address, error } => write!(
                out,
                "QEMU's device tree, at {address:#x} according to r3, cannot be read: {error}.\n\
                 The firmware must be started by QEMU's pseries machine: qemu-system-ppc64 \
                 -machine pseries -bios oxrtas.bin"
            ),
            Self::Missing(what) => write!(
                out,
                "QEMU's device tree has no {what}.\n\
                 The firmware must be started by QEMU's pseries machine: qemu-system-ppc64 \
                 -machine pseries -bios oxrtas.bin"
            ),
            Self::Fact(error) => error.fmt(out),
            Self::Promise(error) => write!(
                out,
                "The promise of this image cannot be published: {error}.\n\
                 Build it again: cargo xtask build"
            ),
            Self::RtasNode(error) => error.fmt(out),
            Self::TooLittleMemory { found, needed } => write!(
                out,
                "There are {} MiB of memory at address 0 and at least {} MiB are needed.\n\
                 Give the machine more memory: -m 512 (with -numa: to node 0)",
                found / MIB,
                needed / MIB
            ),
            Self::NoKernel { has_boot_list } => {
                out.write_str(
                    "There is no kernel.\n\
                     Name one: -kernel FILE, and as it needs them -initrd FILE and -append \
                     ARGUMENTS. FILE is an ELF image for PowerPC of either byte order: vmlinux, \
                     zImage.pseries, GRUB's core image (that \
                     with -machine pseries,kernel-addr=0)",
                )?;
                if *has_boot_list {
                    out.write_str(
                        ".\nDevices (-boot, bootindex=, -drive, -cdrom) are not booted from",
                    )?;
                }
                Ok(())
            }
            Self::KernelOutsideMemory(range, end) => write!(
                out,
                "The kernel lies at {:#x} to {:#x} and memory ends at {end:#x}.\n\
                 Give the machine more memory: -m",
                range.start, range.end
            ),
            Self::InitrdOutsideMemory(range, end) => write!(
                out,
                "The initrd lies at {:#x} to {:#x} and memory ends at {end:#x}.\n\
                 Give the machine more memory (-m) or a smaller initrd (-initrd)",
                range.start, range.end
            ),
            Self::Overlap { what, range, over } => write!(
                out,
                "{}, at {:#x} to {:#x}, overlaps {}.\n\
                 Link the kernel (-kernel) for other addresses, give a smaller initrd (-initrd) or \
                 more memory (-m)",
                what.name(),
                range.start,
                range.end,
                over.name()
            ),
            Self::NotAProgram { address, error } => {
                write!(
                    out,
                    "What -kernel loaded at {address:#x} cannot be started: "
                )?;
                match error {
                    NotAProgram::Unreadable => out.write_str("it is not in memory")?,
                    NotAProgram::Empty => {
                        out.write_str("there are zeros where its first instruction should be")?;
                    }
                    NotAProgram::OtherMachine(machine) => {
                        write!(out, "its ELF header is for machine {machine}, not PowerPC")?;
                    }
                    NotAProgram::BadHeader => out.write_str("its ELF header is damaged")?,
                    NotAProgram::EntryOutside => {
                        out.write_str("the entry in its ELF header is not within the image")?;
                    }
                }
                out.write_str(
                    ".\nName an ELF image for PowerPC: -kernel vmlinux (a compressed vmlinuz of \
                     another architecture, a raw image or a shared object does not do)",
                )
            }
            Self::RtasTooLarge => out.write_str(
                "RTAS would need more than 256 MiB for this many processors.\n\
                 Start the machine with fewer: -smp N,maxcpus=N",
            ),
            Self::NoRoom {
                purpose,
                size,
                error,
            } => write!(
                out,
                "No room for {purpose}, {size:#x} bytes ({error:?}).\n\
                 Give the machine more memory: -m"
            ),
            Self::Inaccessible(bad) => write!(
                out,
                "The {:#x} bytes of memory at {:#x}, which the device tree says are there, cannot \
                 be used.\n\
                 Give the machine more memory (-m) or load the kernel elsewhere",
                bad.length, bad.address
            ),
            Self::TreeLimit(what) => write!(
                out,
                "The device tree cannot be completed: {what}.\n\
                 Start the machine with fewer processors and devices"
            ),
        }
    }
}
