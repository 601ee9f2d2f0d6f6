//! Migrating a machine whose processors are held: to a file, and from there into a second QEMU, in
//! which the same ones are held before the others run.

use super::super::victims::differences;
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

/// MSR[ME].
const MACHINE_CHECK: u64 = 0x1000;

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
        victims: &mut [Victim],
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

    /// Checks that `victims` have the registers that they had before, and takes the new ones.
    fn compare(&mut self, victims: &mut [Victim]) -> Result<()> {
        for victim in victims {
            let thread = thread(victim.processor);
            let registers = self.gdb.all_registers(thread)?;
            let mut expected = victim.registers.clone();
            expected.machine_state = lost(expected.machine_state, registers.machine_state);
            let different = differences(&expected, &registers);
            if !different.is_empty() {
                bail!(
                    "{} after the migration: {}",
                    name(thread),
                    different.join(", ")
                );
            }
            victim.registers = registers;
        }
        Ok(())
    }
}

/// `before`, but for MSR[ME] as it is `after`: QEMU 10.0 loses that in every migration of a processor
/// without hypervisor state. post_load_update_msr() turns all bits over and stores the old value, and
/// hreg_store_msr() ignores this one (target/ppc/machine.c, target/ppc/helper_regs.c); 7.2 does not.
fn lost(before: u64, after: u64) -> u64 {
    before & !MACHINE_CHECK | after & MACHINE_CHECK
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_may_lose_the_machine_check_bit_and_no_other() {
        let (before, after) = (0x8000_0000_0000_1002, 0x8000_0000_0000_0002);
        assert_eq!(lost(before, after), after);
        assert_eq!(lost(before, before), before);
        assert_ne!(lost(before, after & !2), after & !2);
        assert_ne!(lost(before, 2), 2);
    }
}
