//! One call made of the hypervisor, on behalf of a caller or of the blob itself.

use rtas_abi::{buffer, status};

use crate::decode::Request;
use crate::epow::Epow;
use crate::memory::{Bounds, CallerBytes, CallerMemory};
use crate::platform::{HypervisorBuffer, Platform};
use crate::table::{Area, Handler, Length, MAX_AREAS, Shape};

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
    if !takes_inputs(memory, cells, shape, request) {
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
        // QEMU counts on from the last of a month or of a day (hw/ppc/spapr_rtc.c,
        // rtas_set_time_of_day).
        Handler::SetTimeOfDay if !is_time(core::array::from_fn(input)) => {
            return request.finish(memory, status::PARAMETER_ERROR);
        }
        _ => (),
    }
    let mut status = pass(platform, memory, cells, token, request);
    let first_output = buffer::ARGUMENTS.wrapping_add(request.inputs());
    // What the hypervisor did not do stays what it is.
    let failed = status == status::HARDWARE_ERROR && !cells.is_unanswered();
    match shape.handler {
        Handler::GetTimeOfDay if status == status::SUCCESS => {
            let time = core::array::from_fn(|index| output(cells, 0, index + 1));
            cells.set(buffer::ARGUMENTS + 7, nanoseconds(time));
        }
        Handler::PciConfig if failed => {
            status = absent_function(cells, request.inputs());
            cells.set(first_output, status as u32);
        }
        // QEMU's status for an interrupt that the function does not have (hw/ppc/spapr_pci.c,
        // rtas_ibm_query_interrupt_source_number), which LoPAR wants another one for
        // (R1-7.3.10.5.2-2, the second).
        Handler::QuerySource if failed => {
            status = NO_INTERRUPT;
            cells.set(first_output, status as u32);
        }
        // QEMU's status for a parameter that it has and no room for its length
        // (hw/ppc/spapr_rtas.c, sysparm_st), where LoPAR lets no room ask whether it is there
        // (R1-7.3.16-10).
        Handler::GetSystemParameter
            if status == status::SYSTEM_PARAMETER_ERROR
                && cells.get(buffer::ARGUMENTS + 2) == 0 =>
        {
            status = status::SUCCESS;
            cells.set(first_output, status as u32);
        }
        _ => (),
    }
    request.store_outputs(memory, cells);
    status
}

/// Takes the inputs of a request into `cells`: whether they could be read, and the caller may have
/// the memory that they say.
#[inline(always)]
fn takes_inputs<M: CallerMemory>(
    memory: &mut M,
    cells: &mut HypervisorBuffer,
    shape: &Shape,
    request: &Request,
) -> bool {
    request.load_inputs(memory, cells).is_some()
        && areas_allowed(&memory.bounds(), &shape.areas, cells)
}

/// Makes the call of a request whose inputs are in `cells`, and returns the status word. The outputs
/// stay in `cells`.
#[inline(always)]
fn pass<P: Platform, M: CallerMemory>(
    platform: &P,
    memory: &mut M,
    cells: &mut HypervisorBuffer,
    token: u32,
    request: &Request,
) -> i32 {
    request.load_outputs(memory, cells);
    head(cells, token, request.inputs(), request.outputs());
    make(platform, cells, request.inputs())
}

/// `ibm,query-interrupt-source-number`: no interrupt assigned (LoPAR 7.3.10.5.2).
const NO_INTERRUPT: i32 = 1;

/// What follows from QEMU's -1 to one of the calls that read and write configuration space, with
/// `inputs` inputs: the status. It has no other one, for a wrong size as for a function that is not
/// there (`hw/ppc/spapr_pci.c`, `finish_read_pci_config` and `finish_write_pci_config`). LoPAR wants
/// success there, with all ones where something is read (R1-7.3.4.1-5, R1-7.3.4.2-5).
#[inline(never)]
fn absent_function(cells: &mut HypervisorBuffer, inputs: usize) -> i32 {
    let address = cells.get(buffer::ARGUMENTS);
    // Those with the `ibm,` have the host bridge's two cells in between.
    let size = cells.get(buffer::ARGUMENTS + if inputs > 3 { 3 } else { 1 });
    if !matches!(size, 1 | 2 | 4) || address & (size - 1) != 0 {
        return status::PARAMETER_ERROR;
    }
    if cells.get(buffer::OUTPUTS) == 2 {
        let ones = u32::MAX >> (32 - 8 * size);
        cells.set(buffer::ARGUMENTS.wrapping_add(inputs).wrapping_add(1), ones);
    }
    status::SUCCESS
}

/// Whether that is a date and a time: year, month, day, hour, minute, second, nanosecond, within the
/// bounds of LoPAR 7.3.2.3.
#[inline(never)]
fn is_time([year, month, day, hour, minute, second, nanosecond]: [u32; 7]) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (1..=12).contains(&month)
        && (1..=days).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && nanosecond < SECOND
}

/// A second, in nanoseconds.
const SECOND: u32 = 1_000_000_000;

/// Whether the caller may have the memory that the inputs in `cells` say.
#[inline(always)]
pub fn areas_allowed(bounds: &Bounds, areas: &[Area; MAX_AREAS], cells: &HypervisorBuffer) -> bool {
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
            };
            length == 0 || bounds.allow(input(area.input).into(), length.into())
        })
}

/// `check-exception`: the hypervisor writes its log into memory of the call's own, and as much of it
/// as there is room for goes to the caller (LoPAR R1-7.3.3.2-3). QEMU does not look at the length
/// (`hw/ppc/spapr_events.c:check_exception`). `epow` keeps what a warning asks for. Returns the status
/// word.
#[inline(never)]
pub fn check_exception<P: Platform, M: CallerMemory>(
    platform: &P,
    memory: &mut M,
    cells: &mut HypervisorBuffer,
    token: u32,
    shape: &Shape,
    request: &Request,
    epow: &Epow,
) -> i32 {
    let [address, length] = [4, 5].map(|index| buffer::ARGUMENTS + index);
    if !takes_inputs(memory, cells, shape, request) {
        return request.finish(memory, status::PARAMETER_ERROR);
    }
    let to = CallerBytes::new(&memory.bounds(), cells.get(address), cells.get(length));
    let mut log = [0; EVENT_LOG_BYTES];
    cells.set(length, EVENT_LOG_BYTES as u32);
    head(cells, token, request.inputs(), request.outputs());
    let _ = platform.h_rtas_about(cells, address, &mut log);
    let status = answer(cells, request.inputs());
    if status == status::SUCCESS {
        epow.keep(&log);
    }
    if let Some(to) = to.filter(|_| status == status::SUCCESS) {
        for (index, byte) in (0..log_bytes(&log)).zip(&log) {
            to.store(memory, index, *byte);
        }
    }
    request.finish(memory, status)
}

/// More than QEMU's event logs have, in bytes (`hw/ppc/spapr_events.c`: `struct epow_extended_log`,
/// `struct hp_extended_log`, and 8 bytes before them, less than 128 together).
const EVENT_LOG_BYTES: usize = 512;

/// Length of an event log, in bytes: eight, and as many as the second four say if there is an
/// extended part (LoPAR 10.3.2.1).
fn log_bytes(log: &[u8; EVENT_LOG_BYTES]) -> u32 {
    const EXTENDED: u8 = 1 << 2;
    match log[1] & EXTENDED {
        0 => 8,
        _ => u32::from_be_bytes([log[4], log[5], log[6], log[7]]).saturating_add(8),
    }
}

/// The nanoseconds of a time of day as QEMU gives it: year, month, day, hour, minute, second, and
/// the lower 32 bits of all nanoseconds since 1970 (`hw/rtc`, `hw/ppc/spapr_rtc.c:spapr_rtc_read`).
/// Less those of the seconds, which are known, it is less than 10^9, and 32 bits are enough to tell.
fn nanoseconds([year, month, day, hour, minute, second, low]: [u32; 7]) -> u32 {
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
    } else {
        counted_right(low)
    }
}

/// The nanoseconds of a hypervisor that counts them right. Apart, so that what QEMU's calls execute
/// does not depend on the time: the walk over their instructions wants the same ones again.
#[cold]
#[inline(never)]
fn counted_right(low: u32) -> u32 {
    if low < SECOND { low } else { 0 }
}

/// Passes a request on whose inputs are in `cells` already.
pub fn deliver<P: Platform, M: CallerMemory>(
    platform: &P,
    memory: &mut M,
    cells: &mut HypervisorBuffer,
    token: u32,
    request: &Request,
) -> i32 {
    let status = pass(platform, memory, cells, token, request);
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
    let _ = ask(platform, cells, inputs);
    answer(cells, inputs)
}

/// The hypercall of [`make`], and what is in the status word then: [`NO_STATUS`] where nothing was
/// done.
#[inline(always)]
pub fn ask<P: Platform>(platform: &P, cells: &mut HypervisorBuffer, inputs: usize) -> i32 {
    // The status of the hypercall says no more than the status word does: QEMU stores -3 there for
    // a token that it does not know, and returns H_PARAMETER (`hw/ppc/spapr_rtas.c`).
    let _ = platform.h_rtas(cells);
    cells.get(buffer::ARGUMENTS.wrapping_add(inputs)) as i32
}

/// The status word of a call that was made with `inputs` inputs.
#[inline(always)]
fn answer(cells: &mut HypervisorBuffer, inputs: usize) -> i32 {
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
pub const NO_STATUS: i32 = i32::MIN;

#[cfg(all(test, not(loom)))]
mod tests;
