//! The argument array of one call, checked once.

use alloc::vec::Vec;
use core::fmt;

use super::Cells;
use crate::board::{BadAddress, Board};

/// Alignment of an array, in bytes: that of its cells.
const ALIGNMENT: u64 = 4;
/// Bytes of the cells before the arguments: name, counts.
const HEAD: u64 = 12;
/// Most arguments and results of one call together. Linux reserves 10, the longest call of the
/// standard has 6 and `call-method` any number.
const MOST_CELLS: u32 = 32;
/// Longest name of a service with its NUL, in bytes (IEEE 1275, 6.3.1: at most 31 characters).
const NAME: u64 = 32;

/// Why an argument array is no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArrayError {
    Unaligned,
    OutsideMemory,
    TooManyCells,
    BadName,
}

impl fmt::Display for ArrayError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unaligned => write!(out, "the argument array is not aligned to {ALIGNMENT}"),
            Self::OutsideMemory => out.write_str("the argument array is not in memory"),
            Self::TooManyCells => write!(out, "more than {MOST_CELLS} arguments and results"),
            Self::BadName => write!(
                out,
                "the service's name is not in memory or not ended within {NAME} bytes"
            ),
        }
    }
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) service: Vec<u8>,
    pub(crate) arguments: Vec<u32>,
    /// Address of the first result.
    results: u64,
    pub(crate) result_count: usize,
}

impl Call {
    /// Reads the array at `address`.
    pub(crate) fn read(board: &impl Board, address: u64) -> Result<Self, ArrayError> {
        if !address.is_multiple_of(ALIGNMENT) {
            return Err(ArrayError::Unaligned);
        }
        let outside = |_: BadAddress| ArrayError::OutsideMemory;
        let mut head = [0; HEAD as usize];
        board.read(address, &mut head).map_err(outside)?;
        let mut cells = head
            .as_chunks::<4>()
            .0
            .iter()
            .map(|cell| u32::from_be_bytes(*cell));
        let mut next = || cells.next().unwrap_or(0);
        let (name, inputs, outputs) = (next(), next(), next());
        if inputs.saturating_add(outputs) > MOST_CELLS {
            return Err(ArrayError::TooManyCells);
        }
        let mut bytes = [0; 4 * MOST_CELLS as usize];
        let cells = bytes
            .get_mut(..4 * (inputs + outputs) as usize)
            .ok_or(ArrayError::TooManyCells)?;
        // The results too: a call whose answer cannot be given must not do anything.
        let first = address.checked_add(HEAD).ok_or(ArrayError::OutsideMemory)?;
        board.read(first, cells).map_err(outside)?;
        let arguments = cells
            .as_chunks::<4>()
            .0
            .iter()
            .take(inputs as usize)
            .map(|cell| u32::from_be_bytes(*cell))
            .collect();
        let service = string(board, u64::from(name), NAME).ok_or(ArrayError::BadName)?;
        Ok(Self {
            service,
            arguments,
            results: first + 4 * u64::from(inputs),
            result_count: outputs as usize,
        })
    }

    /// Writes as many results as the client has cells for: a service's own, then zeros.
    pub(crate) fn write_results(
        &self,
        board: &mut impl Board,
        results: &Cells,
    ) -> Result<(), BadAddress> {
        let values = results.iter().copied().chain(core::iter::repeat(0));
        let bytes: Vec<u8> = values
            .take(self.result_count)
            .flat_map(u32::to_be_bytes)
            .collect();
        board.write(self.results, &bytes)
    }
}

/// The bytes before the NUL at `address`, of which the NUL must be among the first `limit`; fewer
/// bytes are looked at where memory ends.
pub(crate) fn string(board: &impl Board, address: u64, limit: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 32];
    let mut read = 0;
    while read < limit {
        let want = (limit - read).min(chunk.len() as u64);
        let at = address.checked_add(read)?;
        let want = if board.read(at, chunk.get_mut(..want as usize)?).is_ok() {
            want
        } else {
            board.read(at, chunk.get_mut(..1)?).ok()?;
            1
        };
        let part = chunk.get(..want as usize)?;
        if let Some(end) = part.iter().position(|byte| *byte == 0) {
            bytes.extend_from_slice(part.get(..end)?);
            return Some(bytes);
        }
        bytes.extend_from_slice(part);
        read += want;
    }
    None
}
