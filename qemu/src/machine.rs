//! What the tree says of the machine, beyond what RTAS needs ([`fdt_gen::facts`]).

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use fdt_gen::facts::{FactError, Facts, Presentation};
use fdt_gen::{NodeId, Tree};

use crate::vpd;

/// The machine, as of the last tree from QEMU.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) facts: Facts,
    /// The memory nodes and their first range each. QEMU makes one range a node
    /// (`hw/ppc/spapr.c:spapr_dt_memory_node`).
    pub(crate) memory_nodes: Vec<(NodeId, Range<u64>)>,
    /// The end of the memory at address 0 that every processor reaches in real mode: the RMA.
    pub(crate) real_mode_end: u64,
    /// Ticks of the timebase per second.
    pub(crate) timebase_frequency: u32,
    /// Processors (threads) that are there.
    pub(crate) present: usize,
    /// What `ibm,get-vpd` tells.
    pub(crate) vpd: Vec<u8>,
}

impl Machine {
    pub(crate) fn read(tree: &Tree) -> Result<Self, FactError> {
        let facts = Facts::read(tree)?;
        let memory_nodes = memory_nodes(tree);
        // The node at address 0 is the RMA (hw/ppc/spapr.c:spapr_dt_memory).
        let at_zero = memory_nodes.iter().find(|(_, range)| range.start == 0);
        Ok(Self {
            facts,
            real_mode_end: at_zero.map_or(0, |(_, range)| range.end),
            memory_nodes,
            timebase_frequency: cpus(tree)
                .find_map(|cpu| tree.u32(cpu, "timebase-frequency"))
                .unwrap_or(0),
            present: cpus(tree)
                .filter_map(|cpu| tree.cells(cpu, "ibm,ppc-interrupt-server#s"))
                .map(|servers| servers.len())
                .sum(),
            vpd: vpd::of_tree(tree),
        })
    }

    /// Whether the four interrupt calls work, so that the blob has them to itself.
    pub(crate) fn has_sources(&self) -> bool {
        self.facts.interrupts.active == Presentation::Xics
    }
}

/// The processor nodes, one a core.
pub(crate) fn cpus(tree: &Tree) -> impl Iterator<Item = NodeId> + '_ {
    tree.find("/cpus")
        .into_iter()
        .flat_map(|cpus| tree.children(cpus))
        .filter(|node| tree.string(*node, "device_type") == Some("cpu"))
}

fn memory_nodes(tree: &Tree) -> Vec<(NodeId, Range<u64>)> {
    tree.children(tree.root())
        .filter(|node| tree.string(*node, "device_type") == Some("memory"))
        .filter_map(|node| {
            let (cells, _) = tree.property(node, "reg")?.as_chunks::<8>();
            let [start, size, ..] = cells else {
                return None;
            };
            let start = u64::from_be_bytes(*start);
            let end = start.checked_add(u64::from_be_bytes(*size))?;
            (start < end).then_some((node, start..end))
        })
        .collect()
}

/// What `/chosen` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Where QEMU loaded the kernel.
    pub(crate) kernel: Option<Range<u64>>,
    pub(crate) is_little_endian: bool,
    pub(crate) initrd: Option<Range<u64>>,
    pub(crate) bootargs: String,
    pub(crate) has_boot_list: bool,
    pub(crate) stdout_path: Option<String>,
}

impl Chosen {
    pub(crate) fn read(tree: &Tree) -> Self {
        let Some(node) = tree.find("/chosen") else {
            return Self::default();
        };
        let kernel = tree.property(node, "qemu,boot-kernel").and_then(|value| {
            let (cells, rest) = value.as_chunks::<8>();
            let ([start, size], []) = (cells, rest) else {
                return None;
            };
            let start = u64::from_be_bytes(*start);
            Some(start..start.saturating_add(u64::from_be_bytes(*size)))
        });
        let edge = |name| {
            let cell = tree.u32(node, name).map(u64::from);
            cell.or_else(|| tree.u64(node, name))
        };
        let initrd = edge("linux,initrd-start")
            .zip(edge("linux,initrd-end"))
            .filter(|(start, end)| start < end)
            .map(|(start, end)| start..end);
        Self {
            kernel,
            is_little_endian: tree.property(node, "qemu,boot-kernel-le").is_some(),
            initrd,
            bootargs: tree.string(node, "bootargs").unwrap_or("").into(),
            has_boot_list: tree.property(node, "qemu,boot-list").is_some()
                || tree.property(node, "qemu,boot-device").is_some(),
            stdout_path: tree.string(node, "stdout-path").map(Into::into),
        }
    }
}
