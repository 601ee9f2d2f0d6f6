//! What a command uses where the command line says nothing: one place, used nowhere but in
//! [`crate::cli`] and in the tables of cases.

use crate::debian::KernelVersion;

/// The Debian kernel that is booted.
pub const KERNEL: &str = "6.1";
/// The version that `cargo xtask kernel` patches and builds; `--kernel patched` is that one.
pub const PATCHED_KERNEL: KernelVersion = KernelVersion::V6_12;
/// The QEMU that runs it.
pub const QEMU: &str = "7.2";
/// The processor model, one that both QEMU versions and both kernels run.
pub const CPU: &str = "power9";
/// The interrupt mode; `dual` leaves the choice to the kernel, as QEMU's own default does.
pub const IC_MODE: &str = "dual";
/// QEMU's `-smp`.
pub const SMP: &str = "2";
/// QEMU's `-m`.
pub const MEMORY: &str = "2G";
/// The firmware under test.
pub const FIRMWARE: &str = "oxrtas";
/// The run of the conformance guest: the one that has every check.
pub const GUEST_RUN: &str = "four-processors";
/// The port that `--gdb` listens on when it names none.
pub const GDB_PORT: &str = "1234";
/// The seed of what crash-points samples.
pub const SEED: u64 = 1;
/// Seconds that a machine without an interactive shell may run.
pub const TIMEOUT_SECONDS: u64 = 120;
/// QEMU processes that `cargo xtask test` runs at the same time.
pub const PARALLEL_RUNS: usize = 2;
/// Rounds of `cargo xtask bench`: what a median of wall-clock times needs.
pub const BENCH_ROUNDS: u32 = 9;
