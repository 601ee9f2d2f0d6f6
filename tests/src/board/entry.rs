//! From the firmware's jump to the first line of Rust.
//!
//! The timebase is read by the second instruction, to measure the time to the hand-over.
//!
//! Entry, on the boot processor: r3 = flat tree or initrd, r4 = anything, r5 = client interface
//! or 0; big endian, real mode, MSR\[SF\] 0 or 1; LR and the stack are not used. Until SF is set,
//! only instructions that do the same in both modes. Nothing of Rust runs before the relocations
//! are applied and the BSS is zero.

use crate::checks;

/// The registers that a firmware enters its client with.
#[derive(Clone, Copy, Debug)]
pub struct Entered {
    /// Real address of the flat tree, or of an initrd.
    pub r3: u64,
    /// Nothing that LoPAR defines.
    pub r4: u64,
    /// Entry of the client interface; 0 if there is none.
    pub r5: u64,
    /// The MSR.
    pub msr: u64,
    /// The timebase.
    pub timebase: u64,
}

core::arch::global_asm!(
    r#"
    .section .text.entry, "ax", @progbits
    .globl _start
_start:
    // 1. SF and RI set, ME as it was, all else off; keep the arguments. The upper halves mean nothing if
    //    the firmware entered in 32-bit mode, and addresses are below 4 GiB in any case.
    mfmsr   20
    mfspr   21, 268
    li      6, 1
    rldicr  6, 6, 63, 0
    andi.   7, 20, 0x1000
    or      6, 6, 7
    ori     6, 6, 2
    mtmsrd  6
    isync
    rldicl  17, 3, 0, 32
    rldicl  18, 4, 0, 32
    rldicl  19, 5, 0, 32
    // 2. Where are we? r12 = run-time address of here, r11 = run-time address minus link address.
    bcl     20, 31, .Lhere
.Lhere:
    mflr    12
    addi    11, 12, -(.Lhere - _start)
    lis     10, {link_high}
    subf    11, 10, 11
    ld      2, (.Ltoc - .Lhere)(12)
    add     2, 2, 12
    // 3. Apply the relocations: R_PPC64_RELATIVE (22) only; any other stops here.
    ld      4, (.Lrelocations_start - .Lhere)(12)
    add     4, 4, 12
    ld      5, (.Lrelocations_end - .Lhere)(12)
    add     5, 5, 12
2:  cmpld   4, 5
    bge     3f
    ld      6, 0(4)
    ld      7, 8(4)
    ld      8, 16(4)
    cmpdi   7, 22
    bne     9f
    add     8, 8, 11
    stdx    8, 6, 11
    addi    4, 4, 24
    b       2b
    // 4. Zero the BSS, 8 bytes at a time; the linker script aligns both ends.
3:  ld      4, (.Lbss_start - .Lhere)(12)
    add     4, 4, 12
    ld      5, (.Lbss_end - .Lhere)(12)
    add     5, 5, 12
    li      0, 0
4:  cmpld   4, 5
    bge     5f
    std     0, 0(4)
    addi    4, 4, 8
    b       4b
    // 5. The stack, and Rust.
5:  ld      1, (.Lstack - .Lhere)(12)
    add     1, 1, 12
    lis     5, {stack_size}@h
    ori     5, 5, {stack_size}@l
    add     1, 1, 5
    stdu    0, -64(1)
    mr      3, 17
    mr      4, 18
    mr      5, 19
    mr      6, 20
    mr      7, 21
    bl      {main}
    nop
    // A relocation that nobody expected: say so and stop.
9:  li      3, 0x58
    li      4, 0
    li      5, 16
    ld      6, (.Lmessage - .Lhere)(12)
    ld      7, (.Lmessage + 8 - .Lhere)(12)
    sc      1
8:  b       8b

    // Entry of another processor (LoPAR R1-7.3.8.2-3): r3 = its gate; the mode is what the
    // check of Table 7.47 looks at, so nothing relies on it.
    .balign 8
    .globl  secondary_start
secondary_start:
    mfmsr   5
    li      6, 1
    rldicr  6, 6, 63, 0
    andi.   7, 5, 0x1000
    or      6, 6, 7
    ori     6, 6, 2
    mtmsrd  6
    isync
    mr      4, 3
    rldicl  3, 3, 0, 32
    bcl     20, 31, .Lthere
.Lthere:
    mflr    12
    ld      2, (.Ltoc_secondary - .Lthere)(12)
    add     2, 2, 12
    ld      1, {stack}(3)
    li      0, 0
    stdu    0, -64(1)
    std     5, {start_msr}(3)
    std     4, {start_r3}(3)
    std     2, {host_toc}(3)
    std     6, {host_msr}(3)
    mtspr   275, 3
    bl      {secondary}
    nop
7:  b       7b

    .balign 8
.Ltoc:                 .quad .TOC. - .Lhere
.Ltoc_secondary:       .quad .TOC. - .Lthere
.Lrelocations_start:   .quad __relocations_start - .Lhere
.Lrelocations_end:     .quad __relocations_end - .Lhere
.Lbss_start:           .quad __bss_start - .Lhere
.Lbss_end:             .quad __bss_end - .Lhere
.Lstack:               .quad {boot_stack} - .Lhere
.Lmessage:             .ascii "bad relocation\r\n"
    .text
"#,
    link_high = const LINK_ADDRESS >> 16,
    main = sym start,
    secondary = sym super::processor::started,
    boot_stack = sym BOOT_STACK,
    stack_size = const STACK_SIZE,
    stack = const core::mem::offset_of!(super::gate::Gate, stack_top),
    start_msr = const core::mem::offset_of!(super::gate::Gate, start_msr),
    start_r3 = const core::mem::offset_of!(super::gate::Gate, start_r3),
    host_toc = const core::mem::offset_of!(super::gate::Gate, host_toc),
    host_msr = const core::mem::offset_of!(super::gate::Gate, host_msr),
);

/// Where the linker script puts `_start`.
const LINK_ADDRESS: u64 = 0x40_0000;

/// Size of the boot processor's stack, in bytes.
const STACK_SIZE: usize = 256 * 1024;

#[repr(C, align(128))]
struct Stack(core::cell::UnsafeCell<[u8; STACK_SIZE]>);

// SAFETY: only the entry code refers to it, as the stack of the one boot processor.
unsafe impl Sync for Stack {}

static BOOT_STACK: Stack = Stack(core::cell::UnsafeCell::new([0; STACK_SIZE]));

extern "C" fn start(r3: u64, r4: u64, r5: u64, msr: u64, timebase: u64) -> ! {
    super::heap::init();
    checks::run(Entered {
        r3,
        r4,
        r5,
        msr,
        timebase,
    })
}
