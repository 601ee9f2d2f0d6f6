//! The caller's argument buffer: an address from outside, read once into the call's own memory.
//!
//! Token and counts are read exactly once, so what was checked is what is used, whatever another
//! processor stores into the buffer meanwhile.

use rtas_abi::buffer;

use crate::config::Config;
use crate::memory::{CallerMemory, CellWidth, Cells, Place};
use crate::platform::HypervisorBuffer;
use crate::table::{self, Shape};

/// Index of the first input.
const FIRST: u64 = buffer::ARGUMENTS as u64;
/// Most inputs and outputs.
const MOST: u64 = buffer::MAX_CELLS as u64;

/// The value of a cell as 32 bits: of a 64-bit cell sign extended, as LoPAR has it, or zero
/// extended, as a caller passes an address above 2 GiB.
#[inline(always)]
fn narrow(width: CellWidth, cell: u64) -> Option<u32> {
    match width {
        CellWidth::Bits32 => Some(cell as u32),
        CellWidth::Bits64 => {
            let low = cell as u32;
            let sign_extended = i64::from(low as i32) as u64;
            (cell == u64::from(low) || cell == sign_extended).then_some(low)
        }
    }
}

/// Which call a token stands for, and the token by which the hypervisor knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Callee {
    /// Place of the call in the table; `None` for a call of the hypervisor that the table does not
    /// know.
    pub index: Option<usize>,
    /// The hypervisor's token of it.
    pub token: u32,
}

impl Callee {
    /// Cells that the call takes: any, if the table does not know it.
    pub fn shape(self) -> &'static Shape {
        static ANY: Shape = Shape::ANY;
        self.index.and_then(table::shape).unwrap_or(&ANY)
    }
}

/// Token of `display-character` that Linux's early debug output has built in, and that QEMU honours
/// for it (`hw/ppc/spapr_rtas.c:spapr_rtas_call`).
pub const EARLY_DISPLAY_CHARACTER: u32 = 0xa;

/// The call of `token`.
#[inline(always)]
pub fn find(config: &Config, token: u64) -> Option<Callee> {
    match find_in_order(config, token) {
        Some(callee) => Some(callee),
        // 0 stands for calls that are not offered.
        None => search(
            config,
            u32::try_from(token).ok().filter(|token| *token != 0)?,
        ),
    }
}

/// The call of `token`, if the token goes by the table, as QEMU's do.
#[inline(always)]
pub fn find_in_order(config: &Config, token: u64) -> Option<Callee> {
    let token = u32::try_from(token).ok().filter(|token| *token != 0)?;
    let index = token.wrapping_sub(0x2000) as usize;
    (config.tokens.get(index) == Some(&token)).then_some(Callee {
        index: Some(index),
        token,
    })
}

/// The call of a token that is not where it is expected.
#[cold]
#[inline(never)]
fn search(config: &Config, token: u32) -> Option<Callee> {
    let mut tokens = config.tokens.iter().take(table::COUNT);
    if let Some(index) = tokens.position(|known| *known == token) {
        let index = Some(index);
        return Some(Callee { index, token });
    }
    if config.unknown_tokens.contains(&token) {
        return Some(Callee { index: None, token });
    }
    let index = table::index::DISPLAY_CHARACTER;
    match config.tokens.get(index) {
        Some(offered) if token == EARLY_DISPLAY_CHARACTER && *offered != 0 => Some(Callee {
            index: Some(index),
            token: *offered,
        }),
        _ => None,
    }
}

/// Token and counts of a buffer, as the caller left them.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    cells: Cells,
    /// The token, zero extended.
    pub token: u64,
    inputs: u64,
    outputs: u64,
}

impl Header {
    /// Reads them, each once.
    #[inline(always)]
    pub fn read<M: CallerMemory>(memory: &M, cells: Cells) -> Self {
        let [token, inputs, outputs] = cells.load(memory, 0);
        Self {
            cells,
            token,
            inputs,
            outputs,
        }
    }

    /// The request, if the counts are those of a call with this shape and all cells may be touched.
    #[inline(always)]
    pub fn request(self, shape: &Shape) -> Option<Request> {
        let inputs = shape.inputs.check(self.inputs)?;
        let outputs = shape.outputs.check(self.outputs)?;
        // No sum wraps: a shape allows no number above 16.
        let arguments = inputs.wrapping_add(outputs);
        let sane = arguments <= MOST && FIRST.wrapping_add(arguments) <= self.cells.count();
        sane.then_some(Request {
            cells: self.cells,
            inputs,
            outputs,
        })
    }

    /// Stores `status` where the counts say that the status word is; nothing where they leave no
    /// room for one, or where it may not be written. Gives the status back.
    #[inline(always)]
    pub fn refuse<M: CallerMemory>(self, memory: &mut M, status: i32) -> i32 {
        let outputs = match self.cells.width() {
            CellWidth::Bits32 => i64::from(self.outputs as i32),
            CellWidth::Bits64 => self.outputs as i64,
        };
        if self.inputs <= MOST && outputs >= 1 {
            self.cells
                .store(memory, FIRST.wrapping_add(self.inputs), status as u32);
        }
        status
    }
}

/// A call whose buffer was checked: its counts are right, and every cell lies where the caller may
/// have it.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    cells: Cells,
    inputs: u64,
    outputs: u64,
}

impl Request {
    /// Number of inputs.
    pub const fn inputs(&self) -> usize {
        self.inputs as usize
    }

    /// Number of outputs, the status word included.
    pub const fn outputs(&self) -> usize {
        self.outputs as usize
    }

    /// The first `N` inputs, of a call that has so many. `None` if one has more than 32 bits.
    #[inline(always)]
    pub fn read<const N: usize, M: CallerMemory>(&self, memory: &M) -> Option<[u32; N]> {
        let cells: [u64; N] = self.cells.load(memory, FIRST);
        let mut values = [0; N];
        for (value, cell) in values.iter_mut().zip(cells) {
            *value = narrow(self.cells.width(), cell)?;
        }
        Some(values)
    }

    /// Loads the inputs into the same cells of `buffer`. `None` if one has more than 32 bits.
    #[inline(always)]
    pub fn load_inputs<M: CallerMemory>(
        &self,
        memory: &M,
        buffer: &mut HypervisorBuffer,
    ) -> Option<()> {
        let values = buffer.cells.get_mut(buffer::ARGUMENTS..)?;
        let values = values.get_mut(..self.inputs())?;
        let width = self.cells.width();
        self.cells
            .load_all(memory, FIRST, values, |cell| narrow(width, cell))
    }

    /// Loads the outputs as the caller left them, the low 32 bits of each, into the same cells of
    /// `buffer`.
    #[inline(always)]
    pub fn load_outputs<M: CallerMemory>(&self, memory: &M, buffer: &mut HypervisorBuffer) {
        let first = buffer::ARGUMENTS.wrapping_add(self.inputs());
        let values = buffer.cells.get_mut(first..);
        if let Some(values) = values.and_then(|values| values.get_mut(..self.outputs())) {
            let first = self.output_cell(0);
            let _ = self
                .cells
                .load_all(memory, first, values, |cell| Some(cell as u32));
        }
    }

    /// Stores the outputs that are in the same cells of `buffer`, the status word last.
    #[inline(always)]
    pub fn store_outputs<M: CallerMemory>(&self, memory: &mut M, buffer: &HypervisorBuffer) {
        let first = buffer::ARGUMENTS.wrapping_add(self.inputs());
        let values = buffer.cells.get(first..);
        if let Some(values) = values.and_then(|values| values.get(..self.outputs())) {
            self.cells.store_all(memory, self.output_cell(0), values);
        }
    }

    /// Stores output `index`, the status being 0, where the caller asked for so many.
    #[inline(always)]
    pub fn store<M: CallerMemory>(&self, memory: &mut M, index: usize, value: u32) {
        if index < self.outputs() {
            self.cells.store(memory, self.output_cell(index), value);
        }
    }

    /// Stores the status word and gives it back.
    #[inline(always)]
    pub fn finish<M: CallerMemory>(&self, memory: &mut M, status: i32) -> i32 {
        self.store(memory, 0, status as u32);
        status
    }

    /// Where the status word goes. `None` where the caller asked for no outputs.
    #[inline(always)]
    pub fn status_place(&self) -> Option<StatusPlace> {
        let place = self.cells.place(self.output_cell(0))?;
        (self.outputs != 0).then_some(StatusPlace {
            place,
            width: self.cells.width(),
        })
    }

    const fn output_cell(&self, index: usize) -> u64 {
        FIRST.wrapping_add(self.inputs).wrapping_add(index as u64)
    }
}

/// Where a status word goes.
#[derive(Clone, Copy, Debug)]
pub struct StatusPlace {
    /// The cell.
    pub place: Place,
    /// Its width.
    pub width: CellWidth,
}

impl StatusPlace {
    /// Stores the status word and gives it back.
    #[inline(always)]
    pub fn finish<M: CallerMemory>(self, memory: &mut M, status: i32) -> i32 {
        match self.width {
            CellWidth::Bits32 => memory.store32(self.place, status as u32),
            CellWidth::Bits64 => memory.store64(self.place, i64::from(status) as u64),
        }
        status
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
