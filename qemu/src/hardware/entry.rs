//! The assembly on the boundaries of the firmware.
//!
//! Reset (QEMU `hw/ppc/spapr_cpu_core.c:spapr_cpu_set_entry_state`): NIP 0x100, r3 = flat tree, MSR
//! 0 (QEMU 7.2) or ME and FP (10.0): 32-bit, big-endian, real mode, no stack.
//!
//! ```text
//! 1. rfid to 64-bit mode with ME
//! 2. clear BSS (memory keeps what a previous boot left; the loader rewrites only the image)
//! 3. stack, TOC
//! 4. a handler for the system reset at 0x100 instead of this code, which a monitor `nmi` would
//!    otherwise start once more
//! 5. `boot`
//! ```
//!
//! Exceptions: no exception is expected while the firmware runs, so every vector reports and stops.
//! They stay in place for the client until it brings its own.
//!
//! Client interface: r3 = argument array; called in 32-bit or 64-bit mode on a stack that may be
//! anywhere. Kept: r1, r2, r13-r31 (all 64 bits), CR, LR and MSR; the rest is volatile (IEEE 1275
//! PowerPC binding 8.2.1; GRUB keeps nothing itself).

use core::arch::global_asm;
use core::cell::UnsafeCell;

use oxrtas::HandOver;
use oxrtas::board::HcallReturn;

/// QEMU's token of `ibm,os-term` (`include/hw/ppc/spapr.h`), for faults that come before the tree
/// was read or after it is of no use.
const OS_TERM_TOKEN: u32 = 0x201f;

global_asm!(
    r#"
    .section .vectors, "ax"
    .org    0x100
    .globl  _reset
_reset:
    b       reset_out_of_line

    # vector \at: r3 to SPRG2 (scratch, LoPAR 14.5.4.2), the vector's number to r3.
    .macro  vector at
    .org    \at
    mtsprg  2, 3
    li      3, \at
    b       exception_out_of_line
    .endm
    .org    0x180
system_reset:
    mtsprg  2, 3
    li      3, 0x100
    b       exception_out_of_line
    vector  0x200
    vector  0x300
    vector  0x380
    vector  0x400
    vector  0x480
    vector  0x500
    vector  0x600
    vector  0x700
    vector  0x800
    vector  0x900
    vector  0xa00
    vector  0xc00
    vector  0xd00
    vector  0xe00
    vector  0xe40
    vector  0xf00
    vector  0xf20
    vector  0xf40
    vector  0xf60

    # \to <- a symbol of the image, which lies below 2 GiB.
    .macro  address to, of
    lis     \to, (\of)@ha
    addi    \to, \to, (\of)@l
    .endm
    .macro  our_stack top
    address 1, \top
    addi    1, 1, -112
    li      0, 0
    std     0, 0(1)
    address 2, .TOC.
    .endm

    .section .text.entry, "ax"
reset_out_of_line:
    # 1.
    address 4, 2f
    mtsrr0  4
    li      4, 1
    rldicr  4, 4, 63, 0
    ori     4, 4, 0x1000
    mtsrr1  4
    rfid
2:
    # 2.
    rldicl  3, 3, 0, 32
    address 4, __bss_start
    address 5, __bss_end
    li      0, 0
3:
    cmpld   4, 5
    bge     4f
    std     0, 0(4)
    addi    4, 4, 8
    b       3b
4:
    # 3.
    our_stack __stack_top
    # 4. The branch at 0x100 gets the offset of the handler at 0x180.
    lis     4, 0x4800
    ori     4, 4, 0x80
    li      5, 0x100
    stw     4, 0(5)
    dcbst   0, 5
    sync
    icbi    0, 5
    sync
    isync
    # 5.
    bl      {boot}
    b       .

exception_out_of_line:
    # An interrupt sets SF and clears the rest that matters. r3 = vector, SPRG2 = r3.
    mr      9, 1
    our_stack __exception_stack_top
    mfsrr0  4
    mfsrr1  5
    mfdar   6
    mfdsisr 7
    mflr    8
    mfsprg  10, 2
    addi    1, 1, -64
    std     4, 32(1)
    std     5, 40(1)
    std     6, 48(1)
    std     7, 56(1)
    std     8, 64(1)
    std     9, 72(1)
    std     10, 80(1)
    addi    4, 1, 32
    addi    1, 1, -64
    li      0, 0
    std     0, 0(1)
    bl      {exception}
    b       .

    .globl  oxrtas_client_entry
oxrtas_client_entry:
    # Mode-neutral up to mtmsrd: stores and 64-bit arithmetic work in either mode.
    mflr    4
    mfcr    5
    mfmsr   6
    address 7, __client_save
    std     1, 0(7)
    std     2, 8(7)
    std     4, 16(7)
    std     5, 24(7)
    std     6, 32(7)
    cmpdi   6, 0
    blt     5f
    li      0, 1
    rldicr  0, 0, 63, 0
    or      0, 0, 6
    mtmsrd  0
    rldicl  3, 3, 0, 32
5:
    our_stack __stack_top
    bl      {client_interface}
    address 7, __client_save
    ld      1, 0(7)
    ld      2, 8(7)
    ld      4, 16(7)
    ld      5, 24(7)
    ld      6, 32(7)
    mtlr    4
    cmpdi   6, 0
    blt     6f
    mtcrf   255, 5
    mtmsrd  6
    blr
6:
    mtcrf   255, 5
    blr

    # r3 = entry, r4 = flat tree, r5 = client interface, r6 = stack top.
    .globl  oxrtas_enter_client
oxrtas_enter_client:
    mtsrr0  3
    li      0, 0x1000           # ME; 32-bit, big-endian, real mode
    mtsrr1  0
    addi    1, 6, -112
    li      0, 0
    std     0, 0(1)
    mr      3, 4
    li      4, 0
    li      2, 0
    li      6, 0
    li      7, 0
    rfid

    .section .bss.client_save, "aw", @nobits
    .balign 8
__client_save:
    .skip   40
    "#,
    boot = sym boot,
    exception = sym exception,
    client_interface = sym client_interface,
);

/// What the exception code saved. In the order of its stores.
#[repr(C)]
pub struct Registers {
    /// Address of the interrupted instruction.
    pub srr0: u64,
    /// MSR at the exception, with bits that tell its cause.
    pub srr1: u64,
    /// Data address register.
    pub dar: u64,
    /// Cause of a data storage exception.
    pub dsisr: u64,
    /// Link register.
    pub lr: u64,
    /// Stack pointer.
    pub r1: u64,
    /// r3.
    pub r3: u64,
}

unsafe extern "C" {
    static __private_end: u8;
    static __image_end: u8;
    static __client_stack_top: u8;
    safe fn oxrtas_client_entry();
    fn oxrtas_enter_client(entry: u64, tree: u64, client_interface: u64, stack_top: u64) -> !;
}

/// Addresses that the linker script fixes.
pub struct Symbols {
    /// End of what nobody but the firmware writes.
    pub private_end: u64,
    /// End of the image, client stack included.
    pub image_end: u64,
    /// Top of the client's stack.
    pub client_stack_top: u64,
}

/// The addresses of `linker/oxrtas.ld`.
pub fn symbols() -> Symbols {
    Symbols {
        private_end: (&raw const __private_end).addr() as u64,
        image_end: (&raw const __image_end).addr() as u64,
        client_stack_top: (&raw const __client_stack_top).addr() as u64,
    }
}

/// Address of the client interface.
pub fn client_entry() -> u64 {
    (oxrtas_client_entry as *const ()).addr() as u64
}

extern "C" fn boot(tree: u64) -> ! {
    crate::boot(tree)
}

extern "C" fn exception(vector: u64, registers: &Registers) -> ! {
    super::fault::exception(vector, registers)
}

extern "C" fn client_interface(address: u64) -> i64 {
    crate::client_interface(address)
}

/// Starts the client: real mode, big-endian, 32-bit.
pub fn enter_client(hand_over: &HandOver) -> ! {
    // SAFETY: the library checked that a program lies at the entry, and that the stack is the one
    // that the linker script set aside; nothing of the firmware is live beyond this point but what
    // the client interface finds in statics.
    unsafe {
        oxrtas_enter_client(
            hand_over.entry,
            hand_over.tree,
            hand_over.client_interface,
            hand_over.stack_top,
        )
    }
}

/// The argument buffer of `ibm,os-term`, in memory that H_RTAS may write to.
#[repr(C, align(128))]
struct OsTerm(UnsafeCell<[u32; 32]>);

// SAFETY: only `os_term` refers to it, on the way to a halt, once (`fault::REPORTING`).
unsafe impl Sync for OsTerm {}

/// Tells QEMU that the guest is at its end, by `call`, which does H_RTAS.
pub fn os_term(call: impl FnOnce(u64) -> HcallReturn) {
    static BUFFER: OsTerm = OsTerm(UnsafeCell::new([0; 32]));
    static WHY: [u8; 32] = *b"oxrtas stopped, see the console\0";
    let buffer = BUFFER.0.get();
    // SAFETY: nobody else refers to the buffer, see above.
    unsafe {
        (*buffer)[0] = OS_TERM_TOKEN;
        (*buffer)[1] = 1;
        (*buffer)[2] = 1;
        (*buffer)[3] = WHY.as_ptr().addr() as u32;
    }
    call(buffer.expose_provenance() as u64);
}

/// Nothing left to do.
pub fn halt() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
