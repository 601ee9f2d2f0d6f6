//! What walks, samples and nested calls are made of: a machine in a known state, processors placed
//! at instructions, crash paths and their verdicts.

use super::calls::{Call, Case, SOURCE};
use super::target::{BOOT, Broken, COMMANDER, Outcome, PATIENCE, Stopped, Target};
use super::unit::Setting;
use crate::crash::symbols::Symbols;
use crate::qemu::Machine;
use anyhow::{Context, Result, bail};
use conformance_guest::points::{command, fault, word};
use conformance_guest::source::Random;
use std::collections::HashMap;

/// The processor that dies, or the first of those that do.
pub const VICTIM: usize = 1;
/// The processor that died before, where a case has one.
pub const EARLIER: usize = 3;
/// Instructions that a call may have: far more, and it does not end.
const LONGEST: usize = 20_000;
/// A crash path may take this many times the ticks of one with nobody dead. The ticks count
/// instructions: nothing in it may wait.
const BOUND: u64 = 2;
/// Ticks of the timebase that a call may take for each context that it finds owned before it has one.
/// It is 11 instructions (`rtas::pool::take`), and QEMU's timebase ticks at each second one.
const SCAN: u64 = 6;
/// Failures after which a unit is given up: each may cost a machine.
pub const ENOUGH: usize = 3;
/// `sc 1`.
const HYPERCALL: u32 = 0x4400_0022;

/// The instructions that a call executes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The address of the entry that was called.
    entry: u64,
    /// Their addresses.
    pub addresses: Vec<u64>,
    /// Which of them are hypercalls.
    pub hypercalls: Vec<usize>,
    /// What came of the call; nothing if it leaves.
    pub outcome: Option<Outcome>,
}

impl Trace {
    /// The same trace in an instance whose entry is somewhere else.
    fn at_entry(mut self, entry: u64) -> Self {
        for address in &mut self.addresses {
            *address = address.wrapping_sub(self.entry).wrapping_add(entry);
        }
        Self { entry, ..self }
    }
}

/// What calls took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Ticks of the timebase, which counts instructions.
    pub ticks: u64,
    /// Number of the calls.
    pub calls: u64,
}

impl Cost {
    /// The most ticks that `calls` may take where these took so many: [`BOUND`] times as many for
    /// each call, and [`SCAN`] for each context that is `owned` by a dead processor.
    fn bound(self, calls: u64, owned: usize) -> u64 {
        BOUND * self.ticks * calls / self.calls.max(1) + SCAN * owned as u64 * calls
    }

    /// What is wrong with `found`, if something is.
    fn excess(self, found: Self, owned: usize) -> Option<String> {
        let (bound, Self { ticks, calls }) = (self.bound(found.calls, owned), found);
        (ticks > bound).then(|| {
            format!(
                "{calls} calls took {ticks} ticks of the timebase, and may take {bound}: {} took {} with nobody dead",
                self.calls, self.ticks
            )
        })
    }
}

/// What came of a crash path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Survival {
    /// It was all it must be, and took so much.
    Passed(Cost),
    /// It ended, and something was wrong.
    Failed(String),
    /// It did not end: the machine is of no more use.
    Lost(String),
}

/// A machine for many units, booted anew where one is lost.
pub struct Bench {
    machine: Machine,
    /// Processors of the machine.
    processors: usize,
    name: String,
    broken: Broken,
    /// What it takes to run the same again.
    pub setting: Setting,
    symbols: Option<Symbols>,
    target: Option<Target>,
    traces: HashMap<String, Trace>,
    mark: u64,
    /// Crash paths that ended, on the present machine.
    crashes: usize,
}

impl Bench {
    /// A bench for `machine`, which has `processors`. Nothing runs yet.
    pub fn new(
        machine: Machine,
        processors: usize,
        name: &str,
        broken: Broken,
        setting: Setting,
        symbols: Option<Symbols>,
    ) -> Self {
        Self {
            machine,
            processors,
            name: name.to_owned(),
            broken,
            setting,
            symbols,
            target: None,
            traces: HashMap::new(),
            mark: 0,
            crashes: 0,
        }
    }

    /// A bench for another machine, which knows what this one has learned.
    pub fn sibling(&self, machine: Machine, processors: usize, name: &str) -> Self {
        Self {
            machine,
            processors,
            name: name.to_owned(),
            broken: self.broken,
            setting: self.setting.clone(),
            symbols: self.symbols.clone(),
            target: None,
            traces: self.traces.clone(),
            mark: 0,
            crashes: 0,
        }
    }

    /// The machine that is booted.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Traces those of `calls` that were not traced yet, made in the state of `case`. One that lasts
    /// has a machine of its own.
    pub fn learn(&mut self, calls: &[Call], case: &Case, width: u32) -> Result<()> {
        for call in calls {
            let key = key(call, width);
            if !self.traces.contains_key(&key) {
                self.before_trace(call);
                self.prepare(case, width)?;
                let trace = self.trace(VICTIM, call)?;
                self.after_trace(call, &trace)?;
                self.traces.insert(key, trace);
            }
        }
        Ok(())
    }

    /// The trace of a call that was [learned](Self::learn), with the addresses of this machine: one
    /// with more processors has the blob somewhere else.
    pub fn learned(&mut self, call: &Call, width: u32) -> Result<Trace> {
        let trace = self.traces.get(&key(call, width)).cloned();
        let trace = trace.with_context(|| format!("{} was not traced", call.function))?;
        let target = self.target()?;
        target.set_width(width);
        Ok(trace.at_entry(target.entry()))
    }

    /// The machine, booted if need be.
    pub fn target(&mut self) -> Result<&mut Target> {
        let target = match self.target.take() {
            Some(target) => target,
            None => {
                self.mark = 0;
                self.crashes = 0;
                let symbols = self.symbols.clone();
                Target::boot(
                    &self.machine,
                    &self.name,
                    self.processors,
                    self.broken,
                    symbols,
                )?
            }
        };
        Ok(self.target.insert(target))
    }

    /// Gives the machine up.
    pub fn discard(&mut self) {
        self.target = None;
    }

    /// A generator for the unit `name`.
    pub fn random(&self, name: &str) -> Random {
        // FNV-1a.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Random::new(hash ^ self.setting.seed)
    }

    /// Instances and sources as after the boot, and then the state of the case. All processors wait
    /// for commands, but for the one that died before.
    pub fn prepare(&mut self, case: &Case, width: u32) -> Result<()> {
        self.reset(case, width)?;
        let Some(call) = &case.in_flight else {
            return Ok(());
        };
        let key = format!("in flight {}", key(call, width));
        let trace = match self.traces.get(&key) {
            Some(trace) => trace.clone(),
            None => {
                let trace = self.trace(EARLIER, call)?;
                self.traces.insert(key, trace.clone());
                self.reset(case, width)?;
                trace
            }
        };
        // The last hypercall makes the hypervisor follow; before it the word says one thing and the
        // hypervisor another.
        let last = trace.hypercalls.last().copied();
        let last = last.context("the earlier call makes no hypercall")?;
        self.place(EARLIER, call, last, &trace)
    }

    fn reset(&mut self, case: &Case, width: u32) -> Result<()> {
        let target = self.target()?;
        target.set_width(width);
        // One that was left in the middle of a call must not go on in memory that is put back.
        if !target.is_waiting(EARLIER)? {
            target.give_up(EARLIER)?;
        }
        target.command(COMMANDER, command::REWIND)?;
        target.set_buffer(&case.buffer)?;
        for call in &case.before {
            let outcome = target.call(COMMANDER, call)?;
            if outcome.status() != 0 || outcome.trap != 0 {
                bail!("{call:?} was to prepare, and says {outcome:x?}");
            }
        }
        Ok(())
    }

    /// Makes a call in single steps, from the first instruction of RTAS to the return to the caller,
    /// or to the hypercall that does not return.
    pub fn trace(&mut self, index: usize, call: &Call) -> Result<Trace> {
        let target = self.target()?;
        target.enter(index, call)?;
        let area = target.area();
        let mut trace = Trace {
            entry: target.entry(),
            ..Trace::default()
        };
        let mut words: HashMap<u64, u32> = HashMap::new();
        loop {
            let at = target.at(index)?;
            if !area.contains(&at) {
                break;
            }
            if trace.addresses.len() >= LONGEST {
                let place = target.describe(at);
                bail!(
                    "{} is at {place} after {LONGEST} instructions",
                    call.function
                );
            }
            let word = match words.get(&at) {
                Some(word) => *word,
                None => target.instruction(at)?,
            };
            words.insert(at, word);
            if word == HYPERCALL {
                trace.hypercalls.push(trace.addresses.len());
            }
            trace.addresses.push(at);
            if word == HYPERCALL && call.leaves() {
                return Ok(trace);
            }
            target.step(index)?;
        }
        let stopped = target.run(index)?;
        if !target.is_done(stopped) {
            let place = target.tell(stopped);
            bail!("{} does not come back: {place}", call.function);
        }
        trace.outcome = Some(target.outcome(index, call)?);
        Ok(trace)
    }

    /// Takes a new machine where an earlier call of the same function may have changed it.
    pub fn before_trace(&mut self, call: &Call) {
        if call.lasts() {
            self.discard();
        }
    }

    /// Makes the machine what it was before the victim's call was traced.
    pub fn after_trace(&mut self, call: &Call, trace: &Trace) -> Result<()> {
        if call.lasts() {
            self.discard();
        } else if trace.outcome.is_none() {
            // It stands at its hypercall.
            self.target()?.give_up(VICTIM)?;
        }
        Ok(())
    }

    /// Begins the victim's call of `case` on a machine as it was when it was traced, and stops it
    /// before instruction `number`: where that is.
    pub fn begin(&mut self, case: &Case, width: u32, number: usize, trace: &Trace) -> Result<u64> {
        self.before_trace(&case.call);
        self.prepare(case, width)?;
        self.place(VICTIM, &case.call, number, trace)?;
        self.target()?.at(VICTIM)
    }

    /// Starts a call on a processor and stops it before instruction `number` of its trace.
    pub fn place(&mut self, index: usize, call: &Call, number: usize, trace: &Trace) -> Result<()> {
        let at = self.advance(index, call, number, trace)?;
        let wanted = trace.addresses.get(number).copied();
        if wanted != Some(at) {
            bail!("{}", self.strayed(number, at, wanted));
        }
        Ok(())
    }

    /// Starts a call on a processor, and stops it before instruction `number` of a trace: where it is
    /// then. With others dead it may execute other instructions and return before.
    pub fn advance(
        &mut self,
        index: usize,
        call: &Call,
        number: usize,
        trace: &Trace,
    ) -> Result<u64> {
        let target = self.target()?;
        target.enter(index, call)?;
        let passed = trace.addresses.get(1..=number).unwrap_or_default();
        let Some(wanted) = passed.last().copied() else {
            return target.at(index);
        };
        // The so-and-so-manyeth time that it comes to this address: quicker than single steps.
        for _ in passed.iter().filter(|address| **address == wanted) {
            target.step(index)?;
            if target.at(index)? == wanted {
                continue;
            }
            match target.run_until(index, wanted)? {
                Stopped::At(at) if at == wanted => (),
                Stopped::At(at) => return Ok(at),
                Stopped::Not(at) => {
                    let place = target.describe(at);
                    bail!("{} does not end: it is at {place}", call.function)
                }
            }
        }
        target.at(index)
    }

    /// What was wrong with the calls that the handler of a processor's system reset made. `usual` is
    /// what calls take with nobody dead, `owned` how many contexts the dead may have.
    pub fn nested_fault(
        &mut self,
        index: usize,
        usual: Cost,
        owned: usize,
    ) -> Result<Option<String>> {
        let target = self.target()?;
        let words = target.get_all(index, word::NESTED_FAULT, 2)?;
        let [what, seen] = words[..] else {
            bail!("{} words of processor {index} instead of two", words.len());
        };
        if what != 0 {
            return Ok(Some(fault_of(what, Some(SOURCE), seen)));
        }
        let words = target.get_all(index, word::NESTED_TICKS, 2)?;
        let [ticks, calls] = words[..] else {
            bail!("{} words of processor {index} instead of two", words.len());
        };
        if calls == 0 {
            bail!("the handler of processor {index} made no calls");
        }
        Ok(usual.excess(Cost { ticks, calls }, owned))
    }

    /// What is said of a call that is at `at` and should be at `wanted`, before instruction `number`.
    pub fn strayed(&self, number: usize, at: u64, wanted: Option<u64>) -> String {
        let wanted = match wanted {
            Some(wanted) => self.describe(wanted),
            None => "its end".to_owned(),
        };
        format!(
            "instruction {number} is at {}, and was at {wanted}",
            self.describe(at)
        )
    }

    /// What a crash path takes with nobody dead, in the state that is prepared.
    pub fn usual(&mut self, width: u32) -> Result<Result<Cost, String>> {
        Ok(match self.crash(width, 0, None, 0)? {
            Survival::Passed(cost) => Ok(cost),
            Survival::Failed(why) | Survival::Lost(why) => Err(format!("nobody dead: {why}")),
        })
    }

    /// Lets the commander go through a crash. `usual` is what it takes with nobody dead, where that
    /// is known, and `owned` how many contexts the dead may have beside those that its bound covers.
    pub fn crash(
        &mut self,
        width: u32,
        flags: u64,
        usual: Option<Cost>,
        owned: usize,
    ) -> Result<Survival> {
        let mark = self.mark;
        let target = self.target()?;
        target.set_width(width);
        target.order(command::CRASH, flags)?;
        let limit = if flags == 0 { PATIENCE } else { BOOT };
        let (finished, words) = target.again(limit)?;
        if !finished {
            let at = target.at(COMMANDER)?;
            return Ok(Survival::Lost(self.lost(Stopped::Not(at))));
        }
        let word = |at: usize| words.get(at).copied().unwrap_or_default();
        self.crashes += 1;
        self.mark = word(word::MARK);
        if self.mark != mark + 1 {
            bail!("the crash path was not run: {} after {mark}", self.mark);
        }
        if word(word::FAULT) != 0 {
            return Ok(Survival::Failed(fault_of(
                word(word::FAULT),
                Some(word(word::SUBJECT)),
                word(word::SEEN),
            )));
        }
        let cost = Cost {
            ticks: word(word::TICKS),
            calls: word(word::CALLS),
        };
        if cost.calls == 0 {
            bail!("the crash path made no calls");
        }
        Ok(match usual.and_then(|usual| usual.excess(cost, owned)) {
            Some(why) => Survival::Failed(format!("crash path: {why}")),
            None => Survival::Passed(cost),
        })
    }

    /// Every crash path on this machine told QEMU of its end, by ibm,os-term.
    pub fn check_ends(&mut self) -> Result<()> {
        let wanted = self.crashes;
        let seen = self.target()?.count_ends(wanted);
        if seen != wanted {
            bail!("QEMU told of {seen} ends, and {wanted} crash paths had one");
        }
        Ok(())
    }

    /// Where the commander is that does not get on.
    fn lost(&self, stopped: Stopped) -> String {
        let at = match stopped {
            Stopped::At(at) | Stopped::Not(at) => at,
        };
        format!(
            "the crash path does not end: it is at {}",
            self.describe(at)
        )
    }

    /// Lets the commander go through a crash that ends in system-reboot, and boots anew.
    pub fn reboot(&mut self, width: u32) -> Result<Survival> {
        let target = self.target()?;
        let mut qmp = target.qmp()?;
        target.set(COMMANDER, word::COMMAND, &[command::REBOOT, width.into()])?;
        target.set_flags(COMMANDER, 0)?;
        let stopped = target.go_long(COMMANDER)?;
        if !target.is_done(stopped) {
            return Ok(Survival::Lost(self.lost(stopped)));
        }
        let resets = qmp.count_events("RESET")?;
        drop(qmp);
        let fault = target.get_all(COMMANDER, word::FAULT, 3)?;
        if resets == 0 {
            let [what, subject, seen] = fault[..] else {
                bail!("no fault");
            };
            self.mark += 1;
            return Ok(Survival::Failed(fault_of(what, Some(subject), seen)));
        }
        // The guest's memory was cleared with the reset.
        target.start_others()?;
        self.mark = 0;
        Ok(Survival::Passed(Cost::default()))
    }

    /// [`Target::describe`], where there is a machine.
    pub fn describe(&self, address: u64) -> String {
        match &self.target {
            Some(target) => target.describe(address),
            None => format!("{address:#x}"),
        }
    }
}

/// By what a trace is found again.
fn key(call: &Call, width: u32) -> String {
    format!("{call:?} {width}")
}

/// A fault in words.
fn fault_of(fault: u64, subject: Option<u64>, seen: u64) -> String {
    let subject = subject.filter(|subject| *subject != 0 && fault::is_of_source(fault));
    let subject = subject.map(|source| format!(" for source {source:#x}"));
    format!(
        "{}{}: {:#x}",
        fault::describe(fault),
        subject.unwrap_or_default(),
        seen as i64
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_follows_the_calls_and_the_contexts_that_are_owned() {
        let usual = Cost {
            ticks: 1000,
            calls: 10,
        };
        for (calls, owned, bound) in [(10, 0, 2000), (5, 0, 1000), (10, 63, 2000 + 6 * 63 * 10)] {
            let at = |ticks| usual.excess(Cost { ticks, calls }, owned);
            assert_eq!(at(bound), None);
            let why = at(bound + 1).unwrap();
            assert!(why.contains(&format!("may take {bound}")), "{why}");
        }
    }

    #[test]
    fn a_trace_moves_with_its_entry() {
        let trace = Trace {
            entry: 0x1000,
            addresses: vec![0x1000, 0x1008, 0x1004],
            ..Trace::default()
        };
        let moved = trace.clone().at_entry(0x5000);
        assert_eq!(moved.addresses, [0x5000, 0x5008, 0x5004]);
        assert_eq!(moved.at_entry(0x1000), trace);
    }
}
