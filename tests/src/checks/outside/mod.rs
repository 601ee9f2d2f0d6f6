//! What needs somebody outside: an event, a wakeup, a look at the console, at QEMU's messages and at
//! how the machine ends. The runner (`cargo xtask`) does what the lines of [`guest::runs`] ask it for,
//! and adds verdicts of its own on what only it can see.

mod epow;
mod plug;
mod suspend;
mod terminate;

use guest::runs::{HEARD, POWERS_OFF, QUIET, SHOWS, STILL_ON, shown};
use guest::verdict::Verdict;
use guest::{need, pass};

use super::ask::Bytes;
use super::{Check, check};
use crate::board::processor;
use crate::subject::Machine;
use crate::{answer, say};

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    // What came out, the runner sees.
    check("R1-7.3.5.3-13", "display-all-characters", show),
    check("R1-7.3.5.3-14", "display-quiet-calls", quiet),
    check("R1-7.3.3-1", "epow-by-one-call", epow::by_one_call),
    check("R1-7.3.3.2-3", "epow-log-cut", epow::cut),
    check("R1-7.3.3.2-4", "epow-log-critical", epow::critical),
    check("R1-7.3.3.2-5", "epow-first-and-once", epow::in_order),
    check("R1-7.3.3.2-6", "epow-not-in-the-mask", epow::not_in_mask),
    check("R1-7.3.5.5-1", "epow-sensor-tells-the-action", epow::sensor),
    check("R1-7.3.23-2", "suspend-and-wake", suspend::wakes),
    check("R1-7.3.23-6", "suspend-keeps-the-state", suspend::state),
    check(
        "R1-7.3.23-16",
        "suspend-keeps-display-and-tone",
        suspend::display,
    ),
    check(
        "R1-7.3.23-17",
        "suspend-keeps-which-parameters",
        suspend::support,
    ),
    check(
        "R1-7.3.23-18",
        "suspend-keeps-parameters",
        suspend::parameters,
    ),
    check("R1-7.3.23-11", "suspend-disables-queues", suspend::queues),
    check("R1-7.3.23-12", "suspend-enable-queue", suspend::enables),
    check(
        "R1-7.3.23-13",
        "suspend-known-to-adapters",
        suspend::transport,
    ),
    check("R1-7.3.23-19", "suspend-keeps-segments", suspend::segments),
    check("R1-13.5.3.5-1", "plug-configures", plug::configures),
    check("R1-13.5.3.4-3", "plug-isolation-completes", plug::completes),
    check("R1-13.5.3.4-7", "plug-memory-usable", plug::maps),
    check(
        "R1-7.3.10.5.1-11",
        "plug-msis-released",
        plug::releases_msis,
    ),
    check("R1-7.3.9.1-1", "os-term-takes-a-string", terminate::takes),
    check(
        "R1-7.3.9.1-3",
        "os-term-in-a-handler",
        terminate::in_handler,
    ),
    check("R1-7.3.9.1-5", "os-term-returns", terminate::returns),
];

/// Seconds after which whoever is outside counts as gone.
const PATIENCE: u64 = 20;

fn show(machine: &mut Machine) -> Verdict {
    let Some(rtas) = machine.rtas else {
        guest::skip!("no instance of RTAS")
    };
    let word = rtas.width.suffix();
    say!("{SHOWS}{word}");
    let text = shown(word);
    for letter in text.bytes() {
        let status = answer!(machine, "display-character", &[letter.into()], 1).status();
        need!(
            status == 0,
            alloc::format!("status 0 of {letter:#x}"),
            "{status}"
        );
    }
    pass!("{} characters, each with status 0", text.len())
}

/// Calls of all kinds, right and wrong ones: what came out meanwhile, the runner sees.
fn quiet(machine: &mut Machine) -> Verdict {
    let Some(rtas) = machine.rtas else {
        guest::skip!("no instance of RTAS")
    };
    let data = Bytes::new(64, 0);
    let at = data.address();
    let source = machine.sources.first().copied().unwrap_or(0);
    let calls: [(&str, &[u32], usize); 16] = [
        ("get-time-of-day", &[], 8),
        ("query-cpu-stopped-state", &[0], 2),
        ("ibm,get-xive", &[source], 3),
        ("ibm,get-xive", &[0x7777_7777], 3),
        ("ibm,int-off", &[source], 1),
        ("nvram-fetch", &[0, at, 16], 2),
        ("nvram-fetch", &[0x7777_7777, at, 16], 2),
        ("ibm,get-system-parameter", &[20, at, 64], 1),
        ("get-sensor-state", &[0x7777, 0], 2),
        ("set-indicator", &[0x7777, 0, 0], 1),
        ("ibm,read-pci-config", &[0x7777_7700, 0, 0, 4], 2),
        ("check-exception", &[0x500, source, 0, 0, at, 64], 1),
        ("event-scan", &[0, 0, at, 64], 1),
        ("start-cpu", &[0x7777, 0, 0], 1),
        ("rtas-last-error", &[at, 64], 1),
        ("ibm,get-vpd", &[at, at, 64, 1], 3),
    ];
    let word = rtas.width.suffix();
    say!("{QUIET}{word}");
    let mut made = 0;
    for (name, inputs, outputs) in calls {
        if machine.token(name).is_some() {
            answer!(machine, name, inputs, outputs);
            made += 1;
        }
    }
    rtas.status(machine.gate, 0x1fff, &[], 1);
    say!("{HEARD}{word}");
    pass!("{made} calls, and one of no function")
}

/// Ends the run by power-off of the RTAS under test. Returns if that did not work.
pub fn power_off(machine: &mut Machine) {
    let (Some(rtas), Some(token)) = (machine.rtas, machine.token("power-off")) else {
        return;
    };
    say!("{POWERS_OFF}");
    // On-state 0: LoPAR 7.3.6.3, no power-on by an event.
    let status = rtas.status(machine.gate, token, &[0, 0], 1);
    // The machine is off soon after, not at once.
    processor::wait(PATIENCE, || false);
    say!("{STILL_ON}, status {status}");
}
