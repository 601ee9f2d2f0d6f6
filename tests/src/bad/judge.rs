//! Whether what a call left in its buffer is what may come of it.

use super::{Case, Done, World};

/// What is wrong with the outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deviation {
    /// A byte of the buffer changed that no call may write: its offset from the buffer.
    Wrote(usize),
    /// The status is none that the function may return here.
    Status(i64),
    /// The cell of the status is as it was.
    NoStatus,
}

/// A cell as it lies in the buffer; inputs are sign-extended (R1-7.2.7-2, -3).
pub fn encode(value: u32, cell: u64) -> ([u8; 8], usize) {
    if cell == 8 {
        (i64::from(value as i32).to_be_bytes(), 8)
    } else {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&value.to_be_bytes());
        (bytes, 4)
    }
}

/// The buffer of a call, guard bytes behind its cells included.
pub fn buffer(case: &Case, cell: u64) -> [u8; super::BLOCK as usize] {
    let mut block = [0x3c; super::BLOCK as usize];
    let head = [case.token, case.inputs, case.outputs];
    for (index, value) in head.iter().chain(&case.cells).enumerate() {
        let (bytes, length) = encode(*value, cell);
        block[index * length..][..length].copy_from_slice(&bytes[..length]);
    }
    if let (8, Some((index, bits))) = (cell, case.upper) {
        for (byte, bits) in block[8 * index as usize..]
            .iter_mut()
            .zip(bits.to_be_bytes())
        {
            *byte ^= bits;
        }
    }
    block
}

/// The cell at a byte offset, signed; `None` outside.
fn value(block: &[u8], offset: usize, cell: usize) -> Option<i64> {
    let bytes = block.get(offset..offset.checked_add(cell)?)?;
    Some(match bytes.try_into() {
        Ok(bytes) => i64::from_be_bytes(bytes),
        Err(_) => i32::from_be_bytes(bytes.try_into().ok()?).into(),
    })
}

/// Judges a call by the bytes of its buffer before and after, as many as could be looked at. The
/// status, if there is one.
///
/// # Errors
/// The first thing that is wrong.
pub fn judge(
    world: &World<'_>,
    case: &Case,
    before: &[u8],
    after: &[u8],
) -> Result<Option<i64>, Deviation> {
    let expect = case.expect(world);
    if expect.done == Done::Overlapping {
        return Ok(None);
    }
    let cell = world.cell as usize;
    let start = (3usize.saturating_add(case.inputs as usize)).saturating_mul(cell);
    let place = case.has_status().then_some(start);
    let changed = |from: usize, to: usize| {
        let bytes = before.iter().zip(after).enumerate();
        let mut bytes = bytes.skip(from).take(to.saturating_sub(from));
        bytes.find_map(|(offset, (before, after))| (before != after).then_some(offset))
    };
    let outside = |end: usize| changed(0, start).or_else(|| changed(end, before.len()));
    let Some(status) = place.and_then(|place| value(after, place, cell)) else {
        // Nothing can be told.
        return changed(0, before.len()).map_or(Ok(None), |offset| Err(Deviation::Wrote(offset)));
    };
    let legal = match (expect.done, case.function) {
        (Done::No, _) | (_, None) => status == -3,
        (Done::WithoutTransfer, Some(function)) => {
            function.may_return(status) && function.did_nothing(status)
        }
        (_, Some(function)) => function.may_return(status),
    };
    if changed(start, start.saturating_add(cell)).is_none() {
        return match changed(0, before.len()) {
            Some(offset) => Err(Deviation::Wrote(offset)),
            // The same status may have been there before.
            None if expect.silent || legal => Ok(None),
            None => Err(Deviation::NoStatus),
        };
    }
    let outputs = match expect.done {
        Done::No => 1,
        _ => case.outputs as usize,
    };
    if let Some(offset) = outside(start.saturating_add(outputs.saturating_mul(cell))) {
        return Err(Deviation::Wrote(offset));
    }
    if legal {
        Ok(Some(status))
    } else {
        Err(Deviation::Status(status))
    }
}

#[cfg(test)]
mod tests;
