//! The same call many times over, with as little as possible of the guest between two calls: for
//! measuring. The mode is changed once, before the first call, since each change of MSR costs an
//! emulator more than many calls do.

use super::gate::Gate;

core::arch::global_asm!(
    r#"
    .text
    // repeat_calls(r3 = entry, r4 = first buffer, r5 = stride, r6 = r4 of the calls, r7 = calls,
    // r8 = MSR of the calls): an ordinary function. The callee keeps r1, r2 and r13 to r31, as
    // RTAS does (LoPAR R1-7.2.3-2); between two calls are eight instructions.
    .globl  repeat_calls
    .balign 16
repeat_calls:
    mflr    0
    std     0, 16(1)
    stdu    1, -96(1)
    std     27, 40(1)
    std     28, 48(1)
    std     29, 56(1)
    std     30, 64(1)
    std     31, 72(1)
    mfmsr   0
    std     0, 80(1)
    mr      31, 3
    mr      30, 4
    mr      29, 5
    mr      28, 6
    mr      27, 7
    mtmsrd  8
    isync
1:  mr      3, 30
    mr      4, 28
    mtctr   31
    bctrl
    add     30, 30, 29
    addi    27, 27, -1
    cmpwi   27, 0
    bne     1b
    ld      0, 80(1)
    mtmsrd  0
    isync
    ld      27, 40(1)
    ld      28, 48(1)
    ld      29, 56(1)
    ld      30, 64(1)
    ld      31, 72(1)
    addi    1, 1, 96
    ld      0, 16(1)
    mtlr    0
    blr

    // Sixteen instructions a round, and three; the first cell of the buffer is the number of
    // rounds. No memory is written, and no mode is changed.
    .globl  plain_instructions
    .balign 16
plain_instructions:
    lwz     5, 0(3)
    mtctr   5
2:
    .rept   15
    addi    6, 6, 1
    .endr
    bdnz    2b
    blr
"#
);

unsafe extern "C" {
    fn repeat_calls(entry: u64, buffer: u64, stride: u64, r4: u64, calls: u64, msr: u64);
    static plain_instructions: u8;
}

/// Calls something that is entered as RTAS is (r3 = argument buffer, r4).
#[derive(Clone, Copy, Debug)]
pub struct Repeat {
    /// Where it is entered.
    pub entry: u64,
    /// The argument buffer of the first call, ready.
    pub buffer: u64,
    /// Bytes from the buffer of one call to that of the next; 0 for always the same.
    pub stride: u64,
    /// r4 of each call.
    pub r4: u64,
    /// MSR of each call.
    pub msr: u64,
}

impl Repeat {
    /// Makes `calls` calls, at least one. The gate is not used, but who has one is a processor of
    /// its own, with a stack and SPRG3 set.
    pub fn run(&self, _gate: &mut Gate, calls: u32) {
        // SAFETY: the assembly keeps what the ABI wants kept and writes nothing but its frame; the
        // callee is the firmware under test or one of ours, and what it breaks is its verdict.
        unsafe {
            repeat_calls(
                self.entry,
                self.buffer,
                self.stride,
                self.r4,
                calls.max(1).into(),
                self.msr,
            )
        }
    }
}

/// The address of something that executes plain instructions only, and how many rounds make about
/// `instructions` of them.
pub fn plain(instructions: u32) -> (u64, u32) {
    let rounds = instructions.saturating_sub(3).div_ceil(16).max(1);
    (&raw const plain_instructions as u64, rounds)
}
