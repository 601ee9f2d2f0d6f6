//! Interrupt mode, servers and sources.

use core::fmt;
use core::ops::Range;

use super::{FactError, Problem, node, processors};
use crate::tree::{NodeId, Tree};

/// First interrupt source (`spapr_irq.h:SPAPR_XIRQ_BASE`).
const FIRST_SOURCE: u32 = 0x1000;
/// First source of message-signalled interrupts (`spapr_irq.h:SPAPR_IRQ_MSI`).
const FIRST_MSI: u32 = 0x1300;
/// Behind the last source of QEMU's own numbering.
const END_OF_SOURCES: u32 = 0x2000;
/// Number of all sources of machines up to pseries-3.0, which hand out their numbers one after the
/// other and give this as `ibm,pe-total-#msi` (`spapr_irq.c:spapr_irq_nr_msis`).
const LEGACY_SOURCES: u32 = 0x400;
/// Most message-signalled interrupts that are believed.
const MAX_MSI: u32 = 0x1_0000;
/// Highest number of a server, and one.
const MAX_SERVERS: u32 = 0x100_0000;

const CONTROLLER: &str = "/interrupt-controller";
const TOTAL_MSI: &str = "ibm,pe-total-#msi";

/// How interrupts are presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presentation {
    /// By XICS: the four interrupt calls work.
    Xics,
    /// By XIVE: the four interrupt calls answer -1 or are not offered.
    Xive,
}

/// What `ibm,client-architecture-support` may choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// `ic-mode=xics`.
    Xics,
    /// `ic-mode=xive`.
    Xive,
    /// `ic-mode=dual`: XICS until the client asks for XIVE.
    Dual,
}

/// The interrupt mode of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterruptMode {
    /// What the machine can do.
    pub offered: Offered,
    /// What it does as of the last tree from QEMU.
    pub active: Presentation,
}

impl fmt::Display for InterruptMode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match (self.offered, self.active) {
            (Offered::Dual, Presentation::Xics) => "dual (xics active)",
            (Offered::Dual, Presentation::Xive) => "dual (xive active)",
            (_, Presentation::Xics) => "xics",
            (_, Presentation::Xive) => "xive",
        })
    }
}

/// The interrupt mode, from the presentation controller's `compatible` and byte 23 of
/// `ibm,arch-vec-5-platform-support` (`spapr.c:spapr_dt_ov5_platform_support`), which stays in a
/// tree that was merged. Without that property nothing is on offer but what is active.
pub fn interrupt_mode(tree: &Tree) -> Result<InterruptMode, FactError> {
    let controller = controller(tree)?;
    let is = |name: &str| tree.strings(controller, "compatible").any(|it| it == name);
    let active = if is("IBM,ppc-xicp") {
        Presentation::Xics
    } else if is("ibm,power-ivpe") {
        Presentation::Xive
    } else {
        return Err(FactError {
            node: CONTROLLER,
            property: "compatible",
            problem: Problem::Malformed,
        });
    };
    let property = "ibm,arch-vec-5-platform-support";
    let pairs = tree
        .find("/chosen")
        .and_then(|id| tree.property(id, property));
    let (pairs, _) = pairs.unwrap_or(&[]).as_chunks::<2>();
    let interrupts = pairs.iter().find(|[index, _]| *index == 23);
    let offered = match interrupts.map(|[_, value]| value & 0xc0) {
        None if active == Presentation::Xics => Offered::Xics,
        None => Offered::Xive,
        Some(0x00) => Offered::Xics,
        Some(0x40) => Offered::Xive,
        Some(0x80) => Offered::Dual,
        Some(_) => {
            return Err(FactError {
                node: "/chosen",
                property,
                problem: Problem::Malformed,
            });
        }
    };
    Ok(InterruptMode { offered, active })
}

/// One more than the highest interrupt server that the machine can have, from the presentation
/// controller's `ibm,interrupt-server-ranges` (XICS) or `ibm,xive-lisn-ranges` (XIVE: one
/// inter-processor interrupt for each server), pairs of first number and count, and from the
/// processors that are there.
pub fn server_count(tree: &Tree) -> Result<u32, FactError> {
    let controller = controller(tree)?;
    let mut count = 0;
    for property in ["ibm,interrupt-server-ranges", "ibm,xive-lisn-ranges"] {
        let malformed = FactError {
            node: CONTROLLER,
            property,
            problem: Problem::Malformed,
        };
        let Some(value) = tree.property(controller, property) else {
            continue;
        };
        let (pairs, rest) = value.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(malformed);
        }
        for pair in pairs {
            // The upper half is the first number, the lower half the count.
            let pair = u64::from_be_bytes(*pair);
            let end = (pair >> 32) + (pair & 0xffff_ffff);
            let end = u32::try_from(end).ok().filter(|&end| end <= MAX_SERVERS);
            count = count.max(end.ok_or(malformed)?);
        }
    }
    let present = processors::highest_server(tree)?;
    let present = present.map_or(0, |highest| highest.saturating_add(1));
    Ok(count.max(present))
}

/// The numbers of interrupt sources. No property lists them: `interrupt-ranges` has only two. The
/// host bridges say how many message-signalled interrupts there are, all of them the same number
/// (`spapr_pci.c:spapr_dt_phb`), and these end the range. Without a bridge, all numbers that QEMU
/// has count.
pub fn source_range(tree: &Tree) -> Result<Range<u32>, FactError> {
    let mut interrupts = None;
    for id in tree.children(NodeId::ROOT) {
        if tree.property(id, TOTAL_MSI).is_none() {
            continue;
        }
        let count = tree.u32(id, TOTAL_MSI).filter(|&count| count <= MAX_MSI);
        let count = count.ok_or(FactError {
            node: "/pci@*",
            property: TOTAL_MSI,
            problem: Problem::Malformed,
        })?;
        interrupts = interrupts.max(Some(count));
    }
    Ok(FIRST_SOURCE..match interrupts {
        None => END_OF_SOURCES,
        Some(LEGACY_SOURCES) => FIRST_SOURCE + LEGACY_SOURCES,
        Some(count) => FIRST_MSI + count,
    })
}

/// The presentation controller; the path finds it with and without a unit address.
fn controller(tree: &Tree) -> Result<NodeId, FactError> {
    node(tree, CONTROLLER)
}
