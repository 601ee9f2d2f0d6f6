//! One run of a scenario: the machine is started, watched until the kdump kernel has powered off,
//! and judged.

use super::backtrace::Backtrace;
use super::exit;
use super::hammer;
use super::hold::{self, Migration, Observed, Verdict};
use super::log::CrashLog;
use super::notes::Notes;
use super::scenario::{Fate, Hold, Outcome, Scenario};
use super::subject::Subject;
use super::symbols::Symbols;
use super::timeline::{Point, Timeline};
use super::unplugged;
use super::victims;
use crate::gdb::{Gdb, Stub};
use crate::guest::{Expectation, Mode, Transcript};
use crate::qemu::{Door, Machine, Qmp, Seen, Session, processor};
use anyhow::{Result, bail};
use serde::Serialize;
use std::time::{Duration, Instant};

/// What came of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The scenario's description.
    pub description: &'static str,
    /// What it was run on.
    pub subject: Subject,
    /// Which of several repetitions, from 1 on; 0 if it is the only one.
    pub repetition: u32,
    /// What was to come of it.
    pub expected: String,
    /// What came.
    pub came: String,
    /// What is wrong; nothing if the run passed.
    pub failures: Vec<String>,
    /// What was found out about the processors that were held.
    pub findings: Vec<String>,
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
    /// Where all processors were, if the crashed kernel was never left or the run did not end. A
    /// kdump kernel runs elsewhere than it was linked, so there are no names for addresses in it.
    pub backtraces: Vec<Backtrace>,
    /// The end of the console, for a run that failed.
    pub console: Vec<String>,
    /// The log with everything.
    pub log: String,
}

impl Run {
    /// The scenario, what it was run on, and the repetition.
    pub fn name(&self) -> String {
        match self.repetition {
            0 => format!("{} {}", self.scenario, self.subject),
            number => format!("{} {} #{number}", self.scenario, self.subject),
        }
    }

    /// Whether what was expected has come.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Lines of the console that a failed run shows.
const CONSOLE_LINES: usize = 30;
/// The device that comes and goes, and the slot that the guest knows.
const VISITOR: (&str, &str) = ("virtio-net-pci", "5");
/// How long a crash in which nobody is held may take to its kdump kernel, before it is looked at.
const CRASH_LIMIT: Duration = Duration::from_secs(90);
/// How long looking may take.
const GDB_LIMIT: Duration = Duration::from_secs(200);

/// Runs `scenario` on `machine`, which is made for it out of `subject`. `symbols` are those of its
/// kernel.
pub fn run(
    scenario: &Scenario,
    subject: &Subject,
    repetition: u32,
    machine: &Machine,
    symbols: &Symbols,
) -> Result<Run> {
    let expected = subject.expected(scenario);
    let name = format!("crash-{}-{subject}-{repetition}", scenario.name);
    let name = name.as_str();
    let limit = Duration::from_secs(scenario.limit_seconds);
    let mut failures = Vec::new();
    let stay = scenario.visits();
    let door = stay.map(Door::new).transpose()?;
    let mut machine = machine.clone();
    machine.extra.extend(door.iter().flat_map(Door::arguments));
    let machine = &machine;
    let visits = |session: &mut Session| {
        if door.is_some() {
            session.wait_for(&["OXRTAS-PHASE plug"])?;
        }
        let (driver, slot) = VISITOR;
        let until = session.deadline();
        door.map(|door| door.open(until, driver, slot)).transpose()
    };
    let visiting;
    // What a processor that is held is held by, to the end of the run.
    let mut gdb = None;
    let mut observed = None;
    let (mut session, control, stub) = match scenario.hold {
        None => {
            let (mut session, stub) = start(machine, name, limit)?;
            let mut control = session.qmp()?;
            visiting = visits(&mut session)?;
            let prepared = match scenario.unplugs {
                true => processor::add_and_remove(&mut session, &mut control),
                false => Ok(()),
            };
            let watched =
                prepared.and_then(|()| watch(scenario, &mut session, &stub, &mut control, symbols));
            match watched {
                Ok(seen) => observed = seen,
                Err(error) => failures.push(format!("{error:#}")),
            }
            (session, control, stub)
        }
        Some(hold) => {
            let (mut session, stub) = start(machine, name, limit)?;
            visiting = visits(&mut session)?;
            let mut connected = stub.connect(Instant::now() + limit)?;
            let mut control = session.qmp()?;
            let run = hold::Run::new(
                &mut session,
                &mut connected,
                &mut control,
                symbols,
                scenario.crash,
                hold,
            );
            let migration = scenario.migrates.then_some(Migration { machine, name });
            observed = Some(run.complete(migration));
            gdb = Some(connected);
            (session, control, stub)
        }
    };
    // QEMU does not end while it is asked for something.
    if visiting.is_some_and(|visits| visits.finish() == 0) {
        failures.push("the device was never unplugged".to_owned());
    }
    let left = observed.as_ref().is_none_or(|seen| seen.verdict.is_left());
    let mut backtraces = Vec::new();
    if let Some(observed) = &mut observed {
        failures.append(&mut observed.failures);
        backtraces.append(&mut observed.backtraces);
    }
    // The kdump kernel powers off, a kernel that cannot kdump resets: both end QEMU.
    let mut events = Vec::new();
    if left {
        if session.wait_until(&[], Instant::now() + limit) == Seen::Deadline {
            failures.push(format!("still running after {} s", limit.as_secs()));
            match whereabouts(&stub, gdb.as_mut(), symbols) {
                Ok(found) => backtraces = found,
                Err(error) => failures.push(format!("where the processors are: {error:#}")),
            }
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
    let mut dumped = Dump::default();
    let reached = |name: &str| transcript.phases.iter().any(|phase| phase.name == name);
    let second = reached("second-kernel");
    let came = match observed.as_ref().map(|seen| seen.verdict) {
        Some(Verdict::Lock(_)) => Some(Outcome::Hang),
        _ => exit::came(&events, second),
    };
    let follows = subject.follows_lopar();
    match (expected, left) {
        (_, false) => {
            failures.extend(hang(scenario, expected, &transcript, observed.as_ref()));
        }
        (Outcome::Hang, true) => failures.push("it did not hang".to_owned()),
        (Outcome::Reset | Outcome::OsTerm | Outcome::Restart, true) => {
            failures.extend(exit::no_dump(&transcript));
        }
        (Outcome::Dump | Outcome::DumpOrHang | Outcome::Twice, true) => {
            failures.extend(expectation(scenario).failures(&transcript));
            match dump(scenario, follows, &transcript, observed.as_ref()) {
                Ok(found) => dumped = found,
                Err(error) => failures.push(error),
            }
        }
    }
    if expected == Outcome::Twice && left && !reached("second-crash") {
        failures.push("the kdump kernel did not come to its crash".to_owned());
    }
    failures.extend(hammer::failures(scenario, follows, &transcript));
    match unplugged::judge(scenario, follows, &transcript) {
        Ok(found) => dumped.findings.extend(found),
        Err(wrong) => failures.extend(wrong),
    }
    if left && expected != Outcome::Hang {
        failures.extend(exit::failures(expected, &events));
    }
    failures.append(&mut dumped.failures);
    failures.extend(subject.failures(scenario.ic_mode, &transcript, second));
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
        subject: subject.clone(),
        repetition,
        expected: expected.to_string(),
        came: came.map_or_else(|| "nothing known".to_owned(), |came| came.to_string()),
        failures,
        findings: dumped.findings,
        last: timeline.last(),
        crash_seconds: timeline.between("crash", "kdump kernel"),
        timeline: timeline.points().to_vec(),
        seconds,
        notes: dumped.notes,
        panic: dumped.panic,
        events,
        backtraces,
        console,
        log: session.log().display().to_string(),
    })
}

/// Starts a machine, which runs until gdb connects.
fn start(machine: &Machine, name: &str, limit: Duration) -> Result<(Session, Stub)> {
    let stub = Stub::new()?;
    let mut machine = machine.clone();
    machine.extra.extend(stub.arguments());
    Ok((Session::start(&machine, name, limit)?, stub))
}

/// Watches a crash in which nobody is held. Gives something back if the crashed kernel is not left in
/// time: where its processors are.
fn watch(
    scenario: &Scenario,
    session: &mut Session,
    stub: &Stub,
    control: &mut Qmp,
    symbols: &Symbols,
) -> Result<Option<Observed>> {
    session.wait_for(&["OXRTAS-PHASE crash"])?;
    match session.wait_until(&hold::LEFT, Instant::now() + CRASH_LIMIT) {
        Seen::Wanted(..) | Seen::End => return Ok(None),
        Seen::Forbidden(line) => bail!("the console shows: {line}"),
        Seen::Deadline => (),
    }
    let mut gdb = stub.connect(Instant::now() + GDB_LIMIT)?;
    let crash = scenario.crash;
    let run = hold::Run::new(session, &mut gdb, control, symbols, crash, Hold::NONE);
    Ok(Some(run.look()))
}

/// Where all processors are of a machine that runs on and on.
fn whereabouts(stub: &Stub, gdb: Option<&mut Gdb>, symbols: &Symbols) -> Result<Vec<Backtrace>> {
    match gdb {
        Some(gdb) => hold::whereabouts(gdb, symbols),
        None => hold::whereabouts(&mut stub.connect(Instant::now() + GDB_LIMIT)?, symbols),
    }
}

/// What is wrong with a run that never left the crashed kernel.
fn hang(
    scenario: &Scenario,
    expected: Outcome,
    transcript: &Transcript,
    observed: Option<&Observed>,
) -> Vec<String> {
    let Some(observed) = observed.filter(|seen| seen.verdict != Verdict::Lost) else {
        // What went wrong has been told.
        return Vec::new();
    };
    let mut failures = Vec::new();
    let loaded = transcript.verdict("kexec-loaded");
    if scenario.crash.wants_kdump() && !loaded.is_some_and(|verdict| verdict.passed) {
        failures.push("there was no kdump kernel to go to".to_owned());
    }
    match &observed.verdict {
        Verdict::Lock(_) if expected.may_hang() => (),
        Verdict::Lock(processor) => {
            failures.push(format!(
                "it hangs: processor {processor} waits in rtas_call"
            ));
        }
        Verdict::Stuck => failures.push("it hangs, and not in rtas_call".to_owned()),
        Verdict::Lost | Verdict::Left | Verdict::Ended => (),
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
#[derive(Default)]
struct Dump {
    notes: usize,
    panic: Option<String>,
    findings: Vec<String>,
    failures: Vec<String>,
}

/// Looks at the head of the dump and at the dead kernel's log. An error says what did not arrive.
fn dump(
    scenario: &Scenario,
    follows: bool,
    transcript: &Transcript,
    observed: Option<&Observed>,
) -> Result<Dump, String> {
    let text = String::from_utf8_lossy(transcript.file("dmesg-tail")?);
    let log = CrashLog::read(&text);
    let mut failures = Vec::new();
    match (&log.panic, scenario.crash.reason()) {
        (Some(line), Some(reason)) if line.contains(reason) => (),
        (Some(line), _) => failures.push(format!("an unexpected panic: {line}")),
        (None, Some(_)) => failures.push("no panic in the log of the dead kernel".to_owned()),
        (None, None) => (),
    }
    let online = transcript
        .number("cpus.count")
        .ok_or("no number of processors")?;
    let answered = online
        .checked_sub(log.silent)
        .ok_or("more processors were silent than online")?;
    let gone = scenario.hold.filter(|hold| hold.fate == Fate::Gone);
    let gone = gone.into_iter().flat_map(Hold::parts);
    let silent: u64 = gone.map(|part| part.processors.len() as u64).sum();
    if log.silent != silent {
        failures.push(format!(
            "{} processors did not answer the crash NMI, expected {silent}",
            log.silent
        ));
    }
    let panicking = match scenario.crash.reason() {
        Some(_) => {
            let number = transcript.number("panicking-pid");
            Some(number.ok_or("no panicking process")?)
        }
        None => None,
    };
    let notes = Notes::read(transcript.file("vmcore-head")?)
        .map_err(|error| format!("the head of the dump: {error:#}"))?;
    let saved = notes.processors.len() as u64;
    let least = answered.saturating_sub(scenario.absent());
    failures.extend(notes.failures(saved.clamp(least, answered), panicking));
    failures.extend(hammer::log_failures(scenario, follows, &text));
    let mut findings = Vec::new();
    if scenario.hammer.is_some() {
        match hammer::died_inside(transcript, &notes) {
            Ok(found) => findings.push(found),
            Err(error) => failures.push(error),
        }
    }
    if let (Some(observed), Some(hold)) = (observed, scenario.hold) {
        for victim in &observed.victims {
            match victims::compare(victim, hold.fate, &notes) {
                Ok(found) => findings.push(found),
                Err(error) => failures.push(error),
            }
        }
    }
    Ok(Dump {
        notes: notes.processors.len(),
        panic: log.panic,
        findings,
        failures,
    })
}

#[cfg(test)]
pub mod tests {
    use super::super::catalogue::ALL;
    use super::*;

    /// A run of 20 s with these failures.
    pub fn run(failures: Vec<String>) -> Run {
        Run {
            scenario: "sysrq-c/test",
            description: "a test",
            subject: Subject {
                firmware: "slof".to_owned(),
                kernel: "6.1".to_owned(),
                qemu: "7.2".to_owned(),
                cpu: "power9".to_owned(),
            },
            repetition: 0,
            expected: "a dump".to_owned(),
            came: "a dump".to_owned(),
            findings: Vec::new(),
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
        assert!(dump(scenario, true, &Transcript::default(), None).is_err());
        let failures = expectation(scenario).failures(&Transcript::default());
        assert!(
            failures
                .iter()
                .any(|line| line == "makedumpfile: no verdict")
        );
        assert!(failures.iter().any(|line| line.contains("did not finish")));
    }
}
