//! A PCI device that comes and goes while the guest runs. Not a processor: QEMU 7.2 dies of that
//! under emulation (docs/findings.md).

use super::Qmp;
use anyhow::Result;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the device stays, and how long a request to remove it is waited for.
const STAY: Duration = Duration::from_millis(30);
/// The name of the device.
const ID: &str = "visitor";

/// How long the device stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// It may be gone before the guest has looked.
    Short,
    /// Until the guest has turned on its memory: it has then been taken in, and each event is for
    /// something that is so when it is read.
    UntilTakenIn,
}

/// Adds a device of `driver` in slot `slot` and removes it until `stop`, or QEMU's end: how often it
/// was gone again. What QEMU refuses, since the guest has not yet done its part, is asked for again.
pub fn come_and_go(mut qmp: Qmp, stop: &AtomicBool, driver: &str, slot: &str, stay: Stay) -> u32 {
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
            if stay == Stay::UntilTakenIn && !matches!(is_taken_in(&mut qmp), Ok(true)) {
                thread::sleep(STAY);
                continue;
            }
            // An unplug that the guest cancelled, by configuring the connector, is asked for anew.
            qmp.execute("device_del", json!({ "id": ID }))
        } else {
            // Without a boot ROM, which is not installed for every device.
            let device = json!({
                "driver": driver, "id": ID, "bus": "pci.0", "addr": slot, "romfile": ""
            });
            qmp.execute("device_add", device)
        };
        thread::sleep(STAY);
    }
    removed
}

fn is_there(qmp: &mut Qmp) -> Result<bool> {
    let path = json!({ "path": "/machine/peripheral" });
    let listed = qmp.execute("qom-list", path)?;
    let names = listed.as_array().into_iter().flatten();
    let mut names = names.filter_map(|entry| entry.get("name").and_then(Value::as_str));
    Ok(names.any(|name| name == ID))
}

/// Whether the guest has turned on the memory of the device.
fn is_taken_in(qmp: &mut Qmp) -> Result<bool> {
    Ok(has_memory_on(&qmp.execute("query-pci", json!({}))?, ID))
}

/// Whether one of the regions of the device `id` has an address, in the answer to `query-pci`: QEMU
/// says -1 for one that is turned off (hw/pci/pci.c:pci_bar_address).
fn has_memory_on(answer: &Value, id: &str) -> bool {
    let buses = answer.as_array().into_iter().flatten();
    let devices = buses.filter_map(|bus| bus.get("devices")?.as_array());
    let mut devices = devices.flatten();
    let named = |device: &&Value| device.get("qdev_id").and_then(Value::as_str) == Some(id);
    let regions = devices.find(named).and_then(|device| device.get("regions"));
    let regions = regions.and_then(Value::as_array).into_iter().flatten();
    let mut addresses = regions.filter_map(|region| region.get("address")?.as_i64());
    addresses.any(|address| address != -1)
}

/// A control socket of its own, for a machine whose other one is in use.
#[derive(Debug)]
pub struct Door {
    // A socket's path may have 108 bytes only, so it is not in the target directory.
    directory: TempDir,
    stay: Stay,
}

impl Door {
    /// A new place, for a device that stays so long each time.
    pub fn new(stay: Stay) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("oxrtas-").tempdir()?;
        Ok(Self { directory, stay })
    }

    /// What makes QEMU listen there.
    pub fn arguments(&self) -> [String; 2] {
        let path = self.directory.path().join("qmp");
        let words = format!("unix:{},server=on,wait=off", path.display());
        ["-qmp".to_owned(), words]
    }

    /// Lets a device come and go from now on, until `deadline` at the latest.
    pub fn open(
        self,
        deadline: Instant,
        driver: &'static str,
        slot: &'static str,
    ) -> Result<Visits> {
        let qmp = Qmp::connect(&self.directory.path().join("qmp"), deadline)?;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let stay = self.stay;
        let visitor = thread::spawn(move || come_and_go(qmp, &seen, driver, slot, stay));
        Ok(Visits { stop, visitor })
    }
}

/// A device that comes and goes.
#[derive(Debug)]
pub struct Visits {
    /// Protects: nothing but itself: whether the thread shall end; false at first.
    /// Holder: whoever has this sets it, once; the thread reads it.
    /// Order: relaxed; joining orders.
    /// Holder dies: the thread ends with QEMU.
    stop: Arc<AtomicBool>,
    visitor: JoinHandle<u32>,
}

impl Visits {
    /// Ends it: how often the device was gone again.
    pub fn finish(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        // Joining fails for a thread that panicked only.
        self.visitor.join().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_taken_in_once_one_of_its_regions_has_an_address() {
        let bus = |address: i64, name: &str| {
            let regions = json!([{ "bar": 1, "address": -1 }, { "bar": 4, "address": address }]);
            json!([
                { "bus": 0, "devices": [
                    { "qdev_id": "", "regions": [{ "bar": 0, "address": 4096 }] },
                    { "qdev_id": name, "regions": regions },
                ] },
            ])
        };
        assert!(has_memory_on(&bus(0x2000_8000, ID), ID));
        assert!(!has_memory_on(&bus(-1, ID), ID));
        assert!(!has_memory_on(&bus(0x2000_8000, "other"), ID));
        assert!(!has_memory_on(&json!(null), ID));
    }
}
