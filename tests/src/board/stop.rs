//! Where a processor waits to be told what to do by whoever drives the machine over gdb, and how it
//! calls a handler at a system reset in the middle of a call.
//!
//! `points_stop` is a page of its own: a breakpoint slows down the page that it is in.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use guest::points::{SLOTS, WORDS, word};

use super::gate::Gate;
use super::memory;

/// Protects: the exchange between one processor and the driver; zero at start.
/// Holder: the driver while the processor is stopped, else the processor.
/// Order: relaxed: the machine stands still while the driver looks.
/// Holder dies: that is what the driver is for; it gives the processor up.
#[repr(C, align(128))]
pub struct Slot([AtomicU64; WORDS]);

static ALL: [Slot; SLOTS] = [const { Slot([const { AtomicU64::new(0) }; WORDS]) }; SLOTS];

impl Slot {
    /// The slot of processor number `index`.
    pub fn of(index: usize) -> &'static Slot {
        &ALL[index]
    }

    /// A word of it.
    pub fn get(&self, word: usize) -> u64 {
        self.0[word].load(Ordering::Relaxed)
    }

    /// Sets a word of it.
    pub fn set(&self, word: usize, value: u64) {
        self.0[word].store(value, Ordering::Relaxed);
    }
}

/// Address of the first slot.
pub fn slots() -> u64 {
    &raw const ALL as u64
}

/// Size of a processor's stack for its nested calls, in bytes.
const STACK_SIZE: usize = 64 * 1024;

/// What a processor keeps while it is in the handler of a system reset.
#[repr(C, align(128))]
struct Interrupted {
    gpr: [u64; 32],
    cr: u64,
    xer: u64,
    ctr: u64,
    lr: u64,
    srr0: u64,
    srr1: u64,
    outer: u64,
    stack: u64,
    toc: u64,
    index: u64,
    gate: u64,
}

core::arch::global_asm!(
    r#"
    .section .text.points_stop, "ax"
    .balign 4096
    // points_stop(): the driver has a breakpoint on the first instruction.
    .globl  points_stop
points_stop:
    nop
    blr
    // A processor that was given up in the middle of something is put here, in any state, with its
    // gate in r3.
    .globl  points_restart
points_restart:
    ld      4, {host_msr}(3)
    mtmsrd  4
    isync
    ld      1, {stack_top}(3)
    ld      2, {host_toc}(3)
    li      0, 0
    stdu    0, -64(1)
    bl      {serve}
    nop
1:  b       1b
    .balign 4096

    .text
    // Where ibm,nmi-register may send system resets to: QEMU keeps r3 at the address in r3
    // (hw/ppc/spapr.c:spapr_do_system_reset_on_cpu).
    .globl  points_fwnmi
points_fwnmi:
    ld      3, 0(3)
    ba      0x100
    // From the vector of the system reset: SPRG2 = r3 then, r3 = the gate.
    .globl  points_reset
points_reset:
    std     4, {trap_r4}(3)
    ld      4, {nested}(3)
    std     3, {outer}(4)
    .irp n, 0,1,2,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    std     \n, ({gpr} + 8 * \n)(4)
    .endr
    ld      5, {trap_r4}(3)
    std     5, ({gpr} + 32)(4)
    mfspr   5, 274
    std     5, ({gpr} + 24)(4)
    mfcr    5
    std     5, {cr}(4)
    mfspr   5, 1
    std     5, {xer}(4)
    mfctr   5
    std     5, {ctr}(4)
    mflr    5
    std     5, {lr}(4)
    mfspr   5, 26
    std     5, {srr0}(4)
    mfspr   5, 27
    std     5, {srr1}(4)
    ld      1, {stack}(4)
    ld      2, {toc}(4)
    li      0, 0
    stdu    0, -64(1)
    mr      31, 4
    mr      3, 4
    bl      {reset}
    nop
    mr      4, 31
    ld      5, {cr}(4)
    mtcrf   0xff, 5
    ld      5, {xer}(4)
    mtspr   1, 5
    ld      5, {ctr}(4)
    mtctr   5
    ld      5, {lr}(4)
    mtlr    5
    ld      5, {srr0}(4)
    mtspr   26, 5
    ld      5, {srr1}(4)
    mtspr   27, 5
    ld      5, {outer}(4)
    mtspr   275, 5
    .irp n, 0,1,2,3,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld      \n, ({gpr} + 8 * \n)(4)
    .endr
    ld      4, ({gpr} + 32)(4)
    rfid
"#,
    host_msr = const offset_of!(Gate, host_msr),
    host_toc = const offset_of!(Gate, host_toc),
    stack_top = const offset_of!(Gate, stack_top),
    trap_r4 = const super::gate::TRAP_R4_OFFSET,
    nested = const offset_of!(Gate, nested),
    serve = sym restarted,
    reset = sym reset,
    outer = const offset_of!(Interrupted, outer),
    gpr = const offset_of!(Interrupted, gpr),
    cr = const offset_of!(Interrupted, cr),
    xer = const offset_of!(Interrupted, xer),
    ctr = const offset_of!(Interrupted, ctr),
    lr = const offset_of!(Interrupted, lr),
    srr0 = const offset_of!(Interrupted, srr0),
    srr1 = const offset_of!(Interrupted, srr1),
    stack = const offset_of!(Interrupted, stack),
    toc = const offset_of!(Interrupted, toc),
);

unsafe extern "C" {
    fn points_stop();
    static points_restart: u8;
    static points_fwnmi: u8;
    static points_reset: u8;
}

/// Stops until the driver resumes this processor.
pub fn stop() {
    // SAFETY: an ordinary function that does nothing.
    unsafe { points_stop() };
}

/// Where the driver has its breakpoint.
pub fn stop_address() -> u64 {
    points_stop as *const () as u64
}

/// Where the driver puts a processor that it gave up.
pub fn restart_address() -> u64 {
    &raw const points_restart as u64
}

/// A handler of system resets for `ibm,nmi-register`.
pub fn fwnmi_address() -> u64 {
    &raw const points_fwnmi as u64
}

/// Prepares the processor of this gate for system resets and restarts, once.
pub fn prepare(gate: &mut Gate, index: usize) {
    if gate.nested != 0 {
        return;
    }
    let stack = alloc::vec![0u128; STACK_SIZE / 16].leak();
    let interrupted = alloc::boxed::Box::leak(alloc::boxed::Box::new(Interrupted {
        gpr: [0; 32],
        cr: 0,
        xer: 0,
        ctr: 0,
        lr: 0,
        srr0: 0,
        srr1: 0,
        outer: 0,
        stack: stack.as_ptr_range().end as u64,
        toc: gate.host_toc,
        index: index as u64,
        gate: Gate::new(0).address(),
    }));
    gate.number = index as u64;
    Slot::of(index).set(word::GATE, gate.address());
    gate.nested = &raw const *interrupted as u64;
}

/// What a system reset is handled by: a gate for its calls, the number of the processor and the
/// address of the instruction that was interrupted. It allocates nothing.
pub type Handler = fn(&mut Gate, usize, u64);

/// Protects: itself: a [`Handler`]; 0 before [`install_reset`].
/// Holder: the boot processor sets it, while no system reset is sent.
/// Order: relaxed: sending one is a hypercall.
/// Holder dies: no effect.
static HANDLER: AtomicUsize = AtomicUsize::new(0);

/// Puts the handler of the system reset in its vector. Each processor that takes one is to be
/// [`prepare`]d, and takes the next one only when it has left the handler.
pub fn install_reset(handler: Handler) {
    HANDLER.store(handler as usize, Ordering::Relaxed);
    let target = &raw const points_reset as u64;
    let code = [
        0x7c72_43a6,                      // mtspr SPRG2, r3
        0x7c73_42a6,                      // mfspr r3, SPRG3
        0x4800_0002 | target as u32 & !3, // ba points_reset
    ];
    for (at, instruction) in (0x100..).step_by(4).zip(code) {
        memory::write_u32(at, instruction);
    }
    memory::flush_instructions(0x100, 16);
}

fn gate_at(address: u64) -> &'static mut Gate {
    // SAFETY: gates are leaked, and each is used by one processor; what that processor did with it
    // before was given up for good.
    unsafe { &mut *core::ptr::with_exposed_provenance_mut::<Gate>(address as usize) }
}

extern "C" fn restarted(gate: u64) -> ! {
    let gate = gate_at(gate);
    let index = gate.number as usize;
    crate::driven::serve(gate, index)
}

extern "C" fn reset(interrupted: &Interrupted) {
    let handler = HANDLER.load(Ordering::Relaxed);
    if handler != 0 {
        // SAFETY: only `install_reset` stores a number other than 0, and that is a `Handler`.
        let handler = unsafe { core::mem::transmute::<usize, Handler>(handler) };
        handler(
            gate_at(interrupted.gate),
            interrupted.index as usize,
            interrupted.srr0,
        );
    }
}
