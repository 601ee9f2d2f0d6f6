//! What the root of a partition's tree, its interrupt sources and its NVRAM have to be (LoPAR 14.7,
//! 14.8). The checks are made once, before RTAS is instantiated and anything was stored.

use alloc::format;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::{Check, check};
use crate::board::hypercall;
use crate::board::memory::{self, Scratch};
use crate::subject::Machine;
use crate::subject::machine::cells;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-14.7-4", "partition-interrupt-ranges", ranges),
    check("R1-14.7-5", "partition-has-number", number),
    check("R1-14.7-7", "partition-number", number_in_range),
    check("R1-14.7-8", "partition-name", name),
    check("R1-14.8-1", "partition-nvram-variables", variables),
    check("R1-14.8-2", "partition-nvram-free-space", free_space),
];

const NUMBER: &str = "ibm,partition-no";

/// A property of the root.
fn root<'a>(machine: &'a Machine, name: &str) -> Option<&'a [u8]> {
    let (_, properties) = machine.tree.iter().find(|(path, _)| path == "/")?;
    let (_, value) = properties.iter().find(|(own, _)| own == name)?;
    Some(value)
}

fn ranges(machine: &mut Machine) -> Verdict {
    if machine.rtas_property("ibm,lrdr-capacity").is_none() {
        skip!("/rtas has no ibm,lrdr-capacity: no dynamic reconfiguration")
    }
    let properties = machine.tree.iter().flat_map(|(_, properties)| properties);
    let ranges = properties.filter(|(name, _)| name == "interrupt-ranges");
    let ranges: Vec<u32> = ranges.flat_map(|(_, value)| cells(value)).collect();
    if ranges.is_empty() {
        skip!("no node has interrupt-ranges")
    }
    let listed = |source: &&u32| {
        let mut pairs = ranges.chunks_exact(2);
        pairs.any(|pair| (pair[0]..pair[0].saturating_add(pair[1])).contains(*source))
    };
    let missing: Vec<u32> = machine
        .sources
        .iter()
        .filter(|it| !listed(it))
        .copied()
        .collect();
    need!(
        missing.is_empty(),
        format!(
            "each of {} sources in interrupt-ranges",
            machine.sources.len()
        ),
        "{ranges:x?} without {missing:x?}"
    );
    pass!("{} sources in {ranges:x?}", machine.sources.len())
}

fn number(machine: &mut Machine) -> Verdict {
    let value = root(machine, NUMBER);
    need!(value.is_some(), format!("{NUMBER} in the root"), "none");
    pass!("{value:x?}")
}

fn number_in_range(machine: &mut Machine) -> Verdict {
    let Some(value) = root(machine, NUMBER) else {
        skip!("the root has no {NUMBER}")
    };
    need!(
        value.len() == 4 && (1..1 << 20).contains(&cells(value)[0]),
        "one cell of 1 to 2^20-1",
        "{value:x?}"
    );
    pass!("{}", cells(value)[0])
}

fn name(machine: &mut Machine) -> Verdict {
    let value = root(machine, "ibm,partition-name");
    let text = value.and_then(|value| value.split_last());
    need!(
        text.is_some_and(|(end, text)| *end == 0 && !text.is_empty() && !text.contains(&0)),
        "ibm,partition-name in the root, a string",
        "{value:x?}"
    );
    pass!("{}", value.unwrap_or_default().escape_ascii())
}

/// A partition of the NVRAM (LoPAR Table 8.1): signature, name, bytes.
struct Partition {
    signature: u8,
    name: Vec<u8>,
    bytes: u32,
}

/// The partitions, as far as the chain of them goes; nothing if the NVRAM cannot be read. It is read
/// by the hypervisor: there is no instance yet.
fn partitions(machine: &Machine) -> Option<Vec<Partition>> {
    const HEADER: u32 = 16;
    const MOST: usize = 4096;
    let token = machine.token("nvram-fetch")?;
    let mut found = Vec::new();
    let mut at = 0u32;
    while at < machine.nvram_bytes && found.len() < MOST {
        let data = Scratch::new(HEADER.into(), 128);
        let outputs = hypercall::rtas(token, &[at, data.address as u32, HEADER], 2);
        if outputs != [0, HEADER] {
            return None;
        }
        let mut header = [0; HEADER as usize];
        memory::read(data.address, &mut header);
        let [signature, sum, high, low, name @ ..] = header;
        // The sum of the others, each carry added at the other end (LoPAR R1-8.5-2).
        let others = [signature, high, low].into_iter().chain(name);
        let total: u32 = others.map(u32::from).sum();
        let folded = (total & 0xff) + (total >> 8);
        let folded = (folded & 0xff) + (folded >> 8);
        let bytes = u32::from(u16::from_be_bytes([high, low])) * HEADER;
        if folded != u32::from(sum) || bytes == 0 {
            break;
        }
        found.push(Partition {
            signature,
            name: name.iter().copied().take_while(|byte| *byte != 0).collect(),
            bytes,
        });
        at = at.saturating_add(bytes);
    }
    Some(found)
}

macro_rules! partitions {
    ($machine:expr) => {
        match partitions($machine) {
            Some(found) if $machine.nvram_bytes > 0 => found,
            _ => skip!("no NVRAM, or no nvram-fetch"),
        }
    };
}

fn variables(machine: &mut Machine) -> Verdict {
    let found = partitions!(machine);
    if found.is_empty() {
        skip!("no partition: the firmware keeps no variables")
    }
    let common = |it: &Partition| it.signature == 0x70 && it.name == b"common";
    let own = found.iter().find(|it| it.signature == 0x50);
    need!(
        found.iter().any(common) && own.is_none(),
        "a partition 0x70 \"common\", and none of signature 0x50",
        "signatures {:x?}",
        found.iter().map(|it| it.signature).collect::<Vec<_>>()
    );
    pass!("\"common\" of {} partitions", found.len())
}

fn free_space(machine: &mut Machine) -> Verdict {
    const LEAST: u32 = 4096;
    let found = partitions!(machine);
    let free = found.iter().filter(|it| it.signature == 0x7f);
    let largest = free.map(|it| it.bytes).max().unwrap_or(0);
    need!(
        largest >= LEAST,
        format!("{LEAST} bytes of free space"),
        "{largest} in {} partitions",
        found.len()
    );
    pass!("{largest} bytes")
}
