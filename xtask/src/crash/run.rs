//! One run of a scenario: the machine is started, watched until the kdump kernel has powered off,
//! and judged.

use super::backtrace::Backtrace;
use super::exit;
use super::hold::{self, Observed, Verdict};
use super::log::CrashLog;
use super::notes::Notes;
use super::scenario::{Fate, Hold, Outcome, Scenario};
use super::symbols::Symbols;
use super::timeline::{Point, Timeline};
use crate::gdb::Gdb;
use crate::guest::{Expectation, Mode, Transcript};
use crate::qemu::{Machine, Seen, Session};
use anyhow::Result;
use serde::Serialize;
use std::time::{Duration, Instant};

/// What came of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The scenario's description.
    pub description: &'static str,
    /// What was to come of it.
    pub expected: String,
    /// What is wrong; nothing if the run passed.
    pub failures: Vec<String>,
    /// The points that it reached.
    pub timeline: Vec<Point>,
    /// The last point that it reached.
    pub last: &'static str,
    /// Seconds from the crash to the first line of the kdump kernel.
    pub crash_seconds: Option<f64>,
    /// Seconds of the whole run.
    pub seconds: f64,
    /// NT_PRSTATUS notes in the dump.
    pub notes: usize,
    /// The panic line of the dead kernel.
    pub panic: Option<String>,
    /// What QEMU said of its end.
    pub events: Vec<String>,
    /// Where all processors were, if the crashed kernel was never left.
    pub backtraces: Vec<Backtrace>,
    /// The end of the console, for a run that failed.
    pub console: Vec<String>,
    /// The log with everything.
    pub log: String,
}

impl Run {
    /// Whether what was expected has come.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Lines of the console that a failed run shows.
const CONSOLE_LINES: usize = 30;

/// Runs `scenario` on `machine`, which [`super::machine`] made for it. `symbols` are those of its
/// kernel.
pub fn run(
    scenario: &Scenario,
    machine: &Machine,
    symbols: &Symbols,
    name: &str,
    expected: Outcome,
) -> Result<Run> {
    let limit = Duration::from_secs(scenario.limit_seconds);
    let mut failures = Vec::new();
    // What a processor that is held is held by, to the end of the run.
    let mut gdb = None;
    let mut observed = None;
    let (mut session, control) = match scenario.hold {
        None => {
            let session = Session::start(machine, name, limit)?;
            let control = session.qmp()?;
            (session, control)
        }
        Some(hold) => {
            let (mut session, mut stub) = start_with_gdb(machine, name, limit)?;
            let control = session.qmp()?;
            let crash = scenario.crash;
            match hold::Crash::new(&mut session, &mut stub, symbols, hold, crash).run() {
                Ok(seen) => observed = Some(seen),
                Err(error) => failures.push(format!("{error:#}")),
            }
            gdb = Some(stub);
            (session, control)
        }
    };
    let left = match (&scenario.hold, &observed) {
        (Some(_), Some(observed)) => matches!(observed.verdict, Verdict::Left | Verdict::Ended),
        (Some(_), None) => false,
        (None, _) => true,
    };
    // The kdump kernel powers off, a kernel that cannot kdump resets: both end QEMU.
    let mut events = Vec::new();
    if left {
        if session.wait_until(&[], Instant::now() + limit) == Seen::Deadline {
            failures.push(format!("still running after {} s", limit.as_secs()));
        } else {
            events = exit::events(&control.rest());
        }
    }
    drop(gdb);
    let lines = session.lines();
    let mut timeline = Timeline::default();
    let mut transcript = Transcript::default();
    for line in &lines {
        timeline.push(line.at, &line.text);
        transcript.push(line.at, &line.text);
    }
    let points = observed.as_ref().map(|seen| seen.points.as_slice());
    for &(name, at) in points.unwrap_or_default() {
        timeline.mark(name, at);
    }
    let seconds = session.elapsed().as_secs_f64();
    let mut notes = 0;
    let mut panic = None;
    match (expected, left) {
        (Outcome::Dump, true) => {
            failures.extend(expectation(scenario).failures(&transcript));
            match dump(scenario, &transcript, observed.as_ref()) {
                Ok(dump) => {
                    notes = dump.notes;
                    panic = dump.panic;
                    failures.extend(dump.failures);
                }
                Err(error) => failures.push(error),
            }
        }
        (Outcome::Reset | Outcome::OsTerm, true) => failures.extend(exit::no_dump(&transcript)),
        (Outcome::Hang, true) => failures.push("it did not hang".to_owned()),
        (_, false) => {
            failures.extend(hang(scenario, expected, &transcript, observed.as_ref()));
        }
    }
    if left && expected != Outcome::Hang {
        failures.extend(exit::failures(expected, &events));
    }
    let shown = match failures.len() {
        0 => 0,
        _ => CONSOLE_LINES,
    };
    let console = lines
        .iter()
        .skip(lines.len().saturating_sub(shown))
        .map(|line| line.text.clone())
        .collect();
    Ok(Run {
        scenario: scenario.name,
        description: scenario.description,
        expected: expected.to_string(),
        failures,
        last: timeline.last(),
        crash_seconds: timeline.between("crash", "kdump kernel"),
        timeline: timeline.points().to_vec(),
        seconds,
        notes,
        panic,
        events,
        backtraces: observed.map(|seen| seen.backtraces).unwrap_or_default(),
        console,
        log: session.log().display().to_string(),
    })
}

/// Starts a machine that gdb drives: it is stopped at its beginning.
fn start_with_gdb(machine: &Machine, name: &str, limit: Duration) -> Result<(Session, Gdb)> {
    // A socket's path may have 108 bytes only, so it is not in the target directory. The socket is
    // wanted no longer than it takes to connect.
    let directory = tempfile::Builder::new().prefix("oxrtas-").tempdir()?;
    let socket = directory.path().join("gdb");
    let mut machine = machine.clone();
    let words = format!("unix:{},server=on,wait=off", socket.display());
    machine.extra.extend(["-gdb".to_owned(), words]);
    let session = Session::start(&machine, name, limit)?;
    let gdb = Gdb::connect(&socket, Instant::now() + limit)?;
    Ok((session, gdb))
}

/// What is wrong with a run that never left the crashed kernel.
fn hang(
    scenario: &Scenario,
    expected: Outcome,
    transcript: &Transcript,
    observed: Option<&Observed>,
) -> Vec<String> {
    let Some(observed) = observed else {
        // What went wrong has been told.
        return Vec::new();
    };
    let mut failures = Vec::new();
    let loaded = transcript.verdict("kexec-loaded");
    if scenario.crash.wants_kdump() && !loaded.is_some_and(|verdict| verdict.passed) {
        failures.push("there was no kdump kernel to go to".to_owned());
    }
    match (&observed.verdict, expected) {
        (Verdict::Lock, Outcome::Hang) => (),
        (Verdict::Lock, _) => failures.push("it hangs in rtas_call".to_owned()),
        _ => failures.push("it hangs, and not in rtas_call".to_owned()),
    }
    failures
}

/// What the guest has to say.
fn expectation(scenario: &Scenario) -> Expectation {
    let online = match scenario.processors {
        1 => "0".to_owned(),
        count => format!("0-{}", count - 1),
    };
    Expectation::new(Mode::Kdump, &[], 0)
        .fact("cpus.online", online)
        .fact("cpus.count", scenario.processors)
}

/// What the dump holds.
struct Dump {
    notes: usize,
    panic: Option<String>,
    failures: Vec<String>,
}

/// Looks at the head of the dump and at the dead kernel's log. An error says what did not arrive.
fn dump(
    scenario: &Scenario,
    transcript: &Transcript,
    observed: Option<&Observed>,
) -> Result<Dump, String> {
    let text = String::from_utf8_lossy(transcript.file("dmesg-tail")?);
    let log = CrashLog::read(&text);
    let mut failures = Vec::new();
    match &log.panic {
        Some(line) if line.contains(scenario.crash.reason()) => (),
        Some(line) => failures.push(format!("an unexpected panic: {line}")),
        None => failures.push("no panic in the log of the dead kernel".to_owned()),
    }
    let online = transcript
        .number("cpus.count")
        .ok_or("no number of processors")?;
    let answered = online
        .checked_sub(log.silent)
        .ok_or("more processors were silent than online")?;
    let fate = scenario.hold.map(|hold: Hold| hold.fate);
    let silent = u64::from(fate == Some(Fate::Gone));
    if log.silent != silent {
        failures.push(format!(
            "{} processors did not answer the crash NMI, expected {silent}",
            log.silent
        ));
    }
    let panicking = transcript
        .number("panicking-pid")
        .ok_or("no panicking process")?;
    let notes = Notes::read(transcript.file("vmcore-head")?)
        .map_err(|error| format!("the head of the dump: {error:#}"))?;
    failures.extend(notes.failures(answered, panicking));
    if let Some(observed) = observed {
        let at = observed.held_at;
        let noted = notes.processors.iter().any(|one| one.instruction == at);
        if noted != (fate == Some(Fate::Frozen)) {
            let word = if noted { "a" } else { "no" };
            failures.push(format!(
                "{word} note is at {at:#x}, where the victim was held"
            ));
        }
    }
    Ok(Dump {
        notes: notes.processors.len(),
        panic: log.panic,
        failures,
    })
}

#[cfg(test)]
pub mod tests {
    use super::super::scenario::ALL;
    use super::*;

    /// A run of 20 s with these failures.
    pub fn run(failures: Vec<String>) -> Run {
        Run {
            scenario: "sysrq-c/test",
            description: "a test",
            expected: "a dump".to_owned(),
            failures,
            timeline: vec![Point {
                name: "crash",
                seconds: 5.0,
            }],
            last: "crash",
            crash_seconds: None,
            seconds: 20.0,
            notes: 4,
            panic: None,
            events: Vec::new(),
            backtraces: Vec::new(),
            console: vec!["<0> & last line".to_owned()],
            log: "run.log".to_owned(),
        }
    }

    #[test]
    fn a_console_without_a_dump_is_no_dump() {
        let scenario = &ALL[0];
        assert!(dump(scenario, &Transcript::default(), None).is_err());
        let failures = expectation(scenario).failures(&Transcript::default());
        assert!(
            failures
                .iter()
                .any(|line| line == "makedumpfile: no verdict")
        );
        assert!(failures.iter().any(|line| line.contains("did not finish")));
    }
}
