//! A processor inside a call takes a system reset, and its handler calls RTAS.
//!
//! At every instruction of the four interrupt calls, and at some of the others, the handler masks
//! the source that the interrupted call may be about and asks for it, stores a word in the NVRAM and
//! says something; then everything is put back and the interrupted call goes on. At some instructions nothing is put back: the interrupted call
//! goes on in the state that the handler left, must end with a status of its own, and the machine
//! must still survive a crash.

use super::bench::{Bench, Cost, EARLIER, ENOUGH, Survival, Trace, VICTIM};
use super::calls::{Case, SOURCE};
use super::state::Done;
use super::target::{COMMANDER, Stopped};
use super::unit::{self, Share, Unit};
use anyhow::{Context, Result, bail};
use conformance_guest::points::{command, word};
use rtas_abi::name;
use std::collections::BTreeSet;

/// Instructions that are sampled of a call that is not one of the four.
const SAMPLE: usize = 12;
/// Instructions after which the interrupted call goes on in the state that the handler left.
const GOING_ON: usize = 8;
/// Instructions that a retry of a store-conditional goes back or leaves out, at most.
const RETRY: usize = 16;
/// Of so many system resets one comes from the monitor, to all processors; the rest come from
/// another processor, by H_SIGNAL_SYS_RESET.
const MONITOR: usize = 8;

/// Runs the unit, or some of its points.
pub fn run(bench: &mut Bench, unit: &Unit, case: &Case, share: Share) -> Result<Done> {
    bench.before_trace(&case.call);
    bench.prepare(case, unit.width)?;
    let trace = bench.trace(VICTIM, &case.call)?;
    bench.after_trace(&case.call, &trace)?;
    let length = trace.addresses.len();
    let mut random = bench.random(&unit.to_string());
    let mut sample = |count: usize| unit::sample(&mut random, length, count);
    let (there, mut going_on) = match share {
        Share::Point(at) => ([at].into(), [at].into()),
        Share::Sample(count) => (sample(count), sample(1)),
        Share::All if case.call.is_interrupt_call() => ((0..length).collect(), sample(GOING_ON)),
        Share::All => (sample(SAMPLE), sample(2)),
    };
    // A call that leaves does not go on.
    if trace.outcome.is_none() {
        going_on.clear();
    }
    let mut nested = Nested {
        bench,
        unit,
        case,
        trace: &trace,
        usual: None,
        done: Done {
            points: (there.len() + going_on.len()) as u32,
            ..Done::default()
        },
    };
    nested.walk(there)?;
    for number in going_on {
        if nested.done.failures.len() < ENOUGH {
            nested.go_on(number)?;
        }
    }
    Ok(nested.done)
}

struct Nested<'a> {
    bench: &'a mut Bench,
    unit: &'a Unit,
    case: &'a Case,
    trace: &'a Trace,
    /// What a crash path takes with nobody dead.
    usual: Option<Cost>,
    done: Done,
}

impl Nested<'_> {
    /// Interrupts the call at each that is `left` and puts everything back each time.
    fn walk(&mut self, mut left: BTreeSet<usize>) -> Result<()> {
        let width = self.unit.width;
        self.bench.prepare(self.case, width)?;
        match self.bench.usual(width)? {
            Ok(usual) => self.usual = Some(usual),
            Err(why) => bail!("{why}"),
        }
        self.bench.place(VICTIM, &self.case.call, 0, self.trace)?;
        let (mut number, mut executed) = (0, 0);
        while !left.is_empty() {
            let at = self.bench.target()?.at(VICTIM)?;
            executed += 1;
            if executed > 2 * self.trace.addresses.len() {
                let place = self.bench.describe(at);
                bail!("the call does not get past instruction {number}: it is at {place}");
            }
            match self.follow(number, at) {
                Some(found) => number = found,
                None if self.bench.target()?.area().contains(&at) => {
                    self.bench.target()?.step(VICTIM)?;
                    continue;
                }
                None => bail!("the call ends before instruction {number}: it is at {at:#x}"),
            }
            if left.remove(&number) {
                self.done.covered += 1;
                let target = self.bench.target()?;
                target.set(COMMANDER, word::WIDTH, &[width.into()])?;
                target.command(COMMANDER, command::NOTE)?;
                match self.interrupt(number)? {
                    None => self.done.passed += 1,
                    Some(why) => {
                        self.fail(number, at, &why);
                        self.bench.discard();
                        return Ok(());
                    }
                }
                let target = self.bench.target()?;
                target.command(COMMANDER, command::TAKE_BACK)?;
                // The rest of the handler.
                let stopped = target.run_to(VICTIM, at)?;
                if stopped != Stopped::At(at) {
                    let (place, wanted) = (target.tell(stopped), target.describe(at));
                    bail!("the handler does not come back to {wanted}: {place}");
                }
            }
            let last = number + 1 == self.trace.addresses.len();
            if last && self.trace.outcome.is_none() {
                break;
            }
            self.bench.target()?.step(VICTIM)?;
            number += 1;
        }
        let target = self.bench.target()?;
        let in_rtas = target.area().contains(&target.at(VICTIM)?);
        match &self.trace.outcome {
            Some(wanted) if !in_rtas => {
                let stopped = target.run(VICTIM)?;
                let found = target.outcome(VICTIM, &self.case.call)?;
                if !target.is_done(stopped) || found.status() != wanted.status() {
                    let place = target.tell(stopped);
                    bail!("the call ends with {found:x?}, not with {wanted:x?}: {place}");
                }
                Ok(())
            }
            _ => target.give_up(VICTIM),
        }
    }

    /// Which instruction of the trace the call is at, `expected` being the next one; none if it is
    /// elsewhere. The handler's calls take the processor's reservation away, so a store-conditional
    /// may fail, and what follows then is not in the trace, or not there again.
    fn follow(&self, expected: usize, at: u64) -> Option<usize> {
        let is_at = |number: &usize| self.trace.addresses.get(*number) == Some(&at);
        let around = expected.saturating_sub(RETRY)..expected + RETRY;
        around
            .filter(is_at)
            .min_by_key(|number| number.abs_diff(expected))
    }

    /// Sends a system reset to the victim, which stands before instruction `number`: what is wrong
    /// with the calls of its handler. It stops in the handler, after them.
    fn interrupt(&mut self, number: usize) -> Result<Option<String>> {
        let target = self.bench.target()?;
        target.set(VICTIM, word::NESTED_SOURCE, &[SOURCE])?;
        let before = target.get(VICTIM, word::RESETS)?;
        // The monitor's wakes up processors that wait to be started too (hw/ppc/spapr.c, spapr_nmi).
        let to_all = number.is_multiple_of(MONITOR) && self.case.call.function != name::START_CPU;
        if to_all {
            target.reset_all()?;
            // Those that wait for commands go through their handlers, without a call, and wait on.
            for index in 0..target.running() {
                if index != VICTIM && !(index == EARLIER && self.case.in_flight.is_some()) {
                    let stopped = target.run(index)?;
                    if !target.is_done(stopped) {
                        let place = target.tell(stopped);
                        bail!("processor {index} did not come back from its reset: {place}");
                    }
                }
            }
        } else {
            target.set(COMMANDER, word::ARGUMENTS, &[VICTIM as u64])?;
            target.command(COMMANDER, command::RESET)?;
            let status = target.get(COMMANDER, word::RESULTS)?;
            if status != 0 {
                bail!("H_SIGNAL_SYS_RESET says {}", status as i64);
            }
        }
        let stopped = target.run(VICTIM)?;
        if !target.is_done(stopped) {
            let place = target.tell(stopped);
            return Ok(Some(format!("the nested calls do not end: {place}")));
        }
        if target.get(VICTIM, word::RESETS)? != before + 1 {
            bail!("the handler was not run");
        }
        target.set(VICTIM, word::NESTED_SOURCE, &[0])?;
        // Calls of a crash path, on a processor that has one context itself.
        let usual = self.usual.context("no crash path with nobody dead")?;
        let fault = self.bench.nested_fault(VICTIM, usual, 0)?;
        Ok(fault.map(|fault| format!("nested: {fault}")))
    }

    /// Interrupts the call at `number`, and lets it go on in the state that the handler left.
    fn go_on(&mut self, number: usize) -> Result<()> {
        let width = self.unit.width;
        let at = self.bench.begin(self.case, width, number, self.trace)?;
        self.done.covered += 1;
        let mut wrong = self.interrupt(number)?;
        if wrong.is_none() {
            let target = self.bench.target()?;
            let stopped = target.go(VICTIM)?;
            if target.is_done(stopped) {
                let found = target.outcome(VICTIM, &self.case.call)?;
                let wanted = self.trace.outcome.as_ref().map(|outcome| outcome.status());
                if found.trap != 0 || Some(found.status()) != wanted {
                    wrong = Some(format!("the interrupted call ends with {found:x?}"));
                }
            } else {
                let place = target.tell(stopped);
                wrong = Some(format!("the interrupted call does not end: {place}"));
            }
        }
        if wrong.is_none() {
            match self.bench.crash(width, 0, self.usual, 0)? {
                Survival::Passed(_) => (),
                Survival::Failed(why) | Survival::Lost(why) => wrong = Some(why),
            }
        }
        match wrong {
            None => self.done.passed += 1,
            Some(why) => {
                self.fail(number, at, &why);
                self.bench.discard();
            }
        }
        Ok(())
    }

    fn fail(&mut self, number: usize, at: u64, why: &str) {
        let place = self.bench.describe(at);
        self.done.failures.push(format!(
            "reset before instruction {number} at {place}: {why}\n{}",
            self.unit.repeat(number, &self.bench.setting)
        ));
    }
}
