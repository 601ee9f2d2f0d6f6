//! The caller's argument buffer: an address from outside, read once into the call's own memory.
//!
//! Token and counts are read exactly once, so what was checked is what is used, whatever another
//! processor stores into the buffer meanwhile.

use heapless::Vec;
use rtas_abi::{buffer, status};

use crate::config::{Config, MAX_CALLS};
use crate::memory::CallerMemory;
use crate::table::{self, Shape};

/// Width of the cells of the caller's argument buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellWidth {
    /// After `instantiate-rtas` (LoPAR R1-7.2.7-2).
    Bits32,
    /// After `instantiate-rtas-64` (LoPAR R1-7.2.7-3).
    Bits64,
}

impl CellWidth {
    /// Size of a cell, in bytes.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Bits32 => 4,
            Self::Bits64 => 8,
        }
    }
}

/// Cells of one call.
pub type Cells = Vec<u32, { buffer::MAX_CELLS }>;

/// Where the cells of one caller lie. A cell is outside memory or inside the private area until an
/// access to it succeeded.
#[derive(Clone, Copy, Debug)]
pub struct Allegation {
    width: CellWidth,
    address: u64,
}

impl Allegation {
    /// The buffer that the caller says lies at `address`.
    pub const fn new(width: CellWidth, address: u64) -> Self {
        Self { width, address }
    }

    const fn cell(self, index: u32) -> Option<u64> {
        self.address.checked_add(index as u64 * self.width.bytes())
    }

    /// The cell `index`, as wide as it is. A 32-bit cell is sign extended.
    fn load<M: CallerMemory>(self, memory: &M, index: u32) -> Option<i64> {
        let address = self.cell(index)?;
        match self.width {
            CellWidth::Bits32 => memory.load32(address).map(|cell| i64::from(cell as i32)),
            CellWidth::Bits64 => memory.load64(address).map(|cell| cell as i64),
        }
    }

    /// Stores a value into cell `index`, sign extended to its width (R1-7.2.7-2 and -3).
    fn store<M: CallerMemory>(self, memory: &mut M, index: u32, value: u32) -> Option<()> {
        let address = self.cell(index)?;
        match self.width {
            CellWidth::Bits32 => memory.store32(address, value),
            CellWidth::Bits64 => memory.store64(address, i64::from(value as i32) as u64),
        }
    }

    /// Stores `status` where the counts say that the status word is; nothing where they leave no
    /// room for one.
    fn refuse<M: CallerMemory>(self, memory: &mut M, counts: Option<(i64, i64)>, status: i32) {
        if let Some((inputs, outputs)) = counts
            && (0..=buffer::MAX_CELLS as i64).contains(&inputs)
            && outputs >= 1
        {
            // A cell that may not be written is left alone: there is nobody else to tell.
            let _ = self.store(
                memory,
                buffer::ARGUMENTS as u32 + inputs as u32,
                status as u32,
            );
        }
    }

    /// The counts of the buffer, each read once.
    fn counts<M: CallerMemory>(self, memory: &M) -> Option<(i64, i64)> {
        let inputs = self.load(memory, buffer::INPUTS as u32)?;
        Some((inputs, self.load(memory, buffer::OUTPUTS as u32)?))
    }
}

/// The value of a cell as 32 bits: sign extended, as LoPAR has it, or zero extended, as a caller
/// passes an address above 2 GiB.
fn narrow(cell: i64) -> Option<u32> {
    u32::try_from(cell)
        .ok()
        .or_else(|| i32::try_from(cell).ok().map(|cell| cell as u32))
}

/// Which call a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callee {
    /// The call `index` of the table.
    Known {
        /// Its place in the table.
        index: usize,
        /// Its cells and handler.
        shape: Shape,
    },
    /// A call of the hypervisor that the table does not know.
    Unknown,
}

/// Token of `display-character` that Linux's early debug output has built in, and that QEMU honours
/// for it (`hw/ppc/spapr_rtas.c:spapr_rtas_call`).
pub const EARLY_DISPLAY_CHARACTER: u32 = 0xa;

/// Finds the call of `token`, and the token by which the hypervisor knows it.
fn find(config: &Config, token: u32) -> Option<(Callee, u32)> {
    if token == 0 {
        return None;
    }
    let known = |index: usize| table::shape(index).map(|shape| Callee::Known { index, shape });
    let guess = (token.wrapping_sub(0x2000) as usize) % MAX_CALLS;
    if config.tokens.get(guess) == Some(&token)
        && let Some(callee) = known(guess)
    {
        return Some((callee, token));
    }
    if let Some(index) = config.tokens.iter().position(|known| *known == token)
        && let Some(callee) = known(index)
    {
        return Some((callee, token));
    }
    if config.unknown_tokens.contains(&token) {
        return Some((Callee::Unknown, token));
    }
    let index = table::index::DISPLAY_CHARACTER;
    match config.tokens.get(index) {
        Some(offered) if token == EARLY_DISPLAY_CHARACTER && *offered != 0 => {
            Some((known(index)?, *offered))
        }
        _ => None,
    }
}

/// A call whose buffer was checked: every cell lies where the caller may have it.
#[derive(Debug)]
pub struct Request {
    buffer: Allegation,
    /// Which call.
    pub callee: Callee,
    /// The hypervisor's token of it.
    pub token: u32,
    /// The inputs.
    pub inputs: Cells,
    /// The outputs as the caller left them, low 32 bits: as many as it asked for.
    pub outputs: Cells,
}

impl Request {
    /// Reads the buffer. `Err` is the status of a call that is refused; it is stored already where
    /// the buffer has room for it, and nothing else was written.
    pub fn read<M: CallerMemory>(
        config: &Config,
        memory: &mut M,
        buffer: Allegation,
    ) -> Result<Self, i32> {
        let Some(token) = buffer.load(memory, buffer::TOKEN as u32) else {
            return Err(status::PARAMETER_ERROR);
        };
        let counts = buffer.counts(memory);
        match Self::check(config, memory, buffer, token, counts) {
            Some(request) => Ok(request),
            None => {
                buffer.refuse(memory, counts, status::PARAMETER_ERROR);
                Err(status::PARAMETER_ERROR)
            }
        }
    }

    fn check<M: CallerMemory>(
        config: &Config,
        memory: &M,
        buffer: Allegation,
        token: i64,
        counts: Option<(i64, i64)>,
    ) -> Option<Self> {
        let (inputs, outputs) = counts?;
        let (inputs, outputs) = (u32::try_from(inputs).ok()?, u32::try_from(outputs).ok()?);
        let (callee, token) = find(config, u32::try_from(token).ok()?)?;
        // As many inputs as there are cells leave none for a status: KVM stops the machine
        // (`arch/powerpc/kvm/book3s_rtas.c:kvmppc_rtas_hcall`).
        let sane = buffer.address.is_multiple_of(buffer::ALIGNMENT)
            && inputs < buffer::MAX_CELLS as u32
            && inputs
                .checked_add(outputs)
                .is_some_and(|cells| cells <= buffer::MAX_CELLS as u32)
            && match callee {
                Callee::Known { shape, .. } => {
                    shape.inputs.allow(inputs) && shape.outputs.allow(outputs)
                }
                Callee::Unknown => true,
            };
        if !sane {
            return None;
        }
        let mut request = Self {
            buffer,
            callee,
            token,
            inputs: Cells::new(),
            outputs: Cells::new(),
        };
        let first_input = buffer::ARGUMENTS as u32;
        let first_output = first_input + inputs;
        for index in first_input..first_output {
            let value = narrow(buffer.load(memory, index)?)?;
            request.inputs.push(value).ok()?;
        }
        for index in first_output..first_output + outputs {
            let value = buffer.load(memory, index)? as u32;
            request.outputs.push(value).ok()?;
        }
        Some(request)
    }

    /// Input `index`, zero past the end: the counts were checked against the table.
    pub fn input(&self, index: usize) -> u32 {
        self.inputs.get(index).copied().unwrap_or(0)
    }

    /// Stores output `index`, the status being 0, where the caller asked for so many.
    pub fn store<M: CallerMemory>(&self, memory: &mut M, index: usize, value: u32) {
        if index < self.outputs.len() {
            let cell = buffer::ARGUMENTS + self.inputs.len() + index;
            // Read before, so it may be written: the answer is the same for both.
            let _ = self.buffer.store(memory, cell as u32, value);
        }
    }

    /// Stores the status word and gives it back.
    pub fn finish<M: CallerMemory>(&self, memory: &mut M, status: i32) -> i32 {
        self.store(memory, 0, status as u32);
        status
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
