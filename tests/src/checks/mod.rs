//! What is asked of the firmware under test.
//!
//! A check names its requirement, runs once per instance of RTAS that it applies to, and ends in
//! one verdict. Checks are listed in tables, one per group; a group is one module. To add a check,
//! write a function and name it in its module's table.
//!
//! Boot arguments (`oxrtas.guest=`, see [`guest::arguments`]): `client`, `instantiate`, `flat`,
//! `calls`, `interrupts`, `environment`, `processors`, `concurrency`.

pub mod client;

use alloc::format;

use guest::verdict::{Report, Verdict};

use crate::board::console::{self, Console};
use crate::board::entry::Entered;
use crate::board::gate::Gate;
use crate::say;
use crate::subject::Machine;

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
    let gate = Gate::new(0);
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
    let mut report = Report::new(Console);
    say!(
        "guest: {} processors {:x?}, memory {:#x}, sources {:x?}",
        machine.servers.len(),
        machine.servers,
        machine.memory_end,
        machine.sources
    );
    if machine.arguments.wants("client") && machine.client.is_some() {
        run_table(&mut machine, &mut report, client::CHECKS, "");
    }
    let _ = report.done();
    console::power_off()
}
