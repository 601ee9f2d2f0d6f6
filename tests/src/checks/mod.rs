//! What is asked of the firmware under test.
//!
//! A check names its requirement, runs once per instance of RTAS that it applies to, and ends in
//! one verdict. Checks are listed in tables, one per group; a group is one module. To add a check,
//! write a function and name it in its module's table.
//!
//! Boot arguments (`oxrtas.guest=`, see [`guest::arguments`]): `client`, `handover`,
//! `selftest`, `calls`, `interrupts`, `environment`, `processors`, `handlers`, `concurrency`, `fwnmi`, `functions` (or the tables
//! of these by their names, see [`FUNCTIONS`], `node`, `buffer`), `clock`; only when asked for: `ticks`, `bad`, `fuzz` (one processor), `rounds`, `outside`, `reboot`, `qemu-nvram` and `qemu-window`, `fuzz/32`, `fuzz/64` and `fuzz/cells64` for one width; `flat` and `stress` change how they run, `bench` measures instead (see [`bench`]). The checks of /rtas and of instantiate-rtas always run.

pub mod all_memory;
pub mod ask;
pub mod bad;
pub mod bench;
pub mod buffer;
pub mod calls;
pub mod client;
pub mod clock;
pub mod company;
pub mod concurrency;
pub mod connectors;
pub mod eeh;
pub mod effects;
pub mod ends;
pub mod environment;
pub mod events;
pub mod every_call;
pub mod flat;
pub mod fwnmi;
pub mod handlers;
pub mod indicators;
pub mod indices;
pub mod instantiate;
pub mod interrupts;
pub mod liars;
pub mod msi;
pub mod node;
pub mod offers;
pub mod outside;
pub mod parameters;
pub mod partition;
pub mod pci;
pub mod processors;
pub mod qemu;
pub mod reboot;
pub mod rounds;
pub mod same;
pub mod selftest;
pub mod shapes;
pub mod start;
pub mod stress;
pub mod ticks;
pub mod vpd;
pub mod windows;

use alloc::format;
use alloc::vec::Vec;

use guest::runs::PROPERTIES_LINE;
use guest::verdict::{Report, Verdict};

use crate::board::console::{self, Console};
use crate::board::entry::Entered;
use crate::board::gate::Gate;
use crate::board::vectors::Vectors;
use crate::say;
use crate::subject::machine::ARENA_SIZE;
use crate::subject::{Machine, Rtas, Width};

/// One check.
pub struct Check {
    /// The requirement: LoPAR's number, or the section of IEEE 1275.
    pub requirement: &'static str,
    /// The check's name, unique in the guest.
    pub name: &'static str,
    /// The check.
    pub run: fn(&mut Machine) -> Verdict,
}

/// Shortens the tables.
pub const fn check(
    requirement: &'static str,
    name: &'static str,
    run: fn(&mut Machine) -> Verdict,
) -> Check {
    Check {
        requirement,
        name,
        run,
    }
}

/// Runs the checks of a table in order. `suffix` is added to the names.
pub fn run_table(
    machine: &mut Machine,
    report: &mut Report<Console>,
    table: &[Check],
    suffix: &str,
) {
    for check in table {
        let verdict = (check.run)(machine);
        if machine.client.is_some() && suffix.is_empty() {
            // The firmware may have left a message without an end of line.
            say!("");
        }
        // The console has no errors.
        let _ = report.verdict(
            check.requirement,
            &format!("{}{suffix}", check.name),
            &verdict,
        );
    }
}

/// The whole run.
pub fn run(entered: Entered) -> ! {
    // For exceptions outside calls: what interrupted it may be the other stack.
    let stack = alloc::vec![0u128; 1024].leak();
    let gate = Gate::new(stack.as_ptr_range().end as u64);
    gate.attend();
    say!("");
    say!(
        "guest: entered with r3 {:#x}, r4 {:#x}, r5 {:#x}, MSR {:#x}",
        entered.r3,
        entered.r4,
        entered.r5,
        entered.msr
    );
    let mut machine = Machine::read(entered, gate);
    if machine.arguments.entry_only() {
        bench::entry(&machine);
        say!("guest: bench done");
        console::power_off();
    }
    let mut report = Report::new(Console);
    say!(
        "guest: {} processors {:x?}, memory {:#x}, sources {:x?}",
        machine.servers.len(),
        machine.servers,
        machine.memory_end,
        machine.sources
    );
    let names: Vec<&str> = machine
        .rtas_node
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    say!("{PROPERTIES_LINE}{}", names.join(" "));
    let report = &mut report;
    set_aside(&mut machine);
    if machine.arguments.points {
        crate::driven::run(machine);
    }
    if machine.arguments.wants("client") && machine.client.is_some() {
        run_table(&mut machine, report, client::CHECKS, "");
    }
    run_table(&mut machine, report, instantiate::NODE, "");
    if machine.arguments.wants("functions") || machine.arguments.asks("node") {
        run_table(&mut machine, report, node::CHECKS, "");
        run_table(&mut machine, report, offers::CHECKS, "");
        run_table(&mut machine, report, start::CHECKS, "");
        run_table(&mut machine, report, partition::CHECKS, "");
    }
    if machine.arguments.flat || machine.arguments.wants("handover") {
        run_table(&mut machine, report, flat::CHECKS, "");
    }
    if machine.arguments.wants("selftest") {
        let _vectors = Vectors::install();
        selftest::run(&mut machine, report);
        liars::run(&mut machine, report, &FUNCTIONS.map(|(_, table)| table));
    }
    if !machine.arguments.bench {
        every_call::open(&machine);
    }
    if machine.client.is_some() {
        run_table(&mut machine, report, ends::CHECKS, "");
        run_table(&mut machine, report, instantiate::CHECKS, "");
    }
    if machine.arguments.bench {
        bench::run(&mut machine);
    }
    claim_end(&mut machine);
    for (group, table) in [("qemu-nvram", qemu::NVRAM), ("qemu-window", qemu::WINDOW)] {
        if machine.arguments.asks(group) {
            run_table(&mut machine, report, table, "");
        }
    }
    if machine.arguments.wants("interrupts") {
        let _vectors = Vectors::install();
        run_table(&mut machine, report, interrupts::FIRST, "");
    }
    for width in [Width::Mode32, Width::Mode64] {
        machine.rtas = machine.rtas.map(|rtas| Rtas { width, ..rtas });
        run_instance(&mut machine, report, width);
    }
    let narrow = machine.rtas;
    if machine.client.is_some() {
        run_table(&mut machine, report, instantiate::CHECKS64, "");
        match machine.rtas {
            Some(_) => run_instance(&mut machine, report, Width::Cells64),
            None => machine.rtas = narrow,
        }
    }
    if machine.arguments.wants("fwnmi") && machine.client.is_some() {
        run_table(&mut machine, report, fwnmi::CHECKS, "");
    }
    for width in every_call::widths() {
        machine.rtas = machine.rtas.map(|rtas| Rtas { width, ..rtas });
        run_table(&mut machine, report, every_call::CHECKS, width.suffix());
    }
    let _ = report.done();
    if machine.arguments.asks("outside") {
        outside::power_off(&mut machine);
    }
    console::power_off()
}

/// What single functions have to do, beside the interrupt calls and the processors: each table with a
/// name by which it can be asked for alone.
const FUNCTIONS: [(&str, &[Check]); 13] = [
    ("shapes", shapes::CHECKS),
    ("events", events::CHECKS),
    ("parameters", parameters::CHECKS),
    ("indicators", indicators::CHECKS),
    ("indices", indices::CHECKS),
    ("connectors", connectors::CHECKS),
    ("effects", effects::CHECKS),
    ("pci", pci::CHECKS),
    ("msi", msi::CHECKS),
    ("eeh", eeh::CHECKS),
    ("windows", windows::CHECKS),
    ("vpd", vpd::CHECKS),
    ("company", company::CHECKS),
];

/// The checks that are made of one instance and one way to enter it.
fn run_instance(machine: &mut Machine, report: &mut Report<Console>, width: Width) {
    let _vectors = Vectors::install();
    all_memory::watch(machine);
    let groups: [(&str, &[Check]); 6] = [
        ("calls", calls::CHECKS),
        ("interrupts", interrupts::CHECKS),
        ("environment", environment::CHECKS),
        ("processors", processors::CHECKS),
        ("handlers", handlers::CHECKS),
        ("concurrency", concurrency::CHECKS),
    ];
    for (group, table) in groups {
        if machine.arguments.wants(group) {
            run_table(machine, report, table, width.suffix());
        }
    }
    if machine.arguments.wants("calls") {
        run_table(machine, report, same::CHECKS, width.suffix());
    }
    if machine.arguments.wants("calls") || machine.arguments.asks("buffer") {
        run_table(machine, report, buffer::CHECKS, width.suffix());
    }
    for (name, table) in FUNCTIONS {
        if machine.arguments.wants("functions") || machine.arguments.asks(name) {
            run_table(machine, report, table, width.suffix());
        }
    }
    // They take seconds, and the width makes no difference to a clock.
    if machine.arguments.wants("clock") && width == Width::Mode32 {
        run_table(machine, report, clock::CHECKS, width.suffix());
    }
    let groups: [(&str, &[Check]); 7] = [
        ("outside", outside::CHECKS),
        // Once: the machine starts again.
        (
            "reboot",
            match width {
                Width::Mode32 => reboot::CHECKS,
                _ => &[],
            },
        ),
        ("ticks", ticks::CHECKS),
        ("bad", bad::CHECKS),
        ("fuzz", bad::FUZZ),
        ("stress", stress::CHECKS),
        // They leave nothing of an instance: its last width.
        (
            "rounds",
            match width {
                Width::Mode32 => &[],
                Width::Mode64 => rounds::WITHOUT,
                Width::Cells64 => rounds::WITH,
            },
        ),
    ];
    for (group, table) in groups {
        // A group, or one width of it: `fuzz`, `fuzz/32`.
        let own = format!("{group}{}", width.suffix());
        if machine.arguments.asks(group) || machine.arguments.asks(&own) {
            run_table(machine, report, table, width.suffix());
        }
    }
    run_table(machine, report, all_memory::CHECKS, width.suffix());
}

/// Takes the last page of memory below 4 GiB.
fn claim_end(machine: &mut Machine) {
    let last = (machine.memory_end.min(1 << 32)).saturating_sub(0x1000);
    if let Some(client) = &machine.client
        && !machine.claimed_end
    {
        let claimed = client.claim(machine.gate, last as u32, 0x1000, 0);
        machine.claimed_end = u64::from(claimed) == last;
    }
}

/// Takes the memory that checks work in.
fn set_aside(machine: &mut Machine) {
    let size = machine.rtas_size();
    if machine.arguments.asks("bad") || machine.arguments.asks_part("fuzz") {
        // Before anything else may end there.
        claim_end(machine);
    }
    match &machine.client {
        Some(client) => {
            let arena = client.claim(machine.gate, 0, ARENA_SIZE as u32, 0x10_0000);
            machine.arena = arena.into();
            // Now, since some firmwares look for free memory only behind the last claim.
            for place in &mut machine.places {
                let length = (size + 0x1_8000).next_multiple_of(0x1_0000);
                let start = client.claim(machine.gate, 0, length as u32, 0x1000);
                *place = (start != u32::MAX).then(|| start.into()..u64::from(start) + length);
            }
        }
        None => machine.arena = flat::find_arena(machine).unwrap_or(u32::MAX.into()),
    }
    machine.own = machine.places.iter().flatten().cloned().collect();
    machine.own.push(machine.arena..machine.arena + ARENA_SIZE);
    assert!(machine.arena != u32::MAX.into(), "no memory for the checks");
}
