//! One call made of the hypervisor, on behalf of a caller or of the blob itself.

use rtas_abi::{buffer, status};

use crate::decode::Request;
use crate::memory::CallerMemory;
use crate::platform::{HypervisorBuffer, Platform};

/// Makes the call `token` with `inputs`, and returns its status word. `outputs` are what the output
/// cells hold before, the status word's own left out: the hypervisor writes no output but the
/// status where it fails.
///
/// The status word starts as a hardware error, so a hypercall that does nothing is one.
pub fn call<P: Platform>(
    platform: &P,
    cells: &mut HypervisorBuffer,
    token: u32,
    inputs: &[u32],
    outputs: &[u32],
) -> i32 {
    cells.set(buffer::TOKEN, token);
    cells.set(buffer::INPUTS, inputs.len() as u32);
    cells.set(buffer::OUTPUTS, outputs.len() as u32);
    let status_cell = buffer::ARGUMENTS.saturating_add(inputs.len());
    for (index, value) in inputs.iter().enumerate() {
        cells.set(buffer::ARGUMENTS.saturating_add(index), *value);
    }
    for (index, value) in outputs.iter().enumerate() {
        cells.set(status_cell.saturating_add(index), *value);
    }
    cells.set(status_cell, status::HARDWARE_ERROR as u32);
    // The status of the hypercall says no more than the status word does: QEMU stores -3 there for
    // a token that it does not know, and returns H_PARAMETER (`hw/ppc/spapr_rtas.c`).
    let _ = platform.h_rtas(cells);
    cells.get(status_cell) as i32
}

/// Output `index` of a call that was made with `inputs` inputs, the status being 0.
pub fn output(cells: &HypervisorBuffer, inputs: usize, index: usize) -> u32 {
    cells.get(
        buffer::ARGUMENTS
            .saturating_add(inputs)
            .saturating_add(index),
    )
}

/// Passes a request on: one hypercall with the caller's own cells, and as many cells back as it
/// asked for. Returns the status word.
pub fn forward<P: Platform, M: CallerMemory>(
    platform: &P,
    memory: &mut M,
    cells: &mut HypervisorBuffer,
    request: &Request,
) -> i32 {
    let inputs = request.inputs.as_slice();
    let status = call(platform, cells, request.token, inputs, &request.outputs);
    for index in 0..request.outputs.len() {
        request.store(memory, index, output(cells, inputs.len(), index));
    }
    status
}
