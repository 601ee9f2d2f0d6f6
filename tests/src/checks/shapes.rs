//! The argument buffers of the functions: each is called with the counts of its table in LoPAR and
//! inputs that change nothing, and has to answer with a status that the table lists, in its outputs
//! and nowhere else. What a function does beyond that is a matter of other checks.

use alloc::format;
use alloc::vec::Vec;

use guest::functions::Function;
use guest::verdict::Verdict;
use guest::{fail, need, pass};

use super::ask::Bytes;
use super::{Check, check, pci};
use crate::answer;
use crate::subject::Machine;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.1.1-1", "shape-nvram-fetch", |machine| {
        let data = Bytes::new(16, 0);
        shape(machine, "nvram-fetch", &[0, data.address(), 16])
    }),
    check("R1-7.3.1.2-1", "shape-nvram-store", |machine| {
        let data = Bytes::new(16, 0);
        // Behind the end: nothing is stored.
        let end = machine.nvram_bytes;
        shape(machine, "nvram-store", &[end, data.address(), 16])
    }),
    check("R1-7.3.2.2-1", "shape-get-time-of-day", |machine| {
        shape(machine, "get-time-of-day", &[])
    }),
    check("R1-7.3.3.1-1", "shape-event-scan", |machine| {
        let log = Bytes::new(64, 0);
        shape(machine, "event-scan", &[0, 0, log.address(), 64])
    }),
    check("R1-7.3.3.2-1", "shape-check-exception", |machine| {
        let log = Bytes::new(64, 0);
        shape(
            machine,
            "check-exception",
            &[0x500, 0, 0, 0, log.address(), 64, 0],
        )
    }),
    check("R1-7.3.3.3-1", "shape-rtas-last-error", |machine| {
        let log = Bytes::new(64, 0);
        shape(machine, "rtas-last-error", &[log.address(), 64])
    }),
    check("R1-7.3.20-2", "shape-get-vpd", |machine| {
        let (location, area) = (Bytes::of(b"\0"), Bytes::new(64, 0));
        let inputs = [location.address(), area.address(), 64, 1];
        shape(machine, "ibm,get-vpd", &inputs)
    }),
    check("R1-7.3.17-1", "shape-get-indices", |machine| {
        let area = Bytes::new(64, 0);
        let inputs = [1, 9006, area.address(), 64, 1];
        shape(machine, "ibm,get-indices", &inputs)
    }),
    check("R1-7.3.4.1-1", "shape-read-pci-config", |machine| {
        let unit = pci::unit(machine);
        shape(machine, "ibm,read-pci-config", &[0, unit[0], unit[1], 4])
    }),
    check("R1-7.3.4.2-1", "shape-write-pci-config", |machine| {
        let unit = pci::unit(machine);
        // Vendor and device cannot be written.
        shape(
            machine,
            "ibm,write-pci-config",
            &[0, unit[0], unit[1], 4, 0],
        )
    }),
    check("R1-7.3.5.4-1", "shape-set-indicator", |machine| {
        shape(machine, "set-indicator", &[0x7777, 0, 0])
    }),
    check("R1-7.3.5.5-1", "shape-get-sensor-state", |machine| {
        shape(machine, "get-sensor-state", &[0x7777, 0])
    }),
    check("R1-7.3.6.1-1", "shape-set-power-level", |machine| {
        shape(machine, "set-power-level", &[u32::MAX, 100])
    }),
    check("R1-7.3.6.2-1", "shape-get-power-level", |machine| {
        shape(machine, "get-power-level", &[u32::MAX])
    }),
    check("R1-7.3.8.2-1", "shape-start-cpu", |machine| {
        shape(machine, "start-cpu", &[0xffff_fff0, 0x100, 0])
    }),
    check("R1-7.3.8.3-1", "shape-query-cpu-stopped-state", |machine| {
        shape(machine, "query-cpu-stopped-state", &[0])
    }),
    check("R1-7.3.10.1-1", "shape-get-xive", |machine| {
        let source = machine.sources.first().copied().unwrap_or(0);
        shape(machine, "ibm,get-xive", &[source])
    }),
    check("R1-7.3.10.2-1", "shape-set-xive", |machine| {
        shape(machine, "ibm,set-xive", &[0, 0, 0xff])
    }),
    check("R1-7.3.10.3-1", "shape-int-off", |machine| {
        shape(machine, "ibm,int-off", &[0])
    }),
    check("R1-7.3.10.4-1", "shape-int-on", |machine| {
        shape(machine, "ibm,int-on", &[0])
    }),
    check("R1-7.3.10.5.1-1", "shape-change-msi", |machine| {
        let unit = pci::unit(machine);
        shape(
            machine,
            "ibm,change-msi",
            &[0x00ff_0000, unit[0], unit[1], 0, 0, 1],
        )
    }),
    check(
        "R1-7.3.10.5.2-1",
        "shape-query-interrupt-source",
        |machine| {
            let unit = pci::unit(machine);
            shape(
                machine,
                "ibm,query-interrupt-source-number",
                &[0x00ff_0000, unit[0], unit[1], 0],
            )
        },
    ),
    check("R1-7.3.11.1-1", "shape-set-eeh-option", |machine| {
        let unit = pci::unit(machine);
        shape(
            machine,
            "ibm,set-eeh-option",
            &[0x00ff_0000, unit[0], unit[1], 0],
        )
    }),
    check("R1-7.3.11.2-1", "shape-set-slot-reset", |machine| {
        let unit = pci::unit(machine);
        shape(
            machine,
            "ibm,set-slot-reset",
            &[0x00ff_0000, unit[0], unit[1], 0],
        )
    }),
    check("R1-7.3.11.3-1", "shape-read-slot-reset-state2", |machine| {
        let unit = pci::unit(machine);
        shape(
            machine,
            "ibm,read-slot-reset-state2",
            &[0x00ff_0000, unit[0], unit[1]],
        )
    }),
    check("R1-7.3.11.4-1", "shape-get-config-addr-info2", |machine| {
        let unit = pci::unit(machine);
        shape(
            machine,
            "ibm,get-config-addr-info2",
            &[0x00ff_0000, unit[0], unit[1], 0],
        )
    }),
    check("R1-7.3.11.5-1", "shape-slot-error-detail", |machine| {
        let unit = pci::unit(machine);
        let log = Bytes::new(64, 0);
        let inputs = [0x00ff_0000, unit[0], unit[1], 0, 0, log.address(), 64, 1];
        shape(machine, "ibm,slot-error-detail", &inputs)
    }),
    check("R1-7.3.12.1-1", "shape-configure-bridge", |machine| {
        let unit = pci::unit(machine);
        shape(
            machine,
            "ibm,configure-bridge",
            &[0x00ff_0000, unit[0], unit[1]],
        )
    }),
    check("R1-7.3.12.2-1", "shape-configure-pe", |machine| {
        let unit = pci::unit(machine);
        shape(
            machine,
            "ibm,configure-pe",
            &[0x00ff_0000, unit[0], unit[1]],
        )
    }),
    check("R1-7.3.14-4", "shape-nmi-register", |machine| {
        // Beyond the first 32 MiB: refused.
        shape(machine, "ibm,nmi-register", &[0x7000_0000, 0x7000_0000])
    }),
    check("R1-7.3.14-17", "shape-nmi-interlock", |machine| {
        shape(machine, "ibm,nmi-interlock", &[])
    }),
    check("R1-7.3.16-5", "shape-get-system-parameter", |machine| {
        let data = Bytes::new(64, 0);
        shape(
            machine,
            "ibm,get-system-parameter",
            &[0x7777, data.address(), 64],
        )
    }),
    check("R1-7.3.16-5", "shape-set-system-parameter", |machine| {
        let data = Bytes::new(64, 0);
        shape(
            machine,
            "ibm,set-system-parameter",
            &[0x7777, data.address()],
        )
    }),
    check("R1-7.3.26-1", "shape-configure-kernel-dump", |machine| {
        let data = Bytes::new(64, 0);
        shape(
            machine,
            "ibm,configure-kernel-dump",
            &[0x77, data.address(), 64],
        )
    }),
    check("R1-7.3.27.1-1", "shape-query-pe-dma-window", |machine| {
        let unit = pci::unit(machine);
        shape(machine, "ibm,query-pe-dma-window", &[0, unit[0], unit[1]])
    }),
    check("R1-7.3.27.2-1", "shape-create-pe-dma-window", |machine| {
        let unit = pci::unit(machine);
        // Pages and a window of a byte: refused.
        shape(
            machine,
            "ibm,create-pe-dma-window",
            &[0, unit[0], unit[1], 0, 0],
        )
    }),
    check("R1-7.3.27.3-1", "shape-remove-pe-dma-window", |machine| {
        shape(machine, "ibm,remove-pe-dma-window", &[0xffff_fff0])
    }),
    check("R1-7.3.27.4.1-1", "shape-reset-pe-dma-window", |machine| {
        shape(machine, "ibm,reset-pe-dma-window", &[0, u32::MAX, u32::MAX])
    }),
    check("R1-13.5.3.5-1", "shape-configure-connector", |machine| {
        // A connector that is none.
        let area = machine.arena + 0x18_0000;
        crate::board::memory::fill(area, 4096, 0);
        crate::board::memory::write_u32(area, 0x7777_7777);
        shape(machine, "ibm,configure-connector", &[area as u32, 0])
    }),
];

/// Calls `name` in each of its shapes, with as many of `inputs` as a shape takes.
fn shape(machine: &mut Machine, name: &str, inputs: &[u32]) -> Verdict {
    let Some(function) = Function::named(name) else {
        fail!("a function that the tables have", "{name}")
    };
    let mut seen = Vec::new();
    for outputs in function.outputs {
        for used in 0..=inputs.len() {
            if !function.takes(used as u32, *outputs) {
                continue;
            }
            let outcome = answer!(machine, name, &inputs[..used], *outputs as usize);
            let status = outcome.status();
            need!(
                function.may_return(status),
                format!("a status of LoPAR {} with {used} inputs", function.section),
                "{status}, outputs {:x?}",
                outcome.cells
            );
            let left = outcome.untouched.contains(&0);
            need!(!left, "a status", "nothing in the first output");
            seen.push((used, *outputs, status as i32));
        }
    }
    need!(!seen.is_empty(), "a shape of this call", "none");
    pass!("inputs, outputs and status {seen:?}")
}
