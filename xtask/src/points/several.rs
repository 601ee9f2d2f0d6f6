//! Several processors die at once: pairs and triples by sampling, and all possible processors,
//! those included that were added while the machine ran.

use super::bench::{Bench, ENOUGH, Survival};
use super::calls::{self, Call, Case, SOURCE};
use super::state::Done;
use super::target::COMMANDER;
use super::unit::{POINTS_OF_A_PART, Share, Unit};
use anyhow::{Result, bail};
use conformance_guest::points::word;
use conformance_guest::source::Random;

/// A dead processor: its index, the call and how many instructions of it were executed.
struct Death {
    index: usize,
    call: Call,
    number: usize,
}

/// Chooses calls and instructions. The calls come back and change nothing that lasts but sources;
/// every second one is an interrupt call.
struct Choice {
    random: Random,
    interrupt: Vec<Call>,
    others: Vec<Call>,
}

impl Choice {
    fn new(random: Random) -> Self {
        let calls = calls::cases().into_iter();
        let calls = calls
            .filter(|case| case.in_flight.is_none() && !case.call.lasts() && !case.call.leaves());
        let mut interrupt: Vec<Call> = Vec::new();
        let mut others: Vec<Call> = Vec::new();
        for Case { call, .. } in calls {
            let list = if call.is_interrupt_call() {
                &mut interrupt
            } else {
                &mut others
            };
            if !list.contains(&call) {
                list.push(call);
            }
        }
        Self {
            random,
            interrupt,
            others,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random.below(limit as u64) as usize
    }

    fn call(&mut self) -> Option<Call> {
        let interrupt = self.random.below(2) == 0;
        let limit = if interrupt {
            self.interrupt.len()
        } else {
            self.others.len()
        };
        let at = self.below(limit);
        let list = if interrupt {
            &self.interrupt
        } else {
            &self.others
        };
        list.get(at).cloned()
    }
}

/// The source is enabled, so that there is something to mask.
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
    case.buffer = b"several\0".to_vec();
    case
}

/// Places a processor in a call that is chosen, inside RTAS.
fn kill(bench: &mut Bench, index: usize, width: u32, choice: &mut Choice) -> Result<Death> {
    let Some(call) = choice.call() else {
        bail!("there is no call to die in");
    };
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
        // With others dead it did not come there, and returned.
        number /= 2;
    }
}

/// Traces every call that may be chosen.
pub fn learn(bench: &mut Bench, width: u32) -> Result<()> {
    let choice = Choice::new(Random::new(1));
    let calls = [choice.interrupt, choice.others].concat();
    bench.learn(&calls, &state(), width)
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
    let mut done = Done::default();
    let all = POINTS_OF_A_PART as usize;
    let points = match share {
        Share::All => 0..all,
        Share::Sample(count) => 0..count.min(all),
        Share::Point(at) => at..at + 1,
    };
    learn(bench, unit.width)?;
    for point in points {
        done.points += 1;
        if done.failures.len() >= ENOUGH {
            continue;
        }
        bench.prepare(&state(), unit.width)?;
        // Each point has its own generator, so that it can be repeated alone.
        let mut choice = Choice::new(bench.random(&format!("{unit} {point}")));
        let mut deaths = Vec::new();
        for index in 1..=dead {
            deaths.push(kill(bench, index, unit.width, &mut choice)?);
        }
        done.covered += 1;
        let places = describe(bench, &deaths)?;
        match bench.crash(unit.width, 0, None)? {
            Survival::Passed(_) => {
                done.passed += 1;
                for death in &deaths {
                    bench.target()?.give_up(death.index)?;
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

fn fail(done: &mut Done, bench: &Bench, unit: &Unit, point: usize, why: &str) {
    done.failures
        .push(format!("{why}\n{}", unit.repeat(point, bench.seed)));
}

/// All `possible` processors are inside a call at once. The crash path still works; then every one
/// takes a system reset where it is, and calls RTAS from the handler.
pub fn everyone(bench: &mut Bench, unit: &Unit, present: usize, possible: usize) -> Result<Done> {
    let width = unit.width;
    let mut choice = Choice::new(bench.random(&unit.to_string()));
    let mut done = Done {
        points: 1 + possible as u32,
        ..Done::default()
    };
    let target = bench.target()?;
    target.set_width(width);
    // The last of those present was left out.
    target.start(present - 1)?;
    for index in present..possible {
        target.add(index)?;
    }
    let case = state();
    bench.prepare(&case, width)?;
    let mut deaths = Vec::new();
    for index in 1..possible {
        deaths.push(kill(bench, index, width, &mut choice)?);
    }
    let places = describe(bench, &deaths)?;
    done.covered += 1;
    match bench.crash(width, 0, None)? {
        Survival::Passed(_) => done.passed += 1,
        Survival::Failed(why) | Survival::Lost(why) => {
            fail(&mut done, bench, unit, 0, &format!("{why}{places}"));
            return Ok(done);
        }
    }
    // The commander as well, so that there is nobody left outside.
    kill(bench, COMMANDER, width, &mut choice)?;
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
            Some(format!("its nested calls do not end: {stopped:x?}"))
        } else {
            bench.nested_fault(index)?
        };
        match wrong {
            None => done.passed += 1,
            Some(why) => {
                let why = format!("processor {index}: {why}{places}");
                done.failures.push(why);
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
    fn the_sample_is_of_calls_that_come_back_and_is_the_same_for_the_same_seed() {
        let names = |seed| -> Vec<&str> {
            let mut choice = Choice::new(Random::new(seed));
            let calls = (0..200).filter_map(|_| choice.call());
            calls.map(|call| call.function).collect()
        };
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
        for name in calls::LASTING
            .into_iter()
            .chain(["stop-self", "power-off", "system-reboot"])
        {
            assert!(!names(1).contains(&name), "{name}");
        }
        assert!(names(1).contains(&"ibm,int-off") && names(1).contains(&"ibm,get-xive"));
        assert_eq!(state().before.len(), 2);
    }
}
