//! The blob is compiled for 64-bit mode and runs in the mode that its caller is in. These are the
//! instructions that would not do the same in 32-bit mode (Power ISA 3.0 book I, 1.5.3, 2.4, 3.2.2,
//! 3.3.8); addresses are the entry code's business (`rtas/blob/src/entry.rs`).

use super::Finding;
use super::blob::place;
use super::elf::Elf;

/// What of `word` depends on the mode.
fn dependence(word: u32) -> Option<&'static str> {
    const RECORDS: &str = "records a comparison, of 32 bits in 32-bit mode";
    const CARRIES: &str = "uses a carry, which is out of bit 31 in 32-bit mode";
    const CHANGES: &str = "changes the mode";
    let extended = word >> 1 & 0x3ff;
    let record = word & 1 != 0;
    match word >> 26 {
        // addic.
        13 => Some(RECORDS),
        // andis.: bit 31 is a sign or not. The result of andi. is the same number either way.
        29 => Some(RECORDS),
        20 | 21 | 23 | 30 if record => Some(RECORDS),
        // rfid, rfscv, hrfid
        19 if matches!(extended, 18 | 82 | 274) => Some(CHANGES),
        31 => match extended {
            // stwcx., stdcx., stbcx., sthcx.: what they record is whether they stored.
            150 | 214 | 694 | 726 => None,
            // mtmsr, mtmsrd
            146 | 178 => Some(CHANGES),
            // Loads, stores, cache and barrier instructions and comparisons have no bit to record
            // with; whichever has it set is not among them, or not legal.
            _ if record => Some(RECORDS),
            // subfe, adde, subfze, addze, subfme, addme, each with and without overflow; addex
            _ if matches!(extended & 0x1ff, 136 | 138 | 200 | 202 | 232 | 234 | 170) => {
                Some(CARRIES)
            }
            // mcrxrx; mfspr of XER, whose number 1 is in the upper half of its field
            576 => Some(CARRIES),
            339 if word >> 11 & 0x3ff == 1 << 5 => Some(CARRIES),
            _ => None,
        },
        _ => None,
    }
}

/// No instruction depends on MSR\[SF\], and none changes it.
pub fn is_either(elf: &Elf) -> Finding {
    for function in &elf.functions {
        for (index, &word) in function.code.iter().enumerate() {
            if let Some(what) = dependence(word) {
                return Err(format!("{what}: {}", place(function, index, word)));
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

    #[test]
    fn what_does_the_same_in_either_mode_passes() {
        for word in [
            0x7063_0001, // andi. r3, r3, 1
            0x7ec0_c1ad, // stdcx. r22, 0, r24
            0x7c80_c0a8, // ldarx r4, 0, r24
            0x7863_0020, // rldicl r3, r3, 0, 32
            0x7c64_1b78, // mr r4, r3
            0x7ca3_2010, // subfc r5, r3, r4
            0x7c68_02a6, // mflr r3
            0x7c6a_ea14, // add r3, r10, r29
            0x2c23_0000, // cmpdi r3, 0
            0x7ca0_00a6, // mfmsr r5
            0x4400_0022, // sc 1
            0x4200_fff8, // bdnz
        ] {
            assert_eq!(
                is_either(&program(&[("f", &[word, BLR])])),
                Ok(()),
                "{word:#x}"
            );
        }
    }

    #[test]
    fn what_depends_on_the_mode_or_changes_it_is_found() {
        for word in [
            0x7863_0021, // rldicl. r3, r3, 0, 32
            0x7c64_1b79, // mr. r4, r3
            0x7c63_2215, // add. r3, r3, r4
            0x5463_003f, // rlwinm. r3, r3, 0, 0, 31
            0x3463_ffff, // addic. r3, r3, -1
            0x7463_8000, // andis. r3, r3, 0x8000
            0x7d48_0194, // addze r10, r8
            0x7c63_2114, // adde r3, r3, r4
            0x7c63_2110, // subfe r3, r3, r4
            0x7c63_2514, // addeo r3, r3, r4
            0x7c61_02a6, // mfxer r3
            0x7cc0_0164, // mtmsrd r6
            0x4c00_0024, // rfid
        ] {
            let found = is_either(&program(&[("f", &[BLR, word])]));
            assert!(found.is_err_and(|what| what.contains("f+0x4")), "{word:#x}");
        }
    }
}
