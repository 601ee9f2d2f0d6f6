//! From the operating system's branch to [`rtas::dispatch::call`] and back.
//!
//! Registers at entry (LoPAR 7.2.1, 7.2.2; Linux `arch/powerpc/kernel/rtas_entry.S:enter_rtas`):
//!
//! | register | holds | at exit |
//! |---|---|---|
//! | r3 | real address of the argument buffer | status |
//! | r4 | base, if the caller keeps the rule; not used | volatile |
//! | LR | return address | the same |
//! | MSR | SF 0 or 1, EE 0, LE 0, PR 0, IR and DR 0; RI, ME as the caller has them | not written |
//! | CR | the caller's | the same, all fields |
//! | r1, r2, r13-r31 | the caller's, all 64 bits; r1 is no stack for RTAS | the same |
//! | r0, r5-r12, CTR, XER | anything | volatile |
//!
//! No other register is touched: not SRR0/1 (so MSR\[RI\] need not change), no SPRG, not DEC, no
//! floating-point or vector register.
//!
//! **Nor is the MSR**: all code runs in the mode that the caller is in, 64-bit or 32-bit. (Under
//! emulation each write of the MSR takes QEMU's big lock, so a call that switched to 64-bit mode
//! and back would make processors wait for each other.) It is compiled for 64-bit mode. The same
//! instructions do the same in 32-bit mode, but for three things (Power ISA book I 1.5.3, 1.10.3,
//! 2.4, 3.3.8): addresses lose their upper half, which is zero, since the area lies below 4 GiB and
//! step 1 clears it for the buffer; instructions that record compare 32 bits; carries are out of bit
//! 31. The build refuses a blob with instructions of the latter two kinds
//! (`xtask/src/check/mode.rs`).
//!
//! ```text
//! 1. remember CR, LR, argument address and cell width in r0 and r10-r12
//! 2. where we are, in r9
//! 3. take a context, without a stack: `oxrtas_take`. None left: `oxrtas_exhausted`, then 6
//! 4. save what was remembered, r1 and r2 in the context, stack and TOC to ours, `oxrtas_call`
//! 5. reload it, LR and CR included, give the context back, without a stack: `oxrtas_give`
//! 6. its return is the return to the caller. To leave (`oxrtas_leave`, in place of 5): the context
//!    is given back, then H_RTAS with a buffer that is nobody's
//! ```
//!
//! A processor may stop for good between any two of these instructions: before 3 it holds nothing,
//! from 3 to 5 one context that is never reused, after 5 nothing. An exception handler that calls
//! RTAS from there enters anew and gets a context of its own.
//!
//! `oxrtas_take`, `oxrtas_give` and `oxrtas_exhausted` run without a stack. They may change r3-r8,
//! CR, XER and CTR, `oxrtas_exhausted` r9 as well, `oxrtas_give` r3-r8 only, and nothing else. They are plain Rust, so that the pool that loom explores is
//! the pool that runs; the build decodes their instructions and fails if one of them touches
//! anything more (`xtask/src/check/leaf.rs`).

use core::arch::global_asm;
use core::mem::offset_of;
use core::num::NonZeroU32;
use core::sync::atomic::AtomicU64;

use rtas::HypervisorBuffer;
use rtas::config::{Config, LeaveBuffer};
use rtas::decode::StatusPlace;
use rtas::dispatch::{self, Exit, Short};
use rtas::instance::Instance;
use rtas::layout::CONTEXT_BYTES;
use rtas::memory::{CellWidth, Place};
use rtas::pool::{self, Owned};
use rtas::source::word::Word;
use rtas::source::{Change, Sources};
use rtas_abi::hcall::H_RTAS;
use rtas_abi::status::HARDWARE_ERROR;

use crate::machine::{Memory, Processor};

/// What lies at the start of a context; the rest is stack, growing down from the end.
#[repr(C)]
struct Context {
    /// Whether somebody owns it.
    owned: Owned,
    /// The caller's r1, r2, CR, LR.
    saved: [u64; 4],
    /// For `H_RTAS`.
    buffer: HypervisorBuffer,
}

/// Offset of the first stack frame in a context, in bytes: room for the back chain, which is zero
/// since nothing writes it, and the LR save word that `oxrtas_call` stores into it (ELFv2 2.2.2.1:
/// 32 bytes of a minimal frame).
const FIRST_FRAME: u64 = CONTEXT_BYTES - 64;

const _: () = assert!(
    size_of::<Context>() < FIRST_FRAME as usize
        && FIRST_FRAME.is_multiple_of(16)
        && offset_of!(Context, owned) == 0
);

global_asm!(
    r#"
    .section .text.entry, "ax"
    .globl _start
    .globl _start64
_start:                         # 32-bit cells
    li      10, 4
    b       1f
_start64:                       # 64-bit cells
    li      10, 8
1:
    # 1. SF is the sign of the MSR as a 64-bit number, in either mode.
    mfcr    0
    mflr    11
    mfmsr   5
    rldicl  12, 3, 0, 32
    cmpdi   5, 0
    bge     2f
    mr      12, 3
2:
    # 2. An address that the rest lies at fixed distances from; the configuration is less than
    # 32 KiB behind it (linker/blob.ld).
    bcl     20, 31, 21f
21: mflr    9

    # 3.
    addi    5, 9, (__config - 21b)@l
    ld      3, {contexts}(5)
    lwz     4, {context_count}(5)
    bl      oxrtas_take
    cmpdi   3, 0
    beq     7f

    # 4.
    std     1, {saved}(3)
    std     2, {saved}+8(3)
    std     0, {saved}+16(3)
    std     11, {saved}+24(3)
    addi    1, 3, {first_frame}
    addis   2, 9, (.TOC. - 21b)@ha
    addi    2, 2, (.TOC. - 21b)@l
    addi    4, 3, {buffer}
    addi    3, 9, (__config - 21b)@l
    mr      5, 12
    mr      6, 10
    bl      oxrtas_call

    # 5. and 6. r3 = status, which oxrtas_give hands on; it is the last, and returns to the caller.
    addi    4, 1, -{first_frame}
    ld      11, {saved}+24(4)
    ld      0, {saved}+16(4)
    ld      2, {saved}+8(4)
    ld      1, {saved}(4)
    mtlr    11
    mtcrf   255, 0
    b       oxrtas_give
7:
    # 3. No context: a status, and no wait.
    addi    3, 9, (__config - 21b)@l
    mr      4, 12
    mr      5, 10
    bl      oxrtas_exhausted
    li      3, {hardware_error}
    mtlr    11
    mtcrf   255, 0
    blr

    # 6. Not back to the caller: the machine ends or this processor does. Until it has, wait here,
    # holding nothing. r3 = the context's buffer, r4 = the one to leave with.
    .globl oxrtas_leave
    .type oxrtas_leave, @function
oxrtas_leave:
    mr      12, 4
    addi    4, 3, -{buffer}
    bl      oxrtas_give
    li      3, 0
    ori     3, 3, {h_rtas}
    mr      4, 12
    sc      1
    b       .
    .size oxrtas_leave, . - oxrtas_leave

    # Where the configuration is, for who did not keep a register for it.
    .globl oxrtas_config
    .type oxrtas_config, @function
oxrtas_config:
    mflr    4
    bcl     20, 31, 22f
22: mflr    3
    mtlr    4
    addi    3, 3, (__config - 22b)@l
    blr
    .size oxrtas_config, . - oxrtas_config
    "#,
    first_frame = const FIRST_FRAME,
    hardware_error = const HARDWARE_ERROR,
    h_rtas = const H_RTAS,
    saved = const offset_of!(Context, saved),
    buffer = const offset_of!(Context, buffer),
    context_count = const offset_of!(Config, context_count),
    contexts = const offset_of!(Config, contexts),
);

unsafe extern "C" {
    /// Gives the context back that `own` is part of, and makes `H_RTAS` with `buffer`.
    ///
    /// # Safety
    /// The call owns the context, and touches nothing any more.
    fn oxrtas_leave(own: *mut HypervisorBuffer, buffer: *const LeaveBuffer) -> !;

    /// The configuration of this instance.
    fn oxrtas_config() -> *const Config;
}

/// `bytes` is 4 or 8.
fn cell_width(bytes: u64) -> CellWidth {
    if bytes == CellWidth::Bits32.bytes() {
        CellWidth::Bits32
    } else {
        CellWidth::Bits64
    }
}

/// Takes one of the `count` contexts that begin at `first`: its address, or null. No stack: r3-r8,
/// CR, XER, CTR only.
#[unsafe(no_mangle)]
unsafe extern "C" fn oxrtas_take(first: *const Owned, count: NonZeroU32) -> *const Owned {
    let words = (0..count.get() as usize).map(|index| {
        let owned = first.wrapping_byte_add(index * CONTEXT_BYTES as usize);
        // SAFETY: the entry code passes what the configuration says: the firmware laid out that
        // many contexts there (rtas::layout::Layout), whose first words are accessed atomically
        // only, and they stay for as long as the area does.
        unsafe {
            core::hint::assert_unchecked(!owned.is_null());
            &*owned
        }
    });
    pool::take(words).map_or(core::ptr::null(), core::ptr::from_ref)
}

/// Gives a context back; hands `status` on. No stack: r3-r8 only, as CR is the caller's again.
#[unsafe(no_mangle)]
extern "C" fn oxrtas_give(status: i64, owned: &Owned) -> i64 {
    pool::give(owned);
    status
}

/// No context is left for the call at `address`. No stack: r3-r9, CR, XER, CTR only.
#[unsafe(no_mangle)]
extern "C" fn oxrtas_exhausted(config: &Config, address: u64, cell_bytes: u64) {
    let memory = &mut Memory { config };
    dispatch::exhausted(&config.last_error, memory, cell_width(cell_bytes), address);
}

/// The source words of the instance.
fn sources(config: &Config) -> &[AtomicU64] {
    let first = core::ptr::with_exposed_provenance(config.sources as usize);
    // SAFETY: the firmware laid out that many aligned words there, inside the area that the
    // operating system set aside for RTAS, and wrote their first values (rtas::layout::Layout).
    // All access to them is atomic, and they stay for as long as the area does.
    unsafe { core::slice::from_raw_parts(first, config.source_count as usize) }
}

/// The vital product data of the instance.
fn vpd(config: &Config) -> &[u8] {
    let first = core::ptr::with_exposed_provenance(config.vpd as usize);
    // SAFETY: the firmware laid out that many bytes there, inside the area that the operating system
    // set aside for RTAS (rtas::layout::Layout); nothing writes there as long as the area exists.
    unsafe { core::slice::from_raw_parts(first, config.vpd_bytes as usize) }
}

/// The instance whose configuration this is.
#[inline(always)]
fn instance(config: &Config) -> Instance<'_> {
    Instance {
        config,
        sources: sources(config),
        vpd: vpd(config),
    }
}

/// One call, on the stack of its context; `buffer` is the context's. Gives what r3 will hold for the
/// caller. The short way needs no stack frame; what does is called last, in its place.
#[unsafe(no_mangle)]
extern "C" fn oxrtas_call(
    config: &Config,
    buffer: &mut HypervisorBuffer,
    address: u64,
    cell_bytes: u64,
) -> i64 {
    match cell_width(cell_bytes) {
        CellWidth::Bits32 => short_call(config, buffer, CellWidth::Bits32, address),
        CellWidth::Bits64 => wide_call(config, buffer, address),
    }
}

#[inline(never)]
fn wide_call(config: &Config, buffer: &mut HypervisorBuffer, address: u64) -> i64 {
    short_call(config, buffer, CellWidth::Bits64, address)
}

#[inline(always)]
fn short_call(
    config: &Config,
    buffer: &mut HypervisorBuffer,
    width: CellWidth,
    address: u64,
) -> i64 {
    let instance = instance(config);
    let memory = &mut Memory { config };
    match dispatch::short_call(instance, &Processor, memory, width, address, buffer) {
        Short::Done(status) => i64::from(status),
        Short::Unsettled(change, StatusPlace { place, width }) => {
            let Change { word, own, now, .. } = change;
            settle(buffer, word, own, now, place, width)
        }
        Short::OtherCall if width == CellWidth::Bits32 => forwarded_call(config, buffer, address),
        Short::OtherCall | Short::OtherWay => long_call(config, buffer, address, width.bytes()),
    }
}

#[inline(never)]
fn forwarded_call(config: &Config, buffer: &mut HypervisorBuffer, address: u64) -> i64 {
    let memory = &mut Memory { config };
    let width = CellWidth::Bits32;
    match dispatch::forwarded_call(config, &Processor, memory, width, address, buffer) {
        Some(status) => i64::from(status),
        None => long_call(config, buffer, address, width.bytes()),
    }
}

#[cold]
#[inline(never)]
fn settle(
    buffer: &mut HypervisorBuffer,
    word: &AtomicU64,
    own: Word,
    now: Word,
    place: Place,
    width: CellWidth,
) -> i64 {
    // SAFETY: it follows the image (linker/blob.ld), where the firmware wrote it before the area
    // became RTAS; it stays for as long as the area does.
    let config = unsafe { &*oxrtas_config() };
    let change = Change::again(buffer, word, [own, now]);
    let status = Sources::new(instance(config), &Processor).settle(change, buffer);
    dispatch::keep_error(config, buffer, status);
    StatusPlace { place, width }
        .finish(&mut Memory { config }, status)
        .into()
}

#[inline(never)]
fn long_call(config: &Config, buffer: &mut HypervisorBuffer, address: u64, cell_bytes: u64) -> i64 {
    let instance = instance(config);
    let memory = &mut Memory { config };
    let width = cell_width(cell_bytes);
    match dispatch::long_call(instance, &Processor, memory, width, address, buffer) {
        Exit::Return(status) => i64::from(status),
        // SAFETY: this is the end of the call.
        Exit::Leave(leave) => unsafe { oxrtas_leave(buffer, leave) },
    }
}
