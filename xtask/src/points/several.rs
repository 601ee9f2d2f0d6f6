//! Several processors die at once: pairs and triples by sampling, and all possible processors,
//! those included that were added while the machine ran.

use super::bench::{Bench, ENOUGH, Survival};
use super::calls::{self, Call, Case, SOURCE};
use super::state::Done;
use super::target::COMMANDER;
use super::unit::{POINTS_OF_A_PART, Share, Unit};
use anyhow::{Context, Result, bail};
use conformance_guest::points::word;
use conformance_guest::source::Random;
use rtas_abi::name;

/// A dead processor: its index, the call and how many instructions of it were executed.
struct Death {
    index: usize,
    call: Call,
    number: usize,
}

/// Chooses calls and instructions: of sixteen calls eight are interrupt calls and one is a call
/// that changes the machine. None of them leaves.
struct Choice {
    random: Random,
    interrupt: Vec<Call>,
    lasting: Vec<Call>,
    others: Vec<Call>,
}

impl Choice {
    fn new(random: Random) -> Self {
        let calls = calls::cases().into_iter();
        let calls = calls.filter(|case| case.in_flight.is_none() && !case.call.leaves());
        let mut choice = Self {
            random,
            interrupt: Vec::new(),
            lasting: Vec::new(),
            others: Vec::new(),
        };
        for Case { call, .. } in calls {
            let list = if call.is_interrupt_call() {
                &mut choice.interrupt
            } else if call.lasts() {
                &mut choice.lasting
            } else {
                &mut choice.others
            };
            if !list.contains(&call) {
                list.push(call);
            }
        }
        choice
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random.below(limit as u64) as usize
    }

    fn call(&mut self) -> Result<Call> {
        let list = match self.random.below(16) {
            0..8 => &self.interrupt,
            8 => &self.lasting,
            _ => &self.others,
        };
        let at = self.random.below(list.len() as u64) as usize;
        list.get(at).cloned().context("there is no call to die in")
    }

    fn calls(&mut self, count: usize) -> Result<Vec<Call>> {
        (0..count).map(|_| self.call()).collect()
    }
}

/// The source is enabled, so that there is something to mask. The buffer, which all the dead have in
/// common, names a connector.
fn state() -> Case {
    let sources = calls::cases().into_iter();
    let mut enabled = sources.filter(|case| case.name == "enabled" && case.in_flight.is_none());
    // There is one: a test of `calls` says so of each interrupt call.
    let mut case = enabled.next().unwrap_or_else(|| Case {
        call: Call {
            function: "ibm,int-off",
            inputs: Vec::new(),
            outputs: 1,
        },
        name: "enabled",
        before: Vec::new(),
        in_flight: None,
        buffer: Vec::new(),
    });
    // What the one call is asked with that looks at it.
    let mut connectors = calls::cases().into_iter();
    let connector = connectors.find(|case| case.call.function == name::IBM_CONFIGURE_CONNECTOR);
    case.buffer = connector.map(|case| case.buffer).unwrap_or_default();
    case
}

/// Places a processor inside RTAS, in a call that was learned.
fn kill(
    bench: &mut Bench,
    index: usize,
    call: Call,
    width: u32,
    choice: &mut Choice,
) -> Result<Death> {
    let trace = bench.learned(&call, width)?;
    let mut number = choice.below(trace.addresses.len());
    loop {
        let at = bench.advance(index, &call, number, &trace)?;
        let target = bench.target()?;
        if target.area().contains(&at) {
            return Ok(Death {
                index,
                call,
                number,
            });
        }
        // With others dead it did not come there, and returned. The way to the context is the same
        // for all.
        number /= 2;
        if number == 0 {
            bail!("{} does not go as it was traced at all", call.function);
        }
    }
}

fn describe(bench: &mut Bench, deaths: &[Death]) -> Result<String> {
    let mut text = String::new();
    for death in deaths {
        let at = bench.target()?.at(death.index)?;
        let place = bench.describe(at);
        text.push_str(&format!(
            "\n  processor {} in {} after {} instructions, at {place}",
            death.index, death.call.function, death.number
        ));
    }
    Ok(text)
}

/// Pairs or triples: so many `dead`.
pub fn several(bench: &mut Bench, unit: &Unit, dead: usize, share: Share) -> Result<Done> {
    let width = unit.width;
    let mut done = Done::default();
    let all = POINTS_OF_A_PART as usize;
    let points = match share {
        Share::All => 0..all,
        Share::Sample(count) => 0..count.min(all),
        Share::Point(at) => at..at + 1,
    };
    for point in points {
        done.points += 1;
        if done.failures.len() >= ENOUGH {
            continue;
        }
        // Each point has its own generator, so that it can be repeated alone.
        let mut choice = Choice::new(bench.random(&format!("{unit} {point}")));
        let calls = choice.calls(dead)?;
        let lasts = calls.iter().any(Call::lasts);
        let (survival, places) = match die(bench, &calls, width, &mut choice) {
            Ok(died) => died,
            Err(error) => {
                fail(&mut done, bench, unit, point, &format!("{error:#}"));
                bench.discard();
                continue;
            }
        };
        done.covered += 1;
        match survival {
            Survival::Passed(_) if lasts => {
                done.passed += 1;
                bench.check_ends()?;
                bench.discard();
            }
            Survival::Passed(_) => {
                done.passed += 1;
                for index in 1..=dead {
                    bench.target()?.give_up(index)?;
                }
            }
            Survival::Failed(why) | Survival::Lost(why) => {
                fail(&mut done, bench, unit, point, &format!("{why}{places}"));
                bench.discard();
            }
        }
    }
    Ok(done)
}

/// Processors die in these calls, one each, and the commander goes through a crash: what came of it,
/// and where they died.
fn die(
    bench: &mut Bench,
    calls: &[Call],
    width: u32,
    choice: &mut Choice,
) -> Result<(Survival, String)> {
    bench.learn(calls, &state(), width)?;
    bench.prepare(&state(), width)?;
    let usual = match bench.usual(width)? {
        Ok(usual) => usual,
        Err(why) => bail!("{why}"),
    };
    let mut deaths = Vec::new();
    for (index, call) in (1..).zip(calls) {
        deaths.push(kill(bench, index, call.clone(), width, choice)?);
    }
    let places = describe(bench, &deaths)?;
    Ok((bench.crash(width, 0, Some(usual), 0)?, places))
}

fn fail(done: &mut Done, bench: &Bench, unit: &Unit, point: usize, why: &str) {
    done.failures
        .push(format!("{why}\n{}", unit.repeat(point, &bench.setting)));
}

/// All `possible` processors are inside a call at once, on a machine of their own that has `present`
/// at the beginning. The crash path still works; then every one takes a system reset where it is,
/// and calls RTAS from the handler.
pub fn everyone(bench: &mut Bench, unit: &Unit, present: usize, possible: usize) -> Result<Done> {
    let width = unit.width;
    let mut choice = Choice::new(bench.random(&unit.to_string()));
    let mut calls = choice.calls(possible)?;
    bench.learn(&calls, &state(), width)?;
    let mut machine = bench.machine().clone();
    machine.smp = format!("{present},maxcpus={possible}");
    let name = format!("crash-points-all-{possible}-{}", std::process::id());
    let bench = &mut bench.sibling(machine, present, &name);
    let mut done = Done {
        points: unit.points().unwrap_or_default(),
        ..Done::default()
    };
    let target = bench.target()?;
    target.set_width(width);
    // The last of those present was left out.
    target.start(present - 1)?;
    for index in present..possible {
        target.add(index)?;
    }
    bench.prepare(&state(), width)?;
    let usual = match bench.usual(width)? {
        Ok(usual) => usual,
        Err(why) => bail!("{why}"),
    };
    // The commander as well at the end, so that there is nobody left outside.
    let last = calls.pop().context("no processor")?;
    let mut deaths = Vec::new();
    for (index, call) in (1..).zip(calls) {
        deaths.push(kill(bench, index, call, width, &mut choice)?);
    }
    let places = describe(bench, &deaths)?;
    done.covered += 1;
    let owned = deaths.len();
    match bench.crash(width, 0, Some(usual), owned)? {
        Survival::Passed(cost) => {
            done.passed += 1;
            done.note = format!("{} ticks, {} with nobody dead", cost.ticks, usual.ticks);
        }
        Survival::Failed(why) | Survival::Lost(why) => {
            fail(&mut done, bench, unit, 0, &format!("{why}{places}"));
            return Ok(done);
        }
    }
    bench.check_ends()?;
    kill(bench, COMMANDER, last, width, &mut choice)?;
    let target = bench.target()?;
    for index in 0..possible {
        target.set(index, word::NESTED_SOURCE, &[SOURCE])?;
    }
    target.reset_all()?;
    for index in 0..possible {
        done.covered += 1;
        let target = bench.target()?;
        let stopped = target.run(index)?;
        let resets = target.get(index, word::RESETS)?;
        let wrong = if !target.is_done(stopped) || resets != 1 {
            let place = target.tell(stopped);
            Some(format!("its nested calls do not end: {place}"))
        } else {
            bench.nested_fault(index, usual, possible)?
        };
        match wrong {
            None => done.passed += 1,
            Some(why) => {
                let why = format!("processor {index}: {why}{places}");
                fail(&mut done, bench, unit, 1 + index, &why);
                break;
            }
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_of_all_calls_that_come_back_and_is_the_same_for_the_same_seed() {
        let names = |seed| -> Vec<&str> {
            let calls = Choice::new(Random::new(seed)).calls(1000).unwrap();
            calls.iter().map(|call| call.function).collect()
        };
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
        for case in calls::cases() {
            let name = case.call.function;
            assert_ne!(names(1).contains(&name), case.call.leaves(), "{name}");
        }
        assert_eq!(state().before.len(), 2);
        assert_eq!(state().buffer.len(), 4, "a connector");
    }
}
