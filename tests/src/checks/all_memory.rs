//! Memory that no call may write (LoPAR R1-7.2.4-3), all of the machine's: summed once before the
//! calls of a width and once after them, in pieces.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use guest::verdict::Verdict;
use guest::{fail, pass, skip};

use super::{Check, bad, check, environment};
use crate::board::memory;
use crate::board::timebase;
use crate::subject::{Machine, Width, ledger};

/// The check, made when the calls of a width are over.
pub const CHECKS: &[Check] = &[check("R1-7.2.4-3", "memory-after-all-calls", unchanged)];

/// Memory is summed in pieces of this size.
const PIECE: u64 = 64 << 10;

/// Sums from before the calls.
pub struct Watched {
    ranges: Vec<Range<u64>>,
    /// One sum a piece, range after range.
    sums: Vec<u64>,
    /// Calls that had come back.
    calls: u64,
}

/// Calls of this width that came back so far.
fn calls(width: Width) -> u64 {
    ledger::compared(width).calls.map(u64::from).iter().sum()
}

/// The pieces of these ranges.
fn pieces(ranges: &[Range<u64>]) -> impl Iterator<Item = Range<u64>> {
    ranges.iter().flat_map(|range| {
        let end = range.end;
        let steps = range.clone().step_by(PIECE as usize);
        steps.map(move |start| start..end.min(start + PIECE))
    })
}

fn sums(ranges: &[Range<u64>]) -> Vec<u64> {
    pieces(ranges).map(memory::checksum).collect()
}

/// Sums all memory but for what is the guest's own and the instance's; not where thousands of calls
/// are looked at anyway, or instructions are counted.
pub fn watch(machine: &mut Machine) {
    machine.watched = None;
    let elsewhere = machine.arguments.asks_part("fuzz") || machine.arguments.asks("ticks");
    let Some(rtas) = machine.rtas.filter(|_| !elsewhere) else {
        return;
    };
    let mut others = machine.own.clone();
    if machine.claimed_end {
        let end = machine.memory_end.min(1 << 32);
        others.push(end - 0x1000..end);
    }
    others.extend(bad::high(machine).map(|start| start..start + 0x1_0000));
    let ranges = environment::memory_without(&rtas, machine.memory_end, &others);
    machine.watched = Some(Watched {
        sums: sums(&ranges),
        ranges,
        calls: calls(rtas.width),
    });
}

fn unchanged(machine: &mut Machine) -> Verdict {
    let (Some(rtas), Some(before)) = (machine.rtas, machine.watched.take()) else {
        skip!("memory is not watched in this run")
    };
    let start = timebase();
    let after = sums(&before.ranges);
    let milliseconds = timebase().wrapping_sub(start) / 512_000;
    let calls = calls(rtas.width) - before.calls;
    let bytes: u64 = before
        .ranges
        .iter()
        .map(|range| range.end - range.start)
        .sum();
    let mut changed = pieces(&before.ranges).zip(before.sums.iter().zip(&after));
    let changed: Vec<String> = changed
        .by_ref()
        .filter(|(_, (before, after))| before != after)
        .map(|(piece, _)| format!("{:#x}..{:#x}", piece.start, piece.end))
        .collect();
    if !changed.is_empty() {
        fail!(
            format!("{} MiB as before {calls} calls", bytes >> 20),
            "{} pieces of them changed: {}",
            changed.len(),
            changed[..changed.len().min(8)].join(", ")
        )
    }
    pass!(
        "{} MiB of {} unchanged by {calls} calls: all but the vectors, the instance, and the guest's \
         image ({} MiB, with its stacks, heap and buffers) and the areas that its checks write to \
         ({} MiB); summed in {milliseconds} ms",
        bytes >> 20,
        machine.memory_end >> 20,
        (memory::image().end - memory::image().start) >> 20,
        machine
            .own
            .iter()
            .map(|own| own.end - own.start)
            .sum::<u64>()
            >> 20
    )
}
