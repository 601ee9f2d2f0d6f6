//! The argument call buffer (LoPAR 7.2.7, Table 7.1).
//!
//! An array of big-endian cells, 32 bits wide after `instantiate-rtas` and 64 bits wide after
//! `instantiate-rtas-64`: token, number of inputs, number of outputs, inputs, outputs. The first
//! output is the status word. The buffer is aligned to eight bytes.

/// Index of the cell that holds the token.
pub const TOKEN: usize = 0;
/// Index of the cell that holds the number of inputs.
pub const INPUTS: usize = 1;
/// Index of the cell that holds the number of outputs, the status word included.
pub const OUTPUTS: usize = 2;
/// Index of the first input.
pub const ARGUMENTS: usize = 3;
/// Alignment of the buffer, in bytes.
pub const ALIGNMENT: u64 = 8;
/// Most inputs and outputs together that a call of LoPAR 7.3 has, and that Linux makes room for
/// (`struct rtas_args`).
pub const MAX_CELLS: usize = 16;
