//! Calls with anything wrong, chosen at random: each by its number alone, so that any part of a run
//! can be repeated.

use super::{CELLS, Case, World};
use crate::functions::{Argument, Extent};
use crate::source::Random;

/// Numbers at the edges of types.
const EDGES: [u32; 12] = [
    0,
    1,
    2,
    4,
    0xff,
    0x100,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff8,
    0xffff_fffe,
    0xffff_ffff,
];

/// The call `number` of the run with this seed. Not every one may be made: see [`World::excluded`].
pub fn case(world: &World<'_>, seed: u64, number: u64) -> Case {
    let mixed = (seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(number);
    let mut random = Random::new(mixed ^ mixed >> 29);
    // The first numbers of a small seed are alike.
    for _ in 0..4 {
        random.below(2);
    }
    let any =
        |random: &mut Random| random.below(1 << 16) as u32 | (random.below(1 << 16) as u32) << 16;
    let pick = |random: &mut Random, from: &[u32]| from[random.below(from.len() as u64) as usize];
    let at = random.below(world.functions.len().max(1) as u64) as usize;
    let Some((token, function)) = world.functions.get(at) else {
        unreachable_world()
    };
    let mut case = Case::good(world, *token, function);
    for (index, cell) in case.cells.iter_mut().enumerate() {
        *cell = match function.inputs.get(index) {
            Some(Argument::Number) => number_cell(world, &mut random, *cell),
            Some(Argument::Reads(_) | Argument::Writes(_)) => pointer(world, &mut random),
            None => any(&mut random),
        };
    }
    bound_lengths(&mut case);
    if random.below(16) == 0 {
        let token = any(&mut random);
        let none = world.functions.iter().all(|(own, _)| *own != token);
        if none && token != 10 {
            (case.token, case.function) = (token, None);
        }
    }
    if random.below(4) == 0 {
        let inputs = random.below(20) as u32;
        case.inputs = if random.below(8) == 0 {
            pick(&mut random, &EDGES)
        } else {
            inputs
        };
    }
    if random.below(4) == 0 {
        let outputs = random.below(20) as u32;
        case.outputs = if random.below(8) == 0 {
            pick(&mut random, &EDGES)
        } else {
            outputs
        };
    } else if !function.outputs.is_empty() {
        case.outputs = pick(&mut random, function.outputs);
    }
    if world.cell == 8 && random.below(8) == 0 {
        case.upper = Some((random.below(19), any(&mut random)));
    }
    (case.buffer, case.put) = place(world, &mut random);
    case
}

/// A world always has functions; a guest without any makes no calls.
fn unreachable_world() -> ! {
    panic!("a world without functions")
}

fn number_cell(world: &World<'_>, random: &mut Random, good: u32) -> u32 {
    match random.below(8) {
        0..4 => good,
        4 => EDGES[random.below(EDGES.len() as u64) as usize],
        5 => random.below(64) as u32,
        6 => world.known.source.wrapping_add(random.below(64) as u32),
        _ => random.below(1 << 32) as u32,
    }
}

fn pointer(world: &World<'_>, random: &mut Random) -> u32 {
    let good = world.data() as u32;
    match random.below(8) {
        0..4 => good + random.below(0x1000) as u32,
        // Somewhere in RTAS, or a little before it.
        4 => {
            let length = world.rtas.end - world.rtas.start + 8;
            (world.rtas.start - 8 + random.below(length)) as u32
        }
        // Behind the end of memory, if a cell can name it.
        5 => match u32::try_from(world.memory_end) {
            Ok(end) => end.saturating_add(random.below(1 << 31) as u32),
            Err(_) => good,
        },
        // Into the argument buffer, perhaps.
        6 => (world.area + random.below(World::DATA)) as u32,
        _ => match u32::try_from(world.memory_end) {
            Ok(_) => u32::MAX - random.below(0x1000) as u32,
            Err(_) => good,
        },
    }
}

/// Keeps the memory behind good pointers within the area.
fn bound_lengths(case: &mut Case) {
    let Some(function) = case.function else {
        return;
    };
    for argument in function.inputs {
        let (Argument::Reads(extent) | Argument::Writes(extent)) = argument else {
            continue;
        };
        if let Extent::Exactly(index) | Extent::UpTo(index) = extent {
            let length = &mut case.cells[*index];
            // What is larger than any NVRAM is refused or not used.
            if (World::MOST_DATA..0x1000_0000).contains(length) {
                *length %= World::MOST_DATA;
            }
        }
    }
}

/// r3, and whether the guest puts the buffer there.
fn place(world: &World<'_>, random: &mut Random) -> (u64, bool) {
    let room = (World::DATA - super::BLOCK) / 8;
    let inside = world.area + 8 * random.below(room);
    match random.below(32) {
        0..22 => (inside, true),
        22..25 => (inside + random.below(8), true),
        // Across the end of memory.
        25 if world.end_is_free && world.memory_end < 1 << 32 => {
            let distance = random.below(u64::from(CELLS + 8) * world.cell);
            (world.memory_end - distance, true)
        }
        26 => {
            let length = world.rtas.end - world.rtas.start;
            (world.rtas.start + random.below(length), false)
        }
        27 => (world.memory_end + random.below(1 << 40), false),
        // Bits that are no part of the address.
        28 if !world.mode64 || world.memory_end <= 1 << 32 => {
            (inside | 1 << (32 + random.below(32)), true)
        }
        _ => (inside, true),
    }
}

#[cfg(test)]
mod tests;
