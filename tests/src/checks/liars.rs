//! Whether the checks of functions can fail: each is made of RTASes that lie (one that does nothing,
//! and three that give one status to every call), and at least one of them has to be caught by it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use guest::verdict::{Report, Verdict};

use super::{Check, clock};
use crate::board::console::Console;
use crate::board::memory;
use crate::subject::{Machine, Rtas, Width};

const BLR: u32 = 0x4e80_0020;

/// Stores a status behind the inputs and returns.
const fn always(status: i16) -> [u32; 6] {
    [
        0x80a3_0004,                        // lwz  r5, 4(r3): the number of inputs
        0x54a5_103a,                        // slwi r5, r5, 2
        0x7ca5_1a14,                        // add  r5, r5, r3
        0x38c0_0000 | status as u16 as u32, // li   r6, status
        0x90c5_000c,                        // stw  r6, 12(r5)
        BLR,
    ]
}

const SILENT: [u32; 6] = [BLR; 6];
const SUCCESS: [u32; 6] = always(0);
const REFUSAL: [u32; 6] = always(-3);
const BUSY: [u32; 6] = always(-2);

/// Checks that no liar can be caught by, and why.
const EXCUSED: [(&str, &str); 1] = [(
    "connector-unusable",
    "its connectors are those that a sensor calls unusable, and liars have no sensor",
)];

/// Makes every check of `tables` of each liar; one verdict for all.
pub fn run(machine: &mut Machine, report: &mut Report<Console>, tables: &[&[Check]]) {
    let verdict = judge(machine, tables);
    // The console has no errors.
    let _ = report.verdict("GUEST", "selftest-liars", &verdict);
}

fn judge(machine: &mut Machine, tables: &[&[Check]]) -> Verdict {
    let real = machine.rtas;
    let mut fooled: Vec<&str> = Vec::new();
    let (mut caught, mut skipped) = (0, 0);
    let checks = tables.iter().flat_map(|table| table.iter());
    for check in checks.chain(clock::CHECKS) {
        // A clock that tells success and no time is waited for.
        let patient = clock::CHECKS.iter().any(|own| own.name == check.name);
        let liars = [SILENT, REFUSAL, BUSY, SUCCESS];
        let mut verdicts = Vec::new();
        for code in &liars[..if patient { 2 } else { 4 }] {
            machine.rtas = Some(install(machine, code));
            verdicts.push((check.run)(machine));
        }
        let failed = |verdict: &Verdict| matches!(verdict, Verdict::Fail(..));
        let passed = |verdict: &Verdict| matches!(verdict, Verdict::Pass(_));
        if verdicts.iter().any(failed) {
            caught += 1;
        } else if verdicts.iter().any(passed) {
            fooled.push(check.name);
        } else {
            skipped += 1;
        }
    }
    machine.rtas = real;
    let excused = |name: &&&str| !EXCUSED.iter().any(|(own, _)| own == *name);
    let fooled: Vec<&str> = fooled.iter().filter(excused).copied().collect();
    if fooled.is_empty() {
        Verdict::Pass(format!(
            "{caught} checks notice one of four RTASes that lie, {skipped} do not apply"
        ))
    } else {
        let wanted = String::from("every check to notice one of four RTASes that lie");
        Verdict::Fail(wanted, format!("{fooled:?} did not, {caught} did"))
    }
}

/// Puts a liar into the arena, 32-bit cells.
fn install(machine: &Machine, code: &[u32]) -> Rtas {
    let base = machine.arena + 0x30_0000;
    memory::fill(base, 0x1000, 0);
    for (index, instruction) in code.iter().enumerate() {
        memory::write_u32(base + 4 * index as u64, *instruction);
    }
    memory::flush_instructions(base, 0x1000);
    Rtas {
        entry: base,
        base,
        r4: base,
        size: 0x1000,
        width: Width::Mode64,
    }
}
