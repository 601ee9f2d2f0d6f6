//! Hypercalls of the pseries machine (LoPAR 14.5.4; the 0xf000 range is QEMU's own).
//!
//! Convention: `sc 1`, opcode in r3, arguments in r4..r12; status in r3, outputs from r4 on.
//! Volatile: r0, r3-r12, CTR, XER, CR0, CR1, CR5-CR7. Kept: r1, r2, r13-r31, LR, CR2-CR4.

/// `H_SIGNAL_SYS_RESET`: r4 = vcpu id, or -1 all, -2 all but the caller.
pub const H_SIGNAL_SYS_RESET: u64 = 0x380;
/// `H_GET_TERM_CHAR`: r4 = terminal; out r4 = byte count, r5 and r6 = 16 bytes, big endian.
pub const H_GET_TERM_CHAR: u64 = 0x54;
/// `H_PUT_TERM_CHAR`: r4 = terminal (0: the default one), r5 = byte count (at most 16), r6 and
/// r7 = the bytes, big endian.
pub const H_PUT_TERM_CHAR: u64 = 0x58;
/// `H_CEDE`: wait for an interrupt. Sets MSR\[EE\].
pub const H_CEDE: u64 = 0xe0;
/// `H_RTAS` (QEMU, `hw/ppc/spapr_hcall.c:h_rtas`): r4 = real address of an argument buffer of
/// 32-bit big-endian cells.
pub const H_RTAS: u64 = 0xf000;
/// `H_LOGICAL_MEMOP` (QEMU): r4 = destination, r5 = source, r6 = log2 of the element size,
/// r7 = count, r8 = operation (0 copies, 1 inverts).
pub const H_LOGICAL_MEMOP: u64 = 0xf001;
/// `H_CAS` (QEMU): r4 = vector, r5 = buffer, r6 = buffer size in bytes.
pub const H_CAS: u64 = 0xf002;
/// `H_UPDATE_DT` (QEMU): r4 = real address of a flat tree.
pub const H_UPDATE_DT: u64 = 0xf003;

/// Status of a hypercall that did what was asked.
pub const H_SUCCESS: i64 = 0;
/// Status: the hypervisor failed.
pub const H_HARDWARE: i64 = -1;
/// Status: there is no such hypercall.
pub const H_FUNCTION: i64 = -2;
/// Status: an argument is wrong.
pub const H_PARAMETER: i64 = -4;
