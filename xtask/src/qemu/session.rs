//! One run of a machine: its console is read while it runs, it has a deadline, and a log is kept.

use super::console::{Console, Line, Seen};
use super::machine::Machine;
use super::qmp::Qmp;
use crate::error::WithHint;
use crate::guest::Transcript;
use crate::{paths, process};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A machine that is running. It is killed when this is dropped.
#[derive(Debug)]
pub struct Session {
    child: Child,
    console: Console,
    errors: Console,
    readers: Vec<JoinHandle<()>>,
    cursor: usize,
    started: Instant,
    deadline: Instant,
    /// Lines of machines that this one continues.
    earlier: Vec<Line>,
    forbidden: Vec<&'static str>,
    log: PathBuf,
    /// Where the QMP socket is: short, since a socket's path may have 108 bytes only.
    sockets: TempDir,
}

/// What is left of a run.
#[derive(Debug)]
pub struct Ended {
    /// How QEMU ended.
    pub status: ExitStatus,
    /// All lines of the console.
    pub lines: Vec<Line>,
    /// The console's bytes, without those of machines that this one continued.
    pub console: Vec<u8>,
    /// What QEMU itself said.
    pub errors: Vec<String>,
    /// How long it ran.
    pub duration: Duration,
    /// The log of the run.
    pub log: PathBuf,
}

impl Ended {
    /// What the guest's scripts said.
    pub fn transcript(&self) -> Transcript {
        let mut transcript = Transcript::default();
        for line in &self.lines {
            transcript.push(line.at, &line.text);
        }
        transcript
    }
}

impl Session {
    /// Starts `machine`. Its console goes to `target/qemu-runs/NAME.log`; it may run for `limit`.
    pub fn start(machine: &Machine, name: &str, limit: Duration) -> Result<Self> {
        let started = Instant::now();
        Self::launch(machine, name, started, started + limit, false)
    }

    /// Like [`Session::start`]; the console is also copied to standard output as it comes.
    pub fn start_shown(machine: &Machine, name: &str, limit: Duration) -> Result<Self> {
        let started = Instant::now();
        Self::launch(machine, name, started, started + limit, true)
    }

    /// Goes on with `machine`, which continues what the one before did until now; that one is ended.
    /// Lines, times and the deadline go on. The log is one of its own, called `name`.
    pub fn continue_in(&mut self, machine: &Machine, name: &str) -> Result<()> {
        let mut next = Self::launch(machine, name, self.started, self.deadline, false)?;
        next.earlier = self.lines();
        next.forbidden.clone_from(&self.forbidden);
        *self = next;
        Ok(())
    }

    fn launch(
        machine: &Machine,
        name: &str,
        started: Instant,
        deadline: Instant,
        shown: bool,
    ) -> Result<Self> {
        let file = name.replace(
            |c: char| !(c.is_ascii_alphanumeric() || "-_.,".contains(c)),
            "_",
        );
        let log = paths::target_directory("qemu-runs")?.join(format!("{file}.log"));
        let sockets = tempfile::Builder::new().prefix("oxrtas-").tempdir()?;
        let socket = sockets.path().join("qmp");
        let qmp = format!("unix:{},server=on,wait=off", socket.display());
        let mut command = machine.command(&["-serial", "stdio", "-monitor", "none", "-qmp", &qmp]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut file = File::create(&log)
            .with_context(|| format!("cannot create the log {}", log.display()))?;
        writeln!(file, "# {}", process::show(&command))?;
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot run {}", machine.emulator.path().display()))
            .hint("`cargo xtask setup` installs QEMU (package qemu-system-ppc)")?;
        let (console, errors) = (Console::new(started), Console::new(started));
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(reader(stdout, console.clone(), file.try_clone()?, shown));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(reader(stderr, errors.clone(), file, false));
        }
        Ok(Self {
            child,
            console,
            errors,
            readers,
            cursor: 0,
            started,
            deadline,
            earlier: Vec::new(),
            forbidden: Vec::new(),
            log,
            sockets,
        })
    }

    /// Patterns that end every later wait with an error when a line of the console holds one.
    pub fn forbid(&mut self, patterns: &[&'static str]) {
        self.forbidden.extend_from_slice(patterns);
    }

    /// The log of the run.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The lines printed so far.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = self.earlier.clone();
        lines.extend(self.console.lines());
        lines
    }

    /// Waits for a line that holds one of `wanted`: its index and the line. Lines up to it are not
    /// looked at again. The end of QEMU, the deadline and a forbidden line are errors.
    pub fn wait_for(&mut self, wanted: &[&str]) -> Result<(usize, String)> {
        match self.wait_until(wanted, self.deadline) {
            Seen::Wanted(index, line) => Ok((index, line)),
            Seen::Forbidden(line) => self.fail(&format!("the console shows: {line}")),
            Seen::End => self.fail(&format!("QEMU ended before the console showed {wanted:?}")),
            Seen::Deadline => self.fail(&format!(
                "the console did not show {wanted:?} within {} s",
                (self.deadline - self.started).as_secs()
            )),
        }
    }

    /// Like [`Session::wait_for`] with a deadline of its own, for waits that may well end without
    /// the line.
    pub fn wait_until(&mut self, wanted: &[&str], deadline: Instant) -> Seen {
        let deadline = deadline.min(self.deadline);
        self.console
            .wait(&mut self.cursor, wanted, &self.forbidden, deadline)
    }

    /// How many lines of what QEMU itself said hold `wanted`.
    pub fn count_errors(&self, wanted: &str) -> usize {
        let lines = texts(&self.errors);
        lines.iter().filter(|line| line.contains(wanted)).count()
    }

    /// Waits for a line that holds `wanted`, for `limit` from now.
    pub fn wait_for_within(&mut self, wanted: &str, limit: Duration) -> Result<String> {
        match self.wait_until(&[wanted], Instant::now() + limit) {
            Seen::Wanted(_, line) => Ok(line),
            Seen::Forbidden(line) => self.fail(&format!("the console shows: {line}")),
            Seen::End => self.fail(&format!("QEMU ended before the console showed {wanted:?}")),
            Seen::Deadline => self.fail(&format!(
                "the console did not show {wanted:?} within {} s",
                limit.as_secs()
            )),
        }
    }

    /// Whether QEMU has ended by itself, or does so within `limit`. What it prints until then is passed
    /// over by later waits.
    pub fn ends_within(&mut self, limit: Duration) -> bool {
        self.wait_until(&[], Instant::now() + limit) == Seen::End
    }

    /// Connects to QEMU's control socket. One connection at a time.
    pub fn qmp(&self) -> Result<Qmp> {
        Qmp::connect(&self.sockets.path().join("qmp"), self.deadline)
    }

    /// When the run has to be over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Waits for QEMU to end by itself.
    pub fn finish(mut self) -> Result<Ended> {
        loop {
            // The rest of the console, forbidden lines included.
            match self.wait_until(&[], self.deadline) {
                Seen::Forbidden(line) => return self.fail(&format!("the console shows: {line}")),
                Seen::Deadline => {
                    let seconds = (self.deadline - self.started).as_secs();
                    return self.fail(&format!("QEMU was still running after {seconds} s"));
                }
                Seen::End => break,
                Seen::Wanted(..) => (),
            }
        }
        let status = self.child.wait().context("cannot wait for QEMU")?;
        for reader in self.readers.drain(..) {
            // A reader does nothing that panics; what it read is in the console either way.
            let _ = reader.join();
        }
        Ok(Ended {
            status,
            lines: self.lines(),
            console: self.console.bytes(),
            errors: texts(&self.errors),
            duration: self.started.elapsed(),
            log: self.log.clone(),
        })
    }

    /// An error that shows the end of the console.
    fn fail<T>(&self, reason: &str) -> Result<T> {
        let mut lines = texts(&self.console);
        let errors = texts(&self.errors);
        lines.extend(errors.iter().map(|line| format!("qemu: {line}")));
        bail!(
            "{reason}\n{}\n  log: {}",
            process::tail(&lines.join("\n")),
            self.log.display()
        )
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Either may fail because QEMU has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn texts(console: &Console) -> Vec<String> {
    let lines = console.lines().into_iter();
    lines.map(|line| line.text).collect()
}

/// Copies everything from `source` to the console and to the log until it ends.
fn reader(
    mut source: impl Read + Send + 'static,
    console: Console,
    mut log: File,
    shown: bool,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = source.read(&mut buffer) {
            let bytes = buffer.get(..count).unwrap_or_default();
            // A full disk must not stop the machine; what is waited for is in the console.
            let _ = log.write_all(bytes);
            if shown {
                let mut output = std::io::stdout().lock();
                let _ = output.write_all(bytes).and_then(|()| output.flush());
            }
            console.push(bytes);
        }
        console.end();
    })
}

#[cfg(test)]
mod tests {
    use super::super::binary::Emulator;
    use super::super::machine::{Firmware, Machine};
    use super::*;
    use crate::cli::IcMode;
    use std::os::unix::fs::PermissionsExt;

    /// A session of a script that stands in for QEMU.
    fn session(name: &str, script: &str, limit: Duration) -> (TempDir, Session) {
        let directory = tempfile::tempdir().unwrap();
        let binary = directory.path().join("qemu");
        std::fs::write(&binary, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
        let machine = Machine {
            emulator: Emulator::at(binary),
            firmware: Firmware::Slof,
            kernel: None,
            initramfs: None,
            append: String::new(),
            cpu: "power9".to_owned(),
            ic_mode: IcMode::Dual,
            smp: "1".to_owned(),
            memory: "1G".to_owned(),
            devices: Vec::new(),
            gdb: None,
            no_reboot: true,
            extra: Vec::new(),
        };
        let session = Session::start(&machine, &format!("self-test-{name}"), limit).unwrap();
        (directory, session)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn output_is_drained_while_the_machine_runs() {
        // More than a pipe holds, on both outputs, before the line that is waited for.
        let script = "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; \
                      echo 0123456789012345678901234567890123456789 >&2; i=$((i+1)); done; echo ready";
        let (_kept, mut session) = session("drain", script, LONG);
        session.wait_for(&["ready"]).unwrap();
        let ended = session.finish().unwrap();
        assert_eq!((ended.lines.len(), ended.errors.len()), (3001, 3000));
        assert!(ended.status.success());
    }

    #[test]
    fn a_machine_that_ends_too_early_is_an_error_with_the_end_of_its_console() {
        let (_kept, mut session) = session("early", "echo last words; echo refused >&2", LONG);
        let error = format!("{:#}", session.wait_for(&["ready"]).unwrap_err());
        assert!(error.contains("last words"), "{error}");
    }

    #[test]
    fn a_machine_that_runs_on_is_stopped_at_its_deadline() {
        let (_kept, session) = session("hang", "echo up; exec sleep 1000", Duration::from_secs(1));
        let error = format!("{:#}", session.finish().unwrap_err());
        assert!(error.contains("still running"), "{error}");
    }

    #[test]
    fn a_forbidden_line_fails_the_run() {
        let (_kept, mut session) =
            session("forbidden", "echo fine; echo Oops: 1; echo ready", LONG);
        session.forbid(&["Oops"]);
        let error = format!("{:#}", session.wait_for(&["ready"]).unwrap_err());
        assert!(error.contains("Oops: 1"), "{error}");
    }
}
