//! One call made of the hypervisor, on behalf of a caller or of the blob itself.

use rtas_abi::{buffer, status};

use crate::decode::Request;
use crate::memory::{Bounds, CallerMemory};
use crate::platform::{HypervisorBuffer, Platform};
use crate::table::{Area, EVENT_LOG_BYTES, Handler, Length, MAX_AREAS, Shape};

/// Makes the call `token` with `inputs`, and returns its status word. `outputs` are what the output
/// cells hold before, the status word's own left out: the hypervisor writes no output but the
/// status where it fails.
#[inline(always)]
pub fn call<P: Platform, const INPUTS: usize, const OUTPUTS: usize>(
    platform: &P,
    cells: &mut HypervisorBuffer,
    token: u32,
    inputs: [u32; INPUTS],
    outputs: [u32; OUTPUTS],
) -> i32 {
    prepare(cells, token, inputs, outputs);
    make(platform, cells, INPUTS)
}

/// What [`call`] does before the hypercall, which [`make`] is.
#[inline(always)]
pub fn prepare<const INPUTS: usize, const OUTPUTS: usize>(
    cells: &mut HypervisorBuffer,
    token: u32,
    inputs: [u32; INPUTS],
    outputs: [u32; OUTPUTS],
) {
    for (index, value) in inputs.into_iter().enumerate() {
        cells.set(buffer::ARGUMENTS + index, value);
    }
    for (index, value) in outputs.into_iter().enumerate() {
        cells.set(buffer::ARGUMENTS + INPUTS + index, value);
    }
    head(cells, token, INPUTS, OUTPUTS);
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
///
/// What the hypervisor would get wrong is refused or put right here: an address of memory that the
/// caller may not have would let it write over the RTAS area.
#[inline(always)]
pub fn forward<P: Platform, M: CallerMemory>(
    platform: &P,
    memory: &mut M,
    cells: &mut HypervisorBuffer,
    token: u32,
    shape: &Shape,
    request: &Request,
) -> i32 {
    if request.load_inputs(memory, cells).is_none()
        || !areas_allowed(&memory.bounds(), &shape.areas, cells)
    {
        return request.finish(memory, status::PARAMETER_ERROR);
    }
    let input = |index: usize| cells.get(buffer::ARGUMENTS + index);
    match shape.handler {
        // QEMU maps nothing, and dies of unmapping it (hw/nvram/spapr_nvram.c).
        Handler::Nvram if input(2) == 0 => {
            request.store(memory, 1, 0);
            return request.finish(memory, status::SUCCESS);
        }
        // More memory is what a status of 5 asks for, which QEMU never gives. It would take the
        // address for the upper half of the other one (hw/ppc/spapr_rtas.c,
        // rtas_ibm_configure_connector).
        Handler::ConfigureConnector if input(1) != 0 => {
            return request.finish(memory, status::PARAMETER_ERROR);
        }
        _ => (),
    }
    request.load_outputs(memory, cells);
    head(cells, token, request.inputs(), request.outputs());
    let status = make(platform, cells, request.inputs());
    if shape.handler == Handler::GetTimeOfDay && status == status::SUCCESS {
        let time = core::array::from_fn(|index| output(cells, 0, index + 1));
        cells.set(buffer::ARGUMENTS + 7, nanoseconds(time));
    }
    request.store_outputs(memory, cells);
    status
}

/// Whether the caller may have the memory that the inputs in `cells` say.
#[inline(always)]
fn areas_allowed(bounds: &Bounds, areas: &[Area; MAX_AREAS], cells: &HypervisorBuffer) -> bool {
    let input = |index: u8| cells.get(buffer::ARGUMENTS + usize::from(index));
    // Most calls have none, and none has a second without a first.
    areas
        .iter()
        .take_while(|area| area.length != Length::Nothing)
        .all(|area| {
            let length = match area.length {
                Length::Nothing => 0,
                Length::Bytes(bytes) => bytes.into(),
                Length::Input(index) => input(index),
                Length::EventLog(index) => input(index).max(EVENT_LOG_BYTES),
            };
            length == 0 || bounds.allow(input(area.input).into(), length.into())
        })
}

/// The nanoseconds of a time of day as QEMU gives it: year, month, day, hour, minute, second, and
/// the lower 32 bits of all nanoseconds since 1970 (`hw/rtc`, `hw/ppc/spapr_rtc.c:spapr_rtc_read`).
/// Less those of the seconds, which are known, it is less than 10^9, and 32 bits are enough to tell.
fn nanoseconds([year, month, day, hour, minute, second, low]: [u32; 7]) -> u32 {
    const SECOND: u32 = 1_000_000_000;
    // Days of the Gregorian calendar with years that begin in March. All modulo 2^32.
    let year = year.wrapping_sub(u32::from(month <= 2));
    let month = month.wrapping_add(9) % 12;
    let days = (365u32.wrapping_mul(year))
        .wrapping_add(year / 4)
        .wrapping_sub(year / 100)
        .wrapping_add(year / 400)
        .wrapping_add((153 * month + 2) / 5)
        .wrapping_add(day)
        .wrapping_sub(719_469);
    let seconds = days
        .wrapping_mul(86_400)
        .wrapping_add(hour.wrapping_mul(3600))
        .wrapping_add(minute.wrapping_mul(60))
        .wrapping_add(second);
    let nanoseconds = low.wrapping_sub(seconds.wrapping_mul(SECOND));
    if nanoseconds < SECOND {
        nanoseconds
    } else if low < SECOND {
        // A hypervisor that counts them right.
        low
    } else {
        0
    }
}

/// Passes a request on whose inputs are in `cells` already.
pub fn deliver<P: Platform, M: CallerMemory>(
    platform: &P,
    memory: &mut M,
    cells: &mut HypervisorBuffer,
    token: u32,
    request: &Request,
) -> i32 {
    request.load_outputs(memory, cells);
    head(cells, token, request.inputs(), request.outputs());
    let status = make(platform, cells, request.inputs());
    request.store_outputs(memory, cells);
    status
}

/// Stores token and counts of a call whose inputs and outputs are in `cells`.
///
/// The status word starts as one that no call has: a hypercall that leaves it has done nothing, which
/// is a hardware error that `rtas-last-error` tells of.
#[inline(always)]
fn head(cells: &mut HypervisorBuffer, token: u32, inputs: usize, outputs: usize) {
    cells.set(buffer::TOKEN, token);
    cells.set(buffer::INPUTS, inputs as u32);
    cells.set(buffer::OUTPUTS, outputs as u32);
    let status_cell = buffer::ARGUMENTS.wrapping_add(inputs);
    cells.set(status_cell, NO_STATUS as u32);
}

/// Makes the call that is in `cells`, and returns its status word.
#[inline(always)]
pub fn make<P: Platform>(platform: &P, cells: &mut HypervisorBuffer, inputs: usize) -> i32 {
    // The status of the hypercall says no more than the status word does: QEMU stores -3 there for
    // a token that it does not know, and returns H_PARAMETER (`hw/ppc/spapr_rtas.c`).
    let _ = platform.h_rtas(cells);
    let status_cell = buffer::ARGUMENTS.wrapping_add(inputs);
    match cells.get(status_cell) as i32 {
        NO_STATUS => {
            cells.set_unanswered();
            cells.set(status_cell, status::HARDWARE_ERROR as u32);
            status::HARDWARE_ERROR
        }
        status => status,
    }
}

/// No status of any call.
const NO_STATUS: i32 = i32::MIN;

#[cfg(all(test, not(loom)))]
mod tests;
