//! The /rtas node and instantiate-rtas (LoPAR 7.2.4, 7.2.5, 7.2.6, B.5.3.4).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{fail, need, pass, skip};

use super::{Check, check};
use crate::board::memory;
use crate::or_return;
use crate::subject::machine::cells;
use crate::subject::{Machine, Rtas, Width};

/// The checks of the /rtas node, by client interface or flat tree.
pub const NODE: &[Check] = &[
    check("R1-7.2.6-1", "rtas-node", node),
    check("R1-7.2.6-3", "rtas-properties", properties),
    check("R1-7.2.6-4", "rtas-required-functions", required),
    check("R1-7.2.6-5", "rtas-smp-functions", smp),
    check("R1-7.2.6-2", "rtas-tokens", tokens),
];

/// The checks of instantiate-rtas, in order; the last leaves an instance.
pub const CHECKS: &[Check] = &[
    check("R1-7.2.5-1", "instantiate-no-base-zero", no_base),
    check("R1-7.2.4-1", "instantiate-crossing", crossing),
    check("R1-7.2.4-3", "instantiate-around", around),
    check("R1-7.2.5-1", "instantiate-both-alive", both_alive),
    check("R1-7.2.5-1", "instantiate-again", again),
    check("R1-7.2.5-1", "instantiate-page-aligned", page_aligned),
];

/// The checks of instantiate-rtas-64; the last leaves an instance.
pub const CHECKS64: &[Check] = &[
    check("R1-7.2.7-3", "instantiate-64", instantiate_64),
    check("R1-7.2.5-1", "instantiate-64-beside-32", beside),
];

fn node(machine: &mut Machine) -> Verdict {
    need!(!machine.rtas_node.is_empty(), "a node /rtas", "none");
    pass!("{} properties", machine.rtas_node.len())
}

fn properties(machine: &mut Machine) -> Verdict {
    // Table 7.4, without those that an option asks for.
    let wanted = [
        "rtas-size",
        "rtas-version",
        "rtas-event-scan-rate",
        "rtas-error-log-max",
    ];
    let missing: Vec<&str> = wanted
        .into_iter()
        .filter(|name| machine.rtas_property(name).is_none())
        .collect();
    need!(
        missing.is_empty(),
        format!("{wanted:?}"),
        "all but {missing:?}"
    );
    pass!("rtas-size {:#x}", machine.rtas_size())
}

fn missing<'a>(machine: &Machine, wanted: &[&'a str]) -> Vec<&'a str> {
    let absent = |name: &&&str| machine.token(name).is_none();
    wanted.iter().filter(absent).copied().collect()
}

fn required(machine: &mut Machine) -> Verdict {
    // Table 7.3, "Required" without a condition.
    let wanted = [
        "nvram-fetch",
        "nvram-store",
        "get-time-of-day",
        "set-time-of-day",
        "event-scan",
        "check-exception",
        "rtas-last-error",
        "ibm,read-pci-config",
        "ibm,write-pci-config",
        "set-indicator",
        "system-reboot",
        "ibm,read-slot-reset-state2",
        "ibm,get-config-addr-info2",
    ];
    let missing = missing(machine, &wanted);
    need!(
        missing.is_empty(),
        format!("all {} functions", wanted.len()),
        "all but {missing:?}"
    );
    pass!("all {} functions", wanted.len())
}

fn smp(machine: &mut Machine) -> Verdict {
    let missing = missing(
        machine,
        &["stop-self", "start-cpu", "query-cpu-stopped-state"],
    );
    need!(
        missing.is_empty(),
        "all three functions",
        "all but {missing:?}"
    );
    pass!("stop-self, start-cpu, query-cpu-stopped-state")
}

fn tokens(machine: &mut Machine) -> Verdict {
    let mut seen: Vec<(u32, &str)> = Vec::new();
    let names = machine
        .rtas_node
        .iter()
        .filter(|(name, _)| super::calls::is_function(name));
    for (name, value) in names {
        need!(
            value.len() == 4,
            format!("one cell in {name}"),
            "{} bytes",
            value.len()
        );
        let token = cells(value)[0];
        if let Some((_, other)) = seen.iter().find(|(own, _)| *own == token) {
            fail!(
                "a token for one function",
                "{token:#x} for {name} and {other}"
            );
        }
        seen.push((token, name));
    }
    pass!("{} tokens, all different", seen.len())
}

/// Calls an instantiate method: the instance, or why not.
pub fn instantiate(
    machine: &mut Machine,
    method: &str,
    base: u64,
    width: Width,
) -> Result<Rtas, String> {
    let size = machine.rtas_size();
    let Some(client) = machine.client.as_ref() else {
        return Err("no client interface".into());
    };
    let gate = &mut *machine.gate;
    let path = client.string(1, "/rtas");
    let instance = client.one(gate, "open", &[path]);
    if instance == 0 || instance == u32::MAX {
        return Err("/rtas cannot be opened".into());
    }
    let answer = client.method(gate, method, instance, base as u32);
    // No output cell to look at.
    let _ = client.call(gate, "close", &[instance], 0);
    match answer {
        Some((0, entry)) if entry != 0 => Ok(Rtas {
            entry: entry.into(),
            base,
            r4: base,
            size,
            width,
        }),
        Some((catch, entry)) => Err(format!("catch {:#x}, rtas-call {entry:#x}", catch)),
        None => Err("call-method failed".into()),
    }
}

/// The next place for RTAS: its start, a base in it that is aligned to 4096 and to nothing more,
/// and its end.
pub fn place(machine: &mut Machine) -> Option<(u64, u64, u64)> {
    let size = machine.rtas_size();
    let place = machine.places.iter_mut().find_map(Option::take)?;
    let mut base = place.start + 0x3000;
    if base.is_multiple_of(0x2000) {
        base += 0x1000;
    }
    // There are three and a place is small: at most one of them crosses.
    if base >> 28 != (base + size) >> 28 {
        return self::place(machine);
    }
    Some((place.start, base, place.end))
}

const NO_PLACE: &str = "no memory could be claimed";

fn no_base(machine: &mut Machine) -> Verdict {
    if machine.rtas_size() == 0 {
        skip!("rtas-size is 0")
    }
    match instantiate(machine, "instantiate-rtas", 0, Width::Mode32) {
        Err(why) => pass!("base 0 refused: {why}"),
        Ok(rtas) => fail!(
            "base 0 refused, rtas-size is not 0",
            "rtas-call {:#x}",
            rtas.entry
        ),
    }
}

fn crossing(machine: &mut Machine) -> Verdict {
    let size = machine.rtas_size();
    let pages = (size + 0x1000).next_multiple_of(0x1000);
    let mut boundary = 0x1000_0000u64;
    while boundary + pages <= machine.memory_end.min(1 << 32) {
        let base = boundary - 0x1000;
        let Some(client) = machine.client.as_ref() else {
            skip!("no client interface")
        };
        let claimed = client.claim(machine.gate, base as u32, pages as u32, 0);
        if u64::from(claimed) == base {
            let answer = instantiate(machine, "instantiate-rtas", base, Width::Mode32);
            if let Some(client) = machine.client.as_ref() {
                client.release(machine.gate, base as u32, pages as u32);
            }
            match answer {
                Err(why) => pass!("base {base:#x} refused: {why}"),
                Ok(rtas) => fail!(
                    format!("base {base:#x} refused, it crosses 256 MiB"),
                    "rtas-call {:#x}",
                    rtas.entry
                ),
            }
        }
        boundary += 0x1000_0000;
    }
    skip!(
        "no free memory at a 256 MiB boundary below {:#x}",
        machine.memory_end
    )
}

fn around(machine: &mut Machine) -> Verdict {
    let Some((start, base, end)) = place(machine) else {
        skip!("{NO_PLACE}")
    };
    memory::fill(start, end - start, 0x5a);
    let size = machine.rtas_size();
    let rtas = match instantiate(machine, "instantiate-rtas", base, Width::Mode32) {
        Ok(rtas) => rtas,
        Err(why) => fail!(format!("an instance at {base:#x}"), "{why}"),
    };
    for range in [start..base, base + size..end] {
        let changed = memory::first_other_than(range.clone(), 0x5a);
        need!(
            changed.is_none(),
            format!("memory outside {base:#x}+{size:#x} as it was"),
            "{changed:x?} changed"
        );
    }
    machine.rtas = Some(rtas);
    pass!(
        "rtas-call {:#x} at base {base:#x}, nothing around it written",
        rtas.entry
    )
}

/// Calls the instances in turn, each more than once: how many calls, if all of them succeed.
fn in_turn(machine: &mut Machine, instances: &[Rtas]) -> Result<usize, Verdict> {
    let calls: [(&str, &[u32], usize); 3] = [
        ("get-time-of-day", &[], 8),
        ("get-power-level", &[u32::MAX], 2),
        ("query-cpu-stopped-state", &[0], 2),
    ];
    let _vectors = crate::board::vectors::Vectors::install();
    let mut made = 0;
    for round in 0..3 {
        for (name, inputs, outputs) in calls {
            let Some(token) = machine.token(name) else {
                continue;
            };
            for rtas in instances {
                let status = rtas.status(machine.gate, token, inputs, outputs);
                if status != 0 {
                    let base = rtas.base;
                    let wanted = format!("status 0 of {name} in the instance at {base:#x}");
                    return Err(Verdict::Fail(wanted, format!("{status} in round {round}")));
                }
                made += 1;
            }
        }
    }
    Ok(made)
}

/// Nothing in LoPAR ends an instance when another one is made.
fn both_alive(machine: &mut Machine) -> Verdict {
    let Some(first) = machine.rtas else {
        skip!("no first instance")
    };
    let Some((_, base, _)) = place(machine) else {
        skip!("{NO_PLACE}")
    };
    let second = match instantiate(machine, "instantiate-rtas", base, Width::Mode32) {
        Ok(rtas) => rtas,
        Err(why) => fail!(format!("a second instance at {base:#x}"), "{why}"),
    };
    machine.older = Some(first);
    machine.rtas = Some(second);
    let made = or_return!(in_turn(machine, &[first, second]));
    pass!(
        "{made} calls in turn of the instances at {:#x} and {base:#x}, the first made first",
        first.base
    )
}

fn again(machine: &mut Machine) -> Verdict {
    let (Some(first), Some(second)) = (machine.older.take(), machine.rtas) else {
        skip!("no two instances")
    };
    // The second must not need the first's memory.
    memory::fill(first.base, first.size, 0);
    memory::flush_instructions(first.base, first.size);
    let Some(token) = machine.token("get-time-of-day") else {
        skip!("no get-time-of-day")
    };
    let status = {
        let _vectors = crate::board::vectors::Vectors::install();
        second.status(machine.gate, token, &[], 8)
    };
    need!(status == 0, "status 0 of get-time-of-day", "{status}");
    pass!(
        "moved from {:#x} to {:#x}, rtas-call {:#x}",
        first.base,
        second.base,
        second.entry
    )
}

/// Whether Linux with 4 KiB pages may put RTAS where it likes: at an odd page.
fn page_aligned(machine: &mut Machine) -> Verdict {
    match machine.rtas {
        Some(rtas) if !rtas.base.is_multiple_of(0x2000) => {
            need!(
                rtas.entry >= rtas.base && rtas.entry < rtas.base + rtas.size,
                format!("rtas-call inside {:#x}+{:#x}", rtas.base, rtas.size),
                "{:#x}",
                rtas.entry
            );
            pass!("base {:#x}, rtas-call {:#x}", rtas.base, rtas.entry)
        }
        other => skip!("the instance is {other:x?}"),
    }
}

fn instantiate_64(machine: &mut Machine) -> Verdict {
    let Some((start, base, end)) = place(machine) else {
        skip!("{NO_PLACE}")
    };
    memory::fill(start, end - start, 0x5a);
    machine.older = machine.rtas.take();
    match instantiate(machine, "instantiate-rtas-64", base, Width::Cells64) {
        Ok(rtas) => {
            machine.rtas = Some(rtas);
            for range in [start..base, base + rtas.size..end] {
                let changed = memory::first_other_than(range, 0x5a);
                need!(
                    changed.is_none(),
                    "memory around as it was",
                    "{changed:x?} changed"
                );
            }
            let area = base..base + rtas.size;
            if !area.contains(&rtas.entry) {
                machine.rtas = None;
                fail!(format!("rtas-call inside {area:x?}"), "{:#x}", rtas.entry)
            }
            pass!("rtas-call {:#x} at base {base:#x}", rtas.entry)
        }
        // B.5.3.4 calls the method optional.
        Err(why) => skip!("no instantiate-rtas-64: {why}"),
    }
}

/// The instance for 32 bits and that for 64 are alive beside each other.
fn beside(machine: &mut Machine) -> Verdict {
    if machine.arguments.asks("rounds") {
        skip!("the rounds before it leave nothing of the instance for 32 bits")
    }
    let (Some(narrow), Some(wide)) = (machine.older.take(), machine.rtas) else {
        skip!("no two instances")
    };
    let narrow = Rtas {
        width: Width::Mode32,
        ..narrow
    };
    let made = or_return!(in_turn(machine, &[narrow, wide]));
    pass!(
        "{made} calls in turn of the instances at {:#x}, for 32 bits, and {:#x}, for 64",
        narrow.base,
        wide.base
    )
}
