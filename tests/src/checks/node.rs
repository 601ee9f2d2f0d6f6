//! The properties of /rtas (LoPAR 7.2.6, B.5.3). They are looked at once, before RTAS is
//! instantiated.

use alloc::format;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{expect, need, pass, skip};

use super::{Check, check};
use crate::subject::Machine;
use crate::subject::machine::cells;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("LoPAR-B.5.3", "node-without-addresses", addresses),
    check("LoPAR-B.5.3.1/name", "node-name", name),
    check(
        "LoPAR-B.5.3.1/rtas-event-scan-rate",
        "node-event-scan-rate",
        |machine| one_cell(machine, "rtas-event-scan-rate"),
    ),
    check("LoPAR-B.5.3.1/rtas-version", "node-version", version),
    check("LoPAR-B.5.3.1/rtas-size", "node-size", |machine| {
        one_cell(machine, "rtas-size")
    }),
    check(
        "LoPAR-B.5.3.1/rtas-error-log-max",
        "node-error-log-max",
        log_max,
    ),
    check(
        "LoPAR-B.5.3.1/rtas-display-device",
        "node-display-device",
        display_device,
    ),
    check(
        "LoPAR-B.5.3.1/ibm,lrdr-capacity",
        "node-lrdr-capacity",
        capacity,
    ),
    check(
        "LoPAR-B.5.3.1/ibm,hypertas-functions",
        "node-hypertas-functions",
        hypertas,
    ),
    check(
        "LoPAR-B.5.3.1/ibm,associativity-reference-points",
        "node-reference-points",
        reference_points,
    ),
    check(
        "LoPAR-B.5.3.1/ibm,max-associativity-domains",
        "node-associativity-domains",
        domains,
    ),
    check(
        "LoPAR-B.5.3.1/ibm,change-msix-capable",
        "node-change-msix-capable",
        |machine| no_value(machine, "ibm,change-msix-capable"),
    ),
    check(
        "LoPAR-B.5.3.2/ibm,extended-os-term",
        "node-extended-os-term",
        |machine| no_value(machine, "ibm,extended-os-term"),
    ),
    check(
        "LoPAR-B.5.3.1/ibm,read-slot-reset-state-functions",
        "node-slot-reset-state-functions",
        slot_reset_state,
    ),
    check(
        "LoPAR-B.5.3.1/rtas-indicators",
        "node-indicators",
        |machine| pairs(machine, "rtas-indicators"),
    ),
    check("LoPAR-B.5.3.1/rtas-sensors", "node-sensors", |machine| {
        pairs(machine, "rtas-sensors")
    }),
    check("R1-7.2.6.1.1-1", "node-indicator-locations", |machine| {
        locations(machine, "rtas-indicators", "indicator")
    }),
    check("R1-7.2.6.1.2-1", "node-sensor-locations", |machine| {
        locations(machine, "rtas-sensors", "sensor")
    }),
    check("R1-7.2.6.1.1-2", "node-indicators-of-no-part", |machine| {
        parts(machine, "rtas-indicators", "indicator")
    }),
    check("R1-7.2.6.1.2-2", "node-sensors-of-no-part", |machine| {
        parts(machine, "rtas-sensors", "sensor")
    }),
    check("R1-7.2.6.1.1-4", "node-indicator-4", indicator_4),
];

/// A property of /rtas as cells, or why it cannot be.
pub fn cells_of(machine: &Machine, name: &str) -> Result<Vec<u32>, Verdict> {
    let Some(value) = machine.rtas_property(name) else {
        return Err(Verdict::Skip(format!("/rtas has no {name}")));
    };
    if !value.len().is_multiple_of(4) {
        let saw = format!("{} bytes", value.len());
        return Err(Verdict::Fail(format!("{name} of cells"), saw));
    }
    Ok(cells(value))
}

/// A property of /rtas as cells, or the end of the check.
#[macro_export]
macro_rules! cells_of {
    ($machine:expr, $name:expr) => {
        match $crate::checks::node::cells_of($machine, $name) {
            Ok(cells) => cells,
            Err(verdict) => return verdict,
        }
    };
}

fn addresses(machine: &mut Machine) -> Verdict {
    let present = |name: &&&str| machine.rtas_property(name).is_some();
    let found: Vec<&str> = ["reg", "ranges"].iter().filter(present).copied().collect();
    need!(found.is_empty(), "neither reg nor ranges", "{found:?}");
    pass!("neither reg nor ranges")
}

fn name(machine: &mut Machine) -> Verdict {
    match machine.property("/rtas", "name") {
        Some(value) => expect!("name", b"rtas\0".as_slice(), value.as_slice()),
        None if machine.client.is_none() => skip!("a flat tree has no name properties"),
        None => guest::fail!("name \"rtas\"", "no name"),
    }
}

/// A property of one cell.
pub fn one_cell(machine: &mut Machine, name: &str) -> Verdict {
    let Some(value) = machine.rtas_property(name) else {
        guest::fail!(format!("{name} of one cell"), "none")
    };
    need!(
        value.len() == 4,
        format!("{name} of one cell"),
        "{} bytes",
        value.len()
    );
    pass!("{:#x}", cells(value)[0])
}

fn version(machine: &mut Machine) -> Verdict {
    let Some(value) = machine.rtas_property("rtas-version") else {
        guest::fail!("rtas-version 1", "none")
    };
    expect!("rtas-version", alloc::vec![1], cells(value))
}

fn log_max(machine: &mut Machine) -> Verdict {
    let Some(value) = machine.rtas_property("rtas-error-log-max") else {
        guest::fail!("rtas-error-log-max of one cell", "none")
    };
    // The fixed part of a log is eight bytes (Table 10.4).
    need!(
        value.len() == 4 && cells(value)[0] >= 8,
        "one cell of 8 or more",
        "{value:x?}"
    );
    pass!("{:#x}", cells(value)[0])
}

fn display_device(machine: &mut Machine) -> Verdict {
    if machine.token("display-character").is_none() {
        skip!("/rtas has no display-character")
    }
    let Some(value) = machine.rtas_property("rtas-display-device") else {
        guest::fail!("rtas-display-device, a phandle", "none")
    };
    let wanted = cells(value);
    need!(wanted.len() == 1, "one cell", "{wanted:x?}");
    for (path, properties) in machine.tree {
        for (name, value) in properties {
            let handle = ["phandle", "linux,phandle", "ibm,phandle"].contains(&name.as_str());
            if handle && cells(value) == wanted {
                pass!("{:#x}, {path}", wanted[0])
            }
        }
    }
    let own = machine.client.as_ref().map(|client| {
        let path = client.path(machine.gate, "package-to-path", wanted[0], 256);
        path.text().unwrap_or_default()
    });
    match own.filter(|path| path.starts_with('/')) {
        Some(path) => pass!("{:#x}, {path}", wanted[0]),
        None => guest::fail!("the phandle of a node", "{:#x}", wanted[0]),
    }
}

fn capacity(machine: &mut Machine) -> Verdict {
    let cells = cells_of!(machine, "ibm,lrdr-capacity");
    // #address-cells and #size-cells of the root are 2; a second number at the end is allowed.
    let [_, _, size_high, size_low, processors, ref rest @ ..] = cells[..] else {
        guest::fail!("five cells", "{cells:x?}")
    };
    let block = u64::from(size_high) << 32 | u64::from(size_low);
    need!(rest.len() <= 1, "five or six cells", "{cells:x?}");
    need!(block > 0, "a size of memory blocks", "0");
    let present = machine.servers.len() as u32;
    need!(processors > 0, "a number of processors", "0");
    pass!("blocks of {block:#x}, {processors} processors, {present} threads there")
}

fn hypertas(machine: &mut Machine) -> Verdict {
    let Some(value) = machine.rtas_property("ibm,hypertas-functions") else {
        skip!("/rtas has no ibm,hypertas-functions: no LPAR option")
    };
    let strings: Vec<&[u8]> = value.split(|byte| *byte == 0).collect();
    let Some((last, names)) = strings.split_last() else {
        guest::fail!("strings", "nothing")
    };
    let printable = |name: &&[u8]| !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    need!(
        last.is_empty() && !names.is_empty() && names.iter().all(printable),
        "strings, each with its end",
        "{value:x?}"
    );
    pass!("{} sets of hypercalls", names.len())
}

fn reference_points(machine: &mut Machine) -> Verdict {
    let cells = cells_of!(machine, "ibm,associativity-reference-points");
    need!(!cells.is_empty(), "one cell or more", "none");
    pass!("{cells:x?}")
}

fn domains(machine: &mut Machine) -> Verdict {
    let cells = cells_of!(machine, "ibm,max-associativity-domains");
    let count = cells.first().copied().unwrap_or(0) as usize;
    need!(
        count > 0 && cells.len() == count + 1,
        "a count and so many cells",
        "{cells:x?}"
    );
    pass!("{cells:x?}")
}

fn no_value(machine: &mut Machine, name: &str) -> Verdict {
    let Some(value) = machine.rtas_property(name) else {
        skip!("/rtas has no {name}")
    };
    need!(value.is_empty(), "no value", "{value:x?}");
    pass!("{name} without a value")
}

fn slot_reset_state(machine: &mut Machine) -> Verdict {
    let cells = cells_of!(machine, "ibm,read-slot-reset-state-functions");
    need!(cells == [1] || cells == [3], "1 or 3", "{cells:x?}");
    pass!("{cells:x?}")
}

/// A property of pairs of cells.
pub fn pairs(machine: &mut Machine, name: &str) -> Verdict {
    let cells = cells_of!(machine, name);
    need!(
        cells.len().is_multiple_of(2),
        "pairs of cells",
        "{cells:x?}"
    );
    pass!("{} pairs", cells.len() / 2)
}

/// The strings of a property.
fn strings(value: &[u8]) -> usize {
    value.iter().filter(|byte| **byte == 0).count()
}

/// Whether an indicator or sensor of this type needs no location codes: those of dynamic
/// reconfiguration.
fn is_of_connectors(kind: &str, token: u32) -> bool {
    (9001..=9003).contains(&token) && (kind == "indicator" || token == 9003)
}

/// What has no physical counterpart has an empty location code. A part is known by the code of its
/// node.
fn parts(machine: &mut Machine, list: &str, kind: &str) -> Verdict {
    let cells = cells_of!(machine, list);
    let nodes = machine.tree.iter().flat_map(|(_, properties)| properties);
    let known: Vec<&[u8]> = nodes
        .filter(|(name, _)| name == "ibm,loc-code")
        .flat_map(|(_, value)| value.split(|byte| *byte == 0))
        .collect();
    let mut empty = 0;
    for pair in cells.chunks_exact(2) {
        if is_of_connectors(kind, pair[0]) {
            continue;
        }
        let name = format!("ibm,{kind}-{}", pair[0]);
        let Some(value) = machine.rtas_property(&name) else {
            skip!("/rtas has no {name}")
        };
        for code in value.split(|byte| *byte == 0) {
            need!(
                code.is_empty() || known.contains(&code),
                format!("codes of parts in {name}, or empty ones"),
                "{}, and no node has it",
                code.escape_ascii()
            );
        }
        // The last is no code, but what is behind the end of the last one.
        let codes = value.split(|byte| *byte == 0).rev().skip(1);
        empty += codes.filter(|code| code.is_empty()).count();
    }
    pass!("{empty} empty codes, {} of parts in the tree", known.len())
}

fn locations(machine: &mut Machine, list: &str, kind: &str) -> Verdict {
    let cells = cells_of!(machine, list);
    let mut looked = 0;
    for pair in cells.chunks_exact(2) {
        if is_of_connectors(kind, pair[0]) {
            continue;
        }
        let name = format!("ibm,{kind}-{}", pair[0]);
        let Some(value) = machine.rtas_property(&name) else {
            guest::fail!(format!("a property {name}"), "none")
        };
        need!(
            strings(value) == pair[1] as usize + 1,
            format!("{} location codes in {name}", pair[1] + 1),
            "{}",
            strings(value)
        );
        looked += 1;
    }
    pass!("{looked} kinds with location codes")
}

fn indicator_4(machine: &mut Machine) -> Verdict {
    let cells = cells_of!(machine, "rtas-indicators");
    let has = |token: u32| cells.chunks_exact(2).any(|pair| pair[0] == token);
    need!(!(has(4) && has(9006)), "not both 4 and 9006", "both");
    pass!("4: {}, 9006: {}", has(4), has(9006))
}
