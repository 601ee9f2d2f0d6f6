//! The machine starts again (LoPAR 7.3.7.1), and what is then as after the first start. A mark in the
//! NVRAM tells the two apart. The runner drops what the guest said before.

use alloc::format;
use core::sync::atomic::{AtomicU64, Ordering};

use guest::runs::REBOOTS;
use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::ask::{self, Bytes};
use super::{Check, check, processors, windows};
use crate::board::processor;
use crate::subject::Machine;
use crate::subject::machine::cells;
use crate::{answer, say};

/// The checks, in order: the first of them starts the machine again.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.7.1-1", "reboot-starts-again", again),
    check(
        "R1-7.3.7.1-1",
        "reboot-stops-processors",
        processors_stopped,
    ),
    check("R1-7.3.7.1-1", "reboot-masks-sources", sources_masked),
    check("R1-7.3.27-5", "reboot-removes-windows", windows_gone),
];

/// What the mark begins with.
const MAGIC: u32 = 0x6f78_7274;
/// Where it lies: so many bytes before the end of the NVRAM, which no firmware has a use for.
const BEFORE_END: u32 = 64;
/// Its cells: the magic number; windows left, the largest, and page sizes before one was created; its
/// LIOBN; the source whose priority was set.
const CELLS: usize = 6;
/// Seconds in which the machine has to start again.
const PATIENCE: u64 = 20;

/// The cells behind the magic number, once the machine has started again; 0 before.
///
/// Protects:    itself.
/// Holder:      the boot processor, the only one that runs checks.
/// Order:       none.
/// Holder dies: the run ends.
static MARK: [AtomicU64; CELLS] = [const { AtomicU64::new(0) }; CELLS];

fn mark() -> [u32; CELLS] {
    MARK.each_ref()
        .map(|cell| cell.load(Ordering::Relaxed) as u32)
}

/// Fetches the mark from the NVRAM.
fn fetch(machine: &mut Machine) -> Result<[u32; CELLS], Verdict> {
    let bytes = Bytes::new(4 * CELLS as u64, 0);
    let inputs = [
        machine.nvram_bytes - BEFORE_END,
        bytes.address(),
        4 * CELLS as u32,
    ];
    let status = ask::ask(machine, "nvram-fetch", &inputs, 2)?.status();
    let found = cells(&bytes.bytes());
    match (status, found.try_into()) {
        (0, Ok(mark)) => Ok(mark),
        _ => Err(Verdict::Fail(
            "status 0 of nvram-fetch".into(),
            format!("{status}"),
        )),
    }
}

fn store(machine: &mut Machine, mark: [u32; CELLS]) -> Result<(), Verdict> {
    let bytes: alloc::vec::Vec<u8> = mark.iter().flat_map(|cell| cell.to_be_bytes()).collect();
    let bytes = Bytes::of(&bytes);
    let inputs = [
        machine.nvram_bytes - BEFORE_END,
        bytes.address(),
        4 * CELLS as u32,
    ];
    match ask::ask(machine, "nvram-store", &inputs, 2)?.status() {
        0 => Ok(()),
        status => Err(Verdict::Fail(
            "status 0 of nvram-store".into(),
            format!("{status}"),
        )),
    }
}

/// Leaves the machine in a state that a start does not have: what is to be remembered of it.
fn disturb(machine: &mut Machine) -> Result<[u32; CELLS], Verdict> {
    let mut mark = [0; CELLS];
    mark[0] = MAGIC;
    if machine.servers.len() > 1 {
        processors::start(machine, 1)?;
    }
    if let Ok(bridge) = windows::bridge(machine) {
        let [left, largest, mask] = windows::query(machine, &bridge)?;
        if let Some(page) = windows::page(mask).filter(|_| left > 0) {
            let (status, liobn) = windows::create(machine, &bridge, page, windows::WINDOW)?;
            // The default window goes, too.
            let gone = windows::call(machine, bridge.tokens[2], &[bridge.liobn], 1)?.status();
            if (status, gone) != (0, 0) {
                return Err(Verdict::Fail(
                    "a window created, the default one removed".into(),
                    format!("statuses {status} and {gone}"),
                ));
            }
            mark[1..5].copy_from_slice(&[left as u32, largest as u32, mask as u32, liobn]);
        }
    }
    if machine.token("ibm,set-xive").is_some()
        && let Some(source) = machine.sources.first().copied()
    {
        let server = machine.servers.first().copied().unwrap_or(0);
        ask::ask(machine, "ibm,set-xive", &[source, server, 5], 1)?;
        ask::ask(machine, "ibm,int-on", &[source], 1)?;
        mark[5] = source;
    }
    Ok(mark)
}

fn again(machine: &mut Machine) -> Verdict {
    if machine.nvram_bytes < BEFORE_END {
        skip!("no node with #bytes: no NVRAM for a mark")
    }
    let run = |machine: &mut Machine| -> Result<Verdict, Verdict> {
        let found = fetch(machine)?;
        if found[0] == MAGIC {
            for (cell, value) in MARK.iter().zip(found) {
                cell.store(value.into(), Ordering::Relaxed);
            }
            store(machine, [0; CELLS])?;
            return Ok(Verdict::Pass("the mark in the NVRAM is there".into()));
        }
        let mark = disturb(machine)?;
        store(machine, mark)?;
        say!("{REBOOTS}");
        let status = ask::ask(machine, "system-reboot", &[], 1)?.status();
        // It starts again soon after, not at once.
        processor::wait(PATIENCE, || false);
        Err(Verdict::Fail(
            "the machine to start again".into(),
            format!("status {status}"),
        ))
    };
    match run(machine) {
        Ok(verdict) | Err(verdict) => verdict,
    }
}

macro_rules! again {
    () => {{
        let mark = mark();
        if mark[0] != MAGIC {
            skip!("the machine did not start again")
        }
        mark
    }};
}

fn processors_stopped(machine: &mut Machine) -> Verdict {
    again!();
    let others: alloc::vec::Vec<u32> = machine.servers.iter().skip(1).copied().collect();
    if others.is_empty() {
        skip!("one processor")
    }
    for server in &others {
        let outcome = answer!(machine, "query-cpu-stopped-state", &[*server], 2);
        need!(
            outcome.cells == [0, 0],
            format!("state 0 of {server:#x}, which ran before"),
            "{:?}",
            outcome.cells
        );
    }
    pass!("{} processors are stopped again", others.len())
}

fn sources_masked(machine: &mut Machine) -> Verdict {
    let source = again!()[5];
    if source == 0 {
        skip!("/rtas has no ibm,set-xive")
    }
    let outcome = answer!(machine, "ibm,get-xive", &[source], 3);
    need!(
        outcome.status() == 0 && outcome.cells[2] == 0xff,
        format!("priority 0xff of {source:#x}, as after a start"),
        "{:x?}",
        outcome.cells
    );
    pass!("source {source:#x} has priority 0xff again")
}

fn windows_gone(machine: &mut Machine) -> Verdict {
    let [_, left, largest, mask, liobn, _] = again!();
    if liobn == 0 {
        skip!("no bridge has ibm,ddw-applicable, or no window was left")
    }
    let run = |machine: &mut Machine| -> Result<Verdict, Verdict> {
        let bridge = windows::bridge(machine)?;
        let now = windows::query(machine, &bridge)?;
        let before = [left, largest, mask].map(i64::from);
        if now != before {
            return Ok(Verdict::Fail(format!("{before:x?}"), format!("{now:x?}")));
        }
        let remove = bridge.tokens[2];
        let created = windows::call(machine, remove, &[liobn], 1)?.status();
        // That it can be removed shows that it is back.
        let default = windows::call(machine, remove, &[bridge.liobn], 1)?.status();
        let (status, other) = windows::create(
            machine,
            &bridge,
            windows::page(mask.into()).unwrap_or(12),
            windows::WINDOW,
        )?;
        if status == 0 {
            windows::call(machine, remove, &[other], 1)?;
        }
        if (created, default) != (-3, 0) {
            return Ok(Verdict::Fail(
                "-3 for the window of before, 0 for the default one".into(),
                format!("{created} and {default}"),
            ));
        }
        Ok(Verdict::Pass(format!(
            "LIOBN {liobn:#x} is gone, the default window is back: {now:x?}"
        )))
    };
    match run(machine) {
        Ok(verdict) | Err(verdict) => verdict,
    }
}
