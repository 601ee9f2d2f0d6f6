//! The functions that the entry code calls before a call has a stack, or after it gave it back:
//! they may touch only what `rtas/blob/src/entry.rs` keeps nothing in.

use super::Finding;
use super::blob::place;
use super::elf::Elf;
use super::instruction::{Kind, Registers, Target, decode};

/// The registers that function `name` may touch, if it has no stack.
fn allowance(name: &str) -> Registers {
    let rest = Registers::CR | Registers::XER | Registers::CTR;
    match name {
        "oxrtas_give" => Registers::range(3, 8),
        "oxrtas_exhausted" => Registers::range(3, 9) | rest,
        _ => Registers::range(3, 8) | rest,
    }
}

/// The functions without a stack.
const NAMES: [&str; 3] = ["oxrtas_take", "oxrtas_give", "oxrtas_exhausted"];

/// Each is there, is a leaf, and touches its registers only.
pub fn without_a_stack(elf: &Elf) -> Finding {
    for name in NAMES {
        let Some(function) = elf.function(name) else {
            return Err(format!("{name} is not there"));
        };
        let allowed = allowance(name);
        for (index, &word) in function.code.iter().enumerate() {
            let instruction = decode(word);
            let at = || place(function, index, word);
            let length = 4 * function.code.len() as i64;
            match instruction.kind {
                Kind::Integer | Kind::Padding => (),
                Kind::Branch {
                    target: Target::Relative(distance),
                    link: false,
                } if (0..length).contains(&(4 * index as i64 + distance)) => (),
                Kind::Branch {
                    target: Target::Link,
                    link: false,
                } => continue,
                kind => return Err(format!("{kind:?} in a function without a stack: {}", at())),
            }
            let more = (instruction.reads | instruction.writes) - allowed;
            if !more.is_empty() {
                return Err(format!("{more} touched without a stack: {}", at()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::blob::tests::program;
    use super::*;

    const BLR: u32 = 0x4e80_0020;

    fn with(take: &[u32], give: &[u32]) -> Finding {
        without_a_stack(&program(&[
            ("oxrtas_take", take),
            ("oxrtas_give", give),
            ("oxrtas_exhausted", &[BLR]),
        ]))
    }

    #[test]
    fn volatile_registers_of_the_contract_may_be_touched() {
        // li r8, 0; ldarx r7, 0, r3; stdcx. r7, 0, r3; bne -4; blr
        let take = [0x3900_0000, 0x7ce0_18a8, 0x7ce0_19ad, 0x4082_fffc, BLR];
        assert_eq!(with(&take, &[0x38e0_0000, BLR]), Ok(()));
    }

    #[test]
    fn registers_that_the_entry_code_uses_are_found() {
        // li r9, 0; li r10, 0; mr r12, r3; std r3, -8(r1); ld r3, 0(r2); mflr r3
        for word in [
            0x3920_0000,
            0x3940_0000,
            0x7c6c_1b78,
            0xf861_fff8,
            0xe862_0000,
            0x7c68_02a6,
        ] {
            assert!(with(&[word, BLR], &[BLR]).is_err(), "{word:#x}");
            assert!(with(&[BLR], &[word, BLR]).is_err(), "{word:#x}");
        }
        // cmpdi r3, 0: allowed where a context is taken; where it is given back, CR is the caller's.
        assert_eq!(with(&[0x2c23_0000, BLR], &[BLR]), Ok(()));
        assert!(with(&[BLR], &[0x2c23_0000, BLR]).is_err());
    }

    #[test]
    fn calls_frames_and_missing_functions_are_found() {
        // bl +8; b +0x100; stdu r1, -32(r1); bctr; sc 1
        for word in [
            0x4800_0009,
            0x4800_0100,
            0xf821_ffe1,
            0x4e80_0420,
            0x4400_0022,
        ] {
            assert!(with(&[word, BLR], &[BLR]).is_err(), "{word:#x}");
        }
        assert!(without_a_stack(&program(&[("oxrtas_take", &[BLR])])).is_err());
    }
}
