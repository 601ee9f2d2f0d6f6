//! A handler for `ibm,nmi-register`, and a loop for a processor to be interrupted in.

use core::mem::offset_of;

use super::gate::Gate;

core::arch::global_asm!(
    r#"
    .text
    // The hypervisor keeps r3 at the address in r3, for system resets as for machine checks (QEMU,
    // hw/ppc/spapr.c:spapr_do_system_reset_on_cpu). That address goes to the gate, and the vector
    // does the rest.
    .globl  fwnmi_handler
    .balign 16
fwnmi_handler:
    mtspr   274, 3
    mfspr   3, 275
    std     4, {trap_r4}(3)
    mfspr   4, 274
    std     4, {r3}(3)
    ld      4, {trap_r4}(3)
    mfspr   3, 274
    ld      3, 0(3)
    ba      0x100

    // fwnmi_loop(r3): turns round, counting at 8(r3), until the cell at r3 is not 0. Uses r5 and CR0.
    .globl  fwnmi_loop
    .balign 16
fwnmi_loop:
    ld      5, 8(3)
    addi    5, 5, 1
    std     5, 8(3)
    lwz     5, 0(3)
    cmpwi   5, 0
    beq     fwnmi_loop
    blr
"#,
    trap_r4 = const super::gate::TRAP_R4_OFFSET,
    r3 = const offset_of!(Gate, reset_r3),
);

unsafe extern "C" {
    static fwnmi_handler: u8;
    static fwnmi_loop: u8;
}

/// What to register.
pub fn handler_address() -> u64 {
    &raw const fwnmi_handler as u64
}

/// Where the loop begins.
pub fn loop_address() -> u64 {
    &raw const fwnmi_loop as u64
}

/// r3 as the handler was last entered with it on this gate's processor; 0 before.
pub fn r3(gate: &Gate) -> u64 {
    let r3 = &raw const gate.reset_r3;
    // SAFETY: a field of the gate; volatile, since the handler writes it.
    unsafe { r3.read_volatile() }
}
