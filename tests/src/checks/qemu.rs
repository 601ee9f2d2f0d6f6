//! Calls on which QEMU dies, made of it directly: the smallest cases of what the random calls leave
//! out (docs/findings.md). A QEMU that lives passes.

use guest::verdict::Verdict;
use guest::{pass, skip};

use super::Check;
use crate::board::hypercall;
use crate::board::memory::Scratch;
use crate::subject::Machine;
use crate::subject::machine::cells;

/// nvram-fetch of 0 bytes.
pub const NVRAM: &[Check] = &[Check {
    requirement: "QEMU",
    name: "qemu-nvram-fetch-nothing",
    run: nvram_fetch,
}];
/// A DMA window of 2^32 entries, twice.
pub const WINDOW: &[Check] = &[Check {
    requirement: "QEMU",
    name: "qemu-dma-window-too-large",
    run: dma_window,
}];

fn nvram_fetch(machine: &mut Machine) -> Verdict {
    let Some(token) = machine.token("nvram-fetch") else {
        skip!("/rtas has no nvram-fetch")
    };
    let data = Scratch::new(256, 256);
    let outputs = hypercall::rtas(token, &[0, data.address as u32, 0], 2);
    pass!("QEMU lives and answers {outputs:x?}")
}

fn dma_window(machine: &mut Machine) -> Verdict {
    let Some(token) = machine.token("ibm,create-pe-dma-window") else {
        skip!("/rtas has no ibm,create-pe-dma-window")
    };
    let mut nodes = machine.nodes().into_iter();
    let bridge = nodes.find(|(path, _)| path.starts_with("/pci@"));
    let properties = bridge.map(|(_, properties)| properties).unwrap_or_default();
    let reg = properties.iter().find(|(name, _)| name == "reg");
    let [high, low, ..] = reg.map(|(_, value)| cells(value)).unwrap_or_default()[..] else {
        skip!("no PCI host bridge")
    };
    // Pages of 4 KiB, 2^44 bytes: the number of entries is 0 in 32 bits.
    let inputs = [0, high, low, 12, 44];
    let outputs = [
        hypercall::rtas(token, &inputs, 4),
        hypercall::rtas(token, &inputs, 4),
    ];
    pass!("QEMU lives and answers {outputs:x?}")
}
