//! What a client finds when it starts (LoPAR 14.6, 14.7, B.9.5.2). The checks are made once, before
//! anything was changed.

use alloc::format;

use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::{Check, check};
use crate::board::hypercall;
use crate::subject::Machine;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-14.6-2", "start-cppr", cppr),
    check("R1-14.7-14", "start-timebase", timebase),
    check(
        "LoPAR-B.9.5.2/test-method",
        "start-test-method",
        test_method,
    ),
];

/// Reads an interrupt server's pending state without taking an interrupt (LoPAR 14.5.4.7.2.5).
const H_IPOLL: u64 = 0x70;

fn cppr(machine: &mut Machine) -> Verdict {
    if machine.token("ibm,get-xive").is_none() {
        skip!("/rtas has no ibm,get-xive: no PowerPC External Interrupt option")
    }
    for server in &machine.servers {
        let (status, xirr) = hypercall::call(H_IPOLL, &[u64::from(*server)]);
        if status != 0 {
            skip!("H_IPOLL answers {status}: not in XICS mode")
        }
        // The priority is the upper byte of the 32-bit XIRR; 0 is the most favoured.
        need!(
            xirr >> 24 & 0xff == 0,
            format!("CPPR 0 of server {server:#x}"),
            "XIRR {xirr:#x}"
        );
    }
    pass!("CPPR 0 of {:x?}", machine.servers)
}

fn timebase(machine: &mut Machine) -> Verdict {
    // An hour of the 512 MHz timebase: one that was never set has counted for longer or is random.
    let small = 3600 * 512_000_000u64;
    let seen = machine.entered.timebase;
    need!(
        seen < small,
        format!("less than {small:#x} ticks"),
        "{seen:#x}"
    );
    pass!("{seen:#x} ticks at the entry")
}

fn test_method(machine: &mut Machine) -> Verdict {
    let Some(client) = machine.client.as_ref() else {
        skip!("no client interface")
    };
    let gate = &mut *machine.gate;
    let node = client.finddevice(gate, "/rtas");
    for (method, wanted) in [("instantiate-rtas", 0), ("oxrtas-no-such-method", u32::MAX)] {
        let name = client.string(1, method);
        let answer = client.call(gate, "test-method", &[node, name], 1);
        let saw = answer.ok().map(|answer| (answer.result, answer.cells[0]));
        need!(
            saw == Some((0, wanted)),
            format!("{wanted:#x} for {method} of /rtas"),
            "{saw:x?}"
        );
    }
    pass!("0 for a method, -1 for none")
}
