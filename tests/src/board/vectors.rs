//! Exception vectors that record and go on instead of hanging.
//!
//! The firmware's own code may lie where the vectors go, so they are put in only around calls into
//! RTAS, and what was there comes back before the client interface is called again.

use super::gate::{self, Gate};
use super::memory;
use crate::say;

/// What the guest overwrites: the vectors of the 64-bit processors up to 0xfff.
const AREA: core::ops::Range<u64> = 0x100..0x1000;

const VECTORS: [u64; 23] = [
    0x100, 0x200, 0x300, 0x380, 0x400, 0x480, 0x500, 0x600, 0x700, 0x800, 0x900, 0x980, 0xa00,
    0xc00, 0xd00, 0xe00, 0xe20, 0xe40, 0xe60, 0xf00, 0xf20, 0xf40, 0xf60,
];

/// The guest's vectors are in place while this lives.
pub struct Vectors {
    saved: alloc::vec::Vec<u8>,
}

impl Vectors {
    /// Puts the vectors in.
    pub fn install() -> Vectors {
        let saved = AREA.map(memory::read_u8).collect();
        for vector in VECTORS {
            let target = &raw const gate::gate_trap as u64;
            let code = [
                0x7c72_43a6,                 // mtspr SPRG2, r3
                0x7c73_42a6,                 // mfspr r3, SPRG3
                0xf883_0000 | TRAP_R4,       // std r4, trap_r4(r3)
                0x3880_0000 | vector as u32, // li r4, vector
                0x4800_0002 | target as u32, // ba gate_trap
            ];
            put(vector, &code);
        }
        put_reset();
        // The decrementer: ends a doze, with EE off again and DEC far away; else a trap, too.
        let target = &raw const gate::gate_trap as u64;
        put(
            0x900,
            &[
                0x7c72_43a6,                 // mtspr SPRG2, r3
                0x7c73_42a6,                 // mfspr r3, SPRG3
                0xf883_0000 | TRAP_R4,       // std r4, trap_r4(r3)
                0xe883_0000 | DOZING,        // ld r4, dozing(r3)
                0x2c24_0000,                 // cmpdi r4, 0
                0x4082_000c,                 // bne +12
                0x3880_0900,                 // li r4, 0x900
                0x4800_0002 | target as u32, // ba gate_trap
                0x3c80_7fff,                 // lis r4, 0x7fff
                0x7c96_03a6,                 // mtspr DEC, r4
                0x7c9b_02a6,                 // mfspr r4, SRR1
                0x3860_0000,                 // li r3, 0
                0x6063_8000,                 // ori r3, r3, EE
                0x7c84_1878,                 // andc r4, r4, r3
                0x7c9b_03a6,                 // mtspr SRR1, r4
                0x7c73_42a6,                 // mfspr r3, SPRG3
                0xe883_0000 | TRAP_R4,       // ld r4, trap_r4(r3)
                0x7c72_42a6,                 // mfspr r3, SPRG2
                0x4c00_0024,                 // rfid
            ],
        );
        memory::flush_instructions(AREA.start, AREA.end - AREA.start);
        Vectors { saved }
    }
}

impl Drop for Vectors {
    fn drop(&mut self) {
        memory::write(AREA.start, &self.saved);
        memory::flush_instructions(AREA.start, AREA.end - AREA.start);
    }
}

const TRAP_R4: u32 = gate::TRAP_R4_OFFSET as u32;
const DOZING: u32 = gate::DOZING_OFFSET as u32;
const IN_CALL: u32 = gate::IN_CALL_OFFSET as u32;
const RESETS: u32 = gate::RESETS_OFFSET as u32;
const TRAP_CR: u32 = gate::TRAP_CR_OFFSET as u32;

/// Puts in the vector of the system reset: it ends a call, and outside one is counted. Another one may
/// come only when that was seen: it would take the place of what this one interrupted.
pub fn put_reset() {
    let target = &raw const gate::gate_trap as u64;
    put(
        0x100,
        &[
            0x7c72_43a6,                 // mtspr SPRG2, r3
            0x7c73_42a6,                 // mfspr r3, SPRG3
            0xf883_0000 | TRAP_R4,       // std r4, trap_r4(r3)
            0x7c80_0026,                 // mfcr r4
            0xf883_0000 | TRAP_CR,       // std r4, trap_cr(r3)
            0xe883_0000 | IN_CALL,       // ld r4, in_call(r3)
            0x2c24_0000,                 // cmpdi r4, 0
            0xe883_0000 | TRAP_CR,       // ld r4, trap_cr(r3)
            0x4082_0020,                 // bne +32
            0x7c8f_f120,                 // mtcrf 0xff, r4
            0xe883_0000 | RESETS,        // ld r4, resets(r3)
            0x3884_0001,                 // addi r4, r4, 1
            0xf883_0000 | RESETS,        // std r4, resets(r3)
            0xe883_0000 | TRAP_R4,       // ld r4, trap_r4(r3)
            0x7c72_42a6,                 // mfspr r3, SPRG2
            0x4c00_0024,                 // rfid
            0x7c8f_f120,                 // mtcrf 0xff, r4
            0x3880_0100,                 // li r4, 0x100
            0x4800_0002 | target as u32, // ba gate_trap
        ],
    );
    memory::flush_instructions(0x100, 128);
}

/// Puts other code where a vector goes, while [`Vectors`] live.
pub fn put_other(at: u64, code: &[u32]) {
    put(at, code);
    memory::flush_instructions(at, 4 * code.len() as u64);
}

fn put(at: u64, code: &[u32]) {
    for (index, instruction) in code.iter().enumerate() {
        memory::write_u32(at + 4 * index as u64, *instruction);
    }
}

/// An exception outside a call: the guest's own mistake, or an interrupt that nobody asked for.
pub(super) extern "C" fn trapped(gate: &Gate) -> ! {
    say!("guest: exception outside any call: {:x?}", gate.trap());
    super::console::power_off()
}
