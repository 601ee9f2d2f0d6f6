//! A world for the tests of this module.

use super::{Known, World};
use crate::functions::Function;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// All functions, with tokens from 0x2000 on, in 256 MiB.
pub fn world(cell: u64, mode64: bool) -> World<'static> {
    let functions: Vec<_> = (0x2000..).zip(crate::functions::FUNCTIONS).collect();
    World {
        area: 0x800_0000,
        memory_end: 0x1000_0000,
        end_is_free: true,
        high: None,
        rtas: 0xf00_0000..0xf00_f000,
        cell,
        mode64,
        functions: Box::leak(functions.into_boxed_slice()),
        known: Known {
            source: 0x1000,
            server: 0,
            connector: 0x2000_0001,
            unit: [0x800_0000, 0x2000_0000],
        },
        stopped: &[],
    }
}

/// The worlds of the three ways to enter RTAS.
pub fn worlds() -> [World<'static>; 3] {
    [world(4, false), world(4, true), world(8, true)]
}

/// A good call of the function called `name`.
pub fn good(world: &World<'_>, name: &str) -> super::Case {
    let mut functions = world.functions.iter();
    let found = functions.find(|(_, function)| function.name == name);
    let (token, function): &(u32, &'static Function) = found.unwrap();
    super::Case::good(world, *token, function)
}
