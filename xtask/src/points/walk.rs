//! A processor dies at every instruction of a call, one after the other, and each time another one
//! goes through a crash.
//!
//! The call is made once in single steps, which gives its trace, and then again: before each
//! instruction the processor stays where it is for good as far as the others can tell, the
//! commander goes through a crash, and instance and sources are put back to the state in which the
//! processor died. That it then goes on exactly as traced shows that nothing of the crash is left.

use super::bench::{Bench, Cost, ENOUGH, Survival, Trace, VICTIM};
use super::calls::Case;
use super::state::Done;
use super::target::COMMANDER;
use super::unit::{Share, Unit, sample};
use anyhow::{Result, bail};
use conformance_guest::points::flag;
use std::collections::BTreeSet;

/// Runs the unit, or some of its points.
pub fn run(bench: &mut Bench, unit: &Unit, case: &Case, share: Share) -> Result<Done> {
    let width = unit.width;
    bench.before_trace(&case.call);
    bench.prepare(case, width)?;
    let trace = bench.trace(VICTIM, &case.call)?;
    let mut walk = Walk {
        bench,
        unit,
        case,
        trace: &trace,
        usual: None,
        wanted: BTreeSet::new(),
        done: Done {
            points: trace.addresses.len() as u32,
            note: match &trace.outcome {
                Some(outcome) => format!("status {}", outcome.status()),
                None => "leaves".to_owned(),
            },
            ..Done::default()
        },
    };
    walk.bench.after_trace(&case.call, &trace)?;
    let length = trace.addresses.len();
    walk.wanted = match share {
        Share::All => (0..length).collect(),
        Share::Sample(count) => sample(&mut walk.bench.random(&unit.to_string()), length, count),
        Share::Point(at) if at < length => [at].into(),
        Share::Point(at) => bail!("{unit} has {length} instructions, no {at}"),
    };
    if share != Share::All {
        walk.done.points = walk.wanted.len() as u32;
    }
    while !walk.wanted.is_empty() && walk.done.failures.len() < ENOUGH {
        walk.go_on()?;
    }
    if share == Share::All && walk.done.failures.is_empty() {
        if case.call.changes_sources() {
            walk.every_number()?;
        }
        walk.reboot()?;
    }
    Ok(walk.done)
}

struct Walk<'a> {
    bench: &'a mut Bench,
    unit: &'a Unit,
    case: &'a Case,
    trace: &'a Trace,
    /// What a crash path takes with nobody dead.
    usual: Option<Cost>,
    /// The points that are left.
    wanted: BTreeSet<usize>,
    done: Done,
}

impl Walk<'_> {
    /// Walks from the first point that is left to the end of the call, or to a failure.
    fn go_on(&mut self) -> Result<()> {
        let width = self.unit.width;
        self.bench.prepare(self.case, width)?;
        if self.usual.is_none() {
            match self.bench.usual(width)? {
                Ok(usual) => self.usual = Some(usual),
                Err(why) => {
                    let again = self.unit.again(&self.bench.setting);
                    self.done.failures.push(format!("{why}\n{again}"));
                    self.wanted.clear();
                    self.bench.discard();
                    return Ok(());
                }
            }
        }
        let first = self.wanted.first().copied().unwrap_or_default();
        let call = &self.case.call;
        self.bench.place(VICTIM, call, first, self.trace)?;
        for (number, wanted) in self.trace.addresses.iter().enumerate().skip(first) {
            let at = self.bench.target()?.at(VICTIM)?;
            if at != *wanted {
                bail!("{}", self.bench.strayed(number, at, Some(*wanted)));
            }
            if self.wanted.remove(&number) {
                self.done.covered += 1;
                match self.bench.crash(width, 0, self.usual, 0)? {
                    Survival::Passed(_) => self.done.passed += 1,
                    Survival::Failed(why) | Survival::Lost(why) => {
                        self.fail(number, at, &why);
                        self.bench.discard();
                        return Ok(());
                    }
                }
            }
            let last = number + 1 == self.trace.addresses.len();
            if !(last && self.trace.outcome.is_none()) {
                self.bench.target()?.step(VICTIM)?;
            }
        }
        self.finish()
    }

    /// The call ends as it did when it was traced.
    fn finish(&mut self) -> Result<()> {
        self.bench.check_ends()?;
        let target = self.bench.target()?;
        let Some(wanted) = &self.trace.outcome else {
            return target.give_up(VICTIM);
        };
        let stopped = target.run(VICTIM)?;
        if !target.is_done(stopped) {
            let place = target.tell(stopped);
            bail!("the call does not come back: {place}");
        }
        let found = target.outcome(VICTIM, &self.case.call)?;
        if (found.trap, found.status()) != (wanted.trap, wanted.status()) {
            bail!("the call ends with {found:x?}, and with {wanted:x?} when nobody crashes");
        }
        Ok(())
    }

    /// At one instruction, the crash path masks all numbers that a source may have.
    fn every_number(&mut self) -> Result<()> {
        let (number, usual) = (self.sample("every-number"), self.usual);
        self.single(number, |bench, width| {
            bench.crash(width, flag::EVERY_NUMBER, usual, 0)
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
        let at = self.bench.begin(self.case, width, number, self.trace)?;
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

    fn fail(&mut self, number: usize, at: u64, why: &str) {
        let place = self.bench.describe(at);
        self.done.failures.push(format!(
            "died before instruction {number} at {place}: {why}\n{}",
            self.unit.repeat(number, &self.bench.setting)
        ));
    }
}

/// The commander is no victim.
const _: () = assert!(COMMANDER != VICTIM);
