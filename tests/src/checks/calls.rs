//! RTAS calls in general (LoPAR 7.2.7, 7.2.8) and the simple functions of 7.3, one by one. What
//! the hypervisor implements is compared with the same call made of it directly.

use alloc::format;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{expect, fail, need, pass, skip};
use rtas_abi::status::PARAMETER_ERROR;

use super::{Check, check};
use crate::board::gate::Trap;
use crate::board::memory::{self, Scratch};
use crate::board::{hypercall, processor};
use crate::subject::client::patterns;
use crate::subject::machine::ARENA_SIZE;
use crate::subject::rtas::Outcome;
use crate::subject::{Machine, Rtas};

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
    check("R1-7.2.8-1", "unknown-token", unknown_token),
    check("R1-7.2.8-1", "wrong-counts", wrong_counts),
    check("R1-7.2.4-3", "no-outputs", no_outputs),
    check("R1-7.2.7-1", "buffer-anywhere", buffer_anywhere),
    check("R1-7.2.7-1", "buffer-misaligned", buffer_misaligned),
    check("R1-7.2.7-1", "buffer-at-end-of-memory", buffer_at_end),
    check("R1-7.2.3-6", "buffer-beyond-memory", buffer_beyond),
    check("R1-7.2.3-6", "buffer-in-rtas", buffer_in_rtas),
    check("R1-7.2.7-4", "same-as-hypervisor", same_as_hypervisor),
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
    // 20: SPLPAR characteristics, text with its length in the first two bytes.
    for room in [0u32, 1, 2, 16, 64] {
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
    pass!("parameter 20 with room for 0 to 64 bytes, as the hypervisor gives it")
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

/// A number that is no function's token.
const NO_TOKENS: [u32; 6] = [0, 1, 0x1fff, 0x20f0, 0x7fff_ffff, 0xffff_ffff];

fn unknown_token(machine: &mut Machine) -> Verdict {
    let Some(rtas) = machine.rtas else {
        skip!("no instance of RTAS")
    };
    for token in NO_TOKENS {
        let outcome = returned!(rtas.call(machine.gate, token, &[1, 2], 2));
        clean!(outcome);
        need!(
            outcome.status() == PARAMETER && outcome.untouched == [1],
            format!("-3 for token {token:#x} and nothing else written"),
            "{:x?}",
            outcome.cells
        );
    }
    pass!("-3 for six tokens that no function has")
}

fn wrong_counts(machine: &mut Machine) -> Verdict {
    // Functions whose counts nothing but the buffer's own words tell, and right counts.
    let functions = [
        ("get-time-of-day", 0u32, 8u32),
        ("query-cpu-stopped-state", 1, 2),
        ("get-sensor-state", 2, 2),
        ("ibm,get-xive", 1, 3),
        ("ibm,int-off", 1, 1),
        ("nvram-fetch", 3, 2),
    ];
    let Some(rtas) = machine.rtas else {
        skip!("no instance of RTAS")
    };
    let mut calls = 0;
    for (name, inputs, outputs) in functions {
        let Some(token) = machine.token(name) else {
            continue;
        };
        let counts = [
            [inputs + 1, outputs],
            [inputs, outputs + 1],
            [inputs, outputs - 1],
            [inputs.wrapping_sub(1), outputs],
        ];
        // One output less than one is none: where the status goes then is a check of its own.
        for [nargs, nret] in counts
            .into_iter()
            .filter(|counts| counts[1] > 0 && counts[0] < 16)
        {
            let buffer = Scratch::new(256, 256);
            let cells = [0x1000; 16];
            let before = patterns(rtas.width.msr());
            let outcome = returned!(rtas.call_counts(
                machine.gate,
                buffer.address,
                token,
                &cells[..nargs as usize],
                [nargs, nret],
                nret as usize,
                &before
            ));
            clean!(outcome);
            need!(
                outcome.status() == PARAMETER && outcome.untouched.len() == nret as usize - 1,
                format!("-3 alone from {name} with {nargs} inputs, {nret} outputs"),
                "{:x?}",
                outcome.cells
            );
            calls += 1;
        }
    }
    pass!("-3 alone {calls} times")
}

fn no_outputs(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "get-time-of-day");
    for inputs in [0usize, 2] {
        let buffer = Scratch::new(256, 256);
        let before = patterns(rtas.width.msr());
        let outcome = returned!(rtas.call_at(
            machine.gate,
            buffer.address,
            token,
            &[7, 7][..inputs],
            0,
            &before
        ));
        need!(
            outcome.rest_intact,
            format!("nothing written with {inputs} inputs and no output"),
            "a cell behind the inputs was"
        );
    }
    pass!("no cell written with 0 outputs")
}

fn time_at(machine: &mut Machine, rtas: Rtas, token: u32, buffer: u64) -> Result<Outcome, Trap> {
    let before = patterns(rtas.width.msr());
    rtas.call_at(machine.gate, buffer, token, &[], 8, &before)
}

fn buffer_anywhere(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "get-time-of-day");
    let arena = machine.arena;
    // Every place in a cache line, and across a page.
    let places = (0..16)
        .map(|index| arena + 8 * index)
        .chain([arena + 0xff8, arena + ARENA_SIZE - 256]);
    for buffer in places {
        memory::fill(arena, 0x2000, 0x3c);
        let outcome = returned!(time_at(machine, rtas, token, buffer));
        clean!(outcome);
        need!(
            outcome.status() == 0,
            format!("status 0 with the buffer at {buffer:#x}"),
            "{}",
            outcome.status()
        );
        let end = buffer + 15 * rtas.width.cell();
        if buffer < arena + 0x1000 {
            let before = memory::first_other_than(arena..buffer, 0x3c);
            let after = memory::first_other_than(end..arena + 0x2000, 0x3c);
            need!(
                before.is_none() && after.is_none(),
                format!("nothing around {buffer:#x} written"),
                "{before:x?} {after:x?}"
            );
        }
    }
    pass!("18 places that are aligned to 8")
}

fn buffer_misaligned(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "get-time-of-day");
    let mut seen = Vec::new();
    for offset in [1, 2, 4, 7] {
        let buffer = machine.arena + 0x100 + offset;
        let outcome = returned!(time_at(machine, rtas, token, buffer));
        clean!(outcome);
        let status = outcome.status();
        // LoPAR 7.2.7, note 1: not checked, or -3. Not checked means that the call works.
        let untouched = outcome.untouched.len();
        let refused = status == PARAMETER && untouched == 7 || untouched == 8;
        need!(
            refused || status == 0 && untouched == 0,
            format!("-3 alone, or the time, with the buffer at ...{offset}"),
            "{:x?}",
            outcome.cells
        );
        seen.push((offset, status as i32));
    }
    pass!("offset and status {seen:x?}")
}

fn buffer_at_end(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "get-time-of-day");
    let end = machine.memory_end.min(1 << 32);
    let page = end - 0x1000;
    if !machine.claimed_end {
        skip!("the last page of memory below 4 GiB, {page:#x}, is not free")
    }
    let buffer = end - 11 * rtas.width.cell();
    let buffer = buffer & !7;
    let words = [token, 0, 8];
    for (index, word) in words.into_iter().enumerate() {
        let at = buffer + index as u64 * rtas.width.cell();
        match rtas.width.cell() {
            8 => memory::write_u64(at, word.into()),
            _ => memory::write_u32(at, word),
        }
    }
    let mut before = patterns(rtas.width.msr());
    before.gpr[3] = buffer;
    before.gpr[4] = rtas.r4;
    returned!(machine.gate.enter(rtas.entry, &before, false));
    let at = buffer + 3 * rtas.width.cell();
    let status = match rtas.width.cell() {
        8 => memory::read_u64(at) as i64,
        _ => memory::read_u32(at) as i32 as i64,
    };
    expect!(
        "status with the buffer's last cell in the last word",
        0,
        status
    )
}

fn buffer_beyond(machine: &mut Machine) -> Verdict {
    let Some(rtas) = machine.rtas else {
        skip!("no instance of RTAS")
    };
    let end = machine.memory_end;
    if end >= 1 << 32 {
        skip!("memory ends at {end:#x}, not below 4 GiB")
    }
    for buffer in [end, end + 0x1000, 0xffff_f000, 0xffff_fff8] {
        let mut before = patterns(rtas.width.msr());
        before.gpr[3] = buffer;
        before.gpr[4] = rtas.r4;
        returned!(machine.gate.enter(rtas.entry, &before, false));
    }
    pass!("returned from four buffers outside memory")
}

fn buffer_in_rtas(machine: &mut Machine) -> Verdict {
    let (rtas, token) = function!(machine, "get-time-of-day");
    if rtas.size == 0 {
        skip!("rtas-size is 0")
    }
    // Outputs only: the cells in the area are read, whatever they are, and a check of the buffer
    // comes before any write. What is not RTAS' code or data cannot be known from outside.
    let area = rtas.base..rtas.base + rtas.size;
    let sum = |base: u64, size: u64| memory::checksum(base..base + (size & !7));
    let mut wrote = Vec::new();
    for offset in [0, 8, (rtas.size / 2) & !7, (rtas.entry - rtas.base) & !7] {
        let buffer = rtas.base + offset;
        if !area.contains(&(buffer + 8)) {
            continue;
        }
        let before_sum = sum(rtas.base, rtas.size);
        let mut before = patterns(rtas.width.msr());
        before.gpr[3] = buffer;
        before.gpr[4] = rtas.r4;
        let trap = machine.gate.enter(rtas.entry, &before, false).err();
        need!(
            trap.is_none(),
            format!("a return with the buffer at base+{offset:#x}"),
            "{trap:x?}"
        );
        if sum(rtas.base, rtas.size) != before_sum {
            wrote.push(offset);
        }
    }
    let status = rtas.status(machine.gate, token, &[], 8);
    need!(status == 0, "status 0 of the next call", "{status}");
    pass!("no exception, and RTAS works on; area changed for offsets {wrote:x?}")
}

/// A call: name, inputs, number of outputs.
type Same<'a> = (&'a str, &'a [u32], usize);

/// Where LoPAR wants another answer than QEMU gives, the first outputs of it: firmware may give
/// either.
const MENDED: [((&str, &[u32]), &[u32]); 4] = [
    // No function there (R1-7.3.4.1-5).
    (
        ("ibm,read-pci-config", &[0x700, 0x0800_0000, 0x2000_0000, 4]),
        &[0, u32::MAX],
    ),
    (("ibm,read-pci-config", &[0, 1, 2, 4]), &[0, u32::MAX]),
    (("read-pci-config", &[0, 4]), &[0, u32::MAX]),
    // No interrupt of that number (R1-7.3.10.5.2-2, the second).
    (
        (
            "ibm,query-interrupt-source-number",
            &[0, 0x0800_0000, 0x2000_0000, 0],
        ),
        &[1],
    ),
];

fn same_as_hypervisor(machine: &mut Machine) -> Verdict {
    let Some(rtas) = machine.rtas else {
        skip!("no instance of RTAS")
    };
    let other = machine.servers.last().copied().unwrap_or(0);
    // Calls that change nothing and whose answer does not change by itself.
    let calls: &[Same<'_>] = &[
        ("query-cpu-stopped-state", &[other], 2),
        ("query-cpu-stopped-state", &[0xfff], 2),
        ("get-sensor-state", &[9003, 0], 2),
        ("get-sensor-state", &[9001, 0x1234], 2),
        ("get-power-level", &[0xffff_ffff], 2),
        ("get-power-level", &[0], 2),
        ("set-indicator", &[0x7777, 0, 0], 1),
        ("ibm,read-pci-config", &[0, 0x0800_0000, 0x2000_0000, 4], 2),
        (
            "ibm,read-pci-config",
            &[0x700, 0x0800_0000, 0x2000_0000, 4],
            2,
        ),
        ("ibm,read-pci-config", &[0, 1, 2, 4], 2),
        ("read-pci-config", &[0, 4], 2),
        (
            "ibm,query-interrupt-source-number",
            &[0, 0x0800_0000, 0x2000_0000, 0],
            3,
        ),
        (
            "ibm,read-slot-reset-state2",
            &[0, 0x0800_0000, 0x2000_0000],
            5,
        ),
        (
            "ibm,get-config-addr-info2",
            &[0, 0x0800_0000, 0x2000_0000, 1],
            2,
        ),
        ("ibm,set-system-parameter", &[0x7777, 0], 1),
        ("ibm,query-pe-dma-window", &[0, 0x0800_0000, 0x2000_0000], 5),
        ("ibm,change-msi", &[0, 0x0800_0000, 0x2000_0000, 0, 0, 1], 3),
    ];
    let mut compared = 0;
    for (name, inputs, outputs) in calls {
        let Some(token) = machine.token(name) else {
            continue;
        };
        let outcome = returned!(rtas.call(machine.gate, token, inputs, *outputs));
        clean!(outcome);
        let mut direct = hypercall::rtas(token, inputs, *outputs);
        let asked = (*name, *inputs);
        if let Some((_, mended)) = MENDED.iter().find(|(call, _)| *call == asked)
            && outcome.status() == i64::from(mended[0])
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
            need!(
                same,
                format!("{name} output {index} as the hypervisor: {wanted:#x}"),
                "{:x?}",
                outcome.cells
            );
        }
        compared += 1;
    }
    pass!("{compared} calls, every output cell")
}
