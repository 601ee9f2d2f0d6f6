//! What a call leaves alone (LoPAR 7.2.1 to 7.2.4): registers, MSR, memory, exceptions.

use alloc::format;
use alloc::vec::Vec;
use core::ops::Range;

use guest::verdict::Verdict;
use guest::{fail, need, pass, skip};

use super::{Check, check};
use crate::board::gate::{MSR_RI, Registers, patterns};
use crate::board::memory::{self, Scratch};
use crate::returned;
use crate::subject::kept::{self, Difference, Register};
use crate::subject::{Machine, Rtas};

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.2.2-1", "registers-general", general),
    check("R1-7.2.2-1", "registers-cr", condition),
    check("R1-7.2.2-1", "registers-cr2-cr4", condition_nonvolatile),
    check("R1-7.2.2-1", "registers-floating-point", floating_point),
    check("R1-7.2.2-1", "registers-vector", vector),
    check("R1-7.2.1-7", "msr", msr),
    check("R1-7.2.1-8", "msr-ri", msr_ri),
    check("R1-7.2.2-2", "sprg", sprg),
    check("R1-7.2.2-2", "decrementer", decrementer),
    check("R1-7.2.4-3", "memory", other_memory),
];

/// One call of an environment check.
struct Probe {
    name: &'static str,
    token: u32,
    inputs: Vec<u32>,
    outputs: usize,
}

/// Calls of every kind: answered by RTAS or by the hypervisor, refused, with a data buffer.
fn probes(machine: &mut Machine, data: u32) -> Vec<Probe> {
    let source = machine.sources.first().copied().unwrap_or(0);
    let calls: [(&'static str, &[u32], usize); 12] = [
        ("get-time-of-day", &[], 8),
        ("query-cpu-stopped-state", &[0], 2),
        ("ibm,get-xive", &[source], 3),
        ("ibm,set-xive", &[source, 0, 0xff], 1),
        ("ibm,int-off", &[source], 1),
        ("ibm,int-on", &[source], 1),
        ("nvram-fetch", &[0, data, 16], 2),
        ("ibm,get-system-parameter", &[20, data, 64], 1),
        ("get-sensor-state", &[0x7777, 0], 2),
        ("rtas-last-error", &[data, 64], 1),
        ("ibm,get-vpd", &[data, data, 64, 1], 3),
        ("ibm,get-indices", &[1, 9006, data, 64, 1], 2),
    ];
    let mut probes: Vec<Probe> = Vec::new();
    for (name, inputs, outputs) in calls {
        if let Some(token) = machine.token(name) {
            probes.push(Probe {
                name,
                token,
                inputs: inputs.to_vec(),
                outputs,
            });
        }
    }
    probes.push(Probe {
        name: "an unknown token",
        token: 0x1fff,
        inputs: alloc::vec![1],
        outputs: 1,
    });
    probes
}

/// Looks at the registers of a call, before and after.
type Look = fn(&Registers, &Registers) -> Option<Difference>;

/// Entered with MSR[RI] = 1 and with 0.
fn either(machine: &mut Machine, look: Look) -> Verdict {
    match each(machine, 0, look) {
        Verdict::Pass(_) => each(machine, MSR_RI, look),
        other => other,
    }
}

/// Makes every probe with these MSR bits changed and looks at the registers of each.
fn each(machine: &mut Machine, flip: u64, look: Look) -> Verdict {
    let Some(rtas) = machine.rtas else {
        skip!("no instance of RTAS")
    };
    let data = Scratch::new(256, 256);
    let probes = probes(machine, data.address as u32);
    for probe in &probes {
        let buffer = Scratch::new(256, 256);
        let mut before = patterns(rtas.width.msr() ^ flip);
        // Other values for every call, so that a register that some call leaves behind differs.
        for (index, register) in before.gpr.iter_mut().enumerate() {
            *register ^= u64::from(probe.token) << 32 | (index as u64) << 56;
        }
        let outcome = returned!(rtas.call_at(
            machine.gate,
            buffer.address,
            probe.token,
            &probe.inputs,
            probe.outputs,
            &before
        ));
        let entered = machine.gate.entered_with();
        if let Some(difference) = look(entered, &outcome.registers) {
            let Difference {
                register,
                wanted,
                saw,
            } = difference;
            let name = register.name();
            fail!(
                format!("{name} {wanted:#x} after {}", probe.name),
                "{saw:#x}"
            );
        }
    }
    pass!("kept by {} calls", probes.len())
}

/// Also made of broken instances by the self-test.
pub fn general(machine: &mut Machine) -> Verdict {
    either(machine, kept::general)
}

/// Also made of broken instances by the self-test.
pub fn condition(machine: &mut Machine) -> Verdict {
    either(machine, kept::condition)
}

/// Also made of broken instances by the self-test.
pub fn condition_nonvolatile(machine: &mut Machine) -> Verdict {
    either(machine, |before, after| {
        kept::condition(before, after).filter(|found| (found.wanted ^ found.saw) & 0x00ff_f000 != 0)
    })
}

/// Also made of broken instances by the self-test.
pub fn floating_point(machine: &mut Machine) -> Verdict {
    either(machine, kept::floating_point)
}

/// Also made of broken instances by the self-test.
pub fn vector(machine: &mut Machine) -> Verdict {
    either(machine, kept::vector)
}

/// Stricter than [`kept::msr`]: DR and RI are as they were, too.
fn same_msr(before: &Registers, after: &Registers) -> Option<Difference> {
    (before.msr != after.msr).then(|| Difference {
        register: Register::Msr,
        wanted: before.msr.into(),
        saw: after.msr.into(),
    })
}

/// Also made of broken instances by the self-test.
pub fn msr(machine: &mut Machine) -> Verdict {
    each(machine, 0, same_msr)
}

/// Also made of broken instances by the self-test.
pub fn msr_ri(machine: &mut Machine) -> Verdict {
    // The guest runs with RI = 1: here it is 0, and must be 0 afterwards.
    each(machine, MSR_RI, same_msr)
}

/// Also made of broken instances by the self-test.
pub fn sprg(machine: &mut Machine) -> Verdict {
    either(machine, kept::sprg)
}

/// Also made of broken instances by the self-test.
pub fn decrementer(machine: &mut Machine) -> Verdict {
    either(machine, kept::decrementer)
}

/// All memory below `end` but for the guest's own image, the vectors, the instance and `others`.
pub fn memory_without(rtas: &Rtas, end: u64, others: &[Range<u64>]) -> Vec<Range<u64>> {
    let own = [memory::image(), rtas.base..rtas.base + rtas.size, 0..0x1000];
    let mut holes = own.to_vec();
    holes.extend_from_slice(others);
    holes.sort_by_key(|hole| hole.start);
    let mut ranges = Vec::new();
    let mut at = 0;
    for hole in holes {
        if at < hole.start.min(end) {
            ranges.push(at..hole.start.min(end));
        }
        at = at.max(hole.end).next_multiple_of(8);
    }
    if at < end {
        ranges.push(at..end);
    }
    ranges
}

/// Memory that is watched: all below 128 MiB and the 4 MiB around everything RTAS knows.
fn watched(machine: &Machine, rtas: &Rtas) -> Vec<Range<u64>> {
    let end = (128 << 20).max(rtas.base + rtas.size + (4 << 20));
    memory_without(rtas, machine.memory_end.min(end), &[])
}

/// All memory that no call may write, up to 512 MiB, but for `others`.
pub fn unused(machine: &Machine, rtas: &Rtas, others: &[Range<u64>]) -> Vec<Range<u64>> {
    memory_without(rtas, machine.memory_end.min(512 << 20), others)
}

/// Also made of broken instances by the self-test.
pub fn other_memory(machine: &mut Machine) -> Verdict {
    let Some(rtas) = machine.rtas else {
        skip!("no instance of RTAS")
    };
    let ranges = watched(machine, &rtas);
    let data = Scratch::new(256, 256);
    let probes = probes(machine, data.address as u32);
    let sums = |ranges: &[Range<u64>]| -> Vec<u64> {
        ranges
            .iter()
            .map(|range| memory::checksum(range.clone()))
            .collect()
    };
    let before = sums(&ranges);
    for probe in &probes {
        let outcome = returned!(rtas.call(machine.gate, probe.token, &probe.inputs, probe.outputs));
        crate::clean!(outcome);
    }
    let after = sums(&ranges);
    need!(
        before == after,
        format!("checksums of {ranges:x?} as before {} calls", probes.len()),
        "{after:x?}, before {before:x?}"
    );
    let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    pass!("{} MiB unchanged by {} calls", bytes >> 20, probes.len())
}
