//! What /rtas and the host bridges offer, and what has to come with it, by the sections of the
//! functions (LoPAR 7.3). As [`super::node`], before RTAS is instantiated.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::node::{one_cell, pairs};
use super::{Check, check};
use crate::cells_of;
use crate::subject::Machine;
use crate::subject::machine::cells;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check(
        "R1-7.3.5.5.1.3-1",
        "node-environmental-sensors",
        environmental,
    ),
    check("R1-7.3.5.1-1", "node-display-character", |machine| {
        functions(machine, &["display-character"])
    }),
    check("R1-7.3.5.1-2", "node-display-16-characters", display_16),
    check("R1-7.3.5.3-1", "node-display-line-length", |machine| {
        more_than(machine, "ibm,display-line-length", 4)
    }),
    check("R1-7.3.5.3-2", "node-display-lines", |machine| {
        more_than(machine, "ibm,display-number-of-lines", 1)
    }),
    check(
        "R1-7.3.5.3-3",
        "node-form-feed-of-lines",
        form_feed_of_lines,
    ),
    check("R1-7.3.5.3-5", "node-form-feed", form_feed),
    check(
        "R1-7.3.6.3-3",
        "node-no-power-on-triggers",
        power_on_triggers,
    ),
    check("R1-7.3.11-8", "node-configure-pe", |machine| {
        functions(machine, &["ibm,configure-pe"])
    }),
    check("R1-7.3.14-1", "node-fwnmi", |machine| {
        functions(machine, &["ibm,nmi-register", "ibm,nmi-interlock"])
    }),
    check("R1-7.3.14-2", "node-nmi-register", |machine| {
        functions(machine, &["ibm,nmi-register"])
    }),
    check("R1-7.3.16-1", "node-get-system-parameter", |machine| {
        functions(machine, &["ibm,get-system-parameter"])
    }),
    check("R1-7.3.16-6", "node-system-parameter-pair", |machine| {
        with(
            machine,
            "ibm,set-system-parameter",
            &["ibm,get-system-parameter"],
        )
    }),
    check("R1-7.3.23-1", "node-suspend-partition", |machine| {
        with(machine, "ibm,suspend-me", &["ibm,hypertas-functions"])
    }),
    check("R1-7.3.23-5", "node-suspend-join", suspend_join),
    check("R1-7.3.23-8", "node-suspend-update-tree", |machine| {
        let wanted = ["ibm,update-nodes", "ibm,update-properties"];
        with(machine, "ibm,suspend-me", &wanted)
    }),
    check("R1-7.3.23-15", "node-suspend-reconfiguration", |machine| {
        with(machine, "ibm,suspend-me", &["ibm,lrdr-capacity"])
    }),
    check("R1-7.3.20-8", "node-no-vpd-in-the-root", root_vpd),
    check("R1-7.3.20-15", "node-vpd-size", vpd_size),
    check("R1-7.3.17-14", "node-indices-types", indices_types),
    check("R1-7.3.17-15", "node-indicator-types-once", |machine| {
        once(
            machine,
            "ibm,get-indicator-indices-types",
            "rtas-indicators",
        )
    }),
    check("R1-7.3.17-16", "node-sensor-types-once", |machine| {
        once(machine, "ibm,get-sensor-indices-types", "rtas-sensors")
    }),
    check("R1-7.3.26-7", "node-kernel-dump-sizes", dump_sizes),
    check("R1-7.3.26-8", "node-kernel-dump-version", dump_version),
    check(
        "R1-7.3.11.2-7",
        "node-reset-capabilities",
        reset_capabilities,
    ),
    check("R1-7.3.27-1", "node-window-calls", window_calls),
    check("R1-7.3.27-2", "node-windows-of-bridges", windows_of_bridges),
    check("R1-7.3.27-4", "node-default-window", default_window),
];

fn environmental(machine: &mut Machine) -> Verdict {
    let cells = cells_of!(machine, "rtas-sensors");
    let analysed = [3, 9001, 9002, 9004];
    if !cells
        .chunks_exact(2)
        .any(|pair| analysed.contains(&pair[0]))
    {
        skip!("/rtas has no sensor for applications in rtas-sensors: {cells:?}")
    }
    pairs(machine, "ibm,environmental-sensors")
}

fn functions(machine: &mut Machine, names: &[&str]) -> Verdict {
    let absent = |name: &&&str| machine.token(name).is_none();
    let missing: Vec<&str> = names.iter().filter(absent).copied().collect();
    need!(missing.is_empty(), format!("{names:?}"), "no {missing:?}");
    pass!("{names:?}")
}

/// Where one function is, properties have to be.
fn with(machine: &mut Machine, function: &str, names: &[&str]) -> Verdict {
    if machine.token(function).is_none() {
        skip!("/rtas has no {function}")
    }
    let absent = |name: &&&str| machine.rtas_property(name).is_none();
    let missing: Vec<&str> = names.iter().filter(absent).copied().collect();
    need!(
        missing.is_empty(),
        format!("{names:?} beside {function}"),
        "no {missing:?}"
    );
    pass!("{names:?} beside {function}")
}

fn display_16(machine: &mut Machine) -> Verdict {
    if machine.token("display-character").is_none() {
        skip!("/rtas has no display-character")
    }
    // Without the property the length is 4 (7.3.5.3).
    let length = machine.rtas_property("ibm,display-line-length").map(cells);
    let length = length.and_then(|cells| cells.first().copied()).unwrap_or(4);
    need!(length >= 16, "16 characters or more", "{length}");
    pass!("{length} characters")
}

fn more_than(machine: &mut Machine, name: &str, least: u32) -> Verdict {
    let Some(value) = machine.rtas_property(name) else {
        skip!("/rtas has no {name}: it is {least}")
    };
    let cells = cells(value);
    need!(
        value.len() == 4 && cells[0] > least,
        format!("one cell of more than {least}"),
        "{value:x?}"
    );
    pass!("{}", cells[0])
}

fn form_feed(machine: &mut Machine) -> Verdict {
    if machine.token("display-character").is_none() {
        skip!("/rtas has no display-character")
    }
    let Some(value) = machine.rtas_property("ibm,form-feed") else {
        guest::fail!("ibm,form-feed in /rtas", "none")
    };
    let cells = cells(value);
    need!(cells == [0] || cells == [0x0c], "0 or 0x0c", "{value:x?}");
    pass!("{:#x}", cells[0])
}

fn form_feed_of_lines(machine: &mut Machine) -> Verdict {
    let lines = cells_of!(machine, "ibm,display-number-of-lines");
    if lines.first().copied().unwrap_or(1) <= 1 {
        skip!("/rtas has no display of several lines")
    }
    let feed = machine.rtas_property("ibm,form-feed").map(cells);
    need!(
        feed == Some(alloc::vec![0x0c]),
        "ibm,form-feed 0x0c",
        "{feed:x?}"
    );
    pass!("{lines:?} lines, form feed")
}

fn power_on_triggers(machine: &mut Machine) -> Verdict {
    let value = machine.rtas_property("power-on-triggers");
    need!(value.is_none(), "no power-on-triggers", "{value:x?}");
    pass!("no power-on-triggers")
}

fn suspend_join(machine: &mut Machine) -> Verdict {
    if machine.token("ibm,suspend-me").is_none() {
        skip!("/rtas has no ibm,suspend-me")
    }
    let value = machine.rtas_property("ibm,hypertas-functions");
    let mut names = value.unwrap_or_default().split(|byte| *byte == 0);
    need!(
        names.any(|name| name == b"hcall-join"),
        "hcall-join in ibm,hypertas-functions",
        "none"
    );
    pass!("hcall-join")
}

fn root_vpd(machine: &mut Machine) -> Verdict {
    if machine.token("ibm,get-vpd").is_none() {
        skip!("/rtas has no ibm,get-vpd")
    }
    for name in ["ibm,vpd", "ibm,loc-code"] {
        let value = machine.property("/", name);
        need!(value.is_none(), format!("no {name} in the root"), "one");
    }
    pass!("neither ibm,vpd nor ibm,loc-code")
}

fn vpd_size(machine: &mut Machine) -> Verdict {
    if machine.token("ibm,get-vpd").is_none() {
        skip!("/rtas has no ibm,get-vpd")
    }
    one_cell(machine, "ibm,vpd-size")
}

const TYPES: [&str; 2] = [
    "ibm,get-indicator-indices-types",
    "ibm,get-sensor-indices-types",
];

fn indices_types(machine: &mut Machine) -> Verdict {
    if machine.token("ibm,get-indices").is_none() {
        skip!("/rtas has no ibm,get-indices")
    }
    let present = |name: &&&str| machine.rtas_property(name).is_some();
    let found: Vec<&str> = TYPES.iter().filter(present).copied().collect();
    need!(!found.is_empty(), format!("one of {TYPES:?}"), "none");
    pass!("{found:?}")
}

fn once(machine: &mut Machine, types: &str, list: &str) -> Verdict {
    let types = cells_of!(machine, types);
    let listed = machine.rtas_property(list).map(cells).unwrap_or_default();
    for token in &types {
        let twice = listed.chunks_exact(2).any(|pair| pair[0] == *token);
        need!(!twice, format!("no {token} in {list}"), "{listed:?}");
        let names: [String; 2] = [
            format!("ibm,indicator-{token}"),
            format!("ibm,sensor-{token}"),
        ];
        let own = if list == "rtas-sensors" {
            &names[1]
        } else {
            &names[0]
        };
        need!(
            machine.rtas_property(own).is_none(),
            format!("no {own}"),
            "one"
        );
    }
    pass!("{types:?} in one place")
}

fn dump_sizes(machine: &mut Machine) -> Verdict {
    if machine.token("ibm,configure-kernel-dump").is_none() {
        skip!("/rtas has no ibm,configure-kernel-dump")
    }
    let Some(value) = machine.rtas_property("ibm,configure-kernel-dump-sizes") else {
        guest::fail!("ibm,configure-kernel-dump-sizes", "none")
    };
    let cells = cells(value);
    let kinds: Vec<u32> = cells.chunks_exact(3).map(|section| section[0]).collect();
    need!(
        cells.len().is_multiple_of(3) && kinds.contains(&1) && kinds.contains(&2),
        "three cells for each section, 1 and 2 among them",
        "{cells:x?}"
    );
    pass!("{cells:x?}")
}

fn dump_version(machine: &mut Machine) -> Verdict {
    if machine.token("ibm,configure-kernel-dump").is_none() {
        skip!("/rtas has no ibm,configure-kernel-dump")
    }
    let value = machine.rtas_property("ibm,configure-kernel-dump-version");
    need!(
        value.is_some_and(|value| value.len() == 4),
        "two halves of a cell",
        "{value:x?}"
    );
    pass!("{value:x?}")
}

fn reset_capabilities(machine: &mut Machine) -> Verdict {
    let cells = cells_of!(machine, "ibm,reset-capabilities");
    need!(cells == [0] || cells == [1], "0 or 1", "{cells:x?}");
    pass!("{cells:x?}")
}

/// Path and property of each PCI host bridge.
fn of_bridges(machine: &Machine, name: &str) -> Vec<(&'static str, Option<Vec<u32>>)> {
    let nodes = machine.tree.iter();
    let bridges =
        nodes.filter(|(path, _)| path.starts_with("/pci@") && path.matches('/').count() == 1);
    let get = |properties: &[(String, Vec<u8>)]| {
        let found = properties.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| cells(value))
    };
    bridges
        .map(|(path, properties)| (path.as_str(), get(properties)))
        .collect()
}

fn windows_of_bridges(machine: &mut Machine) -> Verdict {
    let bridges = of_bridges(machine, "ibm,ddw-applicable");
    if bridges.iter().all(|(_, tokens)| tokens.is_none()) {
        skip!("no bridge has ibm,ddw-applicable")
    }
    for (path, tokens) in &bridges {
        need!(
            tokens.as_ref().is_some_and(|tokens| tokens.len() == 3),
            format!("three tokens in ibm,ddw-applicable of {path}"),
            "{tokens:x?}"
        );
    }
    pass!("{bridges:x?}")
}

fn window_calls(machine: &mut Machine) -> Verdict {
    let names = [
        "ibm,query-pe-dma-window",
        "ibm,create-pe-dma-window",
        "ibm,remove-pe-dma-window",
    ];
    let bridges = of_bridges(machine, "ibm,ddw-applicable");
    if bridges.iter().all(|(_, tokens)| tokens.is_none()) {
        skip!("no bridge has ibm,ddw-applicable")
    }
    let own: Vec<Option<u32>> = names.iter().map(|name| machine.token(name)).collect();
    for (path, tokens) in bridges {
        let tokens = tokens.unwrap_or_default();
        for ((name, own), token) in names.iter().zip(&own).zip(tokens) {
            need!(
                own.is_none_or(|own| own == token),
                format!("one token of {name}"),
                "{own:x?} in /rtas, {token:#x} in {path}"
            );
        }
    }
    pass!("{own:x?}")
}

fn default_window(machine: &mut Machine) -> Verdict {
    let bridges = of_bridges(machine, "ibm,dma-window");
    if bridges.is_empty() {
        skip!("no PCI host bridge")
    }
    for (path, window) in &bridges {
        // LIOBN, then address and size of two cells each.
        let Some([_, high, low, size_high, size_low]) = window.as_deref() else {
            guest::fail!(
                format!("five cells in ibm,dma-window of {path}"),
                "{window:x?}"
            )
        };
        let join = |high: &u32, low: &u32| u64::from(*high) << 32 | u64::from(*low);
        let (start, size) = (join(high, low), join(size_high, size_low));
        need!(
            size > 0 && start.checked_add(size).is_some_and(|end| end <= 1 << 32),
            format!("a window below 4 GiB in {path}"),
            "{start:#x}+{size:#x}"
        );
    }
    pass!("{bridges:x?}")
}
