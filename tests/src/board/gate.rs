//! The gate into the firmware under test: a call with every register chosen, and every register
//! recorded afterwards, in 32-bit or 64-bit mode.
//!
//! A gate belongs to one processor. The callee returns to instructions that belong to this gate
//! alone, so that it is found again though no register and no SPRG is trusted. An exception
//! during the call (see [`super::vectors`]) ends the call and is recorded instead.

use core::mem::offset_of;

/// The registers on one side of a call.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// r0 to r31, all 64 bits.
    pub gpr: [u64; 32],
    /// CR, in the low 32 bits.
    pub cr: u64,
    /// XER.
    pub xer: u64,
    /// CTR.
    pub ctr: u64,
    /// MSR.
    pub msr: u64,
    /// SPRG0.
    pub sprg0: u64,
    /// SPRG1.
    pub sprg1: u64,
    /// SPRG3: always the gate's address before.
    pub sprg3: u64,
    /// DEC, as mfdec gives it.
    pub dec: u64,
    /// The timebase: before the call read before DEC is set, after it read after DEC.
    pub timebase: u64,
    /// The vector-scalar registers, if the call was a full one: the first doublewords of 0 to 31 are
    /// f0 to f31, 32 to 63 are v0 to v31.
    pub vsr: [[u64; 2]; 64],
    /// FPSCR, if the call was a full one.
    pub fpscr: u64,
    /// VSCR, in the low 32 bits of the second doubleword, if the call was a full one.
    pub vscr: [u64; 2],
    /// VRSAVE, if the call was a full one.
    pub vrsave: u64,
}

impl Registers {
    const ZERO: Registers = Registers {
        gpr: [0; 32],
        cr: 0,
        xer: 0,
        ctr: 0,
        msr: 0,
        sprg0: 0,
        sprg1: 0,
        sprg3: 0,
        dec: 0x7fff_ffff,
        timebase: 0,
        vsr: [[0; 2]; 64],
        fpscr: 0,
        vscr: [0; 2],
        vrsave: 0,
    };
}

/// An exception taken inside a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trap {
    /// The vector, 0x100 to 0xfff.
    pub vector: u64,
    /// SRR0: where.
    pub address: u64,
    /// SRR1: the MSR then, and why.
    pub msr: u64,
    /// DAR.
    pub data_address: u64,
    /// LR then: who called.
    pub link: u64,
}

/// Where the callee of one gate returns to. It has a page for itself: an emulator that keeps
/// translated code notices every write to a page with instructions, and the gate is written all the
/// time.
#[repr(C, align(4096))]
struct Trampoline {
    code: [u32; 8],
    /// Where it goes.
    return_address: u64,
    /// Its gate's address.
    gate: u64,
}

/// One processor's gate. The assembly below knows the offsets by name.
#[repr(C, align(128))]
pub struct Gate {
    /// Address of its [`Trampoline`].
    trampoline: u64,
    magic: u64,
    in_call: u64,
    host_sp: u64,
    pub(super) host_toc: u64,
    pub(super) host_msr: u64,
    trap_r4: u64,
    trap_cr: u64,
    resets: u64,
    vector: u64,
    srr0: u64,
    srr1: u64,
    dar: u64,
    lr: u64,
    entry: u64,
    full: u64,
    /// Top of the stack of this processor, for its start and for fatal exceptions.
    pub(super) stack_top: u64,
    /// MSR and r3 as the processor started.
    pub(super) start_msr: u64,
    pub(super) start_r3: u64,
    /// Where the processor keeps what a system reset interrupted; 0 if it takes none
    /// ([`super::stop`]).
    pub(super) nested: u64,
    /// Number of the processor, for [`super::stop`].
    pub(super) number: u64,
    /// r3 as [`super::fwnmi`]'s handler was last entered with it.
    pub(super) reset_r3: u64,
    /// Not 0 while this processor dozes: the decrementer wakes it up.
    pub(super) dozing: u64,
    before: Registers,
    after: Registers,
}

/// Where a vector puts r4.
pub(super) const TRAP_R4_OFFSET: usize = offset_of!(Gate, trap_r4);
/// Where a vector finds whether the processor dozes.
pub(super) const DOZING_OFFSET: usize = offset_of!(Gate, dozing);
/// Where a vector finds whether the processor is in a call.
pub(super) const IN_CALL_OFFSET: usize = offset_of!(Gate, in_call);
/// Where a vector counts system resets outside calls.
pub(super) const RESETS_OFFSET: usize = offset_of!(Gate, resets);
/// Where a vector puts CR.
pub(super) const TRAP_CR_OFFSET: usize = offset_of!(Gate, trap_cr);

const MAGIC: u64 = 0x6f78_7274_6173_4761;

core::arch::global_asm!(
    r#"
    .text
    // gate_enter(r3 = gate): an ordinary function. Everything of the caller's that may be lost is
    // on its stack or in the gate.
    .globl  gate_enter
    .balign 16
gate_enter:
    mflr    0
    std     0, 16(1)
    mfcr    0
    std     0, 8(1)
    stdu    1, -176(1)
    .irp n, 14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    std     \n, (32 + 8 * (\n - 14))(1)
    .endr
    std     1, {host_sp}(3)
    std     2, {host_toc}(3)
    mfmsr   4
    std     4, {host_msr}(3)
    mtspr   275, 3
    li      4, 1
    std     4, {in_call}(3)
    li      4, 0
    std     4, {vector}(3)
    ld      4, {b_sprg0}(3)
    mtspr   272, 4
    ld      4, {b_sprg1}(3)
    mtspr   273, 4
    ld      4, {full}(3)
    cmpdi   4, 0
    beq     1f
    // FP, VEC and VSX on. The assembler of a soft-float target knows no instruction of theirs.
    mfmsr   4
    oris    4, 4, 0x0280
    ori     4, 4, 0x2000
    mtmsrd  4
    isync
    ld      4, {b_vrsave}(3)
    mtspr   256, 4
    .long   (50 << 26) | (3 << 16) | {b_fpscr}          // lfd f0, b_fpscr(r3)
    .long   0xfdfe058e                                  // mtfsf 0xff, f0
    addi    4, 3, {b_vscr}
    .long   (31 << 26) | (4 << 11) | (844 << 1) | 1     // lxvd2x vs32, 0, r4
    .long   (4 << 26) | 1604                            // mtvscr v0
    addi    4, 3, {b_vsr}
    .set    vsr, 0
    .rept   64
    // lxvd2x vsr, 0, r4
    .long   (31 << 26) | ((vsr & 31) << 21) | (4 << 11) | (844 << 1) | (vsr >> 5)
    addi    4, 4, 16
    .set    vsr, vsr + 1
    .endr
    ld      4, {host_msr}(3)
    mtmsrd  4
    isync
1:  mfspr   4, 268
    std     4, {b_timebase}(3)
    ld      4, {full}(3)
    cmpdi   4, 0
    beq     9f
    ld      4, {b_dec}(3)
    mtspr   22, 4
9:  ld      4, {entry}(3)
    mtspr   26, 4
    ld      4, {b_msr}(3)
    mtspr   27, 4
    ld      4, {b_cr}(3)
    mtcrf   0xff, 4
    ld      4, {b_xer}(3)
    mtspr   1, 4
    ld      4, {b_ctr}(3)
    mtctr   4
    ld      4, {trampoline}(3)
    mtlr    4
    .irp n, 0,1,2,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld      \n, ({b_gpr} + 8 * \n)(3)
    .endr
    ld      3, ({b_gpr} + 24)(3)
    rfid

    // What the trampoline's words are: r12 = the gate, then to gate_return, in either mode.
    .globl  gate_trampoline
gate_trampoline:
    bcl     20, 31, 2f
2:  mflr    12
    rldicl  12, 12, 0, 32
    addi    12, 12, -4
    ld      11, {return_address}(12)
    mtlr    11
    ld      12, {gate}(12)
    blr

    .globl  gate_return
gate_return:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    std     \n, ({a_gpr} + 8 * \n)(12)
    .endr
    mfcr    11
    std     11, {a_cr}(12)
    mfspr   11, 1
    std     11, {a_xer}(12)
    mfctr   11
    std     11, {a_ctr}(12)
    mfmsr   11
    std     11, {a_msr}(12)
    mfspr   11, 272
    std     11, {a_sprg0}(12)
    mfspr   11, 273
    std     11, {a_sprg1}(12)
    mfspr   11, 275
    std     11, {a_sprg3}(12)
    mfspr   11, 22
    std     11, {a_dec}(12)
    mfspr   11, 268
    std     11, {a_timebase}(12)
    ld      11, {host_msr}(12)
    mtmsrd  11
    isync
    mr      3, 12
3:  // gate_finish: r3 = gate, 64-bit mode.
    mtspr   275, 3
    ld      4, {full}(3)
    cmpdi   4, 0
    beq     4f
    mfmsr   4
    oris    4, 4, 0x0280
    ori     4, 4, 0x2000
    mtmsrd  4
    isync
    addi    4, 3, {a_vsr}
    .set    vsr, 0
    .rept   64
    // stxvd2x vsr, 0, r4
    .long   (31 << 26) | ((vsr & 31) << 21) | (4 << 11) | (972 << 1) | (vsr >> 5)
    addi    4, 4, 16
    .set    vsr, vsr + 1
    .endr
    .long   0xfc00048e                                  // mffs f0
    .long   (54 << 26) | (3 << 16) | {a_fpscr}          // stfd f0, a_fpscr(r3)
    .long   (4 << 26) | 1540                            // mfvscr v0
    addi    4, 3, {a_vscr}
    .long   (31 << 26) | (4 << 11) | (972 << 1) | 1     // stxvd2x vs32, 0, r4
    mfspr   4, 256
    std     4, {a_vrsave}(3)
    ld      4, {host_msr}(3)
    mtmsrd  4
    isync
4:  li      0, 0
    std     0, {in_call}(3)
    ld      1, {host_sp}(3)
    ld      2, {host_toc}(3)
    .irp n, 14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld      \n, (32 + 8 * (\n - 14))(1)
    .endr
    addi    1, 1, 176
    ld      0, 8(1)
    mtcrf   0xff, 0
    ld      0, 16(1)
    mtlr    0
    blr

    // From a vector: r3 = SPRG3, r4 = the vector's number, SPRG2 = r3 then, r4 then in the gate.
    .globl  gate_trap
gate_trap:
    std     4, {vector}(3)
    .irp n, 0,1,2,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    std     \n, ({a_gpr} + 8 * \n)(3)
    .endr
    ld      4, {trap_r4}(3)
    std     4, ({a_gpr} + 32)(3)
    mfspr   4, 274
    std     4, ({a_gpr} + 24)(3)
    mfcr    4
    std     4, {a_cr}(3)
    mfspr   4, 1
    std     4, {a_xer}(3)
    mfctr   4
    std     4, {a_ctr}(3)
    mflr    4
    std     4, {lr}(3)
    mfspr   4, 26
    std     4, {srr0}(3)
    mfspr   4, 27
    std     4, {srr1}(3)
    std     4, {a_msr}(3)
    mfspr   4, 19
    std     4, {dar}(3)
    mfspr   4, 272
    std     4, {a_sprg0}(3)
    mfspr   4, 273
    std     4, {a_sprg1}(3)
    mfspr   4, 275
    std     4, {a_sprg3}(3)
    mfspr   4, 22
    std     4, {a_dec}(3)
    mfspr   4, 268
    std     4, {a_timebase}(3)
    // Whose gate? Only a real one can be gone on with.
    ld      4, {magic}(3)
    lis     5, {magic_high}
    ori     5, 5, {magic_low}
    rldicl  4, 4, 0, 32
    cmpld   4, 5
    bne     5f
    ld      4, {host_msr}(3)
    mtmsrd  4
    isync
    ld      4, {in_call}(3)
    cmpdi   4, 0
    bne     3b
    ld      1, {stack_top}(3)
    li      0, 0
    stdu    0, -64(1)
    ld      2, {host_toc}(3)
    bl      {trapped}
    nop
5:  li      3, 0x58
    li      4, 0
    li      5, 16
    bcl     20, 31, 6f
6:  mflr    12
    ld      6, (7f - 6b)(12)
    ld      7, (7f + 8 - 6b)(12)
    sc      1
8:  b       8b
    .balign 8
7:  .ascii  "guest: no gate\r\n"
"#,
    host_sp = const offset_of!(Gate, host_sp),
    host_toc = const offset_of!(Gate, host_toc),
    host_msr = const offset_of!(Gate, host_msr),
    in_call = const offset_of!(Gate, in_call),
    vector = const offset_of!(Gate, vector),
    return_address = const offset_of!(Trampoline, return_address),
    gate = const offset_of!(Trampoline, gate),
    trampoline = const offset_of!(Gate, trampoline),
    full = const offset_of!(Gate, full),
    entry = const offset_of!(Gate, entry),
    trap_r4 = const offset_of!(Gate, trap_r4),
    lr = const offset_of!(Gate, lr),
    srr0 = const offset_of!(Gate, srr0),
    srr1 = const offset_of!(Gate, srr1),
    dar = const offset_of!(Gate, dar),
    magic = const offset_of!(Gate, magic),
    stack_top = const offset_of!(Gate, stack_top),
    // lis sign-extends; the magic's low half keeps bit 31 clear.
    magic_high = const (MAGIC >> 16) & 0xffff,
    magic_low = const MAGIC & 0xffff,
    b_gpr = const offset_of!(Gate, before.gpr),
    b_cr = const offset_of!(Gate, before.cr),
    b_xer = const offset_of!(Gate, before.xer),
    b_ctr = const offset_of!(Gate, before.ctr),
    b_msr = const offset_of!(Gate, before.msr),
    b_sprg0 = const offset_of!(Gate, before.sprg0),
    b_sprg1 = const offset_of!(Gate, before.sprg1),
    b_dec = const offset_of!(Gate, before.dec),
    b_timebase = const offset_of!(Gate, before.timebase),
    b_vsr = const offset_of!(Gate, before.vsr),
    b_fpscr = const offset_of!(Gate, before.fpscr),
    b_vscr = const offset_of!(Gate, before.vscr),
    b_vrsave = const offset_of!(Gate, before.vrsave),
    a_gpr = const offset_of!(Gate, after.gpr),
    a_cr = const offset_of!(Gate, after.cr),
    a_xer = const offset_of!(Gate, after.xer),
    a_ctr = const offset_of!(Gate, after.ctr),
    a_msr = const offset_of!(Gate, after.msr),
    a_sprg0 = const offset_of!(Gate, after.sprg0),
    a_sprg1 = const offset_of!(Gate, after.sprg1),
    a_sprg3 = const offset_of!(Gate, after.sprg3),
    a_dec = const offset_of!(Gate, after.dec),
    a_timebase = const offset_of!(Gate, after.timebase),
    a_vsr = const offset_of!(Gate, after.vsr),
    a_fpscr = const offset_of!(Gate, after.fpscr),
    a_vscr = const offset_of!(Gate, after.vscr),
    a_vrsave = const offset_of!(Gate, after.vrsave),
    trapped = sym super::vectors::trapped,
);

unsafe extern "C" {
    fn gate_enter(gate: *mut Gate);
    static gate_trampoline: [u32; 8];
    static gate_return: u8;
    pub(super) static gate_trap: u8;
}

/// MSR\[SF\], 64-bit mode.
pub const MSR_SF: u64 = 1 << 63;
/// MSR\[RI\], recoverable.
pub const MSR_RI: u64 = 2;

/// Registers full of recognisable values, all 64 bits of them, with this MSR.
pub fn patterns(msr: u64) -> Registers {
    Registers {
        gpr: core::array::from_fn(|index| {
            0x9e37_79b9_0000_0000 | 0x5a5a_0000 | (index as u64) << 4 | 5
        }),
        cr: 0x1248_4821,
        xer: 0,
        ctr: 0x1357_9bdf_2468_ace0,
        msr,
        sprg0: 0x1111_2222_3333_4440,
        sprg1: 0x5555_6666_7777_8880,
        sprg3: 0,
        dec: 0x7000_0000,
        timebase: 0,
        vsr: core::array::from_fn(|index| {
            [0x4000, 0x6000].map(|half: u64| half << 48 | (index as u64) << 8 | 3)
        }),
        // To round toward zero; no exception enabled.
        fpscr: 1,
        // SAT.
        vscr: [0, 1],
        vrsave: 0x1357_9bdf,
    }
}

/// This processor's MSR.
pub fn msr() -> u64 {
    let msr: u64;
    // SAFETY: reading the MSR has no effect.
    unsafe { core::arch::asm!("mfmsr {}", out(reg) msr, options(nomem, nostack)) };
    msr
}

impl Gate {
    /// A gate for a processor whose stack ends at `stack_top`. It stays where it is for ever.
    pub fn new(stack_top: u64) -> &'static mut Gate {
        let toc: u64;
        // SAFETY: reads a register.
        unsafe { core::arch::asm!("mr {}, 2", out(reg) toc, options(nomem, nostack)) };
        let gate = alloc::boxed::Box::leak(alloc::boxed::Box::new(Gate {
            trampoline: 0,
            magic: MAGIC,
            in_call: 0,
            host_sp: 0,
            host_toc: toc,
            host_msr: msr(),
            trap_r4: 0,
            trap_cr: 0,
            resets: 0,
            vector: 0,
            srr0: 0,
            srr1: 0,
            dar: 0,
            lr: 0,
            entry: 0,
            full: 0,
            stack_top,
            start_msr: 0,
            start_r3: 0,
            nested: 0,
            number: 0,
            reset_r3: 0,
            dozing: 0,
            before: patterns(msr()),
            after: Registers::ZERO,
        }));
        let trampoline = alloc::boxed::Box::leak(alloc::boxed::Box::new(Trampoline {
            // SAFETY: eight instructions of this image, never written.
            code: unsafe { gate_trampoline },
            return_address: &raw const gate_return as u64,
            gate: gate.address(),
        }));
        gate.trampoline = &raw const *trampoline as u64;
        super::memory::flush_instructions(gate.trampoline, 128);
        gate
    }

    /// Its address: what SPRG3 of its processor holds.
    pub fn address(&self) -> u64 {
        &raw const *self as u64
    }

    /// Makes it the gate that exceptions on this processor are recorded in.
    pub fn attend(&mut self) {
        self.host_msr = msr();
        // SAFETY: SPRG3 is used for nothing else.
        unsafe { core::arch::asm!("mtspr 275, {}", in(reg) self.address(), options(nostack)) };
    }

    /// Forgets a call that did not come back, as stop-self does not: a system reset would end it.
    pub(super) fn leave(&mut self) {
        let in_call = &raw mut self.in_call;
        // SAFETY: the vectors on this processor read the word; volatile, as they do.
        unsafe { in_call.write_volatile(0) };
    }

    /// MSR and r3 with which this processor was started, if it was.
    pub fn started_with(&self) -> (u64, u64) {
        let at = &raw const *self;
        // SAFETY: `at` is this gate; volatile, since the entry code of its processor writes them.
        unsafe {
            (
                (&raw const (*at).start_msr).read_volatile(),
                (&raw const (*at).start_r3).read_volatile(),
            )
        }
    }

    /// Calls `entry` with `before` in the registers and the trampoline's address in LR. SPRG3 is the
    /// gate's address, whatever `before` says. The registers afterwards (r11 and r12 are not
    /// known), or the exception that ended the call. DEC and the registers of FP, VEC and VSX are set and
    /// recorded only by a `full` call: to write DEC costs a hypervisor more than the call itself.
    ///
    /// `entry` is the firmware under test: if it breaks this guest, that is a verdict, too.
    pub fn enter(&mut self, entry: u64, before: &Registers, full: bool) -> Result<Registers, Trap> {
        self.entry = entry;
        self.before = *before;
        self.before.sprg3 = self.address();
        self.after = Registers::ZERO;
        self.full = full.into();
        // SAFETY: the assembly keeps the registers of the caller on its stack and in the gate,
        // and writes nothing but the gate.
        unsafe { gate_enter(self) };
        let at = &raw const *self;
        // SAFETY: as above; volatile, since the assembly wrote them.
        let vector = unsafe { (&raw const (*at).vector).read_volatile() };
        if vector != 0 {
            return Err(self.trap());
        }
        // SAFETY: as above.
        Ok(unsafe { (&raw const (*at).after).read_volatile() })
    }

    /// Sleeps for about a millisecond: for waits of many processors on few of the host's. Other
    /// processors may see it as stopped meanwhile (QEMU 7.2: query-cpu-stopped-state tells halted).
    /// Only while the guest's vectors are installed.
    pub fn doze(&mut self) {
        let dozing = &raw mut self.dozing;
        // SAFETY: the vector on this processor reads the word.
        unsafe { dozing.write_volatile(1) };
        // SAFETY: DEC is used for nothing else outside calls.
        unsafe { core::arch::asm!("mtspr 22, {}", in(reg) 0x8_0000u64, options(nostack)) };
        super::hypercall::call(rtas_abi::hcall::H_CEDE, &[]);
        // H_CEDE sets EE; the vector clears it, unless there was nothing to wait for.
        // SAFETY: EE off and RI on is how the guest runs.
        unsafe { core::arch::asm!("mtmsrd {}, 1", in(reg) MSR_RI, options(nostack)) };
        // SAFETY: as above.
        unsafe { dozing.write_volatile(0) };
    }

    /// A call in loops that make thousands of them: the registers before are those of the last
    /// [`Gate::enter`] but for these, and nothing is told of those after.
    ///
    /// # Errors
    /// The exception that ended it.
    pub fn enter_again(&mut self, entry: u64, r3: u64, r4: u64, msr: u64) -> Result<(), Trap> {
        self.entry = entry;
        self.before.gpr[3] = r3;
        self.before.gpr[4] = r4;
        self.before.msr = msr;
        self.before.sprg3 = self.address();
        self.full = 0;
        // SAFETY: as in `enter`.
        unsafe { gate_enter(self) };
        let at = &raw const *self;
        // SAFETY: as in `enter`.
        match unsafe { (&raw const (*at).vector).read_volatile() } {
            0 => Ok(()),
            _ => Err(self.trap()),
        }
    }

    /// The registers that the last call was entered with.
    pub fn entered_with(&self) -> &Registers {
        &self.before
    }

    /// The registers as the last call left them, if it came back; those of a full call only after one.
    pub fn left_with(&self) -> &Registers {
        &self.after
    }

    /// r1 at the last exception.
    pub fn stack_at_trap(&self) -> u64 {
        let at = &raw const *self;
        // SAFETY: as in `enter`.
        unsafe { (&raw const (*at).after.gpr[1]).read_volatile() }
    }

    /// The last exception.
    pub(super) fn trap(&self) -> Trap {
        Trap {
            vector: self.vector,
            address: self.srr0,
            msr: self.srr1,
            data_address: self.dar,
            link: self.lr,
        }
    }
}
