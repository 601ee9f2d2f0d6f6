//! Migrating a machine whose processors are held: to a file, and from there into a second QEMU, in
//! which the same ones are held before the others run.

use super::{Run, Victim, name, thread};
use crate::gdb::{Stub, Thread};
use crate::paths;
use crate::qemu::{Machine, Qmp};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long each side may take. Little of the memory is in use.
const LIMIT: Duration = Duration::from_secs(120);
/// How long gdb may be connected to the second QEMU.
const GDB_LIMIT: Duration = Duration::from_secs(600);
/// Time between two questions.
const INTERVAL: Duration = Duration::from_millis(100);

/// What the second QEMU is started with.
#[derive(Clone, Copy, Debug)]
pub struct Migration<'a> {
    /// The machine, as the first one was started.
    pub machine: &'a Machine,
    /// The name of the run, for its log.
    pub name: &'a str,
}

impl Run<'_> {
    /// Goes on in a second QEMU. All processors are stopped there, where the first one had them.
    pub(super) fn migrate(
        &mut self,
        migration: Migration<'_>,
        stopped: &[Thread],
        victims: &[Victim],
    ) -> Result<()> {
        // A machine that has stopped for gdb is in a state in which none can begin (QEMU
        // softmmu/runstate.c:runstate_transitions_def); one that was interrupted is just paused.
        let mut others = self.gdb.threads().iter().copied();
        let other = others.find(|thread| !stopped.contains(thread));
        let other = other.context("every processor is held")?;
        let all = self.gdb.threads().to_vec();
        let held = all.into_iter().filter(|thread| *thread != other);
        self.gdb.resume_but(held)?;
        self.gdb.interrupt()?;

        let directory = paths::target_directory("qemu-runs")?;
        let file = tempfile::NamedTempFile::new_in(directory)?;
        let path = file.path().display();
        let uri = format!("exec:cat > '{path}'");
        self.qmp.execute("migrate", json!({ "uri": uri }))?;
        wait(
            self.qmp,
            "query-migrate",
            "completed",
            &["failed", "cancelled"],
        )?;

        let stub = Stub::new()?;
        let mut machine = migration.machine.clone();
        let incoming = format!("exec:cat '{path}'");
        let words = ["-S", "-incoming", &incoming].map(str::to_owned);
        machine.extra.extend(words);
        machine.extra.extend(stub.arguments());
        let name = format!("{}-incoming", migration.name);
        self.session.continue_in(&machine, &name)?;
        *self.qmp = self.session.qmp()?;
        wait(self.qmp, "query-status", "paused", &["running"])?;
        *self.gdb = stub.connect(Instant::now() + GDB_LIMIT)?;
        self.compare(victims)
    }

    /// Checks that `victims` have the registers that they had before.
    fn compare(&mut self, victims: &[Victim]) -> Result<()> {
        for victim in victims {
            let thread = thread(victim.processor);
            let registers = self.gdb.all_registers(thread)?;
            if registers != victim.registers {
                bail!(
                    "{} is at {:#x} after the migration and was at {:#x}",
                    name(thread),
                    registers.instruction,
                    victim.registers.instruction
                );
            }
        }
        Ok(())
    }
}

/// Waits until the status that `command` answers is `wanted`; none of `refused` may come.
fn wait(qmp: &mut Qmp, command: &str, wanted: &str, refused: &[&str]) -> Result<()> {
    let limit = Instant::now() + LIMIT;
    loop {
        let answer = qmp.execute(command, json!({}))?;
        let status = answer.get("status").and_then(Value::as_str);
        let status = status.unwrap_or_default();
        if status == wanted {
            return Ok(());
        }
        if refused.contains(&status) || Instant::now() > limit {
            bail!("the migration: {command} answers {answer}");
        }
        sleep(INTERVAL);
    }
}
