//! PCI configuration space (LoPAR 7.3.4), by the functions that the tree has.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::{Check, ask, check};
use crate::answer;
use crate::subject::Machine;
use crate::subject::machine::cells;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.4-1", "pci-functions-of-the-tree", of_the_tree),
    check("R1-7.3.4.1-2", "pci-registers-of-the-tree", registers),
    check("R1-7.3.4-3", "pci-byte-order", byte_order),
    check("R1-7.3.4.1-3", "pci-read-sizes", read_sizes),
    check("R1-7.3.4.1-5", "pci-read-absent", read_absent),
    check("R1-14.10-8", "pci-read-not-owned", read_not_owned),
    check("R1-7.3.4.2-2", "pci-write", write),
    check("R1-7.3.4.2-3", "pci-write-sizes", write_sizes),
    check("R1-7.3.4.2-5", "pci-write-absent", write_absent),
    check("R1-14.10-9", "pci-write-not-owned", write_not_owned),
];

/// A function in the tree.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its path.
    pub path: String,
    /// The unit id of its host bridge, upper half first.
    pub unit: [u32; 2],
    /// Its config_addr, register 0.
    pub address: u32,
    /// Its properties of one cell.
    pub cells: Vec<(String, u32)>,
}

impl Function {
    /// A property of one cell.
    pub fn cell(&self, name: &str) -> Option<u32> {
        let found = self.cells.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| *value)
    }

    /// The inputs that name it.
    pub fn inputs(&self) -> [u32; 3] {
        [self.address, self.unit[0], self.unit[1]]
    }
}

/// The unit id of the first host bridge; 0 without one.
pub fn unit(machine: &mut Machine) -> [u32; 2] {
    let value = machine.tree.iter().find_map(|(path, properties)| {
        let bridge = path.starts_with("/pci@") && path.matches('/').count() == 1;
        let reg = properties.iter().find(|(name, _)| name == "reg");
        reg.filter(|_| bridge).map(|(_, value)| cells(value))
    });
    match value.as_deref() {
        Some([high, low, ..]) => [*high, *low],
        _ => [0, 0],
    }
}

/// The functions below the host bridges.
pub fn functions(machine: &mut Machine) -> Vec<Function> {
    let nodes = machine.tree;
    let mut functions = Vec::new();
    for (path, properties) in nodes {
        let get = |name: &str| {
            let found = properties.iter().find(|(own, _)| own == name);
            found.map(|(_, value)| cells(value)).unwrap_or_default()
        };
        let Some(bridge) = path.strip_prefix("/pci@").and_then(|rest| rest.find('/')) else {
            continue;
        };
        let bridge = &path[..bridge + "/pci@".len()];
        let reg = nodes
            .iter()
            .find(|(path, _)| path == bridge)
            .and_then(|(_, properties)| {
                let reg = properties.iter().find(|(name, _)| name == "reg");
                reg.map(|(_, value)| cells(value))
            });
        let (Some([high, low, ..]), [address, ..]) = (reg.as_deref(), &get("reg")[..]) else {
            continue;
        };
        let single = properties.iter().filter(|(_, value)| value.len() == 4);
        functions.push(Function {
            path: path.clone(),
            unit: [*high, *low],
            address: address & 0x00ff_ff00,
            cells: single
                .map(|(name, value)| (name.clone(), cells(value)[0]))
                .collect(),
        });
    }
    functions
}

macro_rules! functions {
    ($machine:expr) => {{
        let functions = functions($machine);
        if functions.is_empty() {
            skip!("the tree has no PCI function")
        }
        functions
    }};
}

/// Reads a register that has to be readable.
pub fn read(
    machine: &mut Machine,
    function: &Function,
    register: u32,
    size: u32,
) -> Result<u32, Verdict> {
    let [address, high, low] = function.inputs();
    let inputs = [address | register, high, low, size];
    let outcome = ask::ask(machine, "ibm,read-pci-config", &inputs, 2)?;
    if outcome.status() != 0 {
        let wanted = format!("status 0 for register {register:#x} of {}", function.path);
        return Err(Verdict::Fail(wanted, format!("{:x?}", outcome.cells)));
    }
    Ok(outcome.cells[1] as u32)
}

macro_rules! read {
    ($machine:expr, $function:expr, $register:expr, $size:expr) => {
        match read($machine, $function, $register, $size) {
            Ok(value) => value,
            Err(verdict) => return verdict,
        }
    };
}

fn of_the_tree(machine: &mut Machine) -> Verdict {
    let functions = functions!(machine);
    for function in &functions {
        let value = read!(machine, function, 0, 4);
        need!(
            value != u32::MAX && value != 0,
            format!("a function at {:#x}", function.address),
            "{value:#x} of {}",
            function.path
        );
    }
    pass!("{} functions answer at their config_addr", functions.len())
}

fn registers(machine: &mut Machine) -> Verdict {
    // Property, register, bytes (PCI binding to IEEE 1275).
    let table = [
        ("vendor-id", 0x00, 2),
        ("device-id", 0x02, 2),
        ("revision-id", 0x08, 1),
        ("subsystem-vendor-id", 0x2c, 2),
        ("subsystem-id", 0x2e, 2),
    ];
    let functions = functions!(machine);
    let mut compared = 0;
    for function in &functions {
        for (name, register, size) in table {
            let Some(wanted) = function.cell(name) else {
                continue;
            };
            let value = read!(machine, function, register, size);
            need!(
                value == wanted,
                format!("{name} {wanted:#x} of {}", function.path),
                "{value:#x}"
            );
            compared += 1;
        }
    }
    pass!("{compared} registers of {} functions", functions.len())
}

fn byte_order(machine: &mut Machine) -> Verdict {
    for function in functions!(machine) {
        let (vendor, device) = (function.cell("vendor-id"), function.cell("device-id"));
        let (Some(vendor), Some(device)) = (vendor, device) else {
            continue;
        };
        let value = read!(machine, &function, 0, 4);
        // The device is in the upper half of the little-endian register.
        need!(
            value == device << 16 | vendor,
            format!("{:#x}", device << 16 | vendor),
            "{value:#x} of {}",
            function.path
        );
    }
    pass!("device in the upper half, vendor in the lower")
}

fn read_sizes(machine: &mut Machine) -> Verdict {
    for function in functions!(machine) {
        for register in [0x00, 0x08, 0x2c] {
            let whole = read!(machine, &function, register, 4);
            for offset in 0..4 {
                let byte = read!(machine, &function, register + offset, 1);
                need!(
                    byte == whole >> (8 * offset) & 0xff,
                    format!("byte {offset} of {whole:#x}"),
                    "{byte:#x}"
                );
            }
            for offset in [0, 2] {
                let half = read!(machine, &function, register + offset, 2);
                need!(
                    half == whole >> (8 * offset) & 0xffff,
                    format!("half at {offset} of {whole:#x}"),
                    "{half:#x}"
                );
            }
        }
    }
    pass!("bytes and halves of three registers of each function")
}

/// Addresses below the first bridge where the tree has nothing.
fn absent(machine: &mut Machine) -> Option<Vec<Function>> {
    let functions = functions(machine);
    let unit = unit(machine);
    if unit == [0, 0] {
        return None;
    }
    let taken = |address: &u32| {
        functions
            .iter()
            .any(|it| it.unit == unit && it.address == *address)
    };
    // The last device of bus 0, one of a bus that is not there.
    let addresses = [0x0000_f800, 0x0000_f000, 0x00fe_0800];
    let free = addresses.into_iter().filter(|address| !taken(address));
    let function = |address| Function {
        path: "nothing".into(),
        unit,
        address,
        cells: Vec::new(),
    };
    Some(free.map(function).collect())
}

macro_rules! absent {
    ($machine:expr) => {
        match absent($machine) {
            Some(functions) => functions,
            None => skip!("no PCI host bridge"),
        }
    };
}

fn read_absent(machine: &mut Machine) -> Verdict {
    for function in absent!(machine) {
        for (size, ones) in [(1, 0xff), (2, 0xffff), (4, u32::MAX)] {
            let value = read!(machine, &function, 0, size);
            need!(
                value == ones,
                format!("all ones in {size} bytes at {:#x}", function.address),
                "{value:#x}"
            );
        }
    }
    pass!("status 0 and all ones where the tree has nothing")
}

fn read_not_owned(machine: &mut Machine) -> Verdict {
    let Some(functions) = absent(machine) else {
        skip!("no PCI host bridge")
    };
    // Registers of a function that somebody else might have.
    for function in functions {
        for register in [0x04, 0x10, 0x3c] {
            let value = read!(machine, &function, register, 4);
            need!(value == u32::MAX, "all ones", "{value:#x}");
        }
    }
    pass!("status 0 and all ones")
}

/// Writes a register; the status.
pub fn put(
    machine: &mut Machine,
    function: &Function,
    register: u32,
    size: u32,
    value: u32,
) -> Result<i64, Verdict> {
    let [address, high, low] = function.inputs();
    let inputs = [address | register, high, low, size, value];
    let outcome = ask::ask(machine, "ibm,write-pci-config", &inputs, 1)?;
    Ok(outcome.status())
}

macro_rules! put {
    ($machine:expr, $function:expr, $register:expr, $size:expr, $value:expr) => {
        match put($machine, $function, $register, $size, $value) {
            Ok(0) => {}
            Ok(status) => {
                guest::fail!(
                    format!("status 0 for register {:#x}", $register),
                    "{status}"
                )
            }
            Err(verdict) => return verdict,
        }
    };
}

/// Cache line size and latency timer: bytes that any function keeps or ignores; the interrupt line
/// is kept by every one (PCI Local Bus Specification 3.0, 6.2.4).
const LINE: u32 = 0x3c;

fn write(machine: &mut Machine) -> Verdict {
    let functions = functions!(machine);
    for function in &functions {
        let before = read!(machine, function, LINE, 1);
        for value in [0xa5, 0x5a] {
            put!(machine, function, LINE, 1, value);
            let after = read!(machine, function, LINE, 1);
            need!(
                after == value,
                format!("{value:#x} in the interrupt line of {}", function.path),
                "{after:#x}"
            );
        }
        put!(machine, function, LINE, 1, before);
    }
    pass!(
        "the interrupt line of {} functions, put back",
        functions.len()
    )
}

fn write_sizes(machine: &mut Machine) -> Verdict {
    let functions = functions!(machine);
    for function in &functions {
        let before = read!(machine, function, LINE, 4);
        put!(machine, function, LINE, 1, 0x3c);
        let byte = read!(machine, function, LINE, 4);
        put!(machine, function, LINE, 2, before & 0xff00 | 0xc3);
        let half = read!(machine, function, LINE, 4);
        put!(machine, function, LINE, 4, before & !0xff | 0x99);
        let whole = read!(machine, function, LINE, 4);
        put!(machine, function, LINE, 4, before);
        for (seen, line) in [(byte, 0x3c), (half, 0xc3), (whole, 0x99)] {
            need!(
                seen == before & !0xff | line,
                format!("{:#x}", before & !0xff | line),
                "{seen:#x} of {}",
                function.path
            );
        }
    }
    pass!("1, 2 and 4 bytes, the others as they were")
}

fn write_absent(machine: &mut Machine) -> Verdict {
    for function in absent!(machine) {
        for (size, value) in [(1, 0), (2, 0), (4, 0)] {
            put!(machine, &function, LINE, size, value);
        }
    }
    pass!("status 0 where the tree has nothing")
}

fn write_not_owned(machine: &mut Machine) -> Verdict {
    let Some(functions) = absent(machine) else {
        skip!("no PCI host bridge")
    };
    for function in functions {
        // Memory and I/O enabled in the command register.
        put!(machine, &function, 0x04, 2, 3);
        let [address, high, low] = function.inputs();
        let outcome = answer!(
            machine,
            "ibm,read-pci-config",
            &[address | 4, high, low, 2],
            2
        );
        need!(
            outcome.cells.get(1) != Some(&3),
            "nothing enabled",
            "{:x?}",
            outcome.cells
        );
    }
    pass!("status 0, and nothing enabled")
}
