//! What the hypervisor implements is compared with the same call made of it directly: every output
//! cell, and the memory that the call writes. Every function of /rtas is asked or has a reason why not.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{fail, pass, skip};
use rtas_abi::status::{HARDWARE_ERROR, PARAMETER_ERROR};

use super::{Check, check, every_call, pci, windows};
use crate::board::hypercall;
use crate::board::memory;
use crate::or_return;
use crate::subject::machine::cells;
use crate::subject::rtas::Outcome;
use crate::subject::{Machine, Rtas};

/// The check.
pub const CHECKS: &[Check] = &[check(
    "R1-7.2.7-4",
    "same-as-hypervisor",
    same_as_hypervisor,
)];

const ENDS: &str = "the machine or the processor ends";
const OWN: &str = "the firmware's own, with a state of its own";
const NONE: &str = "the hypervisor has none";

/// Functions that are not asked, and why.
const LEFT_OUT: [(&str, &str); 14] = [
    ("power-off", ENDS),
    ("ibm,power-off-ups", ENDS),
    ("system-reboot", ENDS),
    ("ibm,os-term", ENDS),
    ("stop-self", ENDS),
    ("ibm,suspend-me", ENDS),
    // R1-7.3.10.3-5 wants a mask beside the priority, which QEMU does not keep.
    ("ibm,get-xive", OWN),
    ("ibm,set-xive", OWN),
    ("ibm,int-off", OWN),
    ("ibm,int-on", OWN),
    ("rtas-last-error", NONE),
    ("ibm,get-vpd", NONE),
    ("ibm,get-indices", NONE),
    ("set-time-for-power-on", NONE),
];

/// Where LoPAR wants another answer than QEMU's -1, the first outputs of it: firmware may give either.
const MENDED: [(&str, &[u32]); 6] = [
    // No function there: all ones are read (R1-7.3.4.1-5). All reads here are of four bytes.
    ("ibm,read-pci-config", &[0, u32::MAX]),
    ("read-pci-config", &[0, u32::MAX]),
    // And nothing is written (R1-7.3.4.2-5).
    ("ibm,write-pci-config", &[0]),
    ("write-pci-config", &[0]),
    // No such size: a parameter (Table 7.6).
    ("ibm,write-pci-config", &[PARAMETER_ERROR as u32]),
    // No interrupt of that number (R1-7.3.10.5.2-2, the second).
    ("ibm,query-interrupt-source-number", &[1]),
];

/// Where memory for the calls is in the arena: a page.
const DATA: u64 = 0x1a_0000;

/// Most steps of telling a connector; a processor has some forty.
const STEPS: usize = 512;

/// One call, that can be made twice: it changes nothing, or to what is there already.
struct Same {
    name: &'static str,
    inputs: Vec<u32>,
    outputs: usize,
    /// Memory that it gets: where, and what is put there before each of the two calls.
    memory: Option<(u64, Vec<u8>)>,
}

fn same(name: &'static str, inputs: &[u32], outputs: usize) -> Same {
    Same {
        name,
        inputs: inputs.to_vec(),
        outputs,
        memory: None,
    }
}

impl Same {
    /// With memory at `at`, so many bytes of it.
    fn with(mut self, at: u64, bytes: &[u8]) -> Same {
        self.memory = Some((at, bytes.to_vec()));
        self
    }

    /// Puts its memory in.
    fn prepare(&self) {
        if let Some((at, bytes)) = &self.memory {
            memory::write(*at, bytes);
        }
    }

    /// What its memory is.
    fn left(&self) -> Vec<u8> {
        let mut left = Vec::new();
        if let Some((at, bytes)) = &self.memory {
            left.resize(bytes.len(), 0);
            memory::read(*at, &mut left);
        }
        left
    }
}

/// Calls that change nothing, or to what is there already, and whose answer does not change by itself.
fn calls(machine: &mut Machine, data: u64) -> Vec<Same> {
    let other = machine.servers.last().copied().unwrap_or(0);
    let boot = machine.servers.first().copied().unwrap_or(0);
    let [high, low] = pci::unit(machine);
    // The first function, or one that is not there.
    let device = pci::functions(machine).first().map(pci::Function::inputs);
    let [address, device_high, device_low] = device.unwrap_or([0x0800, high, low]);
    let connector = connector(machine);
    let at = data as u32;
    let fresh = vec![0xee; 64];
    let mut calls = vec![
        same("query-cpu-stopped-state", &[other], 2),
        same("query-cpu-stopped-state", &[0xfff], 2),
        // No such processor, and one that runs.
        same("start-cpu", &[0xffff_fff0, 0x100, 0], 1),
        same("start-cpu", &[boot, 0x100, 0], 1),
        same("display-character", &[u32::from(b'\n')], 1),
        same("get-sensor-state", &[9003, 0], 2),
        same("get-sensor-state", &[9001, 0x1234], 2),
        same("get-sensor-state", &[9003, connector], 2),
        same("set-indicator", &[0x7777, 0, 0], 1),
        same("set-indicator", &[9001, 0x1234, 0], 1),
        same("set-indicator", &[9002, connector, 0], 1),
        same("get-power-level", &[u32::MAX], 2),
        same("get-power-level", &[0], 2),
        same("set-power-level", &[u32::MAX, 100], 2),
        same("set-power-level", &[u32::MAX, 0], 2),
        same("event-scan", &[0, 0, at, 64], 1).with(data, &fresh),
        same("check-exception", &[0x500, 0, 0, 0, at, 64, 0], 1).with(data, &fresh),
        same("nvram-fetch", &[16, at, 64], 2).with(data, &fresh),
        same("nvram-fetch", &[machine.nvram_bytes, at, 16], 2).with(data, &fresh),
        same("nvram-store", &[machine.nvram_bytes, at, 16], 2).with(data, &fresh),
        same("ibm,get-system-parameter", &[20, at, 64], 1).with(data, &fresh),
        same("ibm,get-system-parameter", &[48, at, 64], 1).with(data, &fresh),
        same("ibm,set-system-parameter", &[20, at], 1).with(data, &[0; 64]),
        same("ibm,set-system-parameter", &[0x7777, at], 1).with(data, &[0; 64]),
        same(
            "ibm,read-pci-config",
            &[address, device_high, device_low, 4],
            2,
        ),
        same("ibm,read-pci-config", &[0x700, high, low, 4], 2),
        same("ibm,read-pci-config", &[0, 1, 2, 4], 2),
        same("read-pci-config", &[0, 4], 2),
        // Vendor and device cannot be written; no register has three bytes.
        same(
            "ibm,write-pci-config",
            &[address, device_high, device_low, 4, 0],
            1,
        ),
        same(
            "ibm,write-pci-config",
            &[address, device_high, device_low, 3, 0],
            1,
        ),
        same("ibm,write-pci-config", &[0x00ff_0000, high, low, 4, 0], 1),
        same("write-pci-config", &[0, 4, 0], 1),
        same(
            "ibm,query-interrupt-source-number",
            &[address, high, low, 0],
            3,
        ),
        same("ibm,change-msi", &[address, high, low, 0, 0, 1], 3),
        same("ibm,read-slot-reset-state2", &[address, high, low], 5),
        same("ibm,get-config-addr-info2", &[address, high, low, 1], 2),
        same("ibm,set-eeh-option", &[address, high, low, 1], 1),
        same("ibm,set-eeh-option", &[0, 1, 2, 0], 1),
        same("ibm,set-slot-reset", &[address, high, low, 0], 1),
        same("ibm,set-slot-reset", &[0, 1, 2, 1], 1),
        same("ibm,configure-pe", &[address, high, low], 1),
        same("ibm,configure-bridge", &[address, high, low], 1),
        same(
            "ibm,slot-error-detail",
            &[address, high, low, 0, 0, at, 64, 1],
            1,
        )
        .with(data, &fresh),
        same("ibm,query-pe-dma-window", &[0, high, low], 5),
        same("ibm,query-pe-dma-window", &[0, 1, 2], 5),
        // Pages and a window of a byte; no such window.
        same("ibm,create-pe-dma-window", &[0, high, low, 0, 0], 4),
        same("ibm,remove-pe-dma-window", &[0xffff_fff0], 1),
        same("ibm,reset-pe-dma-window", &[0, high, low], 1),
        same("ibm,reset-pe-dma-window", &[0, 1, 2], 1),
        // Beyond the first 32 MiB: refused. Without a handler there is nothing to release.
        same("ibm,nmi-register", &[0x7000_0000, 0x7000_0000], 1),
        same("ibm,nmi-interlock", &[], 1),
        same("ibm,configure-connector", &[at, 0], 1).with(data, &work_area(0x7777_7777)),
        same("ibm,configure-kernel-dump", &[0x77, at, 64], 1).with(data, &fresh),
        // Devices of the machine that would stop have nothing in flight.
        same("quiesce", &[], 1),
        same("ibm,set-tce-bypass", &[0x7777_7777, 0], 1),
    ];
    if let Some(token) = machine.token("nvram-fetch")
        && machine.nvram_bytes > 64
    {
        // What is there is stored again.
        let place = machine.nvram_bytes - 40;
        hypercall::rtas(token, &[place, at, 40], 2);
        let mut there = vec![0; 40];
        memory::read(data, &mut there);
        calls.push(same("nvram-store", &[place, at, 40], 2).with(data, &there));
    }
    calls
}

/// A work area that asks for this connector.
fn work_area(connector: u32) -> Vec<u8> {
    let mut area = vec![0; 4096];
    area[..4].copy_from_slice(&connector.to_be_bytes());
    area
}

/// The connector of the boot processor; one that is none without it.
fn connector(machine: &Machine) -> u32 {
    let processor = machine.tree.iter().find_map(|(_, properties)| {
        let own = properties
            .iter()
            .find(|(name, _)| name == "ibm,my-drc-index")?;
        let kind = properties.iter().find(|(name, _)| name == "device_type")?;
        let processor = kind.1.starts_with(b"cpu\0");
        cells(&own.1).first().copied().filter(|_| processor)
    });
    processor.unwrap_or(0x7777_7776)
}

/// Whether RTAS answered as the hypervisor did, `direct`.
fn compare(name: &str, outcome: &Outcome, direct: &[u32]) -> Result<(), Verdict> {
    let mut direct = direct.to_vec();
    let mended = MENDED
        .iter()
        .find(|(call, mended)| *call == name && outcome.status() == i64::from(mended[0] as i32));
    if let Some((_, mended)) = mended
        && direct[0] as i32 == HARDWARE_ERROR
    {
        direct[..mended.len()].copy_from_slice(mended);
    }
    for (index, wanted) in direct.into_iter().enumerate() {
        // What the hypervisor leaves alone, RTAS must leave alone.
        let left = wanted == 0xdead_0000 | index as u32;
        let same = if left {
            outcome.untouched.contains(&index)
        } else {
            outcome.cells[index] == i64::from(wanted as i32)
        };
        if !same {
            let wanted = format!("{name} output {index} as the hypervisor: {wanted:#x}");
            return Err(Verdict::Fail(wanted, format!("{:x?}", outcome.cells)));
        }
    }
    Ok(())
}

/// Makes the call of RTAS and of the hypervisor.
fn asked_twice(machine: &mut Machine, rtas: Rtas, token: u32, call: &Same) -> Result<(), Verdict> {
    let Same {
        name,
        inputs,
        outputs,
        ..
    } = call;
    call.prepare();
    let outcome = match rtas.call(machine.gate, token, inputs, *outputs) {
        Ok(outcome) if outcome.rest_intact => outcome,
        other => {
            let wanted = format!("{name} that returns and writes its outputs alone");
            return Err(Verdict::Fail(wanted, format!("{other:x?}")));
        }
    };
    let ours = call.left();
    call.prepare();
    let direct = hypercall::rtas(token, inputs, *outputs);
    let theirs = call.left();
    compare(name, &outcome, &direct)?;
    if ours != theirs {
        let differs = ours
            .iter()
            .zip(&theirs)
            .position(|(one, other)| one != other);
        let wanted = format!("memory as the hypervisor leaves it after {name}");
        let saw = format!("other bytes from {differs:?} on");
        return Err(Verdict::Fail(wanted, saw));
    }
    Ok(())
}

/// The clock is told by RTAS between two times that the hypervisor tells, and set to what it is.
fn clock(machine: &mut Machine, rtas: Rtas) -> Result<u32, Verdict> {
    let (Some(get), Some(set)) = (
        machine.token("get-time-of-day"),
        machine.token("set-time-of-day"),
    ) else {
        return Ok(0);
    };
    let seconds = |cells: &[i64]| cells[1..7].to_vec();
    let direct = || -> Vec<i64> {
        let cells = hypercall::rtas(get, &[], 8).into_iter();
        cells.map(|cell| i64::from(cell as i32)).collect()
    };
    let trap = |trap| Verdict::Fail("no exception (R1-7.2.3-6)".into(), format!("{trap:x?}"));
    let first = direct();
    let outcome = rtas.call(machine.gate, get, &[], 8).map_err(trap)?;
    let second = direct();
    let between =
        seconds(&first) <= seconds(&outcome.cells) && seconds(&outcome.cells) <= seconds(&second);
    if outcome.status() != first[0] || !between {
        let wanted = format!("a time from {first:?} to {second:?}");
        return Err(Verdict::Fail(wanted, format!("{:?}", outcome.cells)));
    }
    let mut now: Vec<u32> = second[1..7].iter().map(|cell| *cell as u32).collect();
    now.push(0);
    asked_twice(machine, rtas, set, &same("set-time-of-day", &now, 1))?;
    Ok(2)
}

/// All that is told of a connector, step by step: by RTAS, and by the hypervisor.
fn configured(machine: &mut Machine, rtas: Rtas) -> Result<u32, Verdict> {
    let Some(token) = machine.token("ibm,configure-connector") else {
        return Ok(0);
    };
    let at = machine.arena + DATA;
    let connector = connector(machine);
    let inputs = [at as u32, 0];
    let told = |make: &mut dyn FnMut() -> Result<i64, Verdict>| {
        let mut steps = Vec::new();
        memory::write(at, &work_area(connector));
        while steps.len() < STEPS {
            let status = make()?;
            let mut area = vec![0; 4096];
            memory::read(at, &mut area);
            steps.push((status, area));
            if !(1..=4).contains(&status) {
                break;
            }
        }
        Ok::<_, Verdict>(steps)
    };
    let trap = |trap| Verdict::Fail("no exception (R1-7.2.3-6)".into(), format!("{trap:x?}"));
    let gate = &mut *machine.gate;
    let ours = told(&mut || {
        let outcome = rtas.call(gate, token, &inputs, 1).map_err(trap)?;
        Ok(outcome.status())
    })?;
    let theirs = told(&mut || Ok(i64::from(hypercall::rtas(token, &inputs, 1)[0] as i32)))?;
    let statuses = |steps: &[(i64, Vec<u8>)]| -> Vec<i64> {
        steps.iter().map(|(status, _)| *status).collect()
    };
    if ours != theirs {
        let step = ours
            .iter()
            .zip(&theirs)
            .position(|(one, other)| one != other);
        let wanted = format!(
            "connector {connector:#x} as the hypervisor tells it: {:?}",
            statuses(&theirs)
        );
        let saw = format!("{:?}, another from step {step:?} on", statuses(&ours));
        return Err(Verdict::Fail(wanted, saw));
    }
    Ok(ours.len() as u32)
}

/// A window is created and removed by RTAS, and the same by the hypervisor.
fn window(machine: &mut Machine, rtas: Rtas) -> Result<u32, Verdict> {
    let Ok(bridge) = windows::bridge(machine) else {
        return Ok(0);
    };
    let [_, create, remove] = bridge.tokens;
    let [high, low] = pci::unit(machine);
    // 1 MiB in pages of 64 KiB.
    let inputs = [0, high, low, 16, 20];
    let trap = |trap| Verdict::Fail("no exception (R1-7.2.3-6)".into(), format!("{trap:x?}"));
    let created = rtas.call(machine.gate, create, &inputs, 4).map_err(trap)?;
    let number = created.cells.get(1).map_or(0, |liobn| *liobn as u32);
    let removed = rtas
        .call(machine.gate, remove, &[number], 1)
        .map_err(trap)?;
    let direct = hypercall::rtas(create, &inputs, 4);
    let direct_removed = hypercall::rtas(remove, &[direct[1]], 1);
    compare("ibm,create-pe-dma-window", &created, &direct)?;
    compare("ibm,remove-pe-dma-window", &removed, &direct_removed)?;
    Ok(2)
}

fn same_as_hypervisor(machine: &mut Machine) -> Verdict {
    let Some(rtas) = machine.rtas else {
        skip!("no instance of RTAS")
    };
    let data = machine.arena + DATA;
    let calls = calls(machine, data);
    let mut compared = or_return!(clock(machine, rtas));
    compared += or_return!(window(machine, rtas));
    compared += or_return!(configured(machine, rtas));
    let mut names: Vec<String> = vec!["get-time-of-day".into(), "set-time-of-day".into()];
    for call in &calls {
        let Some(token) = machine.token(call.name) else {
            continue;
        };
        or_return!(asked_twice(machine, rtas, token, call));
        compared += 1;
        names.push(call.name.into());
    }
    names.sort_unstable();
    names.dedup();
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, _) in every_call::functions(machine) {
        if names.iter().any(|own| own == name) {
            continue;
        }
        let Some((name, why)) = LEFT_OUT.iter().find(|(own, _)| *own == name) else {
            fail!(
                "every function asked, or a reason why not",
                "neither of {name}"
            )
        };
        match reasons.iter_mut().find(|(own, _)| own == why) {
            Some((_, names)) => names.push(name),
            None => reasons.push((why, vec![name])),
        }
    }
    let reasons: Vec<String> = reasons
        .iter()
        .map(|(why, names)| format!("{} ({why})", names.join(" ")))
        .collect();
    pass!(
        "{compared} calls of {} functions, every output cell and what they write; not asked: {}",
        names.len(),
        reasons.join(", ")
    )
}
