//! Indicators, sensors and power levels (LoPAR 7.3.5.4, 7.3.5.5, 7.3.6).

use alloc::format;

use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::{Check, check};
use crate::answer;
use crate::subject::Machine;
use crate::subject::machine::cells;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.5.4-1", "indicator-unknown", unknown_indicator),
    check("R1-7.3.5.4-2", "indicator-indices", |machine| {
        indices(machine, "rtas-indicators", "set-indicator")
    }),
    check("R1-7.3.5.4-3", "indicator-tone", tone),
    check("R1-7.3.5.4-4", "indicators-fast", fast_indicators),
    check("R1-7.3.5.4.1.2-1", "indicator-9005", indicator_9005),
    check("R1-7.3.5.5-3", "sensor-indices", |machine| {
        indices(machine, "rtas-sensors", "get-sensor-state")
    }),
    check("R1-7.3.5.5-4", "sensors-fast", fast_sensors),
    check("R1-7.3.5.5.1.4-1", "sensor-9005", sensor_9005),
    check("R1-7.3.6.1-4", "power-level-set", power_set),
    check("R1-7.3.6.2-1", "power-level-get", power_get),
    check("R1-14.10-27", "power-level-unknown", power_unknown),
];

fn busy(status: i64) -> bool {
    status == -2 || (9900..=9905).contains(&status)
}

fn unknown_indicator(machine: &mut Machine) -> Verdict {
    // Reserved by Table 7.26, or beyond it.
    for token in [0, 3, 8, 9004, 9008, 0x7777, u32::MAX] {
        let outcome = answer!(machine, "set-indicator", &[token, 0, 0], 1);
        need!(
            outcome.status() == -3,
            format!("-3 for indicator {token}"),
            "{}",
            outcome.status()
        );
    }
    pass!("-3 for seven that are none")
}

/// Each index of each token in a list is there, the next one is not.
fn indices(machine: &mut Machine, list: &str, function: &str) -> Verdict {
    let Some(value) = machine.rtas_property(list) else {
        skip!("/rtas has no {list}")
    };
    let cells = cells(value);
    let outputs = if function == "set-indicator" { 1 } else { 2 };
    let mut looked = 0;
    for pair in cells.chunks_exact(2) {
        if (9001..=9003).contains(&pair[0]) {
            continue;
        }
        // An indicator is not set where that could be seen; its missing neighbour is.
        let first = if outputs == 1 { pair[1] + 1 } else { 0 };
        for index in first..=pair[1] + 1 {
            let inputs = [pair[0], index, 0];
            let inputs = &inputs[..if outputs == 1 { 3 } else { 2 }];
            let status = answer!(machine, function, inputs, outputs).status();
            let there = index <= pair[1];
            need!(
                (status != -3) == there,
                format!("{} {} index {index} there: {there}", function, pair[0]),
                "{status}"
            );
            looked += 1;
        }
    }
    pass!("{looked} indices")
}

fn tone(machine: &mut Machine) -> Verdict {
    // Tone Frequency and Tone Volume at their defaults: nothing to be heard.
    for (token, state) in [(1, 1000), (2, 0)] {
        let outcome = answer!(machine, "set-indicator", &[token, 0, state], 1);
        need!(
            outcome.status() == 0,
            format!("status 0 for indicator {token}"),
            "{}",
            outcome.status()
        );
    }
    pass!("frequency and volume")
}

fn fast_indicators(machine: &mut Machine) -> Verdict {
    for (token, index, state) in [(1, 0, 1000), (2, 0, 0), (9000, 0, 0), (9005, u32::MAX, 1)] {
        let outcome = answer!(machine, "set-indicator", &[token, index, state], 1);
        need!(
            !busy(outcome.status()),
            format!("no busy of indicator {token}"),
            "{}",
            outcome.status()
        );
    }
    pass!("1, 2, 9000 and 9005 do not answer busy")
}

fn fast_sensors(machine: &mut Machine) -> Verdict {
    for token in [1, 9, 9000, 9005] {
        let outcome = answer!(machine, "get-sensor-state", &[token, 0], 2);
        need!(
            !busy(outcome.status()),
            format!("no busy of sensor {token}"),
            "{}",
            outcome.status()
        );
    }
    pass!("1, 9, 9000 and 9005 do not answer busy")
}

/// The index of the global queue of this processor (R1-7.3.5.4.1.2-2), where processors come and
/// go and interrupts have servers of PAPR.
fn queue(machine: &mut Machine) -> Result<u32, Verdict> {
    if machine.rtas_property("ibm,lrdr-capacity").is_none() {
        return Err(Verdict::Skip("/rtas has no ibm,lrdr-capacity".into()));
    }
    let get = |name: &str, properties: &[(alloc::string::String, alloc::vec::Vec<u8>)]| {
        let found = properties.iter().find(|(own, _)| own == name);
        found.and_then(|(_, value)| cells(value).last().copied())
    };
    let (mut size, mut queue) = (8, 0);
    for (path, properties) in machine.tree {
        size = get("ibm,interrupt-server#-size", properties).unwrap_or(size);
        if path.starts_with("/cpus/") {
            queue = get("ibm,ppc-interrupt-gserver#s", properties).unwrap_or(queue);
        }
    }
    let largest = 1u32.checked_shl(size).map_or(u32::MAX, |power| power - 1);
    Ok(largest.wrapping_sub(queue))
}

fn indicator_9005(machine: &mut Machine) -> Verdict {
    let index = match queue(machine) {
        Ok(index) => index,
        Err(verdict) => return verdict,
    };
    let outcome = answer!(machine, "set-indicator", &[9005, index, 1], 1);
    need!(
        outcome.status() == 0,
        format!("status 0 for indicator 9005 index {index:#x}"),
        "{}",
        outcome.status()
    );
    pass!("index {index:#x} enabled")
}

fn sensor_9005(machine: &mut Machine) -> Verdict {
    let index = match queue(machine) {
        Ok(index) => index,
        Err(verdict) => return verdict,
    };
    let outcome = answer!(machine, "get-sensor-state", &[9005, index], 2);
    need!(
        outcome.status() == 0,
        format!("status 0 for sensor 9005 index {index:#x}"),
        "{}",
        outcome.status()
    );
    pass!("state {}", outcome.cells[1])
}

/// The domain of what is always on (Table 13.3 has it as -1, "live insertion").
const LIVE: u32 = u32::MAX;

fn power_set(machine: &mut Machine) -> Verdict {
    let outcome = answer!(machine, "set-power-level", &[LIVE, 100], 2);
    need!(
        outcome.cells == [0, 100],
        "status 0, level 100",
        "{:?}",
        outcome.cells
    );
    pass!("level 100 of the live domain")
}

fn power_get(machine: &mut Machine) -> Verdict {
    let outcome = answer!(machine, "get-power-level", &[LIVE], 2);
    need!(
        outcome.cells == [0, 100],
        "status 0, level 100",
        "{:?}",
        outcome.cells
    );
    pass!("level 100 of the live domain")
}

fn power_unknown(machine: &mut Machine) -> Verdict {
    for domain in [1u32, 0x7777, 0x8000_0000] {
        let outcome = answer!(machine, "get-power-level", &[domain], 2);
        need!(
            outcome.status() < 0,
            format!("an error for domain {domain:#x}"),
            "{:?}",
            outcome.cells
        );
        let outcome = answer!(machine, "set-power-level", &[domain, 100], 2);
        need!(
            outcome.status() < 0,
            format!("an error for domain {domain:#x}"),
            "{:?}",
            outcome.cells
        );
    }
    pass!("errors for three domains that no node names")
}
