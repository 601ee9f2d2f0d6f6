//! Enough of the Power ISA's encoding (version 3.0, book I appendix on opcode maps) to know what
//! an instruction of the blob reads and writes. What is not in here is an error of whoever asks,
//! never skipped.
//!
//! Bits are counted from the lowest here; the ISA counts from the highest.

use std::fmt;
use std::ops::{BitOr, Sub};

/// A set of registers.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Registers(u64);

impl Registers {
    /// No register.
    pub const NONE: Self = Self(0);
    /// The link register.
    pub const LR: Self = Self(1 << 32);
    /// The count register.
    pub const CTR: Self = Self(1 << 33);
    /// The fixed-point exception register.
    pub const XER: Self = Self(1 << 34);
    /// The condition register, any field of it.
    pub const CR: Self = Self(1 << 35);

    /// General register `number`.
    pub const fn general(number: u32) -> Self {
        Self(1 << (number & 31))
    }

    /// General registers `first` to `last`.
    pub fn range(first: u32, last: u32) -> Self {
        (first..=last).fold(Self::NONE, |all, number| all | Self::general(number))
    }

    /// Whether it holds nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it holds all of `other`.
    #[cfg(test)]
    fn contains(self, other: Self) -> bool {
        (other - self).is_empty()
    }
}

impl BitOr for Registers {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Sub for Registers {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Display for Registers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<String> = (0..32)
            .filter(|number| self.0 >> number & 1 != 0)
            .map(|number| format!("r{number}"))
            .collect();
        for (register, name) in [
            (Self::LR, "LR"),
            (Self::CTR, "CTR"),
            (Self::XER, "XER"),
            (Self::CR, "CR"),
        ] {
            if self.0 & register.0 != 0 {
                names.push(name.to_owned());
            }
        }
        formatter.write_str(&names.join(", "))
    }
}

impl fmt::Debug for Registers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{{{self}}}")
    }
}

/// Where a branch goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A fixed distance from the branch, in bytes.
    Relative(i64),
    /// What the link register holds.
    Link,
    /// What the count register holds.
    Count,
}

/// What kind of instruction it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Integer arithmetic, loads and stores, cache and barrier instructions.
    Integer,
    /// A branch; `link` if it leaves a return address.
    Branch {
        /// Where it goes.
        target: Target,
        /// Whether the link register is set.
        link: bool,
    },
    /// `stdu r1`: a new stack frame of this many bytes.
    Frame(u64),
    /// Any other change of r1 than `addi r1, r1`.
    StackPointer,
    /// `sc`.
    SystemCall,
    /// `mfmsr` and `mtmsrd`.
    MachineState,
    /// `tw`, `td` and their immediate forms.
    Trap,
    /// Floating point, vector and vector-scalar instructions, prefixed ones included.
    FloatOrVector,
    /// Zero: padding.
    Padding,
    /// Not known here.
    Unknown,
}

/// A decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What kind it is.
    pub kind: Kind,
    /// What it reads.
    pub reads: Registers,
    /// What it writes.
    pub writes: Registers,
    /// For a load or store at a fixed distance from r1: that distance, in bytes.
    pub stack_offset: Option<i64>,
}

/// Extended opcodes of opcode 31 that concern floating-point and vector registers.
const FLOAT_OR_VECTOR_31: &[u32] = &[
    6, 7, 12, 38, 39, 51, 71, 76, 103, 115, 135, 140, 167, 179, 199, 211, 231, 243, 263, 268, 269,
    301, 307, 332, 333, 359, 364, 391, 396, 397, 403, 429, 435, 487, 524, 535, 567, 588, 599, 631,
    652, 663, 695, 716, 727, 759, 780, 781, 812, 813, 844, 855, 876, 887, 908, 909, 940, 972, 983,
    1004,
];

/// Decodes `word`, an instruction as a number.
pub fn decode(word: u32) -> Instruction {
    let general = |shift: u32| Registers::general(word >> shift & 31);
    // In an address, and as the base of addi and addis, register 0 stands for zero.
    let base = || match word >> 16 & 31 {
        0 => Registers::NONE,
        number => Registers::general(number),
    };
    let (rt, ra, rb) = (general(21), general(16), general(11));
    let record = if word & 1 != 0 {
        Registers::CR
    } else {
        Registers::NONE
    };
    let displacement = i64::from(word as u16 as i16);
    let stack = Registers::general(1);
    let on_stack = |offset: i64| (word >> 16 & 31 == 1).then_some(offset);

    let of = |kind, reads, writes| Instruction {
        kind,
        reads,
        writes,
        stack_offset: None,
    };
    let integer = |reads, writes| of(Kind::Integer, reads, writes);
    let none = Registers::NONE;
    let at = |instruction: Instruction, offset| Instruction {
        stack_offset: on_stack(offset),
        ..instruction
    };

    let decoded = match word >> 26 {
        0 if word == 0 => of(Kind::Padding, none, none),
        2 | 3 => of(Kind::Trap, ra, none),
        1 | 4 | 48..=57 | 59..=61 | 63 => of(Kind::FloatOrVector, none, none),
        7 => integer(ra, rt),
        8 | 12 => integer(ra, rt | Registers::XER),
        13 => integer(ra, rt | Registers::XER | Registers::CR),
        14 if rt == stack && ra == stack => integer(stack, stack),
        14 | 15 => integer(base(), rt),
        10 | 11 => integer(ra, Registers::CR),
        16 => conditional(word, Target::Relative(i64::from(word as u16 as i16 & !3))),
        17 => of(Kind::SystemCall, none, none),
        18 => {
            // 24 bits of distance in words, sign extended.
            let distance = ((word & 0x03ff_fffc) << 6) as i32 >> 6;
            let link = word & 1 != 0;
            let target = Target::Relative(i64::from(distance));
            let writes = if link { Registers::LR } else { none };
            of(Kind::Branch { target, link }, none, writes)
        }
        19 => match word >> 1 & 0x3ff {
            16 => conditional(word, Target::Link),
            528 => conditional(word, Target::Count),
            0 | 33 | 129 | 193 | 225 | 257 | 289 | 417 | 449 => {
                integer(Registers::CR, Registers::CR)
            }
            150 => integer(none, none),
            _ => of(Kind::Unknown, none, none),
        },
        20 => integer(rt | ra, ra | record),
        21 => integer(rt, ra | record),
        23 => integer(rt | rb, ra | record),
        24..=27 => integer(rt, ra),
        28 | 29 => integer(rt, ra | Registers::CR),
        30 => match word >> 1 & 0xf {
            0..=5 => integer(rt, ra | record),
            6 | 7 => integer(rt | ra, ra | record),
            8 | 9 => integer(rt | rb, ra | record),
            _ => of(Kind::Unknown, none, none),
        },
        31 => extended(word, rt, ra, base(), rb, record),
        32 | 34 | 40 | 42 => at(integer(base(), rt), displacement),
        33 | 35 | 41 | 43 => at(integer(ra, rt | ra), displacement),
        36 | 38 | 44 => at(integer(rt | base(), none), displacement),
        37 | 39 | 45 => at(integer(rt | ra, ra), displacement),
        58 => match word & 3 {
            0 | 2 => at(integer(base(), rt), displacement & !3),
            1 => at(integer(ra, rt | ra), displacement & !3),
            _ => of(Kind::Unknown, none, none),
        },
        62 => match word & 3 {
            0 => at(integer(rt | base(), none), displacement & !3),
            1 if ra == stack => {
                let size = (displacement & !3).unsigned_abs();
                if rt == stack && displacement < 0 {
                    of(Kind::Frame(size), stack, stack)
                } else {
                    of(Kind::StackPointer, rt | ra, ra)
                }
            }
            1 => integer(rt | ra, ra),
            _ => of(Kind::Unknown, none, none),
        },
        _ => of(Kind::Unknown, none, none),
    };
    let changes_stack = !(decoded.writes - (decoded.writes - stack)).is_empty();
    let plain_addi = word >> 26 == 14 && rt == stack && ra == stack;
    if decoded.kind == Kind::Integer && changes_stack && !plain_addi {
        return Instruction {
            kind: Kind::StackPointer,
            ..decoded
        };
    }
    decoded
}

/// A branch with a condition.
fn conditional(word: u32, target: Target) -> Instruction {
    let options = word >> 21 & 31;
    let link = word & 1 != 0;
    let mut reads = Registers::NONE;
    let mut writes = Registers::NONE;
    if options & 0b1_0000 == 0 {
        reads = reads | Registers::CR;
    }
    if options & 0b0_0100 == 0 {
        reads = reads | Registers::CTR;
        writes = writes | Registers::CTR;
    }
    match target {
        Target::Link => reads = reads | Registers::LR,
        Target::Count => reads = reads | Registers::CTR,
        Target::Relative(_) => (),
    }
    if link {
        writes = writes | Registers::LR;
    }
    Instruction {
        kind: Kind::Branch { target, link },
        reads,
        writes,
        stack_offset: None,
    }
}

/// Opcode 31.
fn extended(
    word: u32,
    rt: Registers,
    ra: Registers,
    base: Registers,
    rb: Registers,
    record: Registers,
) -> Instruction {
    let of = |kind, reads, writes| Instruction {
        kind,
        reads,
        writes,
        stack_offset: None,
    };
    let integer = |reads, writes| of(Kind::Integer, reads, writes);
    let none = Registers::NONE;
    let code = word >> 1 & 0x3ff;
    // Bit 10 of an arithmetic instruction asks for the overflow bits of XER.
    let overflow = if word >> 10 & 1 != 0 {
        Registers::XER
    } else {
        none
    };
    match code {
        4 | 68 => of(Kind::Trap, ra | rb, none),
        0 | 32 => integer(ra | rb, Registers::CR),
        code if code & 31 == 15 => integer(base | rb | Registers::CR, rt),
        20 | 21 | 23 | 52 | 84 | 87 | 116 | 279 | 341 | 343 | 532 | 534 | 790 => {
            integer(base | rb, rt)
        }
        53 | 55 | 119 | 311 | 373 | 375 => integer(ra | rb, rt | ra),
        149 | 151 | 215 | 407 | 660 | 662 | 918 => integer(rt | base | rb, none),
        181 | 183 | 247 | 439 => integer(rt | ra | rb, ra),
        150 | 214 | 694 | 726 => integer(rt | base | rb, Registers::CR),
        28 | 60 | 124 | 284 | 316 | 412 | 444 | 476 | 24 | 27 | 536 | 539 => {
            integer(rt | rb, ra | record)
        }
        792 | 794 => integer(rt | rb, ra | record | Registers::XER),
        824 | 826 | 827 => integer(rt, ra | record | Registers::XER),
        26 | 58 | 538 | 570 | 922 | 954 | 986 | 122 | 378 | 506 => integer(rt, ra | record),
        54 | 86 | 246 | 278 | 982 | 1014 => integer(base | rb, none),
        598 | 854 => integer(none, none),
        19 => integer(Registers::CR, rt),
        144 => integer(rt, Registers::CR),
        83 => of(Kind::MachineState, none, rt),
        178 => of(Kind::MachineState, rt, none),
        339 | 467 => {
            let special = match word >> 16 & 31 | word >> 6 & 0x3e0 {
                1 => Registers::XER,
                8 => Registers::LR,
                9 => Registers::CTR,
                _ => return of(Kind::Unknown, none, none),
            };
            if code == 339 {
                integer(special, rt)
            } else {
                integer(rt, special)
            }
        }
        code if FLOAT_OR_VECTOR_31.contains(&code) => of(Kind::FloatOrVector, none, none),
        code => match code & 0x1ff {
            266 | 40 | 235 | 233 | 459 | 491 | 457 | 489 => {
                integer(ra | rb, rt | record | overflow)
            }
            9 | 11 | 73 | 75 => integer(ra | rb, rt | record),
            104 => integer(ra, rt | record | overflow),
            8 | 10 => integer(ra | rb, rt | record | Registers::XER),
            136 | 138 => integer(ra | rb | Registers::XER, rt | record | Registers::XER),
            200 | 202 | 232 | 234 => integer(ra | Registers::XER, rt | record | Registers::XER),
            _ => of(Kind::Unknown, none, none),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_frame_is_recognised_with_its_size() {
        // stdu r1, -112(r1)
        assert_eq!(decode(0xf821_ff91).kind, Kind::Frame(112));
        // std r1, 0(r4) stores it, addi r1, r1, 112 gives it back, mr r1, r3 does neither.
        assert_eq!(decode(0xf824_0000).kind, Kind::Integer);
        assert_eq!(decode(0x3821_0070).kind, Kind::Integer);
        assert_eq!(decode(0x7c61_1b78).kind, Kind::StackPointer);
        // stdux r1, r1, r12
        assert_eq!(decode(0x7c21_616a).kind, Kind::StackPointer);
    }

    #[test]
    fn calls_and_branches_give_their_distance() {
        let call = Kind::Branch {
            target: Target::Relative(-8),
            link: true,
        };
        assert_eq!(decode(0x4bff_fff9).kind, call);
        let jump = Kind::Branch {
            target: Target::Relative(0x10),
            link: false,
        };
        assert_eq!(decode(0x4800_0010).kind, jump);
        let back = Kind::Branch {
            target: Target::Relative(-0xc),
            link: false,
        };
        assert_eq!(decode(0x4082_fff4).kind, back);
        let indirect = Kind::Branch {
            target: Target::Count,
            link: true,
        };
        assert_eq!(decode(0x4e80_0421).kind, indirect);
    }

    #[test]
    fn floating_point_and_vector_instructions_are_recognised() {
        // lfd f0, 0(r3); stfd f0, 0(r3); fadd; lxvd2x; stvx; mtvsrd; vaddubm; xxlor; lxv; pld
        for word in [
            0xc803_0000,
            0xd803_0000,
            0xfc00_002a,
            0x7c00_1e98,
            0x7c00_19ce,
            0x7c03_0166,
            0x1000_0000,
            0xf000_0490,
            0xf403_0001,
            0x0400_0000,
        ] {
            assert_eq!(decode(word).kind, Kind::FloatOrVector, "{word:#010x}");
        }
    }

    #[test]
    fn traps_are_recognised_in_all_forms() {
        // trap; tdi; twi; td
        for word in [0x7fe0_0008, 0x0800_0000, 0x0fe0_0000, 0x7c00_0088] {
            assert_eq!(decode(word).kind, Kind::Trap, "{word:#010x}");
        }
    }

    #[test]
    fn reads_and_writes_are_those_of_the_manual() {
        let general = Registers::general;
        // add r3, r4, r5
        let add = decode(0x7c64_2a14);
        assert_eq!(
            (add.reads, add.writes),
            (general(4) | general(5), general(3))
        );
        // or. r6, r7, r8
        let or = decode(0x7ce6_4379);
        assert_eq!(or.reads, general(7) | general(8));
        assert_eq!(or.writes, general(6) | Registers::CR);
        // ldarx r9, 0, r3; stdcx. r9, 0, r3
        assert_eq!(decode(0x7d20_18a8).writes, general(9));
        assert_eq!(decode(0x7d20_18a8).reads, general(3));
        assert_eq!(decode(0x7d20_19ad).writes, Registers::CR);
        // mtctr r5; bdnz
        assert_eq!(decode(0x7ca9_03a6).writes, Registers::CTR);
        assert!(decode(0x4200_fffc).writes.contains(Registers::CTR));
        // rldimi r9, r5, 32, 0 keeps part of r9
        assert!(decode(0x78a9_000e).reads.contains(general(9)));
        // li r3, -1 does not read r0
        assert_eq!(decode(0x3860_ffff).reads, Registers::NONE);
        // ld r31, -8(r1)
        assert_eq!(decode(0xebe1_fff8).stack_offset, Some(-8));
        assert_eq!(decode(0xebe1_fff8).writes, general(31));
    }

    #[test]
    fn what_is_not_in_the_table_is_unknown() {
        // rfid; mfspr r3, SRR0; stq
        for word in [0x4c00_0024, 0x7c7a_02a6, 0xf800_0002] {
            assert_eq!(decode(word).kind, Kind::Unknown, "{word:#010x}");
        }
    }
}
