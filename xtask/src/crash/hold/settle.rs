//! Letting QEMU's own threads come to rest while the machine is stopped.
//!
//! A stop at a breakpoint leaves work to the thread of the processor that stopped: it throws all
//! translated code away, for which every other processor has to be outside (QEMU 7.2
//! gdbstub/gdbstub.c:`gdb_vm_state_change()`, `tb_flush()`; cpus-common.c:`start_exclusive()`). A
//! processor that sends system resets is not outside: it waits for each of the others to take one, in
//! the order of what they have to do (hw/ppc/spapr_hcall.c:`h_signal_sys_reset()`, `run_on_cpu()`).
//! Where the host is so busy that the victim's thread comes to its work only then, the two wait for
//! each other for ever, and QEMU for both as soon as it is asked to stop: "the machine does not stop".

use super::Run;
use crate::qemu::Qmp;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long it may take, on a host however busy.
const LIMIT: Duration = Duration::from_secs(60);
/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(10);
/// Looks in a row at which all sleep: one that waits for QEMU's lock sleeps, too, for less than that.
const LOOKS: usize = 3;
/// What `/proc/TID/stat` calls a thread that waits for something.
const SLEEPING: char = 'S';

impl Run<'_> {
    /// Waits until the threads of all processors have nothing more to do. The machine is stopped.
    pub(super) fn settle(&mut self) -> Result<()> {
        let threads = threads(self.qmp)?;
        let limit = Instant::now() + LIMIT;
        let mut asleep = 0;
        while asleep < LOOKS {
            if Instant::now() > limit {
                bail!("the threads of QEMU do not come to rest while the machine is stopped");
            }
            sleep(INTERVAL);
            let states: Result<Vec<char>> = threads.iter().copied().map(state).collect();
            asleep = match states?.iter().all(|state| *state == SLEEPING) {
                true => asleep + 1,
                false => 0,
            };
        }
        Ok(())
    }
}

/// The host's thread of each processor.
fn threads(qmp: &mut Qmp) -> Result<Vec<u64>> {
    let answer = qmp.execute("query-cpus-fast", json!({}))?;
    let processors = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let threads = processors
        .iter()
        .map(|processor| processor.get("thread-id").and_then(Value::as_u64));
    let threads: Option<Vec<u64>> = threads.collect();
    threads
        .filter(|threads| !threads.is_empty())
        .with_context(|| format!("query-cpus-fast names no threads: {answer}"))
}

/// What thread `number` of the host is at.
fn state(number: u64) -> Result<char> {
    let path = format!("/proc/{number}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    parse(&text).with_context(|| format!("{path} tells no state: {text:?}"))
}

/// The state in `/proc/TID/stat`: behind the name, which may hold anything (proc(5)).
fn parse(text: &str) -> Option<char> {
    let (_, rest) = text.rsplit_once(')')?;
    rest.trim_start().chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_thread_is_behind_its_name() {
        assert_eq!(parse("4711 (qemu-system-ppc) S 1 2 3"), Some('S'));
        assert_eq!(parse("4711 (CPU 0) S (x) R 1 2 3"), Some('R'));
        assert_eq!(parse("4711"), None);
        // Whoever asks is running.
        let own = fs::read_to_string("/proc/thread-self/stat").unwrap();
        assert_eq!(parse(&own), Some('R'));
    }
}
