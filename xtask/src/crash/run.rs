//! One run of a scenario: the machine is started, watched until the kdump kernel has powered off,
//! and judged.

use super::log::CrashLog;
use super::notes::Notes;
use super::scenario::{Outcome, Scenario};
use super::timeline::{Point, Timeline};
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

/// Runs `scenario` on `machine`, which [`super::machine`] made for it.
pub fn run(scenario: &Scenario, machine: &Machine, name: &str, expected: Outcome) -> Result<Run> {
    let limit = Duration::from_secs(scenario.limit_seconds);
    let mut session = Session::start(machine, name, limit)?;
    let mut transcript = Transcript::default();
    let mut timeline = Timeline::default();
    let mut failures = Vec::new();
    // The kdump kernel powers off, a kernel that cannot kdump resets: both end QEMU.
    if session.wait_until(&[], Instant::now() + limit) == Seen::Deadline {
        failures.push(format!("still running after {} s", limit.as_secs()));
    }
    let lines = session.lines();
    for line in &lines {
        timeline.push(line.at, &line.text);
        transcript.push(line.at, &line.text);
    }
    let seconds = session.elapsed().as_secs_f64();
    let mut notes = 0;
    let mut panic = None;
    match expected {
        Outcome::Dump => {
            failures.extend(expectation(scenario).failures(&transcript));
            match dump(scenario, &transcript) {
                Ok(dump) => {
                    notes = dump.notes;
                    panic = dump.panic;
                    failures.extend(dump.failures);
                }
                Err(error) => failures.push(error),
            }
        }
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
        console,
        log: session.log().display().to_string(),
    })
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
fn dump(scenario: &Scenario, transcript: &Transcript) -> Result<Dump, String> {
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
    if scenario.crash.everybody_answers() && log.silent != 0 {
        failures.push(format!(
            "{} processors did not answer the crash NMI",
            log.silent
        ));
    }
    let panicking = transcript
        .number("panicking-pid")
        .ok_or("no panicking process")?;
    let notes = Notes::read(transcript.file("vmcore-head")?)
        .map_err(|error| format!("the head of the dump: {error:#}"))?;
    failures.extend(notes.failures(answered, panicking));
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
            console: vec!["<0> & last line".to_owned()],
            log: "run.log".to_owned(),
        }
    }

    #[test]
    fn a_console_without_a_dump_is_no_dump() {
        let scenario = &ALL[0];
        assert!(dump(scenario, &Transcript::default()).is_err());
        let failures = expectation(scenario).failures(&Transcript::default());
        assert!(
            failures
                .iter()
                .any(|line| line == "makedumpfile: no verdict")
        );
        assert!(failures.iter().any(|line| line.contains("did not finish")));
    }
}
