//! One call, for checks that look at its answer.

use alloc::format;
use alloc::vec::Vec;

use guest::verdict::Verdict;

use crate::board::memory::{self, Scratch};
use crate::subject::Machine;
use crate::subject::rtas::Outcome;

/// Calls the function called `name`: its outputs, or the verdict where it is not there, took an
/// exception, or wrote to other cells than its outputs.
pub fn ask(
    machine: &mut Machine,
    name: &str,
    inputs: &[u32],
    outputs: usize,
) -> Result<Outcome, Verdict> {
    let skip = |why| Err(Verdict::Skip(why));
    let Some(rtas) = machine.rtas else {
        return skip("no instance of RTAS".into());
    };
    let Some(token) = machine.token(name) else {
        return skip(format!("/rtas has no {name}"));
    };
    ask_token(machine, rtas, token, inputs, outputs).map_err(|saw| {
        let wanted = format!("{name} that returns and writes its outputs alone");
        Verdict::Fail(wanted, saw)
    })
}

/// As [`ask`] by token, for functions whose token is no property of /rtas; what was seen instead.
pub fn ask_token(
    machine: &mut Machine,
    rtas: crate::subject::Rtas,
    token: u32,
    inputs: &[u32],
    outputs: usize,
) -> Result<Outcome, alloc::string::String> {
    match rtas.call(machine.gate, token, inputs, outputs) {
        Ok(outcome) if outcome.rest_intact => Ok(outcome),
        Ok(outcome) => Err(format!("other cells changed, outputs {:x?}", outcome.cells)),
        Err(trap) => Err(format!("{trap:x?}")),
    }
}

/// The value, or the end of the check.
#[macro_export]
macro_rules! or_return {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(verdict) => return verdict,
        }
    };
}

/// The outputs of a call, or the end of the check.
#[macro_export]
macro_rules! answer {
    ($machine:expr, $name:expr, $inputs:expr, $outputs:expr) => {
        match $crate::checks::ask::ask($machine, $name, $inputs, $outputs) {
            Ok(outcome) => outcome,
            Err(verdict) => return verdict,
        }
    };
}

/// Bytes that a call may write to, with guard bytes on both sides; below 4 GiB, at most 192.
pub struct Bytes {
    scratch: Scratch,
    length: u64,
}

const GUARD: u8 = 0x77;
const MARGIN: u64 = 32;

impl Bytes {
    /// `length` bytes, all of them `byte`.
    pub fn new(length: u64, byte: u8) -> Bytes {
        let scratch = Scratch::new(256, 128);
        memory::fill(scratch.address, 256, GUARD);
        memory::fill(scratch.address + MARGIN, length, byte);
        Bytes { scratch, length }
    }

    /// These bytes.
    pub fn of(bytes: &[u8]) -> Bytes {
        let new = Bytes::new(bytes.len() as u64, 0);
        memory::write(new.address().into(), bytes);
        new
    }

    /// Where they are.
    pub fn address(&self) -> u32 {
        (self.scratch.address + MARGIN) as u32
    }

    /// What they are.
    pub fn bytes(&self) -> Vec<u8> {
        let at = u64::from(self.address());
        (at..at + self.length).map(memory::read_u8).collect()
    }

    /// Whether nothing around them was written.
    pub fn guarded(&self) -> bool {
        let (start, data) = (self.scratch.address, u64::from(self.address()));
        memory::first_other_than(start..data, GUARD).is_none()
            && memory::first_other_than(data + self.length..start + 256, GUARD).is_none()
    }
}
