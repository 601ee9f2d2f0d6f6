//! Events and errors (LoPAR 7.3.3), as far as a machine without any can tell.

use alloc::format;

use guest::verdict::Verdict;
use guest::{need, pass};

use super::ask::Bytes;
use super::{Check, check};
use crate::answer;
use crate::subject::Machine;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.3.1-8", "event-scan-few-logs", few_logs),
    check("R1-7.3.3.1-2", "event-scan-truncates", |machine| {
        truncates(machine, "event-scan", |log, length| {
            [u32::MAX, 0, log, length].into()
        })
    }),
    check("R1-7.3.3.2-3", "check-exception-truncates", |machine| {
        truncates(machine, "check-exception", |log, length| {
            [0x500, 0, u32::MAX, 0, log, length].into()
        })
    }),
    check("R1-7.3.3.2-6", "check-exception-no-class", no_class),
    check("R1-7.3.3.3-2", "rtas-last-error-truncates", |machine| {
        truncates(machine, "rtas-last-error", |log, length| {
            [log, length].into()
        })
    }),
    check("R1-7.3.3.3-3", "rtas-last-error-only-errors", only_errors),
];

fn few_logs(machine: &mut Machine) -> Verdict {
    let mut logs = 0;
    for _ in 0..16 {
        let log = Bytes::new(128, 0);
        let outcome = answer!(machine, "event-scan", &[u32::MAX, 0, log.address(), 128], 1);
        match outcome.status() {
            0 => logs += 1,
            1 => break,
            status => guest::fail!("status 0 or 1", "{status}"),
        }
    }
    need!(logs <= 2, "at most two logs after boot", "{logs}");
    pass!("{logs} logs, then none")
}

/// Calls with room for 0 to 64 bytes; what is stored stays inside, and is a log if it has a head.
fn truncates(
    machine: &mut Machine,
    name: &str,
    inputs: fn(u32, u32) -> alloc::vec::Vec<u32>,
) -> Verdict {
    let mut logs = 0;
    for room in [0u32, 1, 4, 8, 16, 64] {
        let buffer = Bytes::new(128, 0xee);
        let outcome = answer!(machine, name, &inputs(buffer.address(), room), 1);
        let (status, bytes) = (outcome.status(), buffer.bytes());
        need!((-1..=1).contains(&status), "status 0, 1 or -1", "{status}");
        let beyond = &bytes[room as usize..];
        need!(
            beyond.iter().all(|byte| *byte == 0xee) && buffer.guarded(),
            format!("at most {room} bytes written"),
            "{bytes:x?}"
        );
        if status == 0 {
            logs += 1;
            // The version of a log is its first byte (10.3.2.1.1): 6 is LoPAR's.
            need!(
                room == 0 || bytes[0] == 6,
                "a log of version 6",
                "{bytes:x?}"
            );
        }
    }
    pass!("nothing behind the room, {logs} logs")
}

fn no_class(machine: &mut Machine) -> Verdict {
    let log = Bytes::new(64, 0xee);
    let inputs = [0x500, 0, 0, 0, log.address(), 64];
    let outcome = answer!(machine, "check-exception", &inputs, 1);
    need!(
        outcome.status() == 1,
        "status 1 with an empty mask",
        "{}",
        outcome.status()
    );
    need!(
        log.guarded() && log.bytes() == [0xee; 64],
        "no byte written",
        "{:x?}",
        log.bytes()
    );
    pass!("status 1, nothing written")
}

fn only_errors(machine: &mut Machine) -> Verdict {
    // Whatever an earlier check left.
    for _ in 0..4 {
        let log = Bytes::new(64, 0);
        if answer!(machine, "rtas-last-error", &[log.address(), 64], 1).status() == 1 {
            break;
        }
    }
    for (name, inputs, outputs, status) in [
        ("get-time-of-day", [].as_slice(), 8, 0),
        ("get-sensor-state", &[0x7777, 0], 2, -3),
    ] {
        let made = answer!(machine, name, inputs, outputs).status();
        need!(made == status, format!("{status} of {name}"), "{made}");
        let log = Bytes::new(64, 0xee);
        let outcome = answer!(machine, "rtas-last-error", &[log.address(), 64], 1);
        need!(
            outcome.status() == 1 && log.bytes() == [0xee; 64],
            format!("no error after {name}"),
            "{}: {:x?}",
            outcome.status(),
            log.bytes()
        );
    }
    pass!("no error after statuses 0 and -3")
}
