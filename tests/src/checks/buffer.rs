//! The argument buffer (LoPAR 7.2.7, 7.2.8): its token and counts, where it lies, and what is written
//! to it.

use alloc::format;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{expect, fail, need, pass, skip};
use rtas_abi::status::PARAMETER_ERROR;

use super::{Check, check};
use crate::board::gate::{Trap, patterns};
use crate::board::memory::{self, Scratch};
use crate::subject::machine::ARENA_SIZE;
use crate::subject::rtas::Outcome;
use crate::subject::{Machine, Rtas};
use crate::{clean, function, returned};

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.2.8-1", "unknown-token", unknown_token),
    check("R1-7.2.8-1", "wrong-counts", wrong_counts),
    check("R1-7.2.4-3", "no-outputs", no_outputs),
    check("R1-7.2.7-1", "buffer-anywhere", buffer_anywhere),
    check("R1-7.2.7-1", "buffer-misaligned", buffer_misaligned),
    check("R1-7.2.7-1", "buffer-at-end-of-memory", buffer_at_end),
    check("R1-7.2.3-6", "buffer-beyond-memory", buffer_beyond),
    check("R1-7.2.3-6", "buffer-in-rtas", buffer_in_rtas),
    check("R1-7.2.7-3", "cells-have-signs", signs),
];

const PARAMETER: i64 = PARAMETER_ERROR as i64;

/// What has a sign is the same number in a cell of either width.
fn signs(machine: &mut Machine) -> Verdict {
    let Some(rtas) = machine.rtas.filter(|rtas| rtas.width.cell() == 8) else {
        skip!("cells of 32 bits")
    };
    let (_, level) = function!(machine, "get-power-level");
    // The domain of what is always on is -1.
    let outcome = returned!(rtas.call(machine.gate, level, &[u32::MAX], 2));
    clean!(outcome);
    need!(
        outcome.status() == 0,
        "status 0 for power domain -1",
        "{:x?}",
        outcome.cells
    );
    let outcome = returned!(rtas.call(machine.gate, level, &[0x7777], 2));
    clean!(outcome);
    need!(
        outcome.status() < 0 && outcome.status() >= i64::from(i32::MIN),
        "a negative status, as 64 bits",
        "{:x?}",
        outcome.cells
    );
    pass!("-1 is taken and {} given, as 64 bits", outcome.status())
}

/// A number that is no function's token.
const NO_TOKENS: [u32; 6] = [0, 1, 0x1fff, 0x20f0, 0x7fff_ffff, 0xffff_ffff];

fn unknown_token(machine: &mut Machine) -> Verdict {
    let Some(rtas) = machine.rtas else {
        skip!("no instance of RTAS")
    };
    for token in NO_TOKENS {
        let outcome = returned!(rtas.call(machine.gate, token, &[1, 2], 2));
        clean!(outcome);
        need!(
            outcome.status() == PARAMETER && outcome.untouched == [1],
            format!("-3 for token {token:#x} and nothing else written"),
            "{:x?}",
            outcome.cells
        );
    }
    pass!("-3 for six tokens that no function has")
}

fn wrong_counts(machine: &mut Machine) -> Verdict {
    // Functions whose counts nothing but the buffer's own words tell, and right counts.
    let functions = [
        ("get-time-of-day", 0u32, 8u32),
        ("query-cpu-stopped-state", 1, 2),
        ("get-sensor-state", 2, 2),
        ("ibm,get-xive", 1, 3),
        ("ibm,int-off", 1, 1),
        ("nvram-fetch", 3, 2),
    ];
    let Some(rtas) = machine.rtas else {
        skip!("no instance of RTAS")
    };
    let mut calls = 0;
    for (name, inputs, outputs) in functions {
        let Some(token) = machine.token(name) else {
            continue;
        };
        let counts = [
            [inputs + 1, outputs],
            [inputs, outputs + 1],
            [inputs, outputs - 1],
            [inputs.wrapping_sub(1), outputs],
        ];
        // One output less than one is none: where the status goes then is a check of its own.
        for [nargs, nret] in counts
            .into_iter()
            .filter(|counts| counts[1] > 0 && counts[0] < 16)
        {
            let buffer = Scratch::new(256, 256);
            let cells = [0x1000; 16];
            let before = patterns(rtas.width.msr());
            let outcome = returned!(rtas.call_counts(
                machine.gate,
                buffer.address,
                token,
                &cells[..nargs as usize],
                [nargs, nret],
                nret as usize,
                &before
            ));
            clean!(outcome);
            need!(
                outcome.status() == PARAMETER && outcome.untouched.len() == nret as usize - 1,
                format!("-3 alone from {name} with {nargs} inputs, {nret} outputs"),
                "{:x?}",
                outcome.cells
            );
            calls += 1;
        }
    }
    pass!("-3 alone {calls} times")
}

fn no_outputs(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "get-time-of-day");
    for inputs in [0usize, 2] {
        let buffer = Scratch::new(256, 256);
        let before = patterns(rtas.width.msr());
        let outcome = returned!(rtas.call_at(
            machine.gate,
            buffer.address,
            token,
            &[7, 7][..inputs],
            0,
            &before
        ));
        need!(
            outcome.rest_intact,
            format!("nothing written with {inputs} inputs and no output"),
            "a cell behind the inputs was"
        );
    }
    pass!("no cell written with 0 outputs")
}

fn time_at(machine: &mut Machine, rtas: Rtas, token: u32, buffer: u64) -> Result<Outcome, Trap> {
    let before = patterns(rtas.width.msr());
    rtas.call_at(machine.gate, buffer, token, &[], 8, &before)
}

fn buffer_anywhere(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "get-time-of-day");
    let arena = machine.arena;
    // Every place in a cache line, and across a page.
    let places = (0..16)
        .map(|index| arena + 8 * index)
        .chain([arena + 0xff8, arena + ARENA_SIZE - 256]);
    for buffer in places {
        memory::fill(arena, 0x2000, 0x3c);
        let outcome = returned!(time_at(machine, rtas, token, buffer));
        clean!(outcome);
        need!(
            outcome.status() == 0,
            format!("status 0 with the buffer at {buffer:#x}"),
            "{}",
            outcome.status()
        );
        let end = buffer + 15 * rtas.width.cell();
        if buffer < arena + 0x1000 {
            let before = memory::first_other_than(arena..buffer, 0x3c);
            let after = memory::first_other_than(end..arena + 0x2000, 0x3c);
            need!(
                before.is_none() && after.is_none(),
                format!("nothing around {buffer:#x} written"),
                "{before:x?} {after:x?}"
            );
        }
    }
    pass!("18 places that are aligned to 8")
}

fn buffer_misaligned(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "get-time-of-day");
    let mut seen = Vec::new();
    for offset in [1, 2, 4, 7] {
        let buffer = machine.arena + 0x100 + offset;
        let outcome = returned!(time_at(machine, rtas, token, buffer));
        clean!(outcome);
        let status = outcome.status();
        // LoPAR 7.2.7, note 1: not checked, or -3. Not checked means that the call works.
        let untouched = outcome.untouched.len();
        let refused = status == PARAMETER && untouched == 7 || untouched == 8;
        need!(
            refused || status == 0 && untouched == 0,
            format!("-3 alone, or the time, with the buffer at ...{offset}"),
            "{:x?}",
            outcome.cells
        );
        seen.push((offset, status as i32));
    }
    pass!("offset and status {seen:x?}")
}

fn buffer_at_end(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "get-time-of-day");
    let end = machine.memory_end.min(1 << 32);
    let page = end - 0x1000;
    if !machine.claimed_end {
        skip!("the last page of memory below 4 GiB, {page:#x}, is not free")
    }
    let buffer = end - 11 * rtas.width.cell();
    let buffer = buffer & !7;
    let words = [token, 0, 8];
    for (index, word) in words.into_iter().enumerate() {
        let at = buffer + index as u64 * rtas.width.cell();
        match rtas.width.cell() {
            8 => memory::write_u64(at, word.into()),
            _ => memory::write_u32(at, word),
        }
    }
    let mut before = patterns(rtas.width.msr());
    before.gpr[3] = buffer;
    before.gpr[4] = rtas.r4;
    returned!(rtas.enter(machine.gate, token, &before, false));
    let at = buffer + 3 * rtas.width.cell();
    let status = match rtas.width.cell() {
        8 => memory::read_u64(at) as i64,
        _ => memory::read_u32(at) as i32 as i64,
    };
    // Minute, second and nanosecond read as a call without inputs on each full minute, for a later
    // check that has its buffer there.
    memory::fill(buffer, end - buffer, 0);
    expect!(
        "status with the buffer's last cell in the last word",
        0,
        status
    )
}

fn buffer_beyond(machine: &mut Machine) -> Verdict {
    let Some(rtas) = machine.rtas else {
        skip!("no instance of RTAS")
    };
    let end = machine.memory_end;
    if end >= 1 << 32 {
        skip!("memory ends at {end:#x}, not below 4 GiB")
    }
    for buffer in [end, end + 0x1000, 0xffff_f000, 0xffff_fff8] {
        let mut before = patterns(rtas.width.msr());
        before.gpr[3] = buffer;
        before.gpr[4] = rtas.r4;
        returned!(rtas.enter(machine.gate, 0, &before, false));
    }
    pass!("returned from four buffers outside memory")
}

fn buffer_in_rtas(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "get-time-of-day");
    if rtas.size == 0 {
        skip!("rtas-size is 0")
    }
    // Outputs only: the cells in the area are read, whatever they are, and a check of the buffer
    // comes before any write. What is not RTAS' code or data cannot be known from outside.
    let area = rtas.base..rtas.base + rtas.size;
    let sum = |base: u64, size: u64| memory::checksum(base..base + (size & !7));
    let (mut wrote, mut elsewhere) = (Vec::new(), Vec::new());
    for offset in [0, 8, (rtas.size / 2) & !7, (rtas.entry - rtas.base) & !7] {
        let buffer = rtas.base + offset;
        if !area.contains(&(buffer + 8)) {
            continue;
        }
        let before_sum = sum(rtas.base, rtas.size);
        let mut before = patterns(rtas.width.msr());
        before.gpr[3] = buffer;
        before.gpr[4] = rtas.r4;
        let status = status_place(machine, &rtas, buffer);
        let trap = rtas.enter(machine.gate, 0, &before, false).err();
        if let Some((place, kept)) = status
            && memory::read_u32(place) != kept
        {
            elsewhere.push(place);
            memory::write_u32(place, kept);
        }
        need!(
            trap.is_none(),
            format!("a return with the buffer at base+{offset:#x}"),
            "{trap:x?}"
        );
        if sum(rtas.base, rtas.size) != before_sum {
            wrote.push(offset);
        }
    }
    let status = rtas.status(machine.gate, token, &[], 8);
    need!(status == 0, "status 0 of the next call", "{status}");
    pass!(
        "no exception, and RTAS works on; area changed for offsets {wrote:x?}, status cells far away {elsewhere:x?}"
    )
}

/// Where QEMU puts the status of a call whose buffer lies in RTAS' own memory (spapr_hcall.c, h_rtas): it
/// believes the number of inputs, and multiplies it in 32 bits. What is there now, to be put back:
/// LoPAR says nothing of a buffer that ends beyond all memory.
fn status_place(machine: &Machine, rtas: &Rtas, buffer: u64) -> Option<(u64, u32)> {
    let inputs = memory::read_u32(buffer + 4);
    let place = buffer + 12 + u64::from(inputs.wrapping_mul(4));
    let area = rtas.base..rtas.base + rtas.size;
    let free = place + 4 <= machine.memory_end
        && !memory::image().contains(&place)
        && !area.contains(&place);
    (rtas.width.cell() == 4 && free).then(|| (place, memory::read_u32(place)))
}
