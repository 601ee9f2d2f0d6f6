//! A device and a piece of memory that somebody plugs in and wants back (LoPAR 13.5.3): what the
//! indicators and ibm,configure-connector then have to do.

use alloc::format;
use alloc::vec::Vec;

use guest::runs::{ASK, DEVICE, MEMORY, REMOVAL};
use guest::verdict::Verdict;
use guest::{fail, need, pass, skip};

use super::{PATIENCE, epow};
use crate::board::{memory, processor};
use crate::checks::ask::{self, Bytes};
use crate::checks::pci;
use crate::subject::machine::cells;
use crate::subject::{Machine, Width};
use crate::{or_return, say};

/// The indicators isolation-state and allocation-state, and the sensor dr-entity-sense (Tables 13.5 and
/// 13.7), with their states.
const ISOLATION: u32 = 9001;
const ALLOCATION: u32 = 9003;
const SENSE: u32 = 9003;
const OFF: u32 = 0;
const ON: u32 = 1;
const EMPTY: i64 = 0;
const PRESENT: i64 = 1;
/// "Call again", and that it takes longer (Table 7.6).
fn is_busy(status: i64) -> bool {
    status == -2 || (9900..=9905).contains(&status)
}

/// Connectors of the nodes that `of` chooses.
fn connectors(machine: &Machine, of: fn(&str) -> bool) -> Vec<u32> {
    let nodes = machine.tree.iter().filter(|(path, _)| of(path));
    let properties = nodes.flat_map(|(_, properties)| properties);
    let indexes = properties.filter(|(name, _)| name == "ibm,drc-indexes");
    // Their number, then each.
    indexes
        .flat_map(|(_, value)| cells(value).into_iter().skip(1))
        .collect()
}

/// dr-entity-sense of a connector: status and state.
fn sense(machine: &mut Machine, connector: u32) -> Result<[i64; 2], Verdict> {
    let outcome = ask::ask(machine, "get-sensor-state", &[SENSE, connector], 2)?;
    Ok([outcome.cells[0], outcome.cells[1]])
}

/// Sets an indicator until it is done: its last status.
fn indicate(machine: &mut Machine, [token, connector, state]: [u32; 3]) -> Result<i64, Verdict> {
    let mut status = -2;
    let mut result = Ok(());
    processor::wait(PATIENCE, || {
        let inputs = [token, connector, state];
        match ask::ask(machine, "set-indicator", &inputs, 1) {
            Ok(outcome) => status = outcome.status(),
            Err(verdict) => result = Err(verdict),
        }
        result.is_err() || !is_busy(status)
    });
    result.map(|()| status)
}

/// Asks for `what` and waits for the event that tells of it.
fn ask_for(machine: &mut Machine, what: &str) -> Result<(), Verdict> {
    let node = "/event-sources/hot-plug-events";
    let properties = machine.tree.iter().find(|(path, _)| path == node);
    let interrupts = properties.and_then(|(_, properties)| {
        let mut properties = properties.iter();
        properties.find(|(name, _)| name == "interrupts")
    });
    let Some(source) = interrupts.and_then(|(_, value)| cells(value).first().copied()) else {
        return Err(Verdict::Skip(format!("no {node} with interrupts")));
    };
    say!("{ASK}{what}");
    let mut told = Ok(1);
    let came = processor::wait(PATIENCE, || {
        let log = Bytes::new(epow::ROOM.into(), 0xee);
        told = epow::exception(machine, source, u32::MAX, 0, &log, epow::ROOM);
        !matches!(told, Ok(1))
    });
    match told {
        Ok(0) if came => Ok(()),
        Ok(status) => Err(Verdict::Fail(
            format!("an event that tells of {what}"),
            format!("status {status} of check-exception"),
        )),
        Err(verdict) => Err(verdict),
    }
}

/// What ibm,configure-connector tells of a connector: the value of the first `reg`; its last status.
/// The entries of the work area have four bytes, or eight for an instance with cells of 64 bits (13.5.3.5).
fn configure(machine: &mut Machine, connector: u32) -> Result<(i64, Vec<u32>), Verdict> {
    /// A device has some 30 properties.
    const MOST: usize = 10_000;
    let area = machine.arena + 0x2c_0000;
    let wide = machine
        .rtas
        .is_some_and(|rtas| rtas.width == Width::Cells64);
    let entry = |index: u64| match wide {
        true => memory::read_word(area + 8 * index),
        false => memory::read_u32(area + 4 * index).into(),
    };
    memory::fill(area, 0x1000, 0);
    memory::write_u32(if wide { area + 4 } else { area }, connector);
    let mut reg = Vec::new();
    for _ in 0..MOST {
        let inputs = [area as u32, 0];
        let status = ask::ask(machine, "ibm,configure-connector", &inputs, 1)?.status();
        // The next property: its name, its length, its value.
        if status == 3 && reg.is_empty() {
            let [name, length, value] = [2, 3, 4].map(|index| entry(index) & 0xfff);
            let is_reg =
                (0..4).all(|at| memory::read_u8(area + name + at) == b"reg\0"[at as usize]);
            if is_reg {
                reg = (0..length / 4)
                    .map(|at| memory::read_u32(area + value + 4 * at))
                    .collect();
            }
        }
        if !(1..=4).contains(&status) && !is_busy(status) {
            return Ok((status, reg));
        }
    }
    Err(Verdict::Fail(
        "an end of ibm,configure-connector".into(),
        format!("none after {MOST} calls"),
    ))
}

/// A device that was plugged in and connected.
struct Device {
    connector: u32,
    function: pci::Function,
}

/// Has a device plugged in and connects it. Where it is, [`configure`] tells.
fn plug(machine: &mut Machine) -> Result<Device, Verdict> {
    if machine.token("ibm,configure-connector").is_none() {
        return Err(Verdict::Skip("/rtas has no ibm,configure-connector".into()));
    }
    let mut empty = Vec::new();
    for connector in connectors(machine, |path| path.starts_with("/pci@")) {
        if sense(machine, connector)? == [0, EMPTY] {
            empty.push(connector);
        }
    }
    if empty.is_empty() {
        return Err(Verdict::Skip("no empty PCI slot in the tree".into()));
    }
    ask_for(machine, DEVICE)?;
    let mut found = None;
    for connector in empty {
        if sense(machine, connector)? == [0, PRESENT] {
            found = Some(connector);
            break;
        }
    }
    let wrong = |wanted: &str, saw| Err(Verdict::Fail(wanted.into(), saw));
    let Some(connector) = found else {
        return wrong("a slot that is no longer empty", "none".into());
    };
    let status = indicate(machine, [ISOLATION, connector, ON])?;
    if status != 0 {
        return wrong("status 0 of connecting", format!("{status}"));
    }
    let unit = pci::unit(machine);
    Ok(Device {
        connector,
        function: pci::Function {
            path: format!("the device at connector {connector:#x}"),
            unit,
            address: 0,
            cells: Vec::new(),
        },
    })
}

/// As [`plug`], and configured: it can be accessed.
fn plug_and_configure(machine: &mut Machine) -> Result<Device, Verdict> {
    let mut device = plug(machine)?;
    match configure(machine, device.connector)? {
        (0, reg) if !reg.is_empty() => {
            device.function.address = reg[0] & 0x00ff_ff00;
            Ok(device)
        }
        (status, reg) => {
            let _ = unplug(machine, device.connector);
            Err(Verdict::Fail(
                "status 0 of ibm,configure-connector in the end, and a reg".into(),
                format!("{status}, reg {reg:x?}"),
            ))
        }
    }
}

/// Has the removal asked for, and isolates: the status.
fn unplug(machine: &mut Machine, connector: u32) -> Result<i64, Verdict> {
    ask_for(machine, REMOVAL)?;
    indicate(machine, [ISOLATION, connector, OFF])
}

/// The vendor and device of a function, or nothing where it is not there.
fn identity(machine: &mut Machine, function: &pci::Function) -> Result<Option<u32>, Verdict> {
    let [address, high, low] = function.inputs();
    let outcome = ask::ask(machine, "ibm,read-pci-config", &[address, high, low, 4], 2)?;
    let value = outcome.cells[1] as u32;
    Ok((outcome.status() == 0 && value != u32::MAX).then_some(value))
}

/// Skips an instance with cells of 64 bits: its work area differs, which is [`configures`]' to judge.
macro_rules! narrow {
    ($machine:expr) => {
        if $machine
            .rtas
            .is_some_and(|rtas| rtas.width == Width::Cells64)
        {
            skip!("in cells of 32 bits")
        }
    };
}

pub(super) fn configures(machine: &mut Machine) -> Verdict {
    let device = or_return!(plug_and_configure(machine));
    let identity = or_return!(identity(machine, &device.function));
    let status = or_return!(unplug(machine, device.connector));
    need!(
        identity.is_some() && status == 0,
        "a function at the address that was told, and status 0 of isolating it",
        "{identity:x?} at {:#x}, {status}",
        device.function.address
    );
    pass!(
        "{:#x} at config_addr {:#x}",
        identity.unwrap_or(0),
        device.function.address
    )
}

pub(super) fn completes(machine: &mut Machine) -> Verdict {
    narrow!(machine);
    let device = or_return!(plug_and_configure(machine));
    let there = or_return!(identity(machine, &device.function));
    let status = or_return!(unplug(machine, device.connector));
    let state = or_return!(sense(machine, device.connector));
    let after = or_return!(identity(machine, &device.function));
    need!(
        there.is_some() && status == 0 && state == [0, EMPTY] && after.is_none(),
        "a device that is gone when isolating it answers 0",
        "{there:x?} before, status {status}, sensor {state:?}, {after:x?} after"
    );
    pass!(
        "{:#x} connected and gone, each with status 0",
        there.unwrap_or(0)
    )
}

/// A function of ibm,change-msi that asks for MSIs.
const MSI: u32 = 3;

pub(super) fn releases_msis(machine: &mut Machine) -> Verdict {
    narrow!(machine);
    if machine.rtas_property("ibm,change-msix-capable").is_none() {
        skip!("/rtas has no ibm,change-msix-capable")
    }
    let change = |machine: &mut Machine, inputs: [u32; 3], count: u32| {
        let [address, high, low] = inputs;
        let inputs = [address, high, low, MSI, count, 1];
        ask::ask(machine, "ibm,change-msi", &inputs, 4).map(|outcome| outcome.cells)
    };
    let query = |machine: &mut Machine, inputs: [u32; 3]| {
        let [address, high, low] = inputs;
        let name = "ibm,query-interrupt-source-number";
        ask::ask(machine, name, &[address, high, low, 0], 3).map(|outcome| outcome.cells)
    };
    let first = or_return!(plug_and_configure(machine));
    let inputs = first.function.inputs();
    let set = or_return!(change(machine, inputs, 1));
    let given = or_return!(query(machine, inputs));
    let status = or_return!(unplug(machine, first.connector));
    // The same place, another device.
    let second = or_return!(plug_and_configure(machine));
    let after = or_return!(query(machine, second.function.inputs()));
    if after[0] == 0 {
        or_return!(change(machine, second.function.inputs(), 0));
    }
    or_return!(unplug(machine, second.connector));
    need!(
        set[..2] == [0, 1] && given[0] == 0 && status == 0,
        "an MSI, and status 0 of isolating",
        "{set:?}, {given:x?}, {status}"
    );
    need!(
        second.function.address == inputs[0],
        "the second device where the first was",
        "{:#x}, then {:#x}",
        inputs[0],
        second.function.address
    );
    need!(
        after[0] != 0,
        "no MSI of the device behind an isolation",
        "source {:#x}, as before: {:#x}",
        after[1],
        given[1]
    );
    pass!("source {:#x} is the device's no longer", given[1])
}

/// Where the memory of a connector begins: its name is "LMB" and a number (LoPAR B.5.1.2.4,
/// ibm,drc-names), which counts blocks of the size that ibm,lrdr-capacity tells.
fn address_of(machine: &Machine, connector: u32) -> Result<u64, Verdict> {
    let root = machine.tree.iter().find(|(path, _)| path == "/");
    let get = |name: &str| -> Option<&[u8]> {
        let (_, value) = root?.1.iter().find(|(own, _)| own == name)?;
        Some(value)
    };
    let indexes = get("ibm,drc-indexes").map(cells).unwrap_or_default();
    let place = indexes.iter().skip(1).position(|index| *index == connector);
    // A count, then the strings.
    let names = get("ibm,drc-names")
        .and_then(|value| value.get(4..))
        .unwrap_or_default();
    let name = place.and_then(|place| names.split(|byte| *byte == 0).nth(place));
    let name = name
        .and_then(|name| core::str::from_utf8(name).ok())
        .unwrap_or_default();
    let number = name
        .strip_prefix("LMB ")
        .and_then(|number| number.parse::<u64>().ok());
    let capacity = machine
        .rtas_property("ibm,lrdr-capacity")
        .map(cells)
        .unwrap_or_default();
    match (number, &capacity[..]) {
        (Some(number), [_, _, high, low, ..]) => {
            Ok(number * (u64::from(*high) << 32 | u64::from(*low)))
        }
        _ => Err(Verdict::Skip(format!(
            "no number of a block in the name {name:?}"
        ))),
    }
}

pub(super) fn maps(machine: &mut Machine) -> Verdict {
    narrow!(machine);
    /// Behind the first bytes of the memory.
    const OFFSET: u64 = 0x1000;
    const PATTERN: u32 = 0x0dd_ba11;
    let mut unusable = Vec::new();
    for connector in connectors(machine, |path| path == "/") {
        let is_memory = address_of(machine, connector).is_ok();
        if is_memory && or_return!(sense(machine, connector)) == [0, 2] {
            unusable.push(connector);
        }
    }
    if unusable.is_empty() {
        skip!("the tree has no connector for memory")
    }
    or_return!(ask_for(machine, MEMORY));
    // Those without memory refuse.
    let mut taken = None;
    for connector in unusable {
        if or_return!(indicate(machine, [ALLOCATION, connector, ON])) == 0 {
            taken = Some(connector);
            break;
        }
    }
    let Some(connector) = taken else {
        fail!("a connector that can be made usable", "none")
    };
    let connected = or_return!(indicate(machine, [ISOLATION, connector, ON]));
    let state = or_return!(sense(machine, connector));
    let (status, reg) = or_return!(configure(machine, connector));
    let address = or_return!(address_of(machine, connector));
    let mut seen = None;
    if (connected, status) == (0, 0) && address >= machine.memory_end {
        memory::write_u32(address + OFFSET, PATTERN);
        seen = Some(memory::read_u32(address + OFFSET));
    }
    or_return!(ask_for(machine, REMOVAL));
    let isolated = or_return!(indicate(machine, [ISOLATION, connector, OFF]));
    let freed = or_return!(indicate(machine, [ALLOCATION, connector, OFF]));
    need!(
        seen == Some(PATTERN) && state == [0, PRESENT],
        "memory that can be used",
        "{seen:x?} at {address:#x}, sensor {state:?}, statuses {connected} and {status}, reg {reg:x?}"
    );
    need!(
        (isolated, freed) == (0, 0),
        "statuses 0 of giving it back",
        "{isolated} and {freed}"
    );
    pass!("memory at {address:#x} was used and given back")
}
