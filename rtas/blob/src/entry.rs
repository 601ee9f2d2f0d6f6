//! From the operating system's branch to [`rtas::dispatch::call`] and back.
//!
//! Registers at entry (LoPAR 7.2.1, 7.2.2; Linux `arch/powerpc/kernel/rtas_entry.S:enter_rtas`):
//!
//! | register | holds | at exit |
//! |---|---|---|
//! | r3 | real address of the argument buffer | status |
//! | r4 | base, if the caller keeps the rule; not used | volatile |
//! | LR | return address | the same |
//! | MSR | SF 0 or 1, EE 0, LE 0, PR 0, IR and DR 0; RI, ME as the caller has them | the same, bit for bit |
//! | CR | the caller's | the same, all fields |
//! | r1, r2, r13-r31 | the caller's, all 64 bits; r1 is no stack for RTAS | the same |
//! | r0, r5-r12, CTR, XER | anything | volatile |
//!
//! No other register is touched: not SRR0/1 (so MSR\[RI\] need not change), no SPRG, not DEC, no
//! floating-point or vector register.
//!
//! ```text
//! 1. remember CR and cell width, MSR, LR, argument address in r0 and r10-r12
//! 2. MSR[SF] <- 1 (LoPAR R1-7.2.1-7 departure: invisible, restored in 6); clear what 32-bit mode
//!    left in the upper half of the address
//! 3. take a context, without a stack: `oxrtas_take`. None left: `oxrtas_exhausted`, then 6
//! 4. save what was remembered, r1 and r2 in the context, stack and TOC to ours, `oxrtas_call`
//! 5. reload it, give the context back, without a stack: `oxrtas_give`
//! 6. to return: LR, CR, MSR[SF], blr. To leave: H_RTAS with a buffer that is nobody's
//! ```
//!
//! A processor may stop for good between any two of these instructions: before 3 it holds nothing,
//! from 3 to 5 one context that is never reused, after 5 nothing. An exception handler that calls
//! RTAS from there enters anew and gets a context of its own.
//!
//! `oxrtas_take`, `oxrtas_give` and `oxrtas_exhausted` run without a stack. They may change r3-r9,
//! CR, XER and CTR, `oxrtas_give` only r3-r7 of these, and nothing else. They are plain Rust, so
//! that the pool that loom explores is the pool that runs; the build decodes their instructions and
//! fails if one of them touches anything more (`xtask/src/check`).

use core::arch::global_asm;
use core::mem::offset_of;
use core::sync::atomic::AtomicU64;

use rtas::HypervisorBuffer;
use rtas::config::Config;
use rtas::dispatch::{self, CellWidth, Exit};
use rtas::instance::Instance;
use rtas::layout::CONTEXT_BYTES;
use rtas::memory::Bounds;
use rtas::pool::{CONTEXTS_PER_WORD, Pool};
use rtas_abi::hcall::H_RTAS;
use rtas_abi::status::HARDWARE_ERROR;

use crate::machine::{Memory, Processor, WholeBuffer};

/// What the entry code keeps in a context, at its start, and the hypervisor's buffer; the rest is
/// stack, growing down from the end.
#[repr(C)]
struct Context {
    /// The caller's r1, r2, CR (with the cell width in bit 32, counted from the lowest), MSR, LR;
    /// the number of the context.
    saved: [u64; 6],
    /// For `H_RTAS`.
    buffer: HypervisorBuffer,
}

/// Offset of the first stack frame in a context, in bytes: room for the back chain and the LR save
/// word that `oxrtas_call` stores into it (ELFv2 2.2.2.1: 32 bytes of a minimal frame).
const FIRST_FRAME: u64 = CONTEXT_BYTES - 64;

const _: () =
    assert!(size_of::<Context>() < FIRST_FRAME as usize && FIRST_FRAME.is_multiple_of(16));

global_asm!(
    r#"
    # \to <- the address of the configuration, which lies at a fixed distance behind the image.
    .macro  config to
    bcl     20, 31, 99f
99: mflr    \to
    addis   \to, \to, (__config - 99b)@ha
    addi    \to, \to, (__config - 99b)@l
    .endm

    # r3, r4 <- address and number of the pool's words, from the configuration in \config.
    .macro  pool_words config
    lwz     4, {context_count}(\config)
    ld      3, {pool_offset}(\config)
    addi    4, 4, {contexts_per_word} - 1
    srdi    4, 4, {contexts_per_word_log2}
    add     3, 3, \config
    .endm

    .section .text.entry, "ax"
    .globl _start
    .globl _start64
_start:                         # 32-bit cells
    li      5, 0
    b       1f
_start64:                       # 64-bit cells
    li      5, 1
1:
    # 1. Nothing but volatile registers, nothing that depends on the mode.
    mfmsr   10
    mflr    11
    mfcr    9
    rldimi  9, 5, 32, 0         # the whole upper half: CR is the lower one

    # 2. SF is the sign of the MSR as a 64-bit number, in either mode.
    cmpdi   10, 0
    blt     2f
    li      6, 1
    rldicr  6, 6, 63, 0
    or      6, 6, 10
    mtmsrd  6
    rldicl  3, 3, 0, 32
2:
    mr      12, 3
    mr      0, 9

    # 3.
    config  8
    pool_words 8
    bl      oxrtas_take
    cmpdi   3, 0
    blt     7f

    # 4.
    config  8
    ld      4, {contexts_offset}(8)
    add     4, 4, 8
    mulli   5, 3, {context_bytes}
    add     4, 4, 5
    std     1, 0(4)
    std     2, 8(4)
    std     0, 16(4)
    std     10, 24(4)
    std     11, 32(4)
    std     3, 40(4)
    rldicl  6, 0, 32, 63
    addi    1, 4, {first_frame}
    li      0, 0
    std     0, 0(1)             # the end of the back chain
    bcl     20, 31, 4f
4:
    mflr    9
    addis   2, 9, (.TOC. - 4b)@ha
    addi    2, 2, (.TOC. - 4b)@l
    mr      3, 8
    mr      5, 12
    bl      oxrtas_call

    # 5. r3 = buffer to leave with, or 0; r4 = status.
    mr      12, 3
    mr      8, 4
    addi    6, 1, -{first_frame}
    ld      5, 40(6)
    ld      11, 32(6)
    ld      10, 24(6)
    ld      9, 16(6)
    ld      2, 8(6)
    ld      1, 0(6)
    config  6
    pool_words 6
    bl      oxrtas_give
    cmpdi   12, 0
    bne     8f

    # 6. Back to the caller.
6:
    mr      3, 8
    mtlr    11
    cmpdi   10, 0
    blt     61f
    mtcrf   255, 9
    mtmsrd  10
    blr
61:
    mtcrf   255, 9
    blr
7:
    # 3. No context: a status, and no wait.
    config  3
    mr      4, 12
    rldicl  5, 0, 32, 63
    bl      oxrtas_exhausted
    mr      9, 0
    li      8, {hardware_error}
    b       6b
8:
    # 6. Not back to the caller: the machine ends or this processor does. Until it has, wait here,
    # holding nothing.
    li      3, 0
    ori     3, 3, {h_rtas}
    mr      4, 12
    sc      1
    b       .
    "#,
    first_frame = const FIRST_FRAME,
    hardware_error = const HARDWARE_ERROR,
    h_rtas = const H_RTAS,
    context_bytes = const CONTEXT_BYTES,
    contexts_per_word = const CONTEXTS_PER_WORD,
    contexts_per_word_log2 = const CONTEXTS_PER_WORD.trailing_zeros(),
    context_count = const offset_of!(Config, context_count),
    pool_offset = const offset_of!(Config, pool_offset),
    contexts_offset = const offset_of!(Config, contexts_offset),
);

/// How `oxrtas_call` ends, in r3 and r4 (ELFv2: a struct of two doublewords).
#[repr(C)]
struct Outcome {
    /// Address of the buffer to leave with, or 0 to return.
    leave: u64,
    /// What r3 will hold for the caller.
    status: i64,
}

/// Where the caller may have its buffer.
fn bounds(config: &Config) -> Bounds {
    Bounds {
        memory_end: config.memory_end,
        private: config.base..config.base.wrapping_add(config.size),
    }
}

fn cell_width(wide: u64) -> CellWidth {
    if wide == 0 {
        CellWidth::Bits32
    } else {
        CellWidth::Bits64
    }
}

/// The pool whose `count` words are at `words`.
///
/// # Safety
/// `words` and `count` are those of the configuration: the firmware laid out that many aligned
/// words there (rtas::layout::Layout), all access to them is atomic, and they stay for as long as
/// the area does.
unsafe fn pool<'a>(words: *const AtomicU64, count: usize) -> Pool<'a> {
    // SAFETY: the caller's promise.
    Pool::new(unsafe { core::slice::from_raw_parts(words, count) })
}

/// Takes a context: its number, or -1. No stack: r3-r9, CR, XER, CTR only.
#[unsafe(no_mangle)]
unsafe extern "C" fn oxrtas_take(words: *const AtomicU64, count: usize) -> i64 {
    // SAFETY: the entry code passes what the configuration says.
    unsafe { pool(words, count) }.take().map_or(-1, i64::from)
}

/// Gives context `number` back. No stack: r3-r7, CR, XER, CTR only.
#[unsafe(no_mangle)]
unsafe extern "C" fn oxrtas_give(words: *const AtomicU64, count: usize, number: u32) {
    // SAFETY: the entry code passes what the configuration says.
    unsafe { pool(words, count) }.give(number);
}

/// No context is left for the call at `address`. No stack: r3-r9, CR, XER, CTR only.
#[unsafe(no_mangle)]
extern "C" fn oxrtas_exhausted(config: &Config, address: u64, wide: u64) {
    if let Some(mut memory) = WholeBuffer::new(&bounds(config), address) {
        dispatch::exhausted(&mut memory, cell_width(wide), address);
    }
}

/// The source words of the instance.
fn sources(config: &Config) -> &[AtomicU64] {
    let first = core::ptr::from_ref(config)
        .cast::<u8>()
        .wrapping_add(config.sources_offset as usize);
    // SAFETY: the firmware laid out that many aligned words there, inside the area that the
    // operating system set aside for RTAS, and wrote their first values (rtas::layout::Layout).
    // All access to them is atomic, and they stay for as long as the area does.
    unsafe { core::slice::from_raw_parts(first.cast(), config.source_count as usize) }
}

/// One call, on the stack of its context.
#[unsafe(no_mangle)]
extern "C" fn oxrtas_call(
    config: &Config,
    context: &mut Context,
    address: u64,
    wide: u64,
) -> Outcome {
    let instance = Instance {
        config,
        sources: sources(config),
    };
    let mut memory = Memory {
        bounds: bounds(config),
    };
    let width = cell_width(wide);
    let buffer = &mut context.buffer;
    match dispatch::call(&instance, &Processor, &mut memory, width, address, buffer) {
        Exit::Return(status) => Outcome {
            leave: 0,
            status: i64::from(status),
        },
        Exit::Leave(buffer) => Outcome {
            leave: core::ptr::from_ref(buffer).addr() as u64,
            status: 0,
        },
    }
}
