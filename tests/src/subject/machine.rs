//! The machine as its device tree describes it, read through the client interface or from the
//! flat tree.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

use guest::arguments::Arguments;
use guest::flat::{self, Tree};

use crate::board::entry::Entered;
use crate::board::gate::Gate;
use crate::board::{console, memory};
use crate::checks::all_memory::Watched;

use super::ledger::Longest;
use super::{Client, Rtas, Width};

/// Names and values of one node's properties, in order.
pub type Properties = Vec<(String, Vec<u8>)>;

/// Everything that checks look at.
pub struct Machine {
    /// The registers at entry.
    pub entered: Entered,
    /// This processor's gate.
    pub gate: &'static mut Gate,
    /// The client interface, until quiesce; not in flat mode.
    pub client: Option<Client>,
    /// The flat tree, if r3 was one.
    pub flat: Option<Tree>,
    /// What the boot arguments ask for.
    pub arguments: Arguments,
    /// The instance that RTAS checks call.
    pub rtas: Option<Rtas>,
    /// An instance that was made before it, where a check leaves one for the next.
    pub older: Option<Rtas>,
    /// Names and values of /rtas as they were before the first instantiation.
    pub rtas_node: Properties,
    /// Path and properties of every node, as they were at the start: for checks that run while the
    /// firmware cannot be asked.
    pub tree: &'static [(String, Properties)],
    /// Server numbers of the processors, the boot processor first.
    pub servers: Vec<u32>,
    /// Source numbers that the tree names, in order.
    pub sources: Vec<u32>,
    /// End of the memory at 0, in bytes.
    pub memory_end: u64,
    /// #bytes of the NVRAM, 0 if there is none.
    pub nvram_bytes: u32,
    /// The area that belongs to the guest beside its image: 4 MiB, aligned to 1 MiB.
    pub arena: u64,
    /// Places for RTAS, each used once, with room around the private data area.
    pub places: [Option<Range<u64>>; 3],
    /// The arena and the places, as they were claimed: what checks write to outside the image.
    pub own: Vec<Range<u64>>,
    /// The last page of memory below 4 GiB belongs to the guest, too.
    pub claimed_end: bool,
    /// Output cells that one step of a check leaves for the next.
    pub scratch_cells: Vec<i64>,
    /// What memory was before the calls that are being made.
    pub watched: Option<Watched>,
    /// How long the calls of a width took, where that was measured.
    pub timed: Option<(Width, Vec<Longest>)>,
}

/// Size of [`Machine::arena`].
pub const ARENA_SIZE: u64 = 4 << 20;

/// The cells of a property.
pub fn cells(value: &[u8]) -> Vec<u32> {
    value
        .chunks_exact(4)
        .map(|cell| {
            cell.iter()
                .fold(0, |word, byte| word << 8 | u32::from(*byte))
        })
        .collect()
}

impl Machine {
    /// Reads the tree.
    pub fn read(entered: Entered, gate: &'static mut Gate) -> Machine {
        let mut machine = Machine {
            entered,
            gate,
            client: (entered.r5 != 0).then(|| Client::new(entered.r5)),
            flat: read_flat(entered.r3),
            arguments: Arguments::default(),
            rtas: None,
            older: None,
            rtas_node: Vec::new(),
            tree: &[],
            servers: Vec::new(),
            sources: Vec::new(),
            memory_end: 0,
            nvram_bytes: 0,
            arena: 0,
            places: [const { None }; 3],
            own: Vec::new(),
            claimed_end: false,
            scratch_cells: Vec::new(),
            watched: None,
            timed: None,
        };
        let text = machine.property("/chosen", "bootargs").unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        machine.arguments = Arguments::parse(text.trim_end_matches('\0'));
        if machine.arguments.flat {
            machine.client = None;
        }
        machine.rtas_node = machine.properties("/rtas");
        if let Some(token) = machine.token("power-off") {
            console::set_power_off_token(token);
        }
        if !machine.arguments.entry_only() {
            machine.look_around();
        }
        machine
    }

    /// Processors, sources, NVRAM and memory.
    fn look_around(&mut self) {
        self.tree = self.nodes().leak();
        let mut memory: Vec<(u64, u64)> = Vec::new();
        for (path, properties) in self.tree {
            let get = |name: &str| {
                let found = properties.iter().find(|(own, _)| own == name);
                found.map(|(_, value)| cells(value)).unwrap_or_default()
            };
            let kind = properties.iter().find(|(own, _)| own == "device_type");
            let kind = kind.map(|(_, value)| value.as_slice()).unwrap_or_default();
            if kind.starts_with(b"cpu\0") {
                self.servers.extend(get("ibm,ppc-interrupt-server#s"));
            }
            if kind.starts_with(b"memory\0")
                && let [base_high, base, high, low, ..] = get("reg")[..]
            {
                let base = u64::from(base_high) << 32 | u64::from(base);
                let size = u64::from(high) << 32 | u64::from(low);
                memory.push((base, size));
            }
            if let Some(bytes) = get("#bytes").first() {
                self.nvram_bytes = *bytes;
            }
            for range in get("interrupt-ranges").chunks_exact(2) {
                self.sources
                    .extend(range[0]..range[0].saturating_add(range[1].min(64)));
            }
            if path.starts_with("/vdevice/") {
                self.sources.extend(get("interrupts").first());
            }
            // #address-cells 3, #interrupt-cells 1 | phandle | #interrupt-cells 2.
            for entry in get("interrupt-map").chunks_exact(7) {
                self.sources.push(entry[5]);
            }
        }
        // The nodes come in any order.
        memory.sort_unstable();
        for (base, size) in memory {
            if base == self.memory_end {
                self.memory_end = base.saturating_add(size);
            }
        }
        self.sources.sort_unstable();
        self.sources.dedup();
        self.sources.retain(|source| *source != 0);
        self.servers.sort_unstable();
        let boot = self.boot_server();
        if let Some(index) = self.servers.iter().position(|server| *server == boot) {
            self.servers[..=index].rotate_right(1);
        }
    }

    /// The server number of the processor that the guest runs on: `/chosen/cpu`'s, or
    /// boot-cpuid-phys of the flat tree, or the first.
    fn boot_server(&mut self) -> u32 {
        self.servers.first().copied().unwrap_or(0)
    }

    /// A property by path.
    pub fn property(&mut self, path: &str, name: &str) -> Option<Vec<u8>> {
        match &self.client {
            Some(client) => {
                let node = client.finddevice(self.gate, path);
                if node == u32::MAX {
                    return None;
                }
                client.property(self.gate, node, name)
            }
            None => Some(self.flat.as_ref()?.property(path, name)?.to_vec()),
        }
    }

    /// All properties of one node.
    pub fn properties(&mut self, path: &str) -> Properties {
        match &self.client {
            Some(client) => {
                let node = client.finddevice(self.gate, path);
                if node == u32::MAX {
                    return Vec::new();
                }
                walk_properties(client, self.gate, node)
            }
            None => {
                let node = self.flat.iter().flat_map(|tree| &tree.nodes);
                let mut node = node.filter(|node| node.path == path);
                node.next()
                    .map(|node| node.properties.clone())
                    .unwrap_or_default()
            }
        }
    }

    /// All nodes: path and properties.
    pub fn nodes(&mut self) -> Vec<(String, Properties)> {
        let Some(client) = &self.client else {
            let nodes = self.flat.iter().flat_map(|tree| &tree.nodes);
            return nodes
                .map(|node| (node.path.clone(), node.properties.clone()))
                .collect();
        };
        let gate = &mut *self.gate;
        let mut nodes = Vec::new();
        for node in walk_nodes(client, gate) {
            let path = client
                .path(gate, "package-to-path", node, 256)
                .text()
                .unwrap_or_default();
            nodes.push((path, walk_properties(client, gate, node)));
        }
        nodes
    }

    /// The token of a function, from /rtas.
    pub fn token(&self, name: &str) -> Option<u32> {
        let value = self.rtas_property(name)?;
        cells(value).first().copied()
    }

    /// A property of /rtas.
    pub fn rtas_property(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.rtas_node.iter().find(|(own, _)| own == name)?;
        Some(value)
    }

    /// The size of the private data area, in bytes.
    pub fn rtas_size(&self) -> u64 {
        let value = self.rtas_property("rtas-size").map(cells);
        value
            .and_then(|cells| cells.first().copied())
            .unwrap_or(0)
            .into()
    }
}

/// The nodes below the root, the root first, at most 4096: a walk that does not end is a verdict
/// of its own.
pub fn walk_nodes(client: &Client, gate: &mut Gate) -> Vec<u32> {
    let ends = |node: u32| node == 0 || node == u32::MAX;
    let mut nodes = Vec::new();
    let mut node = client.step(gate, "peer", 0);
    while !ends(node) && nodes.len() < 4096 {
        nodes.push(node);
        let mut next = client.step(gate, "child", node);
        while ends(next) && !ends(node) {
            next = client.step(gate, "peer", node);
            if ends(next) {
                node = client.step(gate, "parent", node);
            }
        }
        node = next;
    }
    nodes
}

/// The properties of a node, at most 512.
pub fn walk_properties(client: &Client, gate: &mut Gate, node: u32) -> Properties {
    let mut properties = Vec::new();
    let mut name = String::new();
    while properties.len() < 512 {
        let (answer, next) = client.nextprop(gate, node, &name);
        if answer != 1 {
            break;
        }
        let value = client.property(gate, node, &next).unwrap_or_default();
        name = next.to_string();
        properties.push((next, value));
    }
    properties
}

/// The flat tree at `address`, if there is one.
fn read_flat(address: u64) -> Option<Tree> {
    if address == 0 || !address.is_multiple_of(8) {
        return None;
    }
    let bytes = |length: usize| -> Vec<u8> {
        (0..length as u64)
            .map(|at| memory::read_u8(address + at))
            .collect()
    };
    let length = flat::length(&bytes(8))?;
    Tree::read(&bytes(length)).ok()
}
