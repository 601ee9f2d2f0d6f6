//! The flat tree of the hand-over, by itself (Devicetree Specification; Linux'
//! Documentation/arch/powerpc/booting.rst names linux,rtas-base and linux,rtas-entry).

use alloc::format;

use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::{Check, check};
use crate::board::memory;
use crate::subject::machine::{ARENA_SIZE, cells};
use crate::subject::{Machine, Rtas, Width};

/// The checks; the last leaves an instance in flat mode.
pub const CHECKS: &[Check] = &[
    check("DTSPEC-5", "flat-tree", tree),
    check("DTSPEC-5", "flat-chosen", chosen),
    check("DTSPEC-5.3", "flat-reserved", reserved),
    check("DTSPEC-5.3", "flat-rtas-reserved", rtas_reserved),
    check("R1-7.2.5-1", "flat-rtas", rtas),
    check("R1-7.2.4-1", "flat-rtas-place", place),
];

const NO_TREE: &str = "r3 is not the address of a flat tree";

fn tree(machine: &mut Machine) -> Verdict {
    match &machine.flat {
        Some(tree) => pass!("{} nodes at {:#x}", tree.nodes.len(), machine.entered.r3),
        None => skip!("{NO_TREE}"),
    }
}

fn chosen(machine: &mut Machine) -> Verdict {
    let Some(tree) = &machine.flat else {
        skip!("{NO_TREE}")
    };
    let path = tree.property("/chosen", "stdout-path").unwrap_or_default();
    let path = alloc::string::String::from_utf8_lossy(path);
    let path = path.trim_end_matches('\0');
    need!(
        tree.nodes.iter().any(|node| node.path == path),
        "/chosen/stdout-path, the path of a node",
        "{path:?}"
    );
    pass!("stdout-path {path}")
}

fn number(machine: &Machine, name: &str) -> Option<u64> {
    let value = machine.flat.as_ref()?.property("/rtas", name)?;
    cells(value).last().map(|cell| u64::from(*cell))
}

fn reserved(machine: &mut Machine) -> Verdict {
    let Some(tree) = &machine.flat else {
        skip!("{NO_TREE}")
    };
    // The tree itself must not lie in memory that the client's image needs.
    let address = machine.entered.r3;
    need!(
        !memory::image().contains(&address),
        "a tree outside the client's image",
        "{address:#x}"
    );
    pass!("{:x?}", tree.reservations)
}

fn rtas_reserved(machine: &mut Machine) -> Verdict {
    let Some(tree) = &machine.flat else {
        skip!("{NO_TREE}")
    };
    let (Some(base), Some(size)) = (
        number(machine, "linux,rtas-base"),
        number(machine, "rtas-size"),
    ) else {
        skip!("/rtas has no linux,rtas-base and rtas-size")
    };
    let mut reservations = tree.reservations.iter();
    let inside = |(at, length): &(u64, u64)| {
        *at <= base && at.saturating_add(*length) >= base.saturating_add(size)
    };
    need!(
        reservations.any(inside),
        format!("a reservation of {base:#x}+{size:#x}, where RTAS is"),
        "{:x?}",
        tree.reservations
    );
    pass!("{base:#x}+{size:#x} is reserved")
}

fn rtas(machine: &mut Machine) -> Verdict {
    if machine.flat.is_none() {
        skip!("{NO_TREE}")
    }
    let (Some(base), Some(entry)) = (
        number(machine, "linux,rtas-base"),
        number(machine, "linux,rtas-entry"),
    ) else {
        skip!("/rtas has no linux,rtas-base and linux,rtas-entry")
    };
    let size = number(machine, "rtas-size").unwrap_or(0);
    // As kvm-unit-tests enter it (lib/powerpc/rtas.c, enter_rtas): 64-bit, r4 anything.
    let rtas = Rtas {
        entry,
        base,
        r4: 0x1234,
        size,
        width: Width::Mode64,
    };
    if machine.client.is_none() {
        machine.rtas = Some(rtas);
    }
    let Some(token) = machine.token("get-time-of-day") else {
        skip!("no get-time-of-day")
    };
    let _vectors = crate::board::vectors::Vectors::install();
    let status = rtas.status(machine.gate, token, &[], 8);
    need!(
        status == 0,
        "status 0 of get-time-of-day with r4 not the base",
        "{status}"
    );
    pass!("rtas-call {entry:#x} at base {base:#x}, size {size:#x}")
}

fn place(machine: &mut Machine) -> Verdict {
    let Some(base) = number(machine, "linux,rtas-base") else {
        skip!("/rtas has no linux,rtas-base")
    };
    let size = number(machine, "rtas-size").unwrap_or(0);
    let range = base..base + size;
    need!(
        base.is_multiple_of(4096),
        "a base aligned to 4096",
        "{base:#x}"
    );
    need!(
        base >> 28 == (base + size.max(1) - 1) >> 28,
        "no 256 MiB boundary crossed",
        "{range:x?}"
    );
    need!(
        !memory::overlap(&range, &memory::image()),
        "a place outside the client's image",
        "{range:x?}"
    );
    pass!("{range:x?}")
}

/// Memory of the guest's own where no claim can be made: the first aligned 4 MiB behind the image
/// that the tree has no use for.
pub fn find_arena(machine: &mut Machine) -> Option<u64> {
    let tree = machine.flat.as_ref()?;
    let mut taken = alloc::vec![memory::image(), {
        let at = machine.entered.r3;
        at..at + 0x20_0000
    }];
    taken.extend(
        tree.reservations
            .iter()
            .map(|(at, size)| *at..at.saturating_add(*size)),
    );
    if let Some(base) = number(machine, "linux,rtas-base") {
        taken.push(base..base + number(machine, "rtas-size").unwrap_or(0));
    }
    // QEMU reserves the kernel that it loaded: that is this guest.
    let end = machine.memory_end;
    let mut at = memory::image().end.next_multiple_of(1 << 20);
    while at + ARENA_SIZE <= end {
        let range = at..at + ARENA_SIZE;
        if !taken.iter().any(|other| memory::overlap(&range, other)) {
            return Some(at);
        }
        at += 1 << 20;
    }
    None
}
