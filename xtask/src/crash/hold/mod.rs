//! Holding processors over gdb while another one crashes, and watching what comes of it.
//!
//! The processor that crashes is stopped in its panic, or at the restart, first and the victims are
//! placed then ([`place`]): held a second earlier, a victim would stall the guest before it panics.
//! [`settle`] lets QEMU come to rest then, [`migrate`] continues in a second QEMU, [`watch`] tells a
//! hang.

mod migrate;
mod place;
mod settle;
mod watch;

pub use migrate::Migration;
pub use watch::{LEFT, Verdict};

use super::backtrace::Backtrace;
use super::memory;
use super::scenario::{Crash, Fate, Hold, Place};
use super::symbols::Symbols;
use crate::gdb::power::AllRegisters;
use crate::gdb::{Gdb, Thread};
use crate::guest::Transcript;
use crate::qemu::{Qmp, Seen, Session};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::time::{Duration, Instant};

/// Time between two looks at whether the system reset has come.
const RESET_INTERVAL: Duration = Duration::from_millis(200);
/// How long the panic, a victim's next call and the system reset may each take. Linux gives a
/// processor 10 s to answer the reset; the guest's clock stands still at every look.
const STEP_LIMIT: Duration = Duration::from_secs(30);

/// How long looking at all processors may take.
const LOOK_LIMIT: Duration = Duration::from_secs(60);

/// A processor as it was when it was held.
#[derive(Clone, Debug)]
pub struct Victim {
    /// Which, as Linux counts.
    pub processor: u32,
    /// What it had in its registers.
    pub registers: AllRegisters,
}

/// What was seen of a crash with processors held.
#[derive(Clone, Debug)]
pub struct Observed {
    /// What came of it.
    pub verdict: Verdict,
    /// What went wrong, apart from that.
    pub failures: Vec<String>,
    /// The processors that were held.
    pub victims: Vec<Victim>,
    /// Points for the timeline, since the machine was started.
    pub points: Vec<(&'static str, Duration)>,
    /// Where all processors were in the end, if the crashed kernel was not left.
    pub backtraces: Vec<Backtrace>,
}

/// The processors, and what they run in.
pub struct Run<'a> {
    session: &'a mut Session,
    gdb: &'a mut Gdb,
    qmp: &'a mut Qmp,
    symbols: &'a Symbols,
    crash: Crash,
    hold: Hold,
    points: Vec<(&'static str, Duration)>,
}

/// The stub's number of a processor of Linux: it counts from 1, in the order of the cores.
fn thread(processor: u32) -> Thread {
    processor.saturating_add(1)
}

impl<'a> Run<'a> {
    /// Takes over a machine that has just been started, whose guest lets `hold.processors` do their
    /// work, says phase crash, and crashes on another processor or waits for the host to crash it.
    pub fn new(
        session: &'a mut Session,
        gdb: &'a mut Gdb,
        qmp: &'a mut Qmp,
        symbols: &'a Symbols,
        crash: Crash,
        hold: Hold,
    ) -> Self {
        Self {
            session,
            gdb,
            qmp,
            symbols,
            crash,
            hold,
            points: Vec::new(),
        }
    }

    /// Looks at a machine that has crashed and does not come to its kdump kernel.
    pub fn look(mut self) -> Observed {
        let all = self.gdb.threads().to_vec();
        let verdict = self.gdb.resume_but([]);
        let verdict = verdict.and_then(|()| self.watch(&all, &[]));
        self.observe(verdict, Vec::new())
    }

    /// Runs the machine through its crash, and first, when the processors are held, through a
    /// `migration` if there is one. It runs on if the crashed kernel was left, and is stopped
    /// otherwise.
    pub fn complete(mut self, migration: Option<Migration<'_>>) -> Observed {
        let mut victims = Vec::new();
        let verdict = self.crash(migration, &mut victims);
        self.observe(verdict, victims)
    }

    /// What comes of the crash. Adds the processors that are held to `victims`.
    fn crash(
        &mut self,
        migration: Option<Migration<'_>>,
        victims: &mut Vec<Victim>,
    ) -> Result<Verdict> {
        let panicking = match self.crash.function() {
            Some(function) => Some(self.wait_for_crash(function)?),
            None => {
                self.wait_for_phase()?;
                None
            }
        };
        let mut stopped: Vec<Thread> = panicking.into_iter().collect();
        for part in self.hold.placing() {
            for &processor in part.processors {
                let thread = thread(processor);
                match part.place {
                    Place::Inside(name) => {
                        let token = self.token(name)?;
                        self.place_in_rtas(thread, &stopped, name, token)?;
                    }
                    Place::Outside => {
                        let entry = self.symbols.entry("rtas_call")?;
                        self.run_to(thread, &stopped, entry, |_| Ok(true))?;
                    }
                }
                stopped.push(thread);
                victims.push(Victim {
                    processor,
                    registers: self.gdb.all_registers(thread)?,
                });
            }
        }
        self.settle()?;
        self.mark("victim held");
        if let Some(migration) = migration {
            self.migrate(migration, &stopped, victims)?;
            self.mark("migrated");
        }
        if self.crash == Crash::Nmi {
            self.qmp.execute("inject-nmi", json!({}))?;
            self.mark("nmi");
        }
        let held: Vec<Thread> = victims.iter().map(|one| thread(one.processor)).collect();
        let held = match self.hold.fate {
            Fate::Frozen => {
                self.release(victims, &held)?;
                Vec::new()
            }
            Fate::Gone => held,
        };
        self.gdb.resume_but(held.iter().copied())?;
        let suspects = match panicking {
            Some(panicking) => vec![panicking],
            // Whoever is first.
            None => self.gdb.threads().to_vec(),
        };
        self.watch(&suspects, &held)
    }

    /// Adds where all processors are, unless the crashed kernel was left.
    fn observe(self, verdict: Result<Verdict>, victims: Vec<Victim>) -> Observed {
        let mut failures = Vec::new();
        let verdict = verdict.unwrap_or_else(|error| {
            failures.push(format!("{error:#}"));
            Verdict::Lost
        });
        let mut backtraces = Vec::new();
        if !verdict.is_left() {
            match whereabouts(self.gdb, self.symbols) {
                Ok(found) => backtraces = found,
                Err(error) => failures.push(format!("where the processors are: {error:#}")),
            }
        }
        Observed {
            verdict,
            failures,
            victims,
            points: self.points,
            backtraces,
        }
    }

    fn mark(&mut self, name: &'static str) {
        self.points.push((name, self.session.elapsed()));
    }

    /// Stops at `function`, which leads to the crash: the processor that crashes.
    fn wait_for_crash(&mut self, function: &'static str) -> Result<Thread> {
        let wanted = self.symbols.entry(function)?;
        self.gdb.set_breakpoint(wanted)?;
        self.gdb.resume_but([])?;
        self.session.wait_for(&["OXRTAS-PHASE crash"])?;
        let stopped = self.gdb.wait_stopped(Instant::now() + STEP_LIMIT)?;
        let panicking = stopped.with_context(|| format!("the guest did not come to {function}"))?;
        let at = self.gdb.instruction_pointer(panicking)?;
        let mut victims = self.hold.parts().flat_map(|part| part.processors);
        if at != wanted || victims.any(|&processor| thread(processor) == panicking) {
            bail!("{} stopped at {at:#x}", name(panicking));
        }
        self.gdb.clear_breakpoint(wanted)?;
        self.mark("at the crash");
        Ok(panicking)
    }

    /// Stops when the guest waits for the host.
    fn wait_for_phase(&mut self) -> Result<()> {
        self.gdb.resume_but([])?;
        self.session.wait_for(&["OXRTAS-PHASE crash"])?;
        self.gdb.interrupt()
    }

    /// The token of a call to die in, as the guest said it.
    fn token(&self, name: &str) -> Result<u32> {
        let mut transcript = Transcript::default();
        for line in self.session.lines() {
            transcript.push(line.at, &line.text);
        }
        let text = transcript.facts.get(&format!("token.{name}"));
        let digits = text.and_then(|text| text.strip_prefix("0x"));
        let token = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        token.with_context(|| format!("the guest names no token of {name}"))
    }

    /// Waits until the crash's system reset has moved all victims from where they are held to their
    /// vector. The machine is stopped then.
    fn release(&mut self, victims: &[Victim], held: &[Thread]) -> Result<()> {
        let vector = self.symbols.address("system_reset_fwnmi")?;
        let vector = memory::real_address(vector).context("a vector in no memory")?;
        let limit = Instant::now() + STEP_LIMIT;
        loop {
            let mut left = false;
            for victim in victims {
                let at = self.gdb.instruction_pointer(thread(victim.processor))?;
                let held_at = victim.registers.instruction;
                left |= at == held_at;
                if at != vector && at != held_at {
                    bail!("the victim, held at {held_at:#x}, is at {at:#x}");
                }
            }
            if !left {
                break;
            }
            if Instant::now() > limit {
                bail!("no system reset came to the victim");
            }
            self.gdb.resume_but(held.iter().copied())?;
            let soon = Instant::now() + RESET_INTERVAL;
            if let Seen::End = self.session.wait_until(&[], soon) {
                bail!("QEMU ended while the victim was held");
            }
            self.gdb.interrupt()?;
        }
        self.mark("victim released");
        Ok(())
    }
}

/// Where all processors are. The machine is stopped for it, and stays so.
pub fn whereabouts(gdb: &mut Gdb, symbols: &Symbols) -> Result<Vec<Backtrace>> {
    // What was waited for may have taken all the time that the connection had.
    gdb.set_deadline(Instant::now() + LOOK_LIMIT);
    gdb.stop()?;
    let threads = gdb.threads().to_vec();
    let backtraces = threads
        .into_iter()
        .map(|thread| Backtrace::take(gdb, thread, symbols));
    backtraces.collect()
}

/// A processor, for an error.
fn name(thread: Thread) -> String {
    format!("processor {}", thread.saturating_sub(1))
}
