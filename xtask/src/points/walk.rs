//! A processor dies at every instruction of a call, one after the other, and each time another one
//! goes through a crash.
//!
//! The call is made once in single steps, which gives its trace, and then again: before each
//! instruction the processor stays where it is for good as far as the others can tell, the
//! commander goes through a crash, and instance and sources are put back to the state in which the
//! processor died. That it then goes on exactly as traced shows that nothing of the crash is left.

use super::bench::{Bench, ENOUGH, Survival, Trace, VICTIM};
use super::calls::Case;
use super::state::Done;
use super::target::COMMANDER;
use super::unit::Unit;
use anyhow::{Result, bail};
use conformance_guest::points::flag;

/// Crash paths between two looks at QEMU's events, which would pile up.
const EVENTS: usize = 64;
/// The event by which QEMU tells of ibm,os-term.
const TERMINATED: &str = "GUEST_PANICKED";

/// Runs the unit, or only the point `at`.
pub fn run(bench: &mut Bench, unit: &Unit, case: &Case, at: Option<usize>) -> Result<Done> {
    let width = unit.width;
    bench.prepare(case, width)?;
    let trace = bench.trace(VICTIM, &case.call)?;
    let mut walk = Walk {
        bench,
        unit,
        case,
        trace: &trace,
        usual: None,
        done: Done {
            points: trace.addresses.len() as u32,
            note: match &trace.outcome {
                Some(outcome) => format!("status {}", outcome.status()),
                None => "leaves".to_owned(),
            },
            ..Done::default()
        },
        unseen: 0,
    };
    walk.bench.after_trace(&case.call, &trace)?;
    let numbers = match at {
        Some(at) if at < trace.addresses.len() => at..at + 1,
        Some(at) => bail!("{unit} has {} instructions, no {at}", trace.addresses.len()),
        None => 0..trace.addresses.len(),
    };
    let mut next = numbers.start;
    while next < numbers.end && walk.done.failures.len() < ENOUGH {
        next = walk.go_on(next, numbers.end)?;
    }
    if at.is_none() && walk.done.failures.is_empty() {
        walk.every_number()?;
        walk.reboot()?;
    }
    Ok(walk.done)
}

struct Walk<'a> {
    bench: &'a mut Bench,
    unit: &'a Unit,
    case: &'a Case,
    trace: &'a Trace,
    /// Ticks of a crash path with nobody dead.
    usual: Option<u64>,
    done: Done,
    /// Calls of ibm,os-term whose event was not seen yet.
    unseen: usize,
}

impl Walk<'_> {
    /// Walks from instruction `first` on: the first one that is left.
    fn go_on(&mut self, first: usize, end: usize) -> Result<usize> {
        let width = self.unit.width;
        self.bench.prepare(self.case, width)?;
        self.bench.target()?.qmp().count_events(TERMINATED)?;
        self.unseen = 0;
        if self.usual.is_none() {
            match self.bench.crash(width, 0, None)? {
                Survival::Passed(ticks) => self.usual = Some(ticks),
                Survival::Failed(why) | Survival::Lost(why) => {
                    self.fail_before(&why);
                    self.bench.discard();
                    return Ok(end);
                }
            }
            self.unseen += 1;
        }
        self.bench
            .place(VICTIM, &self.case.call, first, self.trace)?;
        for number in first..end {
            let wanted = self.trace.addresses.get(number).copied();
            let at = self.bench.target()?.at(VICTIM)?;
            if wanted != Some(at) {
                bail!("instruction {number} is at {at:#x}, and was at {wanted:x?}");
            }
            self.done.covered += 1;
            match self.bench.crash(width, 0, self.usual)? {
                Survival::Passed(_) => self.done.passed += 1,
                Survival::Failed(why) => self.fail(number, at, &why),
                Survival::Lost(why) => {
                    self.fail(number, at, &why);
                    self.bench.discard();
                    return Ok(number + 1);
                }
            }
            self.unseen += 1;
            if self.done.failures.len() >= ENOUGH {
                self.bench.discard();
                return Ok(number + 1);
            }
            if self.unseen >= EVENTS {
                self.see_events()?;
            }
            let last = number + 1 == self.trace.addresses.len();
            if !(last && self.trace.outcome.is_none()) {
                self.bench.target()?.step(VICTIM)?;
                let own = self.case.call.function == rtas_abi::name::IBM_OS_TERM;
                self.unseen += usize::from(own && self.trace.hypercalls.contains(&number));
            }
        }
        if end == self.trace.addresses.len() {
            self.finish()?;
        } else {
            self.bench.target()?.give_up(VICTIM)?;
        }
        Ok(end)
    }

    /// The call ends as it did when it was traced.
    fn finish(&mut self) -> Result<()> {
        self.see_events()?;
        let target = self.bench.target()?;
        let Some(wanted) = &self.trace.outcome else {
            return target.give_up(VICTIM);
        };
        let stopped = target.run(VICTIM)?;
        if !target.is_done(stopped) {
            bail!("the call does not come back: {stopped:x?}");
        }
        let found = target.outcome(VICTIM, &self.case.call)?;
        if (found.trap, found.status()) != (wanted.trap, wanted.status()) {
            bail!("the call ends with {found:x?}, and with {wanted:x?} when nobody crashes");
        }
        Ok(())
    }

    /// Every crash path told QEMU of its end, by ibm,os-term.
    fn see_events(&mut self) -> Result<()> {
        let seen = self.bench.target()?.qmp().count_events(TERMINATED)?;
        let wanted = std::mem::take(&mut self.unseen);
        if seen != wanted {
            bail!("QEMU told of {seen} ends, and {wanted} calls of ibm,os-term were made");
        }
        Ok(())
    }

    /// At one instruction, the crash path masks all numbers that a source may have.
    fn every_number(&mut self) -> Result<()> {
        let number = self.sample("every-number");
        self.single(number, |bench, width| {
            bench.crash(width, flag::EVERY_NUMBER, None)
        })
    }

    /// At one instruction, the crash path ends in system-reboot.
    fn reboot(&mut self) -> Result<()> {
        let number = self.sample("reboot");
        self.single(number, |bench, width| bench.reboot(width))
    }

    fn sample(&self, what: &str) -> usize {
        let mut random = self.bench.random(&format!("{} {what}", self.unit));
        random.below(self.trace.addresses.len() as u64) as usize
    }

    fn single(
        &mut self,
        number: usize,
        crash: impl FnOnce(&mut Bench, u32) -> Result<Survival>,
    ) -> Result<()> {
        let width = self.unit.width;
        if self.case.call.lasts() {
            self.bench.discard();
        }
        self.bench.prepare(self.case, width)?;
        self.bench
            .place(VICTIM, &self.case.call, number, self.trace)?;
        let at = self.bench.target()?.at(VICTIM)?;
        match crash(self.bench, width)? {
            Survival::Passed(_) => {
                let target = self.bench.target()?;
                // It was started anew if the machine was.
                if !target.is_waiting(VICTIM)? {
                    target.give_up(VICTIM)?;
                }
            }
            Survival::Failed(why) | Survival::Lost(why) => {
                self.fail(number, at, &why);
                self.bench.discard();
            }
        }
        Ok(())
    }

    fn fail_before(&mut self, why: &str) {
        self.done.failures.push(format!("nobody dead: {why}"));
    }

    fn fail(&mut self, number: usize, at: u64, why: &str) {
        let place = self.bench.describe(at);
        self.done.failures.push(format!(
            "died before instruction {number} at {place}: {why}\n\
             cargo xtask crash-points --only {} --at {number} --seed {}",
            self.unit, self.bench.seed
        ));
    }
}

/// The commander is no victim.
const _: () = assert!(COMMANDER != VICTIM);
