//! Registers that a call has to leave as they were (LoPAR 7.2.1, 7.2.2): the first that differs.

use alloc::format;
use alloc::string::String;

use crate::board::gate::{MSR_RI, Registers};

/// A register, or part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// A general-purpose register.
    General(u32),
    /// The whole condition register.
    Condition,
    /// A floating-point register.
    Floating(u32),
    /// FPSCR.
    FloatingStatus,
    /// A vector-scalar register, both halves.
    Vector(u32),
    /// VSCR and VRSAVE, one half each.
    VectorStatus,
    /// MSR, or what of it has to be kept.
    Msr,
    /// MSR\[RI\] that was 0.
    Recoverable,
    /// SPRG0, SPRG1 or SPRG3.
    Sprg(u32),
    /// DEC: what is given is the most that it may have counted, and what it did.
    Decrementer,
}

impl Register {
    /// Its name.
    pub fn name(self) -> String {
        match self {
            Register::General(index) => format!("r{index}"),
            Register::Condition => "CR".into(),
            Register::Floating(index) => format!("f{index}"),
            Register::FloatingStatus => "FPSCR".into(),
            Register::Vector(index) => format!("vs{index}"),
            Register::VectorStatus => "VSCR and VRSAVE".into(),
            Register::Msr => "MSR".into(),
            Register::Recoverable => "MSR[RI]".into(),
            Register::Sprg(index) => format!("SPRG{index}"),
            Register::Decrementer => "ticks counted off DEC".into(),
        }
    }
}

/// What differs, with the value before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which register.
    pub register: Register,
    /// What it was, for [`Register::Decrementer`] the most that is allowed.
    pub wanted: u128,
    /// What it is.
    pub saw: u128,
}

const MSR_DR: u64 = 0x10;

/// r1, r2 and r13 to r31.
fn kept_general() -> impl Iterator<Item = usize> {
    [1usize, 2].into_iter().chain(13..32)
}

fn first(pairs: impl IntoIterator<Item = (Register, u128, u128)>) -> Option<Difference> {
    let mut pairs = pairs.into_iter();
    let (register, wanted, saw) = pairs.find(|(_, wanted, saw)| wanted != saw)?;
    Some(Difference {
        register,
        wanted,
        saw,
    })
}

/// The general-purpose registers but for r0 and r3 to r12.
pub fn general(before: &Registers, after: &Registers) -> Option<Difference> {
    first(kept_general().map(|index| {
        let register = Register::General(index as u32);
        (register, before.gpr[index].into(), after.gpr[index].into())
    }))
}

/// CR. To the letter, CR2-CR4 may change and the rest must be kept; the ABIs say the reverse. Only
/// all of CR satisfies both.
pub fn condition(before: &Registers, after: &Registers) -> Option<Difference> {
    first([(Register::Condition, before.cr.into(), after.cr.into())])
}

/// The floating-point registers and FPSCR, after a full call.
pub fn floating_point(before: &Registers, after: &Registers) -> Option<Difference> {
    let registers = (0..32).map(|index| {
        let pick = |registers: &Registers| u128::from(registers.vsr[index][0]);
        (Register::Floating(index as u32), pick(before), pick(after))
    });
    let status = (
        Register::FloatingStatus,
        before.fpscr.into(),
        after.fpscr.into(),
    );
    first(registers.chain([status]))
}

/// The vector-scalar registers, VSCR and VRSAVE, after a full call.
pub fn vector(before: &Registers, after: &Registers) -> Option<Difference> {
    let whole = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
    let registers = (0..64).map(|index| {
        let pick = |registers: &Registers| whole(registers.vsr[index][0], registers.vsr[index][1]);
        (Register::Vector(index as u32), pick(before), pick(after))
    });
    let status = |registers: &Registers| whole(registers.vscr[1], registers.vrsave);
    let status = (Register::VectorStatus, status(before), status(after));
    first(registers.chain([status]))
}

/// MSR but for DR and RI, which R1-7.2.1-7 leaves to RTAS.
pub fn msr(before: &Registers, after: &Registers) -> Option<Difference> {
    let pick = |registers: &Registers| u128::from(registers.msr & !(MSR_DR | MSR_RI));
    first([(Register::Msr, pick(before), pick(after))])
}

/// MSR\[RI\], as R1-7.2.1-8 has it: 0 stays 0.
pub fn recoverable(before: &Registers, after: &Registers) -> Option<Difference> {
    let ri = |registers: &Registers| u128::from(registers.msr & MSR_RI);
    first([(Register::Recoverable, 0, ri(after))]).filter(|_| ri(before) == 0)
}

/// SPRG0, SPRG1 and SPRG3.
pub fn sprg(before: &Registers, after: &Registers) -> Option<Difference> {
    let pick = |registers: &Registers| [registers.sprg0, registers.sprg1, registers.sprg3];
    let pairs = pick(before).into_iter().zip(pick(after));
    first(
        [0, 1, 3]
            .into_iter()
            .zip(pairs)
            .map(|(index, pair)| (Register::Sprg(index), pair.0.into(), pair.1.into())),
    )
}

/// DEC, after a full call. The timebase was read before DEC was set and after it was read: DEC
/// cannot have counted more than that, and one tick more for the rounding of both.
pub fn decrementer(before: &Registers, after: &Registers) -> Option<Difference> {
    let allowed = after.timebase.wrapping_sub(before.timebase) + 1;
    // DEC has 32 bits.
    let counted = before.dec.wrapping_sub(after.dec) & 0xffff_ffff;
    (counted > allowed).then(|| Difference {
        register: Register::Decrementer,
        wanted: allowed.into(),
        saw: counted.into(),
    })
}

/// Whether everything is as it was but for what a full call alone records: the same as the others,
/// in few instructions.
pub fn same_integers(before: &Registers, after: &Registers) -> bool {
    let general = kept_general().fold(0, |other, index| {
        other | (before.gpr[index] ^ after.gpr[index])
    });
    let other = general
        | (before.cr ^ after.cr)
        | (before.msr ^ after.msr)
        | (before.sprg0 ^ after.sprg0)
        | (before.sprg1 ^ after.sprg1)
        | (before.sprg3 ^ after.sprg3);
    other == 0
}
