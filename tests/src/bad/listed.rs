//! Calls with one thing wrong at a time, all of them.

use super::{CELLS, Case, World};
use crate::functions::Argument;

/// What makes a list: the world and who wants its cases.
pub type List = fn(&World<'_>, &mut dyn FnMut(Case));

/// Numbers of inputs and outputs: all that fit a buffer, the first that do not, and huge ones.
const COUNTS: [u32; 24] = [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
    100,
    0x4000_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];

/// Numbers that are wrong for most arguments, at every edge of their types.
const NUMBERS: [u32; 18] = [
    0,
    1,
    2,
    3,
    5,
    8,
    0x7f,
    0xff,
    0x100,
    0xffff,
    0x1_0000,
    0x1000_0001,
    0x7fff_fffc,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff8,
    0xffff_fffe,
    0xffff_ffff,
];

/// The token that display-character has beside its own: Linux's early console has it built in.
const EARLY_DISPLAY_CHARACTER: u32 = 10;

/// Tokens that no function has, whatever else is in /rtas.
fn unknown_tokens(world: &World<'_>) -> impl Iterator<Item = u32> {
    let all = [0, 1, 0x1fff, 0x20f0, 0x7fff_ffff, 0x8000_2001, 0xffff_ffff];
    all.into_iter().filter(|token| {
        *token != EARLY_DISPLAY_CHARACTER && world.functions.iter().all(|(own, _)| own != token)
    })
}

/// Every function, and tokens that no function has, with every wrong pair of counts. Functions that
/// end the machine, too: called so they must not.
pub fn counts(world: &World<'_>, visit: &mut dyn FnMut(Case)) {
    let mut all = |case: Case| {
        for inputs in COUNTS {
            for outputs in COUNTS {
                let case = Case {
                    inputs,
                    outputs,
                    ..case
                };
                let takes = |function: &crate::functions::Function| function.takes(inputs, outputs);
                if !case.function.is_some_and(takes) {
                    visit(case);
                }
            }
        }
    };
    for (token, function) in world.functions {
        all(Case::good(world, *token, function));
    }
    let Some((_, function)) = world.functions.first() else {
        return;
    };
    for token in unknown_tokens(world) {
        all(Case {
            function: None,
            ..Case::good(world, token, function)
        });
    }
}

/// Every function with every number wrong, one at a time and, of 64-bit cells, any cell in its upper
/// half. Where pointers point, [`pointers`] has.
pub fn arguments(world: &World<'_>, visit: &mut dyn FnMut(Case)) {
    for (token, function) in world.functions {
        let good = Case::good(world, *token, function);
        for outputs in function.outputs {
            visit(Case {
                outputs: *outputs,
                ..good
            });
        }
        let inputs = function.inputs.iter().enumerate();
        for (index, _) in inputs.filter(|(_, argument)| **argument == Argument::Number) {
            for number in NUMBERS {
                let mut case = good;
                case.cells[index] = number;
                visit(case);
            }
        }
        if world.cell == 8 {
            let cells = 3 + function.inputs.len() as u64;
            for cell in 0..cells {
                for bits in [1, 0x8000_0000, 0xffff_ffff] {
                    visit(Case {
                        upper: Some((cell, bits)),
                        ..good
                    });
                }
            }
        }
    }
}

/// Every pointer of every function to each place where memory must not be used, or where it is all
/// of a kind: in RTAS, across its edges, across the end of memory and behind it, and into the
/// argument buffer itself.
pub fn pointers(world: &World<'_>, visit: &mut dyn FnMut(Case)) {
    let (start, end) = (world.rtas.start as u32, world.rtas.end as u32);
    let rtas = [
        start,
        start + 8,
        start + 0x30,
        start + 0x800,
        start + 0x1000,
        end - 0x1000,
        end - 16,
        end - 1,
        start - 8,
        start - 1,
    ];
    let overlapping = (0..18).map(|index| world.area as u32 + 4 * index);
    let unaligned = [1, 2, 3, 5].map(|offset| world.data() as u32 + offset);
    // Behind the end, if a cell can name it.
    let behind = u32::try_from(world.memory_end).ok().into_iter();
    let behind = behind.flat_map(|last| [last, last - 1, last - 8, 0xffff_fff8, u32::MAX]);
    let places = rtas.into_iter().chain(overlapping).chain(unaligned);
    let places = places.chain(behind);
    for (token, function) in world.functions {
        let good = Case::good(world, *token, function);
        let pointers = function.inputs.iter().enumerate();
        for (index, _) in pointers.filter(|(_, argument)| **argument != Argument::Number) {
            for address in places.clone() {
                let mut case = good;
                case.cells[index] = address;
                visit(case);
            }
        }
    }
}

/// Functions whose buffers come to every place: one without inputs, those of the blob, and one about
/// memory. A function looks at its buffer in one of few ways, so the others come to some places of
/// each kind.
const EVERYWHERE: [&str; 4] = [
    "get-time-of-day",
    "ibm,get-xive",
    "ibm,int-off",
    "nvram-fetch",
];

/// Argument buffers of every function at every kind of place.
pub fn places(world: &World<'_>, visit: &mut dyn FnMut(Case)) {
    for (token, function) in world.functions {
        let good = Case::good(world, *token, function);
        // How many places of a kind are left out behind each.
        let step = if EVERYWHERE.contains(&function.name) {
            1
        } else {
            17
        };
        // Not aligned, in every place of a line, and across a page.
        for offset in (0..136).chain(0xf00..0x1000).step_by(step) {
            visit(good.at(world.area + offset, true));
        }
        // At the end of memory, and across it.
        if world.end_is_free && world.memory_end < 1 << 32 {
            for distance in (0..=24 * world.cell).step_by(step) {
                visit(good.at(world.memory_end - distance, true));
            }
        }
        // In RTAS, whatever lies there, and across its start.
        for buffer in world.rtas.clone().step_by(64 * step) {
            visit(good.at(buffer, false));
        }
        // Where there is no memory.
        for distance in [0, 8, 0x1000, 0x1_0000_0000] {
            visit(good.at(world.memory_end + distance, false));
        }
        visit(good.at(0xffff_fff0, world.free(0xffff_fff0, super::BLOCK)));
        if !world.mode64 || world.memory_end <= 1 << 32 {
            // The same call with bits that are no part of the address, or of no memory.
            for bit in 32..64 {
                visit(good.at(world.area | 1 << bit, true));
            }
        }
        if let (true, Some(high)) = (world.mode64, world.high) {
            visit(good.at(high, true));
            visit(good.at(high + 0x100, true));
        }
        if world.mode64 {
            visit(good.at(u64::MAX - 7, false));
            visit(good.at(u64::MAX - u64::from(CELLS), false));
        }
        visit(good.at(0, false));
    }
}

#[cfg(test)]
mod tests;
