//! Takes in a PCI device that is plugged while all others make calls, and gives it back when asked
//! to (LoPAR 13.5.3.3 to 13.5.3.5, 13.6.3): its connector is unisolated, its tree is read by
//! ibm,configure-connector, then it is isolated, which lets an unplug that was asked for happen.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::PLAN;
use super::meet::{self, deviates};
use crate::board::gate::Gate;
use crate::board::memory;
use crate::checks::processors::SHARED;
use crate::subject::Machine;
use crate::subject::machine::cells;

/// Most connectors that are looked at.
const MOST: usize = 256;
/// Where the work area of ibm,configure-connector lies in the arena: a page.
const WORK_AREA: u64 = 0x2c_0000;

/// The indicator isolation-state (13.5.3.4), and its values.
const ISOLATION_STATE: u32 = 9001;
const ISOLATE: u32 = 0;
const UNISOLATE: u32 = 1;

/// Connectors of the PCI slots, and tokens: set-indicator,
/// ibm,configure-connector. Written while the others are idle.
static CONNECTORS: [AtomicU32; MOST] = [const { AtomicU32::new(0) }; MOST];
static TOKENS: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];

/// Connectors configured, and given back.
static CONFIGURED: AtomicU64 = AtomicU64::new(0);
static RELEASED: AtomicU64 = AtomicU64::new(0);

/// How many connectors were configured, and given back.
pub fn made() -> (u64, u64) {
    (
        CONFIGURED.load(Ordering::Relaxed),
        RELEASED.load(Ordering::Relaxed),
    )
}

/// Finds the connectors.
pub fn prepare(machine: &mut Machine) {
    let mut all = alloc::vec::Vec::new();
    for (path, properties) in machine.tree {
        let indexes = properties.iter();
        let indexes = indexes.filter(|(name, _)| name == "ibm,drc-indexes");
        for (_, value) in indexes.filter(|_| path.starts_with("/pci@")) {
            // Their number, then each.
            all.extend(cells(value).into_iter().skip(1));
        }
    }
    let mut all = all.into_iter();
    for place in &CONNECTORS {
        place.store(all.next().unwrap_or(0), Ordering::Relaxed);
    }
    for (place, name) in TOKENS
        .iter()
        .zip(["set-indicator", "ibm,configure-connector"])
    {
        place.store(machine.token(name).unwrap_or(0), Ordering::Relaxed);
    }
    CONFIGURED.store(0, Ordering::Relaxed);
    RELEASED.store(0, Ordering::Relaxed);
}

/// The job.
pub fn run(gate: &mut Gate, index: usize) {
    let rtas = SHARED.rtas();
    let buffer = SHARED.buffer(index);
    let area = PLAN.arena.load(Ordering::Relaxed) + WORK_AREA;
    let [indicate, configure] = TOKENS.each_ref().map(|token| token.load(Ordering::Relaxed));
    let mut call = |token: u32, inputs: &[u32]| -> i64 {
        match rtas.quick(gate, buffer, token, inputs, 1) {
            Ok(cells) => cells[0],
            Err(trap) => {
                deviates(format_args!(
                    "{trap:x?} of token {token:#x} with {inputs:x?}"
                ));
                i64::MIN
            }
        }
    };
    let connectors = CONNECTORS.each_ref();
    let connectors = connectors.map(|connector| connector.load(Ordering::Relaxed));
    while !meet::stopped() {
        for connector in connectors.into_iter().filter(|connector| *connector != 0) {
            // Fails while nothing is plugged there.
            if call(indicate, &[ISOLATION_STATE, connector, UNISOLATE]) != 0 {
                continue;
            }
            memory::fill(area, 0x1000, 0);
            memory::write_u32(area, connector);
            // The tree of a device has some 30 properties.
            for step in 0.. {
                match call(configure, &[area as u32, 0]) {
                    0 => {
                        CONFIGURED.fetch_add(1, Ordering::Relaxed);
                        break;
                    }
                    1..=5 if meet::stopped() => break,
                    1..=5 if step < 10_000 => {}
                    // Unplugged meanwhile.
                    -3 | -9003 => break,
                    status => {
                        deviates(format_args!(
                            "status {status} of ibm,configure-connector for {connector:#x}, call \
                             {step}"
                        ));
                        break;
                    }
                }
            }
            if call(indicate, &[ISOLATION_STATE, connector, ISOLATE]) == 0 {
                RELEASED.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
