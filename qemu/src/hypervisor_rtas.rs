//! RTAS calls that the firmware itself makes, straight at the hypervisor.

use rtas_abi::buffer::ARGUMENTS;
use rtas_abi::hcall;

use crate::board::Board;

/// Cells of the argument buffer of such a call.
const CELLS: usize = 8;

/// A call with one output: its status, or nothing if the hypervisor does not know it. The argument
/// buffer is made at `scratch`, memory that is the firmware's.
pub fn call(board: &mut impl Board, scratch: u64, token: u32, arguments: &[u32]) -> Option<i32> {
    call_with_outputs(board, scratch, token, arguments).map(|[status]| status as i32)
}

/// The same with `N` outputs, the status first.
pub fn call_with_outputs<const N: usize>(
    board: &mut impl Board,
    scratch: u64,
    token: u32,
    arguments: &[u32],
) -> Option<[u32; N]> {
    let status_at = ARGUMENTS + arguments.len();
    if status_at + N > CELLS {
        return None;
    }
    let mut cells = [0; CELLS];
    let head = [token, arguments.len() as u32, N as u32];
    for (to, from) in cells.iter_mut().zip(head.iter().chain(arguments)) {
        *to = *from;
    }
    // What stays there if the hypervisor does not know the token.
    *cells.get_mut(status_at)? = u32::MAX;
    let mut bytes = [0; 4 * CELLS];
    for (to, from) in bytes.chunks_mut(4).zip(cells) {
        to.copy_from_slice(&from.to_be_bytes());
    }
    board.write(scratch, &bytes).ok()?;
    if board.hcall(hcall::H_RTAS, &[scratch]).status != hcall::H_SUCCESS {
        return None;
    }
    board.read(scratch, &mut bytes).ok()?;
    let mut outputs = [0; N];
    let stored = bytes.chunks_exact(4).skip(status_at);
    for (to, from) in outputs.iter_mut().zip(stored) {
        *to = from.try_into().map_or(0, u32::from_be_bytes);
    }
    Some(outputs)
}
