//! A PCI device that comes and goes while the guest runs. Not a processor: QEMU 7.2 dies of that
//! under emulation (docs/findings.md).

use crate::qemu::{Qmp, Session};
use anyhow::Result;
use conformance_guest::runs::{LAST_LINE, PLUG, PLUGGED};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How long the device stays, and how long a request to remove it is waited for.
const STAY: Duration = Duration::from_millis(30);
/// The name of the device.
const ID: &str = "visitor";

/// Adds a device and removes it while the guest asks for it, until its last line: how often the device
/// was gone again.
pub fn while_asked(session: &mut Session) -> Result<u32> {
    let mut removed = 0;
    loop {
        if session.wait_for(&[PLUG, LAST_LINE])?.0 == 1 {
            return Ok(removed);
        }
        let stop = AtomicBool::new(false);
        let qmp = session.qmp()?;
        let waited = thread::scope(|scope| {
            let visitor = scope.spawn(|| come_and_go(qmp, &stop));
            let waited = session.wait_for(&[PLUGGED]);
            stop.store(true, Ordering::Relaxed);
            // Joining fails for a thread that panicked only.
            removed += visitor.join().unwrap_or(0);
            waited
        });
        waited?;
    }
}

/// What QEMU refuses, since the guest has not yet done its part, is asked for again.
fn come_and_go(mut qmp: Qmp, stop: &AtomicBool) -> u32 {
    let (mut removed, mut there) = (0, false);
    while !stop.load(Ordering::Relaxed) {
        // An error means that QEMU has ended.
        let Ok(now) = is_there(&mut qmp) else {
            break;
        };
        if there && !now {
            removed += 1;
        }
        there = now;
        // What came of it, the next look shows.
        let _ = if there {
            // An unplug that the guest cancelled, by configuring the connector, is asked for anew.
            qmp.execute("device_del", json!({ "id": ID }))
        } else {
            // A device with MSI, in the slot that the guest knows.
            let slot = json!({ "driver": "nec-usb-xhci", "id": ID, "bus": "pci.0", "addr": "0" });
            qmp.execute("device_add", slot)
        };
        thread::sleep(STAY);
    }
    removed
}

fn is_there(qmp: &mut Qmp) -> Result<bool> {
    let path = json!({ "path": "/machine/peripheral" });
    let listed = qmp.execute("qom-list", path)?;
    let names = listed.as_array().into_iter().flatten();
    let mut names = names.filter_map(|entry| entry.get("name"));
    Ok(names.any(|name| name.as_str() == Some(ID)))
}
