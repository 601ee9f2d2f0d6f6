//! The command line.

use crate::build::Promise;
use crate::defaults;
use crate::partition::Partition;
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything that a developer or CI runs on oxrtas.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
#[command(after_help = "\
Examples:
  cargo xtask qemu               boot Debian's Linux 6.1 on oxrtas, up to a shell
  cargo xtask test               all tests, those of .ci/run
  cargo xtask qemu-crash --list  the crash scenarios

Exit codes: 0 success, 1 a failure (of a test, a build or a guest), 2 a wrong command line,
3 something is missing that only you can install (the command to run is printed).")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Install what the other commands need, and fetch kernels and programs for the guest
    #[command(after_help = "\
Examples:
  cargo xtask setup          install and fetch what is missing; says so when nothing is
  cargo xtask setup --check  only say what is missing; exit code 3 when something is

Host packages are installed through apt, as root or with a sudo that asks no password. Kernels and
guest programs are only unpacked, below $XDG_CACHE_HOME/oxrtas (or ~/.cache/oxrtas).")]
    Setup(SetupArgs),
    /// Build the firmware image and check it
    #[command(after_help = "\
Examples:
  cargo xtask build                        target/oxrtas.bin and what belongs to it
  cargo xtask build --promise claimed      after a change of the blob, before its proof
  qemu-system-ppc64 -M pseries -bios target/oxrtas.bin -nographic -kernel vmlinux

The build fails where the promise that the image makes in the device tree is not proved for its blob
(rtas/crash-points.json). Other promises, other images: oxrtas-claimed and oxrtas-silent, which the
other commands take as --firmware.

Outputs: target/oxrtas.bin (the image that QEMU loads with -bios), target/rtas.bin (the RTAS blob
that is embedded in it), target/oxrtas.elf and target/rtas.elf (both with symbols, for gdb).")]
    Build(BuildArgs),
    /// Build a small Linux kernel with the patches of tests/linux
    #[command(after_help = "\
Examples:
  cargo xtask kernel                               target/kernel/vmlinux, a patched 6.12
  cargo xtask kernel --version 6.1
  cargo xtask qemu --kernel target/kernel/vmlinux  boot it

Debian's source, below $XDG_CACHE_HOME/oxrtas (or ~/.cache/oxrtas) with what is built of it: 2 GB a
version. The compiler and what else the kernel's build needs are installed when missing.")]
    Kernel(KernelArgs),
    /// Write the documents that are made from the call table
    #[command(after_help = "\
Examples:
  cargo xtask docs          write docs/calls.md and docs/binding/oxrtas,rtas.yaml
  cargo xtask docs --check  only say which of them are out of date")]
    Docs(DocsArgs),
    /// Boot a kernel in QEMU, up to a shell
    #[command(after_help = "\
Examples:
  cargo xtask qemu                                      a shell on Linux 6.1, on oxrtas
  cargo xtask qemu --no-shell                           print a summary and power off
  cargo xtask qemu --kernel 6.12 --qemu 10.0 --cpu power10 --ic-mode xive --smp 16
  cargo xtask qemu --firmware slof --smp 2,maxcpus=8    the same guest on SLOF
  cargo xtask qemu --device virtio --device rng         disk, network and random numbers
  cargo xtask qemu --gdb --no-shell                     wait for gdb on port 1234
  cargo xtask qemu --dry-run                            print QEMU's command line
  cargo xtask qemu -- -monitor telnet::4444,server,nowait   more arguments for QEMU

Leave the shell with `poweroff`, or end QEMU with Ctrl-a x.")]
    Qemu(QemuArgs),
    /// Crash a kernel in QEMU and check the dump that its kdump kernel takes
    #[command(after_help = "\
Examples:
  cargo xtask qemu-crash                         every scenario, on oxrtas
  cargo xtask qemu-crash --list                  their names
  cargo xtask qemu-crash --scenario sysrq-c --firmware slof --kernel 6.12
  cargo xtask qemu-crash --scenario frozen/ --kernel patched --firmware oxrtas-claimed
  cargo xtask qemu-crash --scenario frozen/ --kernel patched --repeat 100

Where a processor is held inside RTAS, the same is run with it held outside, and a patched kernel is
also run on SLOF and on oxrtas without its lists, where it has to hang.")]
    QemuCrash(QemuCrashArgs),
    /// Let a processor die at every instruction of every RTAS call, and another one crash
    #[command(after_help = "\
Examples:
  cargo xtask crash-points                     all units; goes on where it was broken off
  cargo xtask crash-points --list              their names
  cargo xtask crash-points --only walk/ibm,int-off
  cargo xtask crash-points --only walk/ibm,int-off/masked/32 --at 123   one point again
  cargo xtask crash-points --partition 2/3     a third of it; then, on one machine:
  cargo xtask crash-points --record --no-run --merge two.json --merge three.json
  cargo xtask crash-points --broken lock --only walk/ibm,int-off/masked/32   must fail

What was done is kept below target/crash-points, one file for each blob, seed and share. A record is
written only of a complete run that passed.")]
    CrashPoints(CrashPointsArgs),
    /// Measure boots, calls, crashes and sizes, beside those of other firmware
    #[command(after_help = "\
Examples:
  cargo xtask bench --rounds 1               everything once, on oxrtas, SLOF and VOF
  cargo xtask bench calls --qemu 10.0        only RTAS calls
  cargo xtask bench size --firmware oxrtas
  cargo xtask bench --save target/before.json
  cargo xtask bench --against target/before.json

The firmwares run in turn, round by round; a figure is the median, with the lowest and the highest.
Instructions of the guest are counted once, by QEMU's -icount, and are the same each time. Seconds
are the host's: compare the ratios, and only those of one run. Plots are in target/bench/.")]
    Bench(BenchArgs),
    /// Ask a firmware what LoPAR asks for, requirement by requirement
    #[command(after_help = "\
Examples:
  cargo xtask conformance                             oxrtas, SLOF and VOF side by side
  cargo xtask conformance --run four-processors       the run with most checks alone, in a minute
  cargo xtask conformance --firmware oxrtas --only xive --qemu 10.0
  cargo xtask conformance --firmware my.bin --as oxrtas   with what is known of oxrtas
  cargo xtask conformance --firmware oxrtas --run stress
  cargo xtask conformance --firmware oxrtas --run fuzz    a million random calls
  cargo xtask conformance --firmware oxrtas --run fuzz-32 the third of them by 32-bit cells
  cargo xtask conformance --html target/conformance.html
  cargo xtask conformance --list                      the requirements and their checks")]
    Conformance(ConformanceArgs),
    /// Break the firmware, one requirement at a time, and see that the conformance guest notices
    #[command(after_help = "\
Examples:
  cargo xtask mutants                          every mutant, with the checks that noticed
  cargo xtask mutants --list                   their names and what each of them breaks
  cargo xtask mutants --only xive              those with this in their name or requirement
  cargo xtask mutants --record                 write tests/catalogue/proved.tsv

Mutants are small changes of the sources (tests/mutants), made in a copy below target/mutants. One
that no check of its requirement notices fails: then the check is to be mended.")]
    Mutants(MutantsArgs),
    /// Run programs that others wrote to use RTAS, and compare what they print
    #[command(after_help = "\
Examples:
  cargo xtask users                              on oxrtas and on SLOF, side by side
  cargo xtask users --firmware oxrtas --only drmgr
  cargo xtask users --list                       what is known to fail and to differ, and why

powerpc-utils, drmgr, lsvpd, rtas_errd and Linux' selftests, each in a guest of its own. What they
printed is in target/users. Tests `users/...` of `cargo xtask test` are the same on one firmware.")]
    Users(UsersArgs),
    /// Run all tests: on the host, of the build, and in QEMU
    #[command(after_help = "\
Examples:
  cargo xtask test                     what CI runs: a pairwise selection of the QEMU matrix
  cargo xtask test --full              every combination of the matrix
  cargo xtask test --only clippy       only tests whose name contains `clippy`
  cargo xtask test --only qemu/6.12 --firmware slof
  cargo xtask test --list              the names
  cargo xtask test --junit target/junit.xml

The last line of the output is `N passed, N failed, N skipped`.")]
    Test(TestArgs),
}

/// Options of `cargo xtask setup`.
#[derive(Args, Debug)]
pub struct SetupArgs {
    /// Only say what is missing
    #[arg(long)]
    pub check: bool,
}

/// Options of `cargo xtask build`.
#[derive(Args, Debug)]
pub struct BuildArgs {
    /// What the image promises in the device tree
    #[arg(long, value_enum, default_value = "proved")]
    pub promise: Promise,
}

/// Options of `cargo xtask docs`.
#[derive(Args, Debug)]
pub struct DocsArgs {
    /// Only say which of them are out of date
    #[arg(long)]
    pub check: bool,
}

/// Options of `cargo xtask kernel`.
#[derive(Args, Debug)]
pub struct KernelArgs {
    /// The version: 6.1, 6.12, or 7.2 (from Debian's unstable)
    #[arg(long, value_name = "VERSION", default_value = defaults::PATCHED_KERNEL.name())]
    pub version: String,
    /// Only see whether the patches fit, and what the version's checkpatch says; build nothing
    #[arg(long)]
    pub check: bool,
}

/// The machine that QEMU emulates and what runs on it.
#[derive(Args, Clone, Debug)]
pub struct MachineArgs {
    /// Firmware: oxrtas (or oxrtas-claimed, -silent: other promises), slof, vof, or an image's file
    #[arg(long, value_name = "NAME|FILE", default_value = defaults::FIRMWARE)]
    pub firmware: String,
    /// Kernel: 6.1, 6.12 or 7.2 (Debian's), patched (or patched-6.1, ...), or the file of one
    #[arg(long, value_name = "VERSION|FILE", default_value = defaults::KERNEL)]
    pub kernel: String,
    /// QEMU: 7.2 (installed), 10.0 (from backports, unpacked beside it), or a binary
    #[arg(long, value_name = "VERSION|FILE", default_value = defaults::QEMU)]
    pub qemu: String,
    /// Processor model: power8, power9, power10, or any that QEMU knows
    #[arg(long, value_name = "MODEL", default_value = defaults::CPU)]
    pub cpu: String,
    /// Interrupt controller mode
    #[arg(long, value_enum, default_value = defaults::IC_MODE)]
    pub ic_mode: IcMode,
    /// Processors, as QEMU's -smp takes them: `4`, or `2,maxcpus=8`
    #[arg(long, value_name = "N[,maxcpus=N]", default_value = defaults::SMP)]
    pub smp: String,
    /// Memory, as QEMU's -m takes it: `512M`, `8G`
    #[arg(long, value_name = "SIZE", default_value = defaults::MEMORY)]
    pub memory: String,
    /// Devices to add; may be given more than once
    #[arg(long = "device", value_enum, value_name = "PRESET")]
    pub devices: Vec<Device>,
}

/// Options of `cargo xtask qemu`.
#[derive(Args, Clone, Debug)]
pub struct QemuArgs {
    /// The machine.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Initial file system, instead of the one that is made of Debian's busybox
    #[arg(long, value_name = "FILE")]
    pub initramfs: Option<PathBuf>,
    /// Words to add to the kernel's command line
    #[arg(long, value_name = "WORDS")]
    pub append: Option<String>,
    /// Start halted and wait for gdb on this TCP port of the local host
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = defaults::GDB_PORT)]
    pub gdb: Option<u16>,
    /// Print QEMU's command line and do not run it
    #[arg(long)]
    pub dry_run: bool,
    /// Print a summary of the guest and power off, instead of a shell
    #[arg(long)]
    pub no_shell: bool,
    /// Time limit of a run without a shell, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = defaults::TIMEOUT_SECONDS)]
    pub timeout: u64,
    /// More arguments for QEMU
    #[arg(last = true, value_name = "QEMU ARGUMENTS")]
    pub extra: Vec<String>,
}

/// Options of `cargo xtask qemu-crash`. The rest of the machine is part of a scenario.
#[derive(Args, Clone, Debug)]
pub struct QemuCrashArgs {
    /// Firmware: oxrtas (or oxrtas-claimed, -silent: other promises), slof, vof, or an image's file;
    /// may be given more than once, like the next two
    #[arg(long, value_name = "NAME|FILE", default_values = [defaults::FIRMWARE])]
    pub firmware: Vec<String>,
    /// Kernel, which is also the kdump kernel: 6.1, 6.12 or 7.2 (Debian's), patched, patched-6.1,
    /// patched-6.12 or patched-7.2 (built when it is not in the cache)
    #[arg(long, value_name = "VERSION", default_values = [defaults::KERNEL])]
    pub kernel: Vec<String>,
    /// QEMU: 7.2 (installed), 10.0 (from backports, unpacked beside it), or a binary
    #[arg(long, value_name = "VERSION|FILE", default_values = [defaults::QEMU])]
    pub qemu: Vec<String>,
    /// Processor model: power8, power9, power10, or any that QEMU knows
    #[arg(long, value_name = "MODEL", default_value = defaults::CPU)]
    pub cpu: String,
    /// Only scenarios whose name contains this
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
    /// Only what is asked for, without the controls that belong to it
    #[arg(long)]
    pub no_controls: bool,
    /// Run each scenario that is asked for so many times
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub repeat: u32,
    /// Only list the scenarios
    #[arg(long)]
    pub list: bool,
    /// How the results are reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Options of `cargo xtask crash-points`.
#[derive(Args, Clone, Debug)]
pub struct CrashPointsArgs {
    /// Only units whose name contains this, or the one that is called so
    #[arg(long, value_name = "PATTERN")]
    pub only: Option<String>,
    /// Only this point of the unit: the instruction of a walk, from 0
    #[arg(long, value_name = "N", requires = "only")]
    pub at: Option<usize>,
    /// Only so many points of each unit, by sampling; nothing is kept of it
    #[arg(long, value_name = "N", conflicts_with_all = ["at", "record"])]
    pub sample: Option<usize>,
    /// Only a share of the units, to spread a run over machines: `2/3` is the second of three
    #[arg(long, value_name = "I/N")]
    pub partition: Option<Partition>,
    /// Only list the units
    #[arg(long)]
    pub list: bool,
    /// The seed of all sampling
    #[arg(long, value_name = "N", default_value_t = defaults::SEED)]
    pub seed: u64,
    /// Run units again that passed before
    #[arg(long)]
    pub fresh: bool,
    /// Add what another machine did: its file below target/crash-points
    #[arg(long, value_name = "FILE")]
    pub merge: Vec<PathBuf>,
    /// Write rtas/crash-points.json, if everything was run and passed
    #[arg(long)]
    pub record: bool,
    /// Run nothing; only merge and record
    #[arg(long, requires = "record")]
    pub no_run: bool,
    /// Break something on purpose: the run must fail
    #[arg(long, value_enum, value_name = "WHAT")]
    pub broken: Option<Broken>,
    /// Firmware: oxrtas, slof, vof, or the file of an image for `-bios`
    #[arg(long, value_name = "NAME|FILE", default_value = defaults::FIRMWARE)]
    pub firmware: String,
    /// QEMU: 7.2 (installed), 10.0 (from backports, unpacked beside it), or a binary
    #[arg(long, value_name = "VERSION|FILE", default_value = defaults::QEMU)]
    pub qemu: String,
    /// How the results are reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// What crash-points can break, to show that it sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Broken {
    /// The guest makes all calls under one lock, as Linux does
    Lock,
    /// The crash path leaves one source out
    LeaveOne,
}

/// Options of `cargo xtask bench`.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// What to measure; everything if nothing is named
    #[arg(value_enum, value_name = "GROUP")]
    pub groups: Vec<BenchGroup>,
    /// Firmware: oxrtas, slof, vof, or the file of an image; may be given more than once. The first
    /// one is compared with the others
    #[arg(long, value_name = "NAME|FILE", default_values = ["oxrtas", "slof", "vof"])]
    pub firmware: Vec<String>,
    /// QEMU: 7.2 (installed), 10.0 (from backports, unpacked beside it), or a binary
    #[arg(long, value_name = "VERSION|FILE", default_value = defaults::QEMU)]
    pub qemu: String,
    /// Kernel that is booted and crashed: 6.1 or 6.12 (Debian's)
    #[arg(long, value_name = "VERSION", default_value = defaults::KERNEL)]
    pub kernel: String,
    /// How often everything is timed
    #[arg(long, value_name = "N", default_value_t = defaults::BENCH_ROUNDS,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Print the figures as JSON, instead of tables
    #[arg(long)]
    pub json: bool,
    /// Also keep the figures in this file, for --against
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Compare with the figures of this file, which --save wrote
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
}

/// What `cargo xtask bench` measures.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum BenchGroup {
    /// From reset to the hand-over, through the client interface, to user space
    Boot,
    /// RTAS calls, alone and by many processors at once
    Calls,
    /// Masking all interrupts, and the way to the kdump kernel
    Crash,
    /// The image, the blob, the RTAS area, stacks
    Size,
}

impl BenchGroup {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Boot, Self::Calls, Self::Crash, Self::Size];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Calls => "calls",
            Self::Crash => "crash",
            Self::Size => "size",
        }
    }
}

/// Options of `cargo xtask conformance`.
#[derive(Args, Clone, Debug)]
pub struct ConformanceArgs {
    /// Firmware: oxrtas, slof, vof, or the file of an image; may be given more than once
    #[arg(long, value_name = "NAME|FILE", default_values = ["oxrtas", "slof", "vof"])]
    pub firmware: Vec<String>,
    /// QEMU: 7.2 (installed), 10.0 (from backports, unpacked beside it), or a binary; may be given
    /// more than once
    #[arg(long, value_name = "VERSION|FILE", default_values = [defaults::QEMU])]
    pub qemu: Vec<String>,
    /// Only this run of the guest (tests/src/runs.rs), not all that say something of the firmware
    #[arg(long, value_name = "NAME")]
    pub run: Option<String>,
    /// What an image given by its file is judged as: oxrtas, slof or vof. Otherwise nothing is known to
    /// fail, and it deviates from nothing on purpose
    #[arg(long = "as", value_name = "NAME")]
    pub judged_as: Option<String>,
    /// Only requirements whose number, function or check contains this: in what is shown and written,
    /// and in the exit code
    #[arg(long, value_name = "KEY")]
    pub only: Option<String>,
    /// Only list the requirements with their checks, and what is known to fail
    #[arg(long)]
    pub list: bool,
    /// Print the results in the Test Anything Protocol instead of a table
    #[arg(long, conflicts_with = "json")]
    pub tap: bool,
    /// Also write the results to this file, as a page that sets the firmwares side by side
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// How the results are reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Options of `cargo xtask mutants`.
#[derive(Args, Clone, Debug)]
pub struct MutantsArgs {
    /// Only mutants whose name, requirement or run contains this, or one of these; may be repeated
    #[arg(long, value_name = "PATTERN")]
    pub only: Vec<String>,
    /// Only a share of them, to spread a run over machines: `2/3` is the second of three
    #[arg(long, value_name = "I/N")]
    pub partition: Option<Partition>,
    /// Only list them
    #[arg(long)]
    pub list: bool,
    /// Write what was caught to tests/catalogue/proved.tsv; the lines of what was not run stay
    #[arg(long)]
    pub record: bool,
    /// QEMU: 7.2 (installed), 10.0 (from backports, unpacked beside it), or a binary
    #[arg(long, value_name = "VERSION|FILE", default_value = defaults::QEMU)]
    pub qemu: String,
    /// How the results are reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Options of `cargo xtask users`.
#[derive(Args, Clone, Debug)]
pub struct UsersArgs {
    /// Firmware: oxrtas, slof, vof, or the file of an image; each is compared with the first
    #[arg(long, value_name = "NAME|FILE", default_values = ["oxrtas", "slof"])]
    pub firmware: Vec<String>,
    /// Only users whose name contains this
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,
    /// Only list what is known to fail and to differ
    #[arg(long)]
    pub list: bool,
    /// How the results are reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// How results are reported.
#[derive(Args, Clone, Debug, Default)]
pub struct ReportArgs {
    /// Also write the results to this file, in JUnit's format
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print the results as JSON, one object a line, instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Options of `cargo xtask test`.
#[derive(Args, Clone, Debug)]
pub struct TestArgs {
    /// Every combination of the QEMU matrix instead of a pairwise selection
    #[arg(long)]
    pub full: bool,
    /// Only tests whose name contains this
    #[arg(long, value_name = "PATTERN")]
    pub only: Option<String>,
    /// Only list the tests
    #[arg(long)]
    pub list: bool,
    /// Firmware that the QEMU tests boot: oxrtas, slof or vof
    #[arg(long, value_name = "NAME|FILE", default_value = defaults::FIRMWARE)]
    pub firmware: String,
    /// How the results are reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// How the machine's interrupt controller presents itself: QEMU's `ic-mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum IcMode {
    /// XICS only.
    Xics,
    /// XIVE only.
    Xive,
    /// Whatever the kernel asks for.
    Dual,
}

impl IcMode {
    /// QEMU's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xics => "xics",
            Self::Xive => "xive",
            Self::Dual => "dual",
        }
    }
}

/// Devices that a machine may have beside console, timer and a small NVRAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Device {
    /// A disk and a network interface on the PCI bus
    Virtio,
    /// A disk on the virtual SCSI adapter
    Vscsi,
    /// NVRAM that is kept in a file
    Nvram,
    /// Random numbers through H_RANDOM
    Rng,
}

impl Device {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Virtio => "virtio",
            Self::Vscsi => "vscsi",
            Self::Nvram => "nvram",
            Self::Rng => "rng",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples_in_its_help() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string);
            let shown = help.is_some_and(|text| text.contains("Examples:"));
            assert!(shown, "{} has no examples", command.get_name());
        }
    }

    #[test]
    fn gdb_takes_a_port_or_none() {
        let port = |line: &[&str]| match Cli::parse_from(line).command {
            Command::Qemu(arguments) => arguments.gdb,
            _ => None,
        };
        assert_eq!(port(&["xtask", "qemu"]), None);
        assert_eq!(port(&["xtask", "qemu", "--gdb"]), Some(1234));
        assert_eq!(port(&["xtask", "qemu", "--gdb", "4000"]), Some(4000));
    }
}
