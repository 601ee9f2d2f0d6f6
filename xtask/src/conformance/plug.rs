//! A PCI device that comes and goes while the guest asks for it.

use crate::qemu::{Session, Stay, come_and_go};
use anyhow::Result;
use conformance_guest::runs::{LAST_LINE, PLUG, PLUGGED};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A device with MSI, in the slot that the guest knows.
const DEVICE: (&str, &str) = ("nec-usb-xhci", "0");

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
            let visitor = scope.spawn(|| come_and_go(qmp, &stop, DEVICE.0, DEVICE.1, Stay::Short));
            let waited = session.wait_for(&[PLUGGED]);
            stop.store(true, Ordering::Relaxed);
            // Joining fails for a thread that panicked only.
            removed += visitor.join().unwrap_or(0);
            waited
        });
        waited?;
    }
}
