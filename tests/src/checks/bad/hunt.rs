//! Makes many calls, looks at each, and at the rest of memory after each batch. If that changed,
//! the batch is made again in halves until one call is left.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use guest::bad::judge::{self, Deviation};
use guest::bad::listed::List;
use guest::bad::{BLOCK, Case, World, random};

use super::BATCH;
use crate::board::gate::{Gate, Trap, patterns};
use crate::board::memory;
use crate::say;
use crate::subject::{Rtas, ledger};

/// Memory is summed in pieces of this size.
const PIECE: u64 = 1 << 20;
/// The piece in which a single call is looked for.
const PAGE: u64 = 0x1000;
/// Batches between two lines that say how far a hunt is.
const SHOWN: u64 = 16;

/// The calls of a hunt.
#[derive(Clone, Copy)]
pub enum Calls {
    /// All of a list.
    Listed(List),
    /// So many, from this seed.
    Random {
        /// The seed.
        seed: u64,
        /// How many.
        count: u64,
    },
}

impl Calls {
    fn count(self, world: &World<'_>) -> u64 {
        match self {
            Calls::Listed(list) => {
                let mut count = 0;
                list(world, &mut |_| count += 1);
                count
            }
            Calls::Random { count, .. } => count,
        }
    }

    /// Gives the calls with these numbers to `make` until it answers `false`.
    fn each(
        self,
        world: &World<'_>,
        numbers: Range<u64>,
        make: &mut dyn FnMut(u64, &Case) -> bool,
    ) {
        match self {
            Calls::Listed(list) => {
                let (mut number, mut go_on) = (0, true);
                list(world, &mut |case| {
                    if go_on && numbers.contains(&number) {
                        go_on = make(number, &case);
                    }
                    number += 1;
                });
            }
            Calls::Random { seed, .. } => {
                for number in numbers {
                    if !make(number, &random::case(world, seed, number)) {
                        break;
                    }
                }
            }
        }
    }
}

/// How the calls ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    calls: u64,
    success: u64,
    parameter: u64,
    other: u64,
    silent: u64,
    excluded: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            to,
            "{} calls: {} with status 0, {} with -3, {} with others, {} without; {} not made",
            self.calls, self.success, self.parameter, self.other, self.silent, self.excluded
        )
    }
}

/// What is wrong with one call. It is shown as it is.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "read by Debug")]
enum Trouble {
    /// An exception.
    Trap(Trap),
    /// Its buffer.
    Deviation(Deviation),
    /// Memory that is none of its, here.
    Wrote(u64),
    /// Memory that is none of theirs: the calls up to this one, from that one on. No half of them
    /// does it again.
    NotRepeated { from: u64, piece: u64 },
}

/// The first call that went wrong.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    number: u64,
    case: Case,
    trouble: Trouble,
    expect: guest::bad::Expect,
}

impl Found {
    /// What should have been.
    pub fn wanted(&self) -> &'static str {
        match self.trouble {
            Trouble::Trap(_) => "no exception",
            Trouble::Deviation(_) => "a legal status, and nothing else of the buffer written",
            Trouble::Wrote(_) | Trouble::NotRepeated { .. } => "the rest of memory as it was",
        }
    }

    /// The call, if it is one that wrote where it must not.
    pub fn wrote(&self) -> Option<Case> {
        matches!(self.trouble, Trouble::Wrote(_)).then_some(self.case)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case {
            token,
            function,
            inputs,
            outputs,
            cells,
            upper,
            buffer,
            put,
        } = &self.case;
        write!(
            to,
            "{:x?} after call {}: {} (token {token:#x}), {inputs:#x} inputs, {outputs:#x} outputs, \
             r3 {buffer:#x}{}, {:?} expected, cells {cells:x?}, upper halves changed {upper:x?}",
            self.trouble,
            self.number,
            function.map_or("no function", |function| function.name),
            if *put { "" } else { " (not put there)" },
            self.expect,
        )
    }
}

/// A hunt.
pub struct Hunt<'a> {
    gate: &'a mut Gate,
    rtas: Rtas,
    world: &'a World<'a>,
    calls: Calls,
    rest: Vec<Range<u64>>,
    /// Statuses and buffers are looked at.
    pub statuses: bool,
    /// The timebase before and after the last call that came back.
    pub span: [u64; 2],
    tally: Tally,
}

impl<'a> Hunt<'a> {
    /// A hunt for calls that change `rest`, whose ends are multiples of 8.
    pub fn new(
        gate: &'a mut Gate,
        rtas: Rtas,
        world: &'a World<'a>,
        calls: Calls,
        rest: Vec<Range<u64>>,
    ) -> Hunt<'a> {
        Hunt {
            gate,
            rtas,
            world,
            calls,
            rest,
            statuses: true,
            span: [0; 2],
            tally: Tally::default(),
        }
    }

    /// Makes all calls.
    ///
    /// # Errors
    /// The first call that went wrong.
    pub fn run(&mut self) -> Result<Tally, Found> {
        let count = self.calls.count(self.world);
        let pieces = self.pieces();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        sum(&pieces, &mut before);
        let mut start = 0;
        while start < count {
            let end = count.min(start + BATCH);
            self.make(start..end)?;
            sum(&pieces, &mut after);
            if let Some(piece) = changed(&before, &after) {
                return Err(self.narrow(start..end, &pieces[piece]));
            }
            if (end / BATCH).is_multiple_of(SHOWN) && end < count {
                say!("guest: {end} of {count} calls");
            }
            start = end;
        }
        Ok(self.tally)
    }

    /// Makes one call that is none of the hunt's.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn one(&mut self, case: &Case) -> Result<(), Found> {
        self.call(case).map_err(|trouble| Found {
            number: 0,
            case: *case,
            trouble,
            expect: case.expect(self.world),
        })
    }

    /// Makes the calls with these numbers.
    fn make(&mut self, numbers: Range<u64>) -> Result<(), Found> {
        let (calls, world) = (self.calls, self.world);
        let mut found = None;
        calls.each(world, numbers, &mut |number, case| {
            if world.excluded(case).is_some() {
                self.tally.excluded += 1;
                return true;
            }
            if let Err(trouble) = self.call(case) {
                found = Some(Found {
                    number,
                    case: *case,
                    trouble,
                    expect: case.expect(world),
                });
            }
            found.is_none()
        });
        found.map_or(Ok(()), Err)
    }

    /// Makes one call and looks at its buffer.
    fn call(&mut self, case: &Case) -> Result<(), Trouble> {
        let world = self.world;
        let (at, length) = case.lies_at(world);
        let mut before = judge::buffer(case, world.cell);
        let before = &mut before[..length as usize];
        if case.put && world.free(at, length) {
            memory::write(at, before);
        } else {
            memory::read(at, before);
        }
        // What a configured connector is asked with; any other call may find it there, too.
        memory::write_u32(world.data(), world.known.connector);
        memory::write_u32(world.data() + 4, 0);
        let mut registers = patterns(ledger::msr(self.rtas.width, case.token));
        registers.gpr[3] = case.buffer;
        registers.gpr[4] = self.rtas.r4;
        let entered = self.rtas.enter(self.gate, case.token, &registers, false);
        self.tally.calls += 1;
        let left = entered.map_err(Trouble::Trap)?;
        self.span = [self.gate.entered_with().timebase, left.timebase];
        let mut after = [0; BLOCK as usize];
        let after = &mut after[..length as usize];
        memory::read(at, after);
        let status = judge::judge(world, case, before, after);
        match status {
            Ok(Some(0)) => self.tally.success += 1,
            Ok(Some(-3)) => self.tally.parameter += 1,
            Ok(Some(_)) => self.tally.other += 1,
            Ok(None) => self.tally.silent += 1,
            Err(deviation) if self.statuses => {
                say!("guest: the buffer was {before:02x?}");
                say!("guest: the buffer is  {after:02x?}");
                return Err(Trouble::Deviation(deviation));
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// The rest of memory in pieces that are summed one by one.
    fn pieces(&self) -> Vec<Range<u64>> {
        let mut pieces = Vec::new();
        for range in &self.rest {
            let mut start = range.start;
            while start < range.end {
                let end = range.end.min((start + 1).next_multiple_of(PIECE));
                pieces.push(start..end);
                start = end;
            }
        }
        pieces
    }

    /// Finds the one of these calls that changes the piece. A call may write what it wrote before,
    /// so every byte of the piece is inverted after it did.
    fn narrow(&mut self, numbers: Range<u64>, piece: &Range<u64>) -> Found {
        let mut numbers = numbers;
        let changes = |hunt: &mut Self, numbers: Range<u64>| {
            let before = memory::checksum(piece.clone());
            let result = hunt.make(numbers);
            result.map(|()| memory::checksum(piece.clone()) != before)
        };
        while numbers.end - numbers.start > 1 {
            let middle = numbers.start + (numbers.end - numbers.start) / 2;
            let (first, second) = (numbers.start..middle, middle..numbers.end);
            invert(piece);
            numbers = match changes(self, first.clone()) {
                Err(found) => return found,
                Ok(true) => first,
                Ok(false) => match changes(self, second.clone()) {
                    Err(found) => return found,
                    Ok(true) => second,
                    Ok(false) => {
                        let from = numbers.start;
                        let piece = piece.start;
                        return self.found(numbers.end - 1, Trouble::NotRepeated { from, piece });
                    }
                },
            };
        }
        let address = self.address(numbers.clone(), piece);
        self.found(numbers.start, Trouble::Wrote(address))
    }

    /// The first byte of the piece that a single call changes; the piece's start if it does not
    /// change it again.
    fn address(&mut self, number: Range<u64>, piece: &Range<u64>) -> u64 {
        let mut pages = Vec::new();
        let mut start = piece.start;
        while start < piece.end {
            let end = piece.end.min((start + 1).next_multiple_of(PAGE));
            pages.push(start..end);
            start = end;
        }
        let (mut before, mut after) = (Vec::new(), Vec::new());
        invert(piece);
        sum(&pages, &mut before);
        // It went well before.
        let _ = self.make(number.clone());
        sum(&pages, &mut after);
        let Some(page) = changed(&before, &after) else {
            return piece.start;
        };
        let page = pages[page].clone();
        invert(&page);
        let mut bytes = alloc::vec![0; (page.end - page.start) as usize];
        memory::read(page.start, &mut bytes);
        let _ = self.make(number);
        let mut found = page.clone().zip(bytes);
        found
            .find(|(at, byte)| memory::read_u8(*at) != *byte)
            .map_or(page.start, |(at, _)| at)
    }

    fn found(&self, number: u64, trouble: Trouble) -> Found {
        let mut case = None;
        self.calls
            .each(self.world, number..number + 1, &mut |_, found| {
                case = Some(*found);
                false
            });
        let (token, function) = self.world.functions[0];
        // The number is one of the calls that were just made.
        let case = case.unwrap_or(Case::good(self.world, token, function));
        Found {
            number,
            case,
            trouble,
            expect: case.expect(self.world),
        }
    }
}

fn sum(pieces: &[Range<u64>], sums: &mut Vec<u64>) {
    sums.clear();
    sums.extend(pieces.iter().map(|piece| memory::checksum(piece.clone())));
}

fn changed(before: &[u64], after: &[u64]) -> Option<usize> {
    before
        .iter()
        .zip(after)
        .position(|(one, other)| one != other)
}

fn invert(range: &Range<u64>) {
    for at in range.clone().step_by(8) {
        memory::write_u64(at, !memory::read_u64(at));
    }
}
