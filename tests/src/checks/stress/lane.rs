//! The interrupt calls of one processor: half of them on a source of its own, where each answer is
//! known, half on the shared ones, where the order is found afterwards.
//!
//! After each round of calls no call is in flight. Then the histories of the shared sources are
//! judged, and every source is compared with what the hypervisor has.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use guest::history::{Checker, Event, INITIAL, Mask, Operation, Value};
use guest::source::{Call, LEAST_FAVORED, Random, Source};

use super::meet::{self, deviates};
use super::{NO_SERVER, PLAN, SHARED_SOURCES};
use crate::board::gate::Gate;
use crate::board::hypercall::shortest_rtas;
use crate::board::processor;
use crate::checks::processors::SHARED;
use crate::say;
use crate::subject::{Rtas, Width};

/// Calls of each processor in a round.
pub const CALLS: usize = 2048;
/// Priorities that are set, 0 to this one not included. The hypervisor tells the least favoured one
/// of masked sources.
const PRIORITIES: u32 = LEAST_FAVORED;
/// Rounds between two lines that say how far it is.
const SHOWN: u32 = 16;

/// What one processor did to the shared sources in this round: tickets, and what it was.
///
/// Protects: itself.
/// Holder: its processor writes during a round; the others read between two meetings after it.
/// Order: relaxed; the meetings order.
/// Holder dies: the round does not end.
struct Records {
    used: AtomicU32,
    tickets: [AtomicU64; CALLS],
    what: [AtomicU32; CALLS],
}

static RECORDS: [Records; processor::MAX] = [const {
    Records {
        used: AtomicU32::new(0),
        tickets: [const { AtomicU64::new(0) }; CALLS],
        what: [const { AtomicU32::new(0) }; CALLS],
    }
}; processor::MAX];

/// Tickets of each shared source.
///
/// Protects: itself: the next ticket.
/// Holder: any processor, one fetch-and-add; the source's judge sets it back between the meetings.
/// Order: sequentially consistent: a ticket drawn after a call returned is larger than every one
/// drawn before it began.
/// Holder dies: a ticket is lost.
static TICKETS: [AtomicU32; SHARED_SOURCES] = [const { AtomicU32::new(1) }; SHARED_SOURCES];

/// Calls that each processor has made.
static MADE: [AtomicU64; processor::MAX] = [const { AtomicU64::new(0) }; processor::MAX];

/// Calls that all of them have made.
pub fn made(lanes: usize) -> u64 {
    let made = MADE.iter().take(lanes);
    made.map(|made| made.load(Ordering::Relaxed)).sum()
}

/// A record's word: source, kind, value.
fn pack(shared: usize, operation: Operation) -> u32 {
    let (kind, value) = match operation {
        Operation::Set(value) => (0, value),
        Operation::Get(value) => (1, value),
        Operation::Off => (2, 0),
        Operation::On => (3, 0),
    };
    (shared as u32) << 24 | kind << 16 | u32::from(value)
}

fn unpack(word: u32) -> (usize, Operation) {
    let value = word as Value;
    let operation = match word >> 16 & 0xff {
        0 => Operation::Set(value),
        1 => Operation::Get(value),
        2 => Operation::Off,
        _ => Operation::On,
    };
    ((word >> 24) as usize, operation)
}

/// One processor at work.
struct Lane<'a> {
    gate: &'a mut Gate,
    rtas: Rtas,
    buffer: u64,
    index: usize,
    lanes: usize,
    tokens: [u32; 4],
    /// Of the processors that are there for all of the run.
    servers: u32,
}

/// Why a lane ends: it has been told already.
struct Deviated;

type Outcome<T> = Result<T, Deviated>;

/// The job.
pub fn run(gate: &mut Gate, index: usize) {
    let [lanes, serial, plugs] = PLAN.shares();
    let mut lane = Lane {
        gate,
        rtas: SHARED.rtas(),
        buffer: SHARED.buffer(index),
        index,
        lanes,
        tokens: PLAN
            .tokens
            .each_ref()
            .map(|token| token.load(Ordering::Relaxed)),
        servers: (lanes + serial + plugs) as u32,
    };
    MADE[index].store(0, Ordering::Relaxed);
    // Deviations are kept where the boot processor finds them.
    let _ = lane.rounds();
    if index == 0 {
        meet::stop();
    }
}

impl Lane<'_> {
    fn rounds(&mut self) -> Outcome<()> {
        let seed = 0x5eed_0000 + u64::from(PLAN.sources[0].load(Ordering::Relaxed));
        let mut random = Random::new(seed ^ (self.index as u64) << 32);
        let number = self.own();
        let mut own = self.settle(number)?;
        let mut judge = (self.index < SHARED_SOURCES).then(|| Judge::new(self.servers));
        if let Some(judge) = &mut judge {
            self.settle(source(self.index))?;
            judge.begin(self)?;
        }
        // The sources that no lane judges, if there are fewer lanes than sources, are never used.
        let shared = SHARED_SOURCES.min(self.lanes);
        let rounds = PLAN.rounds.load(Ordering::Relaxed);
        let mut go_on = meet::wait(self.gate, self.lanes);
        let mut round = 0;
        while go_on && round < rounds {
            self.round(round, shared, &mut random, &mut own)?;
            go_on = meet::wait(self.gate, self.lanes);
            if !go_on {
                break;
            }
            self.compare(number, own)?;
            if let Some(judge) = &mut judge {
                judge.round(self, round)?;
            }
            round += 1;
            if self.index == 0 && round.is_multiple_of(SHOWN) {
                say!("guest: {round} of {rounds} rounds");
            }
            go_on = meet::wait(self.gate, self.lanes);
        }
        Ok(())
    }

    /// The source that this processor has for itself.
    fn own(&self) -> u32 {
        source(SHARED_SOURCES + self.index)
    }

    /// One call of RTAS: its outputs.
    fn call(&mut self, token: u32, inputs: &[u32], outputs: usize) -> Outcome<[i64; 3]> {
        let made = self
            .rtas
            .quick(self.gate, self.buffer, token, inputs, outputs);
        MADE[self.index].fetch_add(1, Ordering::Relaxed);
        made.map_err(|trap| {
            let index = self.index;
            deviates(format_args!(
                "{trap:x?} of token {token:#x} on processor {index}"
            ));
            Deviated
        })
    }

    /// One call that has to succeed.
    fn succeed(&mut self, token: u32, inputs: &[u32], outputs: usize) -> Outcome<[i64; 3]> {
        let cells = self.call(token, inputs, outputs)?;
        if cells[0] != 0 {
            let index = self.index;
            deviates(format_args!(
                "status {} of token {token:#x} with {inputs:x?} on processor {index}",
                cells[0]
            ));
            return Err(Deviated);
        }
        Ok(cells)
    }

    fn get(&mut self, number: u32) -> Outcome<(u32, u32)> {
        let [_, server, priority] = self.succeed(self.tokens[0], &[number], 3)?;
        Ok((server as u32, priority as u32))
    }

    fn change(&mut self, number: u32, call: Call) -> Outcome<()> {
        let [_, set, off, on] = self.tokens;
        match call {
            Call::Set(server, priority) => self.succeed(set, &[number, server, priority], 1)?,
            Call::Off => self.succeed(off, &[number], 1)?,
            Call::On => self.succeed(on, &[number], 1)?,
        };
        Ok(())
    }

    /// What the hypervisor has: server and effective priority.
    fn direct(&mut self, number: u32) -> Outcome<(u32, u32)> {
        let hypervisor = Rtas {
            entry: shortest_rtas(),
            width: Width::Mode64,
            ..self.rtas
        };
        let token = self.tokens[0];
        let told = hypervisor.quick(self.gate, self.buffer, token, &[number], 3);
        match told {
            Ok([0, server, priority]) => Ok((server as u32, priority as u32)),
            other => {
                deviates(format_args!(
                    "{other:x?} of the hypervisor for source {number:#x}"
                ));
                Err(Deviated)
            }
        }
    }

    /// A known state, whatever was there before: the pair of value 1, which the first round does not
    /// set.
    fn settle(&mut self, number: u32) -> Outcome<Source> {
        let (server, priority) = self.pair(1);
        let mut state = Source::BOOT;
        for call in [Call::Set(server, priority), Call::Off] {
            self.change(number, call)?;
            state = state.after(call);
        }
        Ok(state)
    }

    /// Server and priority of a value: every pair has one.
    fn pair(&self, value: Value) -> (u32, u32) {
        let value = u32::from(value);
        (
            server((value % self.servers) as usize),
            value / self.servers,
        )
    }

    /// The value of a pair; `None` if nobody sets it.
    fn value(&self, (told, priority): (u32, u32)) -> Option<Value> {
        let index = (0..self.servers).find(|index| server(*index as usize) == told)?;
        let value = priority.checked_mul(self.servers)?.checked_add(index)?;
        (priority < PRIORITIES).then_some(value as Value)
    }

    fn round(
        &mut self,
        round: u32,
        shared: usize,
        random: &mut Random,
        own: &mut Source,
    ) -> Outcome<()> {
        let mut sets = [0; SHARED_SOURCES];
        let mut used = 0;
        for _ in 0..CALLS {
            if random.below(2) == 0 {
                self.on_own(random, own)?;
                continue;
            }
            let which = random.below(shared as u64) as usize;
            let number = source(which);
            if random.below(32) == 0 {
                self.refused(number, random)?;
                continue;
            }
            let fresh = self.fresh(round, sets[which]);
            let start = TICKETS[which].fetch_add(1, Ordering::SeqCst);
            let operation = match (random.below(12), fresh) {
                (0..3, Some(value)) => {
                    let (server, priority) = self.pair(value);
                    self.change(number, Call::Set(server, priority))?;
                    sets[which] += 1;
                    Operation::Set(value)
                }
                (3..6, _) => {
                    self.change(number, Call::Off)?;
                    Operation::Off
                }
                (6..8, _) => {
                    self.change(number, Call::On)?;
                    Operation::On
                }
                _ => {
                    let told = self.get(number)?;
                    // A pair that nobody sets is a value that nobody sets.
                    Operation::Get(self.value(told).unwrap_or(INITIAL - 1))
                }
            };
            let end = TICKETS[which].fetch_add(1, Ordering::SeqCst);
            let records = &RECORDS[self.index];
            records.tickets[used].store(u64::from(start) << 32 | u64::from(end), Ordering::Relaxed);
            records.what[used].store(pack(which, operation), Ordering::Relaxed);
            used += 1;
        }
        RECORDS[self.index]
            .used
            .store(used as u32, Ordering::Relaxed);
        Ok(())
    }

    /// A value that nobody else sets in this round, nor anybody in the rounds before and after it.
    fn fresh(&self, round: u32, set: usize) -> Option<Value> {
        let value = 2 * (set * self.lanes + self.index) + usize::from(own_parity(round));
        let values = (self.servers * PRIORITIES) as usize;
        (value < values).then_some(value as Value)
    }

    /// A call on the source of its own, and what it tells afterwards.
    fn on_own(&mut self, random: &mut Random, own: &mut Source) -> Outcome<()> {
        let number = self.own();
        if random.below(32) == 0 {
            return self.refused(number, random);
        }
        match random.below(8) {
            0..2 => {
                let set = server(random.below(self.servers.into()) as usize);
                let call = Call::Set(set, random.below(256) as u32);
                self.change(number, call)?;
                *own = own.after(call);
            }
            2..4 => {
                self.change(number, Call::Off)?;
                *own = own.after(Call::Off);
            }
            4..6 => {
                self.change(number, Call::On)?;
                *own = own.after(Call::On);
            }
            _ => {
                let told = self.get(number)?;
                if (Some(told.0), told.1) != (own.server, own.priority) {
                    deviates(format_args!(
                        "{told:x?} told of source {number:#x}, which only this processor sets: {own:x?}"
                    ));
                    return Err(Deviated);
                }
            }
        }
        Ok(())
    }

    /// A call that is a parameter error and changes nothing.
    fn refused(&mut self, number: u32, random: &mut Random) -> Outcome<()> {
        let inputs = match random.below(2) {
            0 => [number, NO_SERVER, 5],
            _ => [number, server(0), 0x100],
        };
        let cells = self.call(self.tokens[1], &inputs, 1)?;
        if cells[0] != -3 {
            deviates(format_args!(
                "status {} of ibm,set-xive with {inputs:x?}",
                cells[0]
            ));
            return Err(Deviated);
        }
        Ok(())
    }

    /// Compares a source with what the hypervisor has while nobody calls.
    fn compare(&mut self, number: u32, wanted: Source) -> Outcome<()> {
        let (server, effective) = self.direct(number)?;
        let presented = effective != LEAST_FAVORED;
        if effective != wanted.effective() || presented && Some(server) != wanted.server {
            deviates(format_args!(
                "the hypervisor has server {server:#x}, priority {effective:#x} for source \
                 {number:#x}: {wanted:x?}"
            ));
            return Err(Deviated);
        }
        Ok(())
    }
}

/// The lowest bit of the values that are set in this round.
fn own_parity(round: u32) -> Value {
    (round % 2) as Value
}

/// The number of source `index` of the plan.
fn source(index: usize) -> u32 {
    PLAN.sources[index].load(Ordering::Relaxed)
}

/// The server of processor `index`.
fn server(index: usize) -> u32 {
    PLAN.servers[index].load(Ordering::Relaxed)
}

/// Who judges the shared source of the same number as its processor.
struct Judge {
    checker: Checker,
    /// What was set before this round, and whether the source is masked.
    value: Option<Value>,
    masked: bool,
}

impl Judge {
    fn new(servers: u32) -> Judge {
        Judge {
            checker: Checker::new((servers * PRIORITIES) as usize),
            value: None,
            masked: true,
        }
    }

    fn begin(&mut self, lane: &mut Lane<'_>) -> Outcome<()> {
        let told = lane.get(source(lane.index))?;
        self.value = lane.value(told);
        TICKETS[lane.index].store(1, Ordering::SeqCst);
        Ok(())
    }

    /// Judges a round, while no other processor calls.
    fn round(&mut self, lane: &mut Lane<'_>, round: u32) -> Outcome<()> {
        let number = source(lane.index);
        let mut mask = Mask::new(self.masked);
        self.checker.clear();
        let last = lane.get(number)?;
        let end = TICKETS[lane.index].load(Ordering::SeqCst);
        let told = Event {
            start: end,
            end: end + 1,
            operation: Operation::Get(lane.value(last).unwrap_or(INITIAL - 1)),
        };
        let mut judged = self.add(told);
        for records in &RECORDS[..lane.lanes] {
            let used = records.used.load(Ordering::Relaxed) as usize;
            for (tickets, what) in records.tickets.iter().zip(&records.what).take(used) {
                let (which, operation) = unpack(what.load(Ordering::Relaxed));
                if which != lane.index {
                    continue;
                }
                let tickets = tickets.load(Ordering::Relaxed);
                let event = Event {
                    start: (tickets >> 32) as u32,
                    end: tickets as u32,
                    operation,
                };
                mask.add(event);
                judged = judged.and_then(|()| self.add(event));
            }
        }
        if let Err(why) = judged.and_then(|()| self.checker.judge()) {
            let lanes = lane.lanes;
            deviates(format_args!(
                "no order explains the {end} tickets of source {number:#x} by {lanes} processors in \
                 round {round}: {why:?}, set before {:x?}",
                self.value.map(|value| lane.pair(value))
            ));
            return Err(Deviated);
        }
        let (_, effective) = lane.direct(number)?;
        let masked = effective == LEAST_FAVORED;
        if !mask.may_be(masked) {
            deviates(format_args!(
                "the hypervisor has source {number:#x} masked: {masked}, in round {round}: {mask:?}"
            ));
            return Err(Deviated);
        }
        let state = Source {
            server: Some(last.0),
            priority: last.1,
            masked,
        };
        lane.compare(number, state)?;
        self.value = lane.value(last);
        self.masked = masked;
        if self
            .value
            .is_none_or(|value| value % 2 != own_parity(round))
        {
            // Nobody set it in this round: the next one may set what was set before.
            let (server, priority) = lane.pair(own_parity(round));
            lane.change(number, Call::Set(server, priority))?;
            self.value = Some(own_parity(round));
        }
        TICKETS[lane.index].store(1, Ordering::SeqCst);
        Ok(())
    }

    /// Adds a call; what was set before the round has no number of its own.
    fn add(&mut self, event: Event) -> Result<(), guest::history::Violation> {
        let operation = match event.operation {
            Operation::Get(value) if Some(value) == self.value => Operation::Get(INITIAL),
            other => other,
        };
        self.checker.add(Event { operation, ..event })
    }
}
