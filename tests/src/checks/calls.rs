//! The simple functions of LoPAR 7.3, one by one. What the hypervisor implements is compared with the
//! same call made of it directly.

use alloc::format;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{expect, fail, need, pass, skip};
use rtas_abi::status::PARAMETER_ERROR;

use super::{Check, check};
use crate::board::memory::{self, Scratch};
use crate::board::{hypercall, processor};
use crate::subject::Machine;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.2.2-1", "get-time-of-day", get_time_of_day),
    check("R1-7.3.2.2-1", "get-time-of-day-nanoseconds", nanoseconds),
    check("R1-7.3.5.3-9", "display-character", display_character),
    check("R1-7.3.1.1-1", "nvram-fetch", nvram_fetch),
    check("R1-7.3.1.2-2", "nvram-store", nvram_store),
    check("R1-7.3.1.1-1", "nvram-fetch-range", nvram_range),
    check("R1-7.3.8.3-1", "query-cpu-stopped-state", query_cpu),
    check("R1-7.3.5.5-1", "get-sensor-state-unknown", sensor_unknown),
    check("R1-7.3.16-13", "get-system-parameter", system_parameter),
    check(
        "R1-7.3.16-7",
        "get-system-parameter-unknown",
        system_parameter_unknown,
    ),
];

const PARAMETER: i64 = PARAMETER_ERROR as i64;

/// The functions of LoPAR Table 7.3, and those that only an argument buffer defines.
const FUNCTIONS: &[&str] = &[
    "nvram-fetch",
    "nvram-store",
    "get-time-of-day",
    "set-time-of-day",
    "set-time-for-power-on",
    "event-scan",
    "check-exception",
    "rtas-last-error",
    "ibm,platform-dump",
    "ibm,read-pci-config",
    "ibm,write-pci-config",
    "display-character",
    "set-indicator",
    "get-sensor-state",
    "ibm,set-system-parameter",
    "ibm,get-system-parameter",
    "set-power-level",
    "get-power-level",
    "power-off",
    "ibm,power-off-ups",
    "system-reboot",
    "ibm,update-flash-64-and-reboot",
    "ibm,manage-flash-image",
    "ibm,validate-flash-image",
    "ibm,activate-firmware",
    "stop-self",
    "start-cpu",
    "query-cpu-stopped-state",
    "ibm,os-term",
    "ibm,exti2c",
    "ibm,get-xive",
    "ibm,set-xive",
    "ibm,int-off",
    "ibm,int-on",
    "ibm,configure-connector",
    "ibm,set-eeh-option",
    "ibm,set-slot-reset",
    "ibm,read-slot-reset-state",
    "ibm,read-slot-reset-state2",
    "ibm,get-config-addr-info2",
    "ibm,slot-error-detail",
    "ibm,open-errinjct",
    "ibm,errinjct",
    "ibm,close-errinjct",
    "ibm,nmi-register",
    "ibm,nmi-interlock",
    "ibm,configure-bridge",
    "ibm,configure-pe",
    "ibm,get-indices",
    "ibm,get-vpd",
    "ibm,manage-storage-preservation",
    "ibm,get-dynamic-sensor-state",
    "ibm,set-dynamic-indicator",
    "ibm,change-msi",
    "ibm,suspend-me",
    "ibm,update-nodes",
    "ibm,update-properties",
    "ibm,configure-kernel-dump",
    "ibm,query-pe-dma-window",
    "ibm,create-pe-dma-window",
    "ibm,remove-pe-dma-window",
    "ibm,reset-pe-dma-windows",
    "ibm,query-interrupt-source-number",
    "ibm,nmi-register-2",
    "ibm,lpar-perftools",
];

/// Whether a property of /rtas with this name is a token.
pub fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name)
}

/// The instance and the token of a function, or a skip.
#[macro_export]
macro_rules! function {
    ($machine:expr, $name:expr) => {{
        let Some(rtas) = $machine.rtas else {
            skip!("no instance of RTAS")
        };
        let Some(token) = $machine.token($name) else {
            skip!("/rtas has no {}", $name)
        };
        (rtas, token)
    }};
}

/// The outcome of a call, or a failure for the exception.
#[macro_export]
macro_rules! returned {
    ($outcome:expr) => {
        match $outcome {
            Ok(outcome) => outcome,
            Err(trap) => fail!("no exception (R1-7.2.3-6)", "{trap:x?}"),
        }
    };
}

/// Fails unless the call wrote its outputs and nothing else of the buffer.
#[macro_export]
macro_rules! clean {
    ($outcome:expr) => {
        need!(
            $outcome.rest_intact,
            "inputs and the cells behind the outputs as they were",
            "they changed, outputs {:x?}",
            $outcome.cells
        )
    };
}

fn time(machine: &mut Machine) -> Result<Vec<i64>, Verdict> {
    let run = |machine: &mut Machine| -> Verdict {
        let (rtas, token) = function!(machine, "get-time-of-day");
        let outcome = returned!(rtas.call(machine.gate, token, &[], 8));
        clean!(outcome);
        need!(outcome.status() == 0, "status 0", "{:x?}", outcome.cells);
        machine.scratch_cells = outcome.cells;
        Verdict::Pass(alloc::string::String::new())
    };
    match run(machine) {
        Verdict::Pass(_) => Ok(core::mem::take(&mut machine.scratch_cells)),
        other => Err(other),
    }
}

/// Also made of broken instances by the self-test.
pub fn get_time_of_day(machine: &mut Machine) -> Verdict {
    let cells = match time(machine) {
        Ok(cells) => cells,
        Err(verdict) => return verdict,
    };
    let bounds = [
        (0, 0),
        (2020, 2200),
        (1, 12),
        (1, 31),
        (0, 23),
        (0, 59),
        (0, 59),
    ];
    for ((low, high), value) in bounds.into_iter().zip(&cells) {
        need!(
            (low..=high).contains(value),
            format!("{low} to {high}"),
            "{value} in {cells:?}"
        );
    }
    pass!("{cells:?}")
}

/// A 32-bit count of nanoseconds is below 1e9 for at most a second in 4.3: looking for longer than
/// that finds the rest.
fn nanoseconds(machine: &mut Machine) -> Verdict {
    let mut looked = 0;
    let mut found = None;
    processor::wait(2, || {
        looked += 1;
        found = match time(machine) {
            Ok(cells) => match cells.get(7).copied().unwrap_or(-1) {
                0..1_000_000_000 => None,
                value => Some(Verdict::Fail(
                    "nanoseconds below 1e9".into(),
                    format!("{value}"),
                )),
            },
            Err(verdict) => Some(verdict),
        };
        found.is_some()
    });
    match found {
        Some(verdict) => verdict,
        None => pass!("{looked} times 0 to 999999999"),
    }
}

fn display_character(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "display-character");
    for letter in b"\r\nguest: shown by display-character\r\n" {
        let outcome = returned!(rtas.call(machine.gate, token, &[u32::from(*letter)], 1));
        clean!(outcome);
        need!(outcome.status() == 0, "status 0", "{}", outcome.status());
    }
    pass!("a line, each status 0")
}

/// A buffer for data, below 4 GiB, with guard bytes on both sides.
struct Data {
    scratch: Scratch,
    length: u64,
}

const GUARD_BYTES: u64 = 64;

impl Data {
    fn new(length: u64, byte: u8) -> Data {
        // Always a slot that is given back.
        let scratch = Scratch::new(256, 128);
        memory::fill(scratch.address, 256, 0x77);
        memory::fill(scratch.address + GUARD_BYTES, length, byte);
        Data { scratch, length }
    }

    fn address(&self) -> u32 {
        (self.scratch.address + GUARD_BYTES) as u32
    }

    fn bytes(&self) -> Vec<u8> {
        let at = u64::from(self.address());
        (at..at + self.length).map(memory::read_u8).collect()
    }

    fn guarded(&self) -> bool {
        let (start, data) = (self.scratch.address, u64::from(self.address()));
        memory::first_other_than(start..data, 0x77).is_none()
            && memory::first_other_than(data + self.length..start + 256, 0x77).is_none()
    }
}

fn nvram_fetch(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "nvram-fetch");
    if machine.nvram_bytes == 0 {
        skip!("no node with #bytes: no NVRAM")
    }
    // Not 0 bytes: QEMU 10.0 dies of that (hw/nvram/spapr_nvram.c maps nothing and unmaps it).
    for length in [1u32, 15, 64] {
        let (ours, direct) = (Data::new(64, 0xee), Data::new(64, 0xee));
        let outcome = returned!(rtas.call(machine.gate, token, &[16, ours.address(), length], 2));
        clean!(outcome);
        let wanted = hypercall::rtas(token, &[16, direct.address(), length], 2);
        need!(
            outcome.cells == [0, i64::from(length)],
            format!("status 0, {length} bytes"),
            "{:?} (the hypervisor: {wanted:?})",
            outcome.cells
        );
        need!(
            ours.bytes() == direct.bytes(),
            format!("{:x?}", direct.bytes()),
            "{:x?}",
            ours.bytes()
        );
        need!(
            ours.guarded(),
            "nothing around the buffer written",
            "it was"
        );
    }
    pass!("1, 15 and 64 bytes, as the hypervisor gives them")
}

fn nvram_store(machine: &mut Machine) -> Verdict {
    let (rtas, fetch) = function!(machine, "nvram-fetch");
    let (_, store) = function!(machine, "nvram-store");
    if machine.nvram_bytes < 64 {
        skip!("no node with #bytes: no NVRAM")
    }
    // The last bytes, put back afterwards.
    let index = machine.nvram_bytes - 40;
    let (old, new, read) = (Data::new(40, 0), Data::new(40, 0), Data::new(40, 0));
    let gate = &mut *machine.gate;
    need!(
        rtas.status(gate, fetch, &[index, old.address(), 40], 2) == 0,
        "status 0",
        "another"
    );
    let wanted: Vec<u8> = (0..40).map(|byte| 0xc0 ^ byte).collect();
    memory::write(new.address().into(), &wanted);
    let outcome = returned!(rtas.call(gate, store, &[index, new.address(), 40], 2));
    clean!(outcome);
    need!(
        outcome.cells == [0, 40],
        "status 0, 40 bytes",
        "{:?}",
        outcome.cells
    );
    let status = rtas.status(gate, fetch, &[index, read.address(), 40], 2);
    let restored = rtas.status(gate, store, &[index, old.address(), 40], 2);
    need!(
        (status, restored) == (0, 0),
        "statuses 0",
        "{status} {restored}"
    );
    need!(
        read.bytes() == wanted,
        format!("{wanted:x?}"),
        "{:x?}",
        read.bytes()
    );
    pass!("40 bytes at {index:#x} stored, fetched, put back")
}

fn nvram_range(machine: &mut Machine) -> Verdict {
    let (rtas, fetch) = function!(machine, "nvram-fetch");
    let (_, store) = function!(machine, "nvram-store");
    let bytes = machine.nvram_bytes;
    if bytes == 0 {
        skip!("no node with #bytes: no NVRAM")
    }
    for (index, length) in [
        (bytes, 1),
        (bytes - 1, 2),
        (0, bytes + 1),
        (u32::MAX, 2),
        (1, u32::MAX),
    ] {
        for token in [fetch, store] {
            let data = Data::new(64, 0xee);
            let outcome =
                returned!(rtas.call(machine.gate, token, &[index, data.address(), length], 2));
            clean!(outcome);
            need!(
                outcome.status() == PARAMETER,
                format!("-3 for {length:#x} bytes at {index:#x} of {bytes:#x}"),
                "{:?}",
                outcome.cells
            );
            need!(
                data.guarded() && data.bytes() == [0xee; 64],
                "no byte copied",
                "some were"
            );
        }
    }
    pass!("-3 five times by both calls, nothing copied")
}

fn query_cpu(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "query-cpu-stopped-state");
    for (index, server) in machine.servers.clone().into_iter().enumerate() {
        let outcome = returned!(rtas.call(machine.gate, token, &[server], 2));
        clean!(outcome);
        let wanted = [0, if index == 0 { 2 } else { 0 }];
        need!(
            outcome.cells == wanted,
            format!("{wanted:?} of processor {server:#x}"),
            "{:?}",
            outcome.cells
        );
    }
    let outcome = returned!(rtas.call(machine.gate, token, &[0xffff_fff0], 2));
    need!(
        outcome.status() == PARAMETER,
        "-3 for no processor",
        "{:?}",
        outcome.cells
    );
    pass!("the boot processor runs, the others are stopped")
}

fn sensor_unknown(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "get-sensor-state");
    let outcome = returned!(rtas.call(machine.gate, token, &[0x7777, 0], 2));
    clean!(outcome);
    expect!("status of sensor 0x7777", PARAMETER, outcome.status())
}

fn system_parameter(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "ibm,get-system-parameter");
    // 20: SPLPAR characteristics, text with its length in the first two bytes. No room asks whether it
    // is there, which QEMU does not know (R1-7.3.16-10).
    for room in [1u32, 2, 16, 64] {
        let (ours, direct) = (Data::new(64, 0xee), Data::new(64, 0xee));
        let outcome = returned!(rtas.call(machine.gate, token, &[20, ours.address(), room], 1));
        clean!(outcome);
        let wanted = hypercall::rtas(token, &[20, direct.address(), room], 1);
        need!(
            outcome.status() == i64::from(wanted[0] as i32),
            format!("as the hypervisor: {}", wanted[0] as i32),
            "{}",
            outcome.status()
        );
        need!(
            ours.bytes() == direct.bytes(),
            format!("{:x?}", direct.bytes()),
            "{:x?}",
            ours.bytes()
        );
        need!(
            ours.guarded(),
            "nothing around the buffer written",
            "it was"
        );
        let beyond = &ours.bytes()[room as usize..];
        need!(
            beyond.iter().all(|byte| *byte == 0xee),
            format!("at most {room} bytes written"),
            "{:x?}",
            ours.bytes()
        );
    }
    pass!("parameter 20 with room for 1 to 64 bytes, as the hypervisor gives it")
}

fn system_parameter_unknown(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "ibm,get-system-parameter");
    let data = Data::new(64, 0xee);
    let outcome = returned!(rtas.call(machine.gate, token, &[0x7777, data.address(), 64], 1));
    clean!(outcome);
    need!(
        data.bytes() == [0xee; 64],
        "no byte written",
        "{:x?}",
        data.bytes()
    );
    expect!("status of parameter 0x7777", PARAMETER, outcome.status())
}
