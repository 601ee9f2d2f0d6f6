//! An instance of RTAS, and calls into it (LoPAR 7.2.7).

use alloc::vec::Vec;

use crate::board::gate::{self, Gate, MSR_SF, Registers, Trap, patterns};
use crate::board::memory::{self, Scratch};

use super::client::GUARD;
use super::ledger;

/// How RTAS is entered, and how wide the cells are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// MSR\[SF\] = 0, 32-bit cells: instantiate-rtas as R1-7.2.1-6 wants.
    Mode32,
    /// MSR\[SF\] = 1, 32-bit cells: instantiate-rtas as kvm-unit-tests and 64-bit loaders enter.
    Mode64,
    /// MSR\[SF\] = 1, 64-bit cells: instantiate-rtas-64.
    Cells64,
}

impl Width {
    /// Bytes of a cell.
    pub fn cell(self) -> u64 {
        match self {
            Width::Mode32 | Width::Mode64 => 4,
            Width::Cells64 => 8,
        }
    }

    /// What is added to a check's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Width::Mode32 => "/32",
            Width::Mode64 => "/64",
            Width::Cells64 => "/cells64",
        }
    }

    /// The MSR of a call.
    pub fn msr(self) -> u64 {
        match self {
            Width::Mode32 => gate::msr() & !MSR_SF,
            Width::Mode64 | Width::Cells64 => gate::msr() | MSR_SF,
        }
    }
}

/// An instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtas {
    /// Real address of rtas-call.
    pub entry: u64,
    /// Real address of the private data area.
    pub base: u64,
    /// What calls pass in r4: the base (R1-7.2.7-6), or what callers of a flat tree leave there.
    pub r4: u64,
    /// Its size, in bytes.
    pub size: u64,
    /// How it is called.
    pub width: Width,
}

/// What came of a call.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The output cells, as signed numbers.
    pub cells: Vec<i64>,
    /// The outputs that hold what they held before, by index.
    pub untouched: Vec<usize>,
    /// Input cells and the guard cells behind the outputs are as they were.
    pub rest_intact: bool,
    /// The registers afterwards.
    pub registers: Registers,
}

impl Outcome {
    /// The status word; i64::MIN if there was no output cell.
    pub fn status(&self) -> i64 {
        self.cells.first().copied().unwrap_or(i64::MIN)
    }
}

const GUARD_CELLS: usize = 4;

impl Rtas {
    /// A call with a buffer of the guest's own.
    ///
    /// # Errors
    /// The exception that ended it.
    pub fn call(
        &self,
        gate: &mut Gate,
        token: u32,
        inputs: &[u32],
        outputs: usize,
    ) -> Result<Outcome, Trap> {
        let cells = 3 + inputs.len() + outputs + GUARD_CELLS;
        let buffer = Scratch::new((cells as u64 * self.width.cell()).max(256), 128);
        self.call_at(
            gate,
            buffer.address,
            token,
            inputs,
            outputs,
            &patterns(ledger::msr(self.width, token)),
        )
    }

    /// A call with the buffer and the registers given (r3, r4 and SPRG3 are set here). The buffer
    /// needs room for four guard cells behind the outputs.
    ///
    /// # Errors
    /// The exception that ended it.
    pub fn call_at(
        &self,
        gate: &mut Gate,
        buffer: u64,
        token: u32,
        inputs: &[u32],
        outputs: usize,
        before: &Registers,
    ) -> Result<Outcome, Trap> {
        self.call_counts(
            gate,
            buffer,
            token,
            inputs,
            [inputs.len() as u32, outputs as u32],
            outputs,
            before,
        )
    }

    /// As [`Rtas::call_at`], with counts in the buffer that may be lies; `watched` cells behind
    /// the inputs are looked at afterwards.
    ///
    /// # Errors
    /// The exception that ended it.
    #[allow(clippy::too_many_arguments)]
    pub fn call_counts(
        &self,
        gate: &mut Gate,
        buffer: u64,
        token: u32,
        inputs: &[u32],
        counts: [u32; 2],
        watched: usize,
        before: &Registers,
    ) -> Result<Outcome, Trap> {
        let head = [token, counts[0], counts[1]];
        let given: Vec<u32> = head.iter().chain(inputs).copied().collect();
        for (index, cell) in given.iter().enumerate() {
            self.put(buffer, index, *cell);
        }
        for index in 0..watched + GUARD_CELLS {
            self.put(buffer, given.len() + index, GUARD);
        }
        let mut before = *before;
        before.gpr[3] = buffer;
        before.gpr[4] = self.r4;
        let registers = self.enter(gate, token, &before, true)?;
        let outputs: Vec<usize> = (given.len()..given.len() + watched).collect();
        let kept = |(index, cell): (usize, &u32)| self.raw(buffer, index) == self.cell(*cell);
        let guards = given.len() + watched..given.len() + watched + GUARD_CELLS;
        let cells: Vec<i64> = outputs
            .iter()
            .map(|index| self.get(buffer, *index))
            .collect();
        if let Some(status) = cells.first() {
            let ticks = registers
                .timebase
                .wrapping_sub(gate.entered_with().timebase);
            ledger::time(self.width, token, ticks, *status);
        }
        Ok(Outcome {
            cells,
            untouched: (0..watched)
                .filter(|index| self.raw(buffer, given.len() + index) == self.cell(GUARD))
                .collect(),
            rest_intact: given.iter().enumerate().all(kept)
                && guards.into_iter().all(|index| kept((index, &GUARD))),
            registers,
        })
    }

    /// A call with these registers, r3 and r4 among them, that is entered in the [`ledger`]; the
    /// registers afterwards, as [`Gate::enter`] has them.
    ///
    /// # Errors
    /// The exception that ended it.
    pub fn enter(
        &self,
        gate: &mut Gate,
        token: u32,
        before: &Registers,
        full: bool,
    ) -> Result<Registers, Trap> {
        let registers = gate.enter(self.entry, before, full)?;
        ledger::enter(self.width, token, gate.entered_with(), &registers, full);
        Ok(registers)
    }

    /// A call without guards, FPRs and heap, for loops that make thousands of them: up to three
    /// outputs, the first the status.
    ///
    /// # Errors
    /// The exception that ended it.
    pub fn quick(
        &self,
        gate: &mut Gate,
        buffer: u64,
        token: u32,
        inputs: &[u32],
        outputs: usize,
    ) -> Result<[i64; 3], Trap> {
        let head = [token, inputs.len() as u32, outputs as u32];
        let mut at = 0;
        for cell in head.iter().chain(inputs) {
            self.put(buffer, at, *cell);
            at += 1;
        }
        for index in 0..outputs {
            self.put(buffer, at + index, GUARD);
        }
        let msr = ledger::msr(self.width, token);
        gate.enter_again(self.entry, buffer, self.r4, msr)?;
        // What only stands for an instance, to be compared with one, is none.
        if (self.base..self.base + self.size).contains(&self.entry) {
            let (before, after) = (gate.entered_with(), gate.left_with());
            ledger::enter(self.width, token, before, after, false);
        }
        Ok(core::array::from_fn(|index| {
            if index < outputs {
                self.get(buffer, at + index)
            } else {
                0
            }
        }))
    }

    /// The status of a call, as a number that no RTAS returns if it took an exception.
    pub fn status(&self, gate: &mut Gate, token: u32, inputs: &[u32], outputs: usize) -> i64 {
        match self.call(gate, token, inputs, outputs) {
            Ok(outcome) => outcome.status(),
            Err(trap) => -1_000_000 - trap.vector as i64,
        }
    }

    /// A cell as it lies in the buffer; inputs are sign-extended (R1-7.2.7-2, -3).
    fn cell(&self, value: u32) -> u64 {
        match self.width {
            Width::Cells64 => value as i32 as u64,
            _ => value.into(),
        }
    }

    fn put(&self, buffer: u64, index: usize, value: u32) {
        let at = buffer + index as u64 * self.width.cell();
        match self.width {
            Width::Cells64 => memory::write_u64(at, self.cell(value)),
            _ => memory::write_u32(at, value),
        }
    }

    fn raw(&self, buffer: u64, index: usize) -> u64 {
        let at = buffer + index as u64 * self.width.cell();
        match self.width {
            Width::Cells64 => memory::read_u64(at),
            _ => memory::read_u32(at).into(),
        }
    }

    fn get(&self, buffer: u64, index: usize) -> i64 {
        match self.width {
            Width::Cells64 => self.raw(buffer, index) as i64,
            _ => self.raw(buffer, index) as i32 as i64,
        }
    }
}
