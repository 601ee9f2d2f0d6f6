//! Message signaled interrupts (LoPAR 7.3.10.5). What the checks assign, they remove.

use alloc::format;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{fail, need, pass, skip};

use super::pci::{self, Function};
use super::{Check, ask, check};
use crate::answer;
use crate::subject::Machine;
use crate::subject::rtas::Outcome;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.10.5.1-2", "msi-numbers", numbers),
    check("R1-7.3.10.5.1-3", "msi-types-not-offered", not_offered),
    check("R1-7.3.10.5.1-4", "msi-disables-lsi", disables_lsi),
    check("R1-7.3.10.5.1-5", "msi-gives-lsi-back", gives_lsi_back),
    check("R1-7.3.10.5.1-6", "msi-fewer", fewer),
    check("R1-7.3.10.5.1-10", "msi-never-busy", never_busy),
    check("R1-7.3.10.5.2-2", "msi-source-numbers", source_numbers),
    check("R1-7.3.10.5.2-2#2", "msi-none-assigned", none_assigned),
    check("R1-14.10-10", "msi-message-kept", message_kept),
];

/// Functions of ibm,change-msi.
const QUERY: u32 = 0;
const DEFAULT: u32 = 2;
const MSI: u32 = 3;
const MSIX: u32 = 4;

/// Functions with their type of MSI, of those that have one, and how many they ask for.
fn with_msi(machine: &mut Machine) -> Vec<(Function, u32, u32)> {
    let mut found = Vec::new();
    for function in pci::functions(machine) {
        for (name, kind) in [("ibm,req#msi", MSI), ("ibm,req#msi-x", MSIX)] {
            if let Some(count) = function.cell(name).filter(|count| *count > 0) {
                found.push((function.clone(), kind, count));
            }
        }
    }
    found
}

macro_rules! with_msi {
    ($machine:expr) => {{
        if $machine.rtas_property("ibm,change-msix-capable").is_none() {
            skip!("/rtas has no ibm,change-msix-capable")
        }
        let found = with_msi($machine);
        if found.is_empty() {
            skip!("no PCI function of the tree asks for MSIs")
        }
        found
    }};
}

/// ibm,change-msi with four outputs.
fn change(
    machine: &mut Machine,
    function: &Function,
    action: u32,
    count: u32,
) -> Result<Outcome, Verdict> {
    let [address, high, low] = function.inputs();
    ask::ask(
        machine,
        "ibm,change-msi",
        &[address, high, low, action, count, 1],
        4,
    )
}

macro_rules! change {
    ($machine:expr, $function:expr, $action:expr, $count:expr) => {
        match change($machine, $function, $action, $count) {
            Ok(outcome) => outcome,
            Err(verdict) => return verdict,
        }
    };
}

/// Status, number and trigger of one interrupt.
fn query(machine: &mut Machine, function: &Function, number: u32) -> Result<[i64; 3], Verdict> {
    let [address, high, low] = function.inputs();
    let name = "ibm,query-interrupt-source-number";
    let outcome = ask::ask(machine, name, &[address, high, low, number], 3)?;
    Ok([outcome.cells[0], outcome.cells[1], outcome.cells[2]])
}

macro_rules! query {
    ($machine:expr, $function:expr, $number:expr) => {
        match query($machine, $function, $number) {
            Ok(cells) => cells,
            Err(verdict) => return verdict,
        }
    };
}

fn numbers(machine: &mut Machine) -> Verdict {
    let mut seen = Vec::new();
    for (function, kind, count) in with_msi!(machine) {
        let set = change!(machine, &function, kind, count);
        need!(
            set.status() == 0 && (1..=i64::from(count)).contains(&set.cells[1]),
            format!("status 0 and 1 to {count} interrupts of {}", function.path),
            "{:?}",
            set.cells
        );
        let wanted = if kind == MSI { 1 } else { 2 };
        need!(
            set.cells[3] == wanted,
            format!("type {wanted}"),
            "{:?}",
            set.cells
        );
        let removed = change!(machine, &function, kind, 0);
        need!(
            removed.cells[..2] == [0, 0],
            "status 0 and no interrupt",
            "{:?}",
            removed.cells
        );
        seen.push((function.address, kind, set.cells[1]));
    }
    pass!("config_addr, function and number {seen:x?}")
}

fn not_offered(machine: &mut Machine) -> Verdict {
    if machine.rtas_property("ibm,change-msix-capable").is_none() {
        skip!("/rtas has no ibm,change-msix-capable")
    }
    let mut refused = 0;
    for function in pci::functions(machine) {
        let (msi, msix) = (function.cell("ibm,req#msi"), function.cell("ibm,req#msi-x"));
        let missing = [(MSI, msi), (MSIX, msix)];
        for (kind, _) in missing.into_iter().filter(|(_, count)| count.is_none()) {
            let outcome = change!(machine, &function, kind, 1);
            need!(
                outcome.status() == -3,
                format!("-3 for function {kind} on {}", function.path),
                "{:?}",
                outcome.cells
            );
            refused += 1;
        }
    }
    if refused == 0 {
        skip!("every PCI function of the tree has both types")
    }
    pass!("-3 for {refused} types that are not offered")
}

/// Bit 10 of the command register: INTx off.
fn lsi_off(machine: &mut Machine, function: &Function) -> Result<bool, Verdict> {
    Ok(pci::read(machine, function, 0x04, 2)? & 0x400 != 0)
}

macro_rules! lsi_off {
    ($machine:expr, $function:expr) => {
        match lsi_off($machine, $function) {
            Ok(off) => off,
            Err(verdict) => return verdict,
        }
    };
}

/// Those of [`with_msi`] that have an interrupt pin, too.
fn with_both(machine: &mut Machine) -> Vec<(Function, u32, u32)> {
    let mut found = with_msi(machine);
    found.retain(|(function, _, _)| function.cell("interrupts").is_some_and(|pin| pin != 0));
    found
}

fn disables_lsi(machine: &mut Machine) -> Verdict {
    let functions = with_both(machine);
    if functions.is_empty() {
        skip!("no PCI function of the tree has MSIs and an interrupt pin")
    }
    for (function, kind, _) in &functions {
        let set = change!(machine, function, *kind, 1);
        let off = lsi_off!(machine, function);
        change!(machine, function, *kind, 0);
        need!(
            set.cells[..2] == [0, 1] && off,
            format!("an MSI and INTx off in {}", function.path),
            "{:?}, off: {off}",
            set.cells
        );
    }
    pass!("INTx off while {} have an MSI", functions.len())
}

fn gives_lsi_back(machine: &mut Machine) -> Verdict {
    let functions = with_both(machine);
    if functions.is_empty() {
        skip!("no PCI function of the tree has MSIs and an interrupt pin")
    }
    for (function, kind, _) in &functions {
        change!(machine, function, *kind, 0);
        let before = query!(machine, function, 0);
        change!(machine, function, *kind, 1);
        change!(machine, function, *kind, 0);
        let after = query!(machine, function, 0);
        let off = lsi_off!(machine, function);
        need!(
            before == after && after[0] == 0 && after[2] == 0 && !off,
            format!("the LSI of {} as before, INTx on", function.path),
            "{before:x?}, then {after:x?}, off: {off}"
        );
    }
    pass!("the LSIs of {} as before", functions.len())
}

fn fewer(machine: &mut Machine) -> Verdict {
    let functions = with_msi!(machine);
    let mut reduced = 0;
    for (function, kind, count) in functions.iter().filter(|(_, _, count)| *count > 1) {
        for wanted in [*count, 1, 0] {
            let set = change!(machine, function, *kind, wanted);
            let good = if wanted == *count {
                set.cells[1] > 1
            } else {
                set.cells[1] == i64::from(wanted)
            };
            need!(
                set.status() == 0 && good,
                format!("{wanted} interrupts of {}", function.path),
                "{:?}",
                set.cells
            );
        }
        reduced += 1;
    }
    if reduced == 0 {
        skip!("no PCI function of the tree asks for more than one MSI")
    }
    pass!("{reduced} reduced to 1 and to 0")
}

fn never_busy(machine: &mut Machine) -> Verdict {
    let busy = |status: i64| status == -2 || (9900..=9905).contains(&status);
    let functions = pci::functions(machine);
    if functions.is_empty() {
        skip!("the tree has no PCI function")
    }
    for function in &functions {
        for (action, count) in [(QUERY, 1), (DEFAULT, 1), (MSI, 0), (MSIX, 0)] {
            let outcome = change!(machine, function, action, count);
            need!(
                !busy(outcome.status()),
                "no busy",
                "{} of function {action}",
                outcome.status()
            );
        }
    }
    pass!(
        "functions 0 and 2 and 0 interrupts on {} functions",
        functions.len()
    )
}

fn source_numbers(machine: &mut Machine) -> Verdict {
    if machine.token("ibm,get-xive").is_none() {
        skip!("/rtas has no ibm,get-xive: no PowerPC External Interrupt option")
    }
    let server = machine.servers.first().copied().unwrap_or(0);
    let mut all: Vec<u32> = Vec::new();
    for (function, kind, count) in with_msi!(machine) {
        let set = change!(machine, &function, kind, count);
        let mut verdict = (set.status() != 0 || set.cells[1] < 1)
            .then(|| ("status 0, an interrupt or more", format!("{:?}", set.cells)));
        for number in 0..set.cells[1].max(0) as u32 {
            let [status, source, trigger] = query!(machine, &function, number);
            let source = source as u32;
            if [status, trigger] != [0, 1] || machine.sources.contains(&source) {
                let saw = format!("{status}, {source:#x}, {trigger}");
                verdict = Some(("status 0, a number of its own, edge", saw));
                break;
            }
            let steps: [(&str, &[u32], usize); 4] = [
                ("ibm,get-xive", &[source], 3),
                ("ibm,set-xive", &[source, server, 5], 1),
                ("ibm,int-on", &[source], 1),
                ("ibm,int-off", &[source], 1),
            ];
            for (name, inputs, outputs) in steps {
                let status = answer!(machine, name, inputs, outputs).status();
                if status != 0 {
                    let saw = format!("{status} of {name} {source:#x}");
                    verdict = Some(("status 0", saw));
                }
            }
            all.push(source);
        }
        change!(machine, &function, kind, 0);
        if let Some((wanted, saw)) = verdict {
            fail!(wanted, "{saw}")
        }
    }
    pass!(
        "{} sources, controlled by the four calls: {all:x?}",
        all.len()
    )
}

fn none_assigned(machine: &mut Machine) -> Verdict {
    for (function, kind, _) in with_msi!(machine) {
        let set = change!(machine, &function, kind, 1);
        let beyond = query!(machine, &function, set.cells[1].max(0) as u32);
        change!(machine, &function, kind, 0);
        need!(
            set.status() == 0 && beyond[0] == 1,
            format!("status 1 behind the last interrupt of {}", function.path),
            "{beyond:?} behind {:?}",
            set.cells
        );
    }
    pass!("status 1 behind the last interrupt")
}

/// Where the message data of a function's MSI capability are (PCI Local Bus Specification 3.0, 6.8.1).
fn message_data(machine: &mut Machine, function: &Function) -> Result<Option<u32>, Verdict> {
    const CAPABILITY: u32 = 0x05;
    const MOST: usize = 48;
    let mut at = pci::read(machine, function, 0x34, 1)? & 0xfc;
    for _ in 0..MOST {
        if at == 0 {
            break;
        }
        let head = pci::read(machine, function, at, 4)?;
        if head & 0xff == CAPABILITY {
            // An address of 64 bits comes before the data.
            let wide = head >> 16 & 0x80 != 0;
            return Ok(Some(at + if wide { 12 } else { 8 }));
        }
        at = head >> 8 & 0xfc;
    }
    Ok(None)
}

fn message_kept(machine: &mut Machine) -> Verdict {
    let mut looked = 0;
    for (function, kind, _) in with_msi!(machine) {
        if kind != MSI {
            continue;
        }
        let set = change!(machine, &function, kind, 1);
        let look = |machine: &mut Machine| -> Result<Option<[u32; 2]>, Verdict> {
            let Some(register) = message_data(machine, &function)? else {
                return Ok(None);
            };
            let before = pci::read(machine, &function, register, 2)?;
            let other = before ^ 1;
            pci::put(machine, &function, register, 2, other)?;
            let after = pci::read(machine, &function, register, 2)?;
            pci::put(machine, &function, register, 2, before)?;
            Ok(Some([before, after]))
        };
        let seen = look(machine);
        change!(machine, &function, kind, 0);
        let Some([before, after]) = crate::or_return!(seen) else {
            skip!("{} has no MSI capability", function.path)
        };
        need!(
            set.cells[..2] == [0, 1] && before == after,
            format!("message {before:#x} of {} kept", function.path),
            "{after:#x}, {:?}",
            set.cells
        );
        looked += 1;
    }
    if looked == 0 {
        skip!("no PCI function of the tree asks for MSIs of this type")
    }
    pass!("the messages of {looked} functions kept")
}
