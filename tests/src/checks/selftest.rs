//! Whether the checks can fail: each is made of a few instructions that break one rule, put where
//! an RTAS would be, and has to notice. In every run, since a check that notices nothing is worse
//! than none.

use alloc::format;

use guest::verdict::{Report, Verdict};

use super::{bad, calls, environment};
use crate::board::console::Console;
use crate::board::memory;
use crate::subject::{Machine, Rtas, Width};

/// One broken RTAS: what it breaks, its instructions, the check that has to fail.
struct Broken {
    name: &'static str,
    code: &'static [u32],
    check: fn(&mut Machine) -> Verdict,
}

const BLR: u32 = 0x4e80_0020;
const MFMSR_R5: u32 = 0x7ca0_00a6;
const MTMSRD_R5: u32 = 0x7ca0_0164;

const BROKEN: &[Broken] = &[
    Broken {
        name: "selftest-no-status",
        code: &[BLR],
        check: calls::get_time_of_day,
    },
    Broken {
        name: "selftest-guard-cell",
        // stw r5, 44(r3): behind the eight outputs.
        code: &[0x90a3_002c, BLR],
        check: calls::get_time_of_day,
    },
    Broken {
        name: "selftest-trap",
        // An illegal instruction.
        code: &[0],
        check: environment::general,
    },
    Broken {
        name: "selftest-r14",
        // li r14, 1
        code: &[0x39c0_0001, BLR],
        check: environment::general,
    },
    Broken {
        name: "selftest-upper-half",
        // clrldi r31, r31, 32
        code: &[0x7bff_0020, BLR],
        check: environment::general,
    },
    Broken {
        name: "selftest-cr",
        // mtcrf 0x80, r3: CR0 alone.
        code: &[0x7c68_0120, BLR],
        check: environment::condition,
    },
    Broken {
        name: "selftest-cr2-cr4",
        // mtcrf 0x38, r3
        code: &[0x7c63_8120, BLR],
        check: environment::condition_nonvolatile,
    },
    Broken {
        name: "selftest-f1",
        // MSR[FP] on; fneg f1, f1; MSR as it was.
        code: &[
            MFMSR_R5,
            0x60a6_2000,
            0x7cc0_0164,
            0xfc20_0850,
            MTMSRD_R5,
            BLR,
        ],
        check: environment::floating_point,
    },
    Broken {
        name: "selftest-vs1-second-half",
        // MSR[VSX] on; xxpermdi vs1, vs1, vs1, 0: the first half over the second; MSR as it was.
        code: &[
            MFMSR_R5,
            0x64a6_0080,
            0x7cc0_0164,
            0xf021_0850,
            MTMSRD_R5,
            BLR,
        ],
        check: environment::vector,
    },
    Broken {
        name: "selftest-v20",
        // MSR[VEC] on; vspltisw v20, 3; MSR as it was.
        code: &[
            MFMSR_R5,
            0x64a6_0200,
            0x7cc0_0164,
            0x1283_038c,
            MTMSRD_R5,
            BLR,
        ],
        check: environment::vector,
    },
    Broken {
        name: "selftest-vrsave",
        // mtspr VRSAVE, r3
        code: &[0x7c60_43a6, BLR],
        check: environment::vector,
    },
    Broken {
        name: "selftest-msr",
        // xori r5, r5, 2
        code: &[MFMSR_R5, 0x68a5_0002, MTMSRD_R5, BLR],
        check: environment::msr,
    },
    Broken {
        name: "selftest-msr-ri",
        // ori r5, r5, 2
        code: &[MFMSR_R5, 0x60a5_0002, MTMSRD_R5, BLR],
        check: environment::msr_ri,
    },
    Broken {
        name: "selftest-sprg0",
        // mtspr SPRG0, r3
        code: &[0x7c70_43a6, BLR],
        check: environment::sprg,
    },
    Broken {
        name: "selftest-sprg3",
        // mtspr SPRG3, r3
        code: &[0x7c73_43a6, BLR],
        check: environment::sprg,
    },
    Broken {
        name: "selftest-dec",
        // mtspr DEC, r3
        code: &[0x7c76_03a6, BLR],
        check: environment::decrementer,
    },
    Broken {
        name: "selftest-memory",
        // std r3, 0x3000(0)
        code: &[0xf860_3000, BLR],
        check: environment::other_memory,
    },
];

/// Makes all of them. Afterwards the machine has the instance that it had.
pub fn run(machine: &mut Machine, report: &mut Report<Console>) {
    let real = machine.rtas;
    let base = machine.arena + 0x30_0000;
    for broken in BROKEN {
        memory::fill(base, 0x1000, 0);
        for (index, instruction) in broken.code.iter().enumerate() {
            memory::write_u32(base + 4 * index as u64, *instruction);
        }
        memory::flush_instructions(base, 0x1000);
        machine.rtas = Some(Rtas {
            entry: base,
            base,
            r4: base,
            size: 0x1000,
            width: Width::Mode64,
        });
        let kept = memory::read_u64(0x3000);
        let verdict = match (broken.check)(machine) {
            Verdict::Fail(wanted, saw) => {
                Verdict::Pass(format!("noticed: wanted {wanted}, saw {saw}"))
            }
            other => Verdict::Fail("a check that fails".into(), format!("{other:?}")),
        };
        memory::write_u64(0x3000, kept);
        // The console has no errors.
        let _ = report.verdict("GUEST", broken.name, &verdict);
    }
    let verdict = find_call(machine, base);
    let _ = report.verdict("GUEST", "selftest-hunt", &verdict);
    machine.rtas = real;
}

/// Whether a hunt names the call of thousands on which memory is written, though each of many such
/// calls writes the same.
fn find_call(machine: &mut Machine, base: u64) -> Verdict {
    const INPUTS: u32 = 7;
    let code = [
        0x80a3_0004,          // lwz r5, 4(r3): the number of inputs
        0x2c05_0000 | INPUTS, // cmpwi r5, 7
        0x4082_0008,          // bne +8
        0xf860_3000,          // std r3, 0x3000(0)
        BLR,
    ];
    for (index, instruction) in code.into_iter().enumerate() {
        memory::write_u32(base + 4 * index as u64, instruction);
    }
    memory::flush_instructions(base, 0x1000);
    match bad::culprit(machine, 0x2000..0x4000) {
        Some(case) if case.inputs == INPUTS => Verdict::Pass(format!("named: {case:x?}")),
        other => Verdict::Fail(
            format!("a call with {INPUTS} inputs"),
            format!("{other:x?}"),
        ),
    }
}
