//! A processor that comes and goes while the machine runs.

use super::{Ended, Qmp, Session, removal};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::time::Duration;

/// What the guest says when the processor may be taken away.
const LEAVES: &str = "await-remove";
/// How long QEMU may take to be gone after it has closed its sockets.
const DYING: Duration = Duration::from_secs(10);

/// Makes a run to its end in which a processor comes and goes, in a session that `start` makes: how it
/// ended, and a remark for the report.
pub fn run(mut start: impl FnMut() -> Result<Session>) -> Result<(Ended, String)> {
    removal::outlive(LEAVES, || {
        let mut session = start()?;
        let mut qmp = session.qmp()?;
        match add_and_remove(&mut session, &mut qmp) {
            Err(error) if !session.ends_within(DYING) => Err(error),
            _ => session.finish(),
        }
    })
}

/// Adds a processor when the guest asks for it, by `PHASE await-add`, and takes it away again at
/// `PHASE await-remove`.
pub fn add_and_remove(session: &mut Session, qmp: &mut Qmp) -> Result<()> {
    session.wait_for(&["OXRTAS-PHASE await-add"])?;
    let mut arguments = free_slot(qmp)?;
    if let Some(fields) = arguments.as_object_mut() {
        fields.insert("id".to_owned(), json!("added"));
    }
    qmp.execute("device_add", arguments)?;
    session.wait_for(&["OXRTAS-PHASE await-remove"])?;
    qmp.execute("device_del", json!({ "id": "added" }))?;
    qmp.wait_event("DEVICE_DELETED")?;
    Ok(())
}

/// Driver and place of a processor that is not there yet, as `device_add` takes them.
fn free_slot(qmp: &mut Qmp) -> Result<Value> {
    let slots = qmp.execute("query-hotpluggable-cpus", json!({}))?;
    let slots = slots.as_array().context("QEMU lists no processors")?;
    let core = |slot: &&Value| slot.pointer("/props/core-id").and_then(Value::as_u64);
    let slot = slots
        .iter()
        .filter(|slot| slot.get("qom-path").is_none())
        .min_by_key(core)
        .context("there is no room for another processor")?;
    let mut arguments = slot
        .get("props")
        .context("a place without numbers")?
        .clone();
    if let Some(fields) = arguments.as_object_mut() {
        let driver = slot.get("type").context("a place without a driver")?;
        fields.insert("driver".to_owned(), driver.clone());
    }
    Ok(arguments)
}
