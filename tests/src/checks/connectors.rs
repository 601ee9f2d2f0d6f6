//! Dynamic reconfiguration (LoPAR 13.5.3, B.5.3.2): connectors as the tree has them. Nothing is
//! isolated: the checks look, and ask for what has to be refused.

use alloc::format;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::{Check, check};
use crate::answer;
use crate::board::memory;
use crate::subject::Machine;
use crate::subject::machine::cells;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-13.5.3.3-2", "connector-sensor-values", sensor_values),
    check(
        "LoPAR-B.5.3.2/9003",
        "connector-sensor-of-processors",
        of_processors,
    ),
    check("R1-13.5.3.3-4", "connector-sensor-unknown", sensor_unknown),
    check("LoPAR-B.5.3.2/9001", "connector-indicator-9001", isolation),
    check(
        "LoPAR-B.5.3.2/9002",
        "connector-indicator-9002",
        indicator_9002,
    ),
    check(
        "LoPAR-B.5.3.2/9003-allocation",
        "connector-indicator-9003",
        allocation,
    ),
    check("R1-13.5.3.4-5", "connector-unusable", unusable),
    check(
        "R1-13.5.3.4-1",
        "connector-indicator-states",
        indicator_states,
    ),
    check(
        "R1-13.5.3.4-2",
        "connector-indicator-unknown",
        indicator_unknown,
    ),
    check(
        "R1-13.5.3.5-1",
        "connector-configure-unknown",
        configure_unknown,
    ),
];

/// Connector indexes of the tree.
struct Connectors {
    /// Of processors that are there.
    processors: Vec<u32>,
    /// Of PCI functions that are there.
    functions: Vec<u32>,
    /// All of them.
    all: Vec<u32>,
}

fn connectors(machine: &Machine) -> Connectors {
    let mut found = Connectors {
        processors: Vec::new(),
        functions: Vec::new(),
        all: Vec::new(),
    };
    for (path, properties) in machine.tree {
        let function = path.starts_with("/pci@") && path.matches('/').count() > 1;
        for (name, value) in properties {
            let value = cells(value);
            match name.as_str() {
                "ibm,my-drc-index" if path.starts_with("/cpus/") => {
                    found.processors.extend(value.first());
                }
                "ibm,my-drc-index" if function => found.functions.extend(value.first()),
                // A count, then as many indexes.
                "ibm,drc-indexes" => found.all.extend(value.iter().skip(1)),
                _ => {}
            }
        }
    }
    found
}

macro_rules! connectors {
    ($machine:expr) => {{
        let found = connectors($machine);
        if found.processors.is_empty() || found.all.is_empty() {
            skip!("the tree has no ibm,my-drc-index and ibm,drc-indexes: no DR option")
        }
        found
    }};
}

fn sensor_values(machine: &mut Machine) -> Verdict {
    let all = connectors!(machine).all;
    let mut states = [0; 5];
    for index in &all {
        let outcome = answer!(machine, "get-sensor-state", &[9003, *index], 2);
        let state = usize::try_from(outcome.cells[1]).unwrap_or(usize::MAX);
        need!(
            outcome.status() == 0 && state < states.len(),
            format!("status 0 and a state of 0 to 4 of {index:#x}"),
            "{:?}",
            outcome.cells
        );
        states[state] += 1;
    }
    pass!("{} connectors, by state {states:?}", all.len())
}

fn of_processors(machine: &mut Machine) -> Verdict {
    let present = connectors!(machine).processors;
    for index in &present {
        let outcome = answer!(machine, "get-sensor-state", &[9003, *index], 2);
        need!(
            outcome.cells == [0, 1],
            format!("an entity at {index:#x}"),
            "{:?}",
            outcome.cells
        );
    }
    pass!("{} processors are there", present.len())
}

/// An index that the tree does not have.
const NONE: u32 = 0x7777_7777;

fn sensor_unknown(machine: &mut Machine) -> Verdict {
    let all = connectors!(machine).all;
    need!(
        !all.contains(&NONE),
        "a number that is no index",
        "{NONE:#x}"
    );
    let outcome = answer!(machine, "get-sensor-state", &[9003, NONE], 2);
    need!(
        outcome.status() == -3,
        "-3 for no connector",
        "{:?}",
        outcome.cells
    );
    pass!("-3 for no connector")
}

/// Sets an indicator to what it is, or to what is seen nowhere else.
fn set(machine: &mut Machine, token: u32, state: u32, indexes: &[u32]) -> Verdict {
    for index in indexes {
        let outcome = answer!(machine, "set-indicator", &[token, *index, state], 1);
        need!(
            outcome.status() == 0,
            format!("status 0 for state {state} of indicator {token}, {index:#x}"),
            "{}",
            outcome.status()
        );
    }
    pass!("state {state} of {indexes:x?}")
}

fn isolation(machine: &mut Machine) -> Verdict {
    let found = connectors!(machine);
    let indexes = [found.processors, found.functions].concat();
    set(machine, 9001, 1, &indexes)
}

fn allocation(machine: &mut Machine) -> Verdict {
    let found = connectors!(machine);
    set(machine, 9003, 1, &found.processors)
}

fn indicator_9002(machine: &mut Machine) -> Verdict {
    // Of physical connectors: those of processors are logical.
    let found = connectors!(machine);
    if found.functions.is_empty() {
        skip!("no PCI function of the tree has ibm,my-drc-index")
    }
    set(machine, 9002, 1, &found.functions)
}

fn indicator_states(machine: &mut Machine) -> Verdict {
    let found = connectors!(machine);
    let Some(function) = found.functions.first().copied() else {
        skip!("no PCI function of the tree has ibm,my-drc-index")
    };
    // Inactive, identify, action, active (Table 13.7).
    for state in [0, 2, 3, 1] {
        let verdict = set(machine, 9002, state, &[function]);
        if !matches!(verdict, Verdict::Pass(_)) {
            return verdict;
        }
    }
    let processor = found.processors[0];
    for (token, index) in [(9001, processor), (9002, function), (9003, processor)] {
        let outcome = answer!(machine, "set-indicator", &[token, index, 7], 1);
        need!(
            outcome.status() == -3,
            format!("-3 for state 7 of indicator {token}"),
            "{}",
            outcome.status()
        );
    }
    pass!("four states of 9002; -3 for states that are none")
}

fn unusable(machine: &mut Machine) -> Verdict {
    let mut refused = 0;
    for index in connectors!(machine).all {
        let outcome = answer!(machine, "get-sensor-state", &[9003, index], 2);
        if outcome.cells != [0, 2] {
            continue;
        }
        let outcome = answer!(machine, "set-indicator", &[9001, index, 1], 1);
        need!(
            outcome.status() == -3,
            format!("-3 for connecting the unusable {index:#x}"),
            "{}",
            outcome.status()
        );
        refused += 1;
    }
    if refused == 0 {
        skip!("no connector is unusable")
    }
    pass!("-3 for {refused} unusable connectors")
}

fn indicator_unknown(machine: &mut Machine) -> Verdict {
    connectors!(machine);
    for token in [9001, 9002, 9003] {
        let outcome = answer!(machine, "set-indicator", &[token, NONE, 1], 1);
        need!(
            outcome.status() == -3,
            format!("-3 for indicator {token} of no connector"),
            "{}",
            outcome.status()
        );
    }
    pass!("-3 for no connector, by three indicators")
}

fn configure_unknown(machine: &mut Machine) -> Verdict {
    let area = machine.arena + 0x18_0000;
    memory::fill(area, 4096, 0);
    memory::write_u32(area, NONE);
    let outcome = answer!(machine, "ibm,configure-connector", &[area as u32, 0], 1);
    need!(
        matches!(outcome.status(), -1 | -3 | -9003),
        "an error for no connector",
        "{}",
        outcome.status()
    );
    pass!("{} for no connector", outcome.status())
}
