//! Hypercalls (numbers and convention: [`rtas_abi::hcall`]).

use alloc::vec::Vec;

use rtas_abi::hcall::H_RTAS;

use super::memory;

/// A hypercall with up to six arguments: the status and r4.
pub fn call(number: u64, arguments: &[u64]) -> (i64, u64) {
    let argument = |index: usize| arguments.get(index).copied().unwrap_or(0);
    let status: i64;
    let value: u64;
    // SAFETY: the hypercalls of this guest touch memory only where `memory` allows it, and all
    // registers that a hypercall may change are declared.
    unsafe {
        core::arch::asm!(
            "sc 1",
            inlateout("r3") number => status,
            inlateout("r4") argument(0) => value,
            inlateout("r5") argument(1) => _,
            inlateout("r6") argument(2) => _,
            inlateout("r7") argument(3) => _,
            inlateout("r8") argument(4) => _,
            inlateout("r9") argument(5) => _,
            out("r0") _, out("r10") _, out("r11") _, out("r12") _,
            out("ctr") _, out("xer") _, out("lr") _,
            out("cr0") _, out("cr1") _, out("cr5") _, out("cr6") _, out("cr7") _,
            options(nostack)
        );
    }
    (status, value)
}

core::arch::global_asm!(
    r#"
    .text
    // What a call into RTAS can be compared with, entered as RTAS is: r3 = argument buffer.
    .balign 16
    .globl  returns_at_once
returns_at_once:
    blr
    // Hands the buffer to the hypervisor and does nothing else.
    .balign 16
    .globl  hands_over
hands_over:
    mr      4, 3
    li      3, 0
    ori     3, 3, {h_rtas}
    sc      1
    blr
"#,
    h_rtas = const H_RTAS,
);

unsafe extern "C" {
    static returns_at_once: u8;
    static hands_over: u8;
}

/// The address of an rtas-call that does nothing.
pub fn no_rtas() -> u64 {
    &raw const returns_at_once as u64
}

/// The address of the shortest rtas-call: one hypercall.
pub fn shortest_rtas() -> u64 {
    &raw const hands_over as u64
}

/// An RTAS call straight to the hypervisor, past the RTAS under test: the output cells. The buffer
/// is this call's own, in [`memory::scratch`], and longer than the 88 bytes that KVM copies both
/// ways for some calls.
pub fn rtas(token: u32, inputs: &[u32], outputs: usize) -> Vec<u32> {
    let buffer = memory::Scratch::new(256, 256);
    let cells = [token, inputs.len() as u32, outputs as u32];
    let mut at = buffer.address;
    for cell in cells.iter().chain(inputs) {
        memory::write_u32(at, *cell);
        at += 4;
    }
    for index in 0..outputs as u64 {
        memory::write_u32(at + 4 * index, 0xdead_0000 | index as u32);
    }
    call(H_RTAS, &[buffer.address]);
    (0..outputs as u64)
        .map(|index| memory::read_u32(at + 4 * index))
        .collect()
}
