//! Enhanced I/O error handling where there is none (LoPAR 7.3.11, 7.3.12): QEMU has it for VFIO
//! devices only, and what is not one has to be refused.

use alloc::format;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::ask::Bytes;
use super::{Check, check, pci};
use crate::answer;
use crate::subject::Machine;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.11-3", "eeh-of-no-pe", no_pe),
    check("R1-7.3.12.2-2", "eeh-configure-no-pe", |machine| {
        refused(machine, "ibm,configure-pe", &[])
    }),
    check("R1-14.10-29", "eeh-option-not-owned", |machine| {
        refused(machine, "ibm,set-eeh-option", &[1])
    }),
    check("R1-14.10-30", "eeh-reset-not-owned", |machine| {
        refused(machine, "ibm,set-slot-reset", &[1])
    }),
    check("R1-14.10-31", "eeh-state-not-owned", state_not_owned),
];

/// Addresses of functions, and of none.
fn addresses(machine: &mut Machine) -> Vec<[u32; 3]> {
    let unit = pci::unit(machine);
    let functions = pci::functions(machine);
    let mut addresses: Vec<[u32; 3]> = functions.iter().map(pci::Function::inputs).collect();
    addresses.push([0x00fe_0800, unit[0], unit[1]]);
    addresses.push([0, 0x7777_7777, 0x7777_7777]);
    addresses
}

/// Whether the machine says of a function that it has the option: then these checks are not for it.
fn has_eeh(machine: &mut Machine) -> bool {
    for inputs in addresses(machine) {
        let outcome = super::ask::ask(machine, "ibm,read-slot-reset-state2", &inputs, 4);
        if outcome.is_ok_and(|outcome| outcome.status() == 0 && outcome.cells.get(2) == Some(&1)) {
            return true;
        }
    }
    false
}

fn no_pe(machine: &mut Machine) -> Verdict {
    if has_eeh(machine) {
        skip!("a PCI function supports enhanced error handling")
    }
    let all = addresses(machine);
    for [address, high, low] in &all {
        for action in [0, 1] {
            for name in ["ibm,set-eeh-option", "ibm,set-slot-reset"] {
                let outcome = answer!(machine, name, &[*address, *high, *low, action], 1);
                need!(
                    outcome.status() == -3,
                    format!("-3 of {name} {action} on {address:#x}"),
                    "{}",
                    outcome.status()
                );
            }
        }
        let log = Bytes::new(64, 0xee);
        let inputs = [*address, *high, *low, 0, 0, log.address(), 64, 1];
        let outcome = answer!(machine, "ibm,slot-error-detail", &inputs, 1);
        need!(
            outcome.status() == -3 && log.bytes() == [0xee; 64],
            format!("-3 of ibm,slot-error-detail on {address:#x}, no log"),
            "{}: {:x?}",
            outcome.status(),
            log.bytes()
        );
    }
    pass!("-3 of the three calls on {} addresses", all.len())
}

/// A call on addresses that are no device.
fn refused(machine: &mut Machine, name: &str, rest: &[u32]) -> Verdict {
    let unit = pci::unit(machine);
    for address in [
        [0x00fe_0800, unit[0], unit[1]],
        [0, 0x7777_7777, 0x7777_7777],
    ] {
        let inputs: Vec<u32> = address.iter().chain(rest).copied().collect();
        let outcome = answer!(machine, name, &inputs, 1);
        need!(
            outcome.status() == -3,
            format!("-3 on {address:x?}"),
            "{}",
            outcome.status()
        );
    }
    pass!("-3 on addresses that are no device")
}

fn state_not_owned(machine: &mut Machine) -> Verdict {
    let nowhere = [0, 0x7777_7777, 0x7777_7777];
    let outcome = answer!(machine, "ibm,read-slot-reset-state2", &nowhere, 4);
    need!(
        outcome.status() == -3,
        "-3 where no bridge is",
        "{:?}",
        outcome.cells
    );
    pass!("-3 where no bridge is")
}
