//! Processors, and the bytes that QEMU writes for them.

use super::{FactError, Problem, RTAS, board_cell, node};
use crate::tree::{NodeId, Tree};

/// Most processors of QEMU's pseries machine (`spapr.c:spapr_machine_class_init`, `max_cpus`).
pub const MAX_PROCESSORS: u32 = 4096;
/// What QEMU's `rtas-size` has beside the processors' areas, in bytes: its own blob (20), the
/// machine-check area (2048), and 8 (`spapr.c:spapr_dt_rtas`).
const RTAS_SIZE_FIXED: u32 = 20 + 2048 + 8;
/// Where the processors' areas start, in bytes from the base, and 8 as QEMU has it.
const SYSTEM_RESET_FIXED: u32 = 0x800 + 8;
/// Size of a processor's area (`spapr.c:spapr_do_system_reset_on_cpu`), in bytes.
const SYSTEM_RESET_AREA: u32 = 16;

const CPUS: &str = "/cpus";
const SERVERS: &str = "ibm,ppc-interrupt-server#s";

/// How many bytes from the base QEMU writes to by itself: its own `rtas-size`, or what its possible
/// processors need if that is more.
pub fn reserved_bytes(tree: &Tree) -> Result<u32, FactError> {
    let own = rtas_size(tree)?;
    // At most MAX_PROCESSORS.
    let areas = possible_processors(tree)? * SYSTEM_RESET_AREA;
    Ok(own.max(SYSTEM_RESET_FIXED + areas))
}

/// QEMU's own `rtas-size`, in bytes.
fn rtas_size(tree: &Tree) -> Result<u32, FactError> {
    board_cell(tree, node(tree, RTAS)?, RTAS, "rtas-size")?.ok_or(FactError {
        node: RTAS,
        property: "rtas-size",
        problem: Problem::Missing,
    })
}

/// How many processors (threads) the machine may come to have, hot-pluggable ones included.
///
/// QEMU says it in its `rtas-size`; a value that is no result of its formula, is below the number
/// of processors that are there or above [`MAX_PROCESSORS`], is not believed. Then the cores of
/// `ibm,lrdr-capacity` count, or else the processors that are there.
pub fn possible_processors(tree: &Tree) -> Result<u32, FactError> {
    let mut present = 0;
    let mut threads = 1;
    for id in processors(tree)? {
        let count = servers(tree, id)?.count();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        present = count.saturating_add(present);
        threads = threads.max(count);
    }
    if present > MAX_PROCESSORS {
        return Err(FactError {
            node: CPUS,
            property: "processors",
            problem: Problem::TooMany,
        });
    }
    let sane = |count: &u32| (present.max(1)..=MAX_PROCESSORS).contains(count);
    let by_size = rtas_size(tree)?
        .checked_sub(RTAS_SIZE_FIXED)
        .filter(|areas| areas.is_multiple_of(SYSTEM_RESET_AREA))
        .map(|areas| areas / SYSTEM_RESET_AREA)
        .filter(sane);
    let by_capacity = || {
        let cells = tree.cells(node(tree, RTAS).ok()?, "ibm,lrdr-capacity")?;
        // Two cells of an address, two of a block size, the number of cores.
        cells.last()?.checked_mul(threads).filter(sane)
    };
    Ok(by_size.or_else(by_capacity).unwrap_or(present.max(1)))
}

/// The interrupt server of the processor that boots: the flat tree's header names one of its
/// core's threads; if it does not, the lowest server boots, as in QEMU.
pub fn boot_server(tree: &Tree) -> Result<u32, FactError> {
    let mut lowest = None;
    for id in processors(tree)? {
        for server in servers(tree, id)? {
            if server == tree.boot_cpuid {
                return Ok(server);
            }
            lowest = Some(lowest.map_or(server, |lowest: u32| lowest.min(server)));
        }
    }
    lowest.ok_or(FactError {
        node: CPUS,
        property: SERVERS,
        problem: Problem::Missing,
    })
}

/// The highest interrupt server of the processors that are there.
pub(super) fn highest_server(tree: &Tree) -> Result<Option<u32>, FactError> {
    let mut highest = None;
    for id in processors(tree)? {
        highest = highest.max(servers(tree, id)?.max());
    }
    Ok(highest)
}

fn processors(tree: &Tree) -> Result<impl Iterator<Item = NodeId>, FactError> {
    let children = tree.children(node(tree, CPUS)?);
    Ok(children.filter(|&id| tree.string(id, "device_type") == Some("cpu")))
}

/// The interrupt servers of a core, one for each thread.
fn servers(tree: &Tree, id: NodeId) -> Result<impl Iterator<Item = u32>, FactError> {
    let problem = match tree.property(id, SERVERS) {
        None => Problem::Missing,
        Some(_) => Problem::Malformed,
    };
    tree.cells(id, SERVERS).ok_or(FactError {
        node: "/cpus/PowerPC,*",
        property: SERVERS,
        problem,
    })
}
