//! From the argument buffer to the status word: one call.

use core::sync::atomic::Ordering;

use rtas_abi::{buffer, status};

use crate::config::{Config, LeaveBuffer, SOURCES_ARE_NATIVE};
pub use crate::decode::CellWidth;
use crate::decode::{Allegation, Callee, Request};
use crate::hypervisor;
use crate::instance::Instance;
use crate::memory::CallerMemory;
use crate::msi;
use crate::platform::{HypervisorBuffer, Platform};
use crate::source::Sources;
use crate::table::Handler;

/// How a call ends.
#[derive(Clone, Copy, Debug)]
pub enum Exit<'a> {
    /// The call returns to its caller; status and outputs are in the buffer, this is r3.
    Return(i32),
    /// The entry code gives the context back, then does `H_RTAS` with this buffer, which does not
    /// return.
    Leave(&'a LeaveBuffer),
}

/// Does the call whose argument buffer the caller says lies at `address`, with cells of `width`.
/// `cells` are the call's own.
pub fn call<'a, P: Platform, M: CallerMemory>(
    instance: &Instance<'a>,
    platform: &P,
    memory: &mut M,
    width: CellWidth,
    address: u64,
    cells: &mut HypervisorBuffer,
) -> Exit<'a> {
    let config = instance.config;
    let request = match Request::read(config, memory, Allegation::new(width, address)) {
        Ok(request) => request,
        Err(status) => return Exit::Return(status),
    };
    let handler = handler(config, request.callee);
    let sources = Sources::new(instance, platform);
    let number = request.input(0);
    let status = match handler {
        Handler::Forward => {
            return Exit::Return(hypervisor::forward(platform, memory, cells, &request));
        }
        Handler::ChangeMsi => {
            return Exit::Return(msi::change_msi(
                config, &sources, platform, memory, cells, &request,
            ));
        }
        Handler::StopSelf => return Exit::Leave(&config.stop_self),
        Handler::SystemReboot => return Exit::Leave(&config.system_reboot),
        Handler::PowerOff => return Exit::Leave(power_off(config, &request)),
        Handler::GetXive => match sources.get_xive(number) {
            Ok((server, priority)) => {
                request.store(memory, 1, server);
                request.store(memory, 2, priority);
                status::SUCCESS
            }
            Err(status) => status,
        },
        Handler::SetXive => sources.set_xive(number, request.input(1), request.input(2), cells),
        Handler::IntOff => sources.int_off(number, cells),
        Handler::IntOn => sources.int_on(number, cells),
    };
    Exit::Return(request.finish(memory, status))
}

/// What does the work of a call on this machine: the interrupt calls are the hypervisor's where it
/// does not deliver interrupts by XICS.
fn handler(config: &Config, callee: Callee) -> Handler {
    let Callee::Known { shape, .. } = callee else {
        return Handler::Forward;
    };
    match shape.handler {
        Handler::GetXive
        | Handler::SetXive
        | Handler::IntOff
        | Handler::IntOn
        | Handler::ChangeMsi
            if config.flags & SOURCES_ARE_NATIVE == 0 =>
        {
            Handler::Forward
        }
        handler => handler,
    }
}

/// The buffer of `power-off` with the caller's two masks of power-on events in it. Two processors
/// that power off at once may mix their masks; each of them asks for the machine's end.
fn power_off<'a>(config: &'a Config, request: &Request) -> &'a LeaveBuffer {
    let masks = config.power_off.cells.iter().skip(buffer::ARGUMENTS);
    for (cell, mask) in masks.zip(&request.inputs) {
        cell.store(mask.to_be(), Ordering::Relaxed);
    }
    &config.power_off
}

/// There is no context for the call: stores a hardware error as its status, if the buffer is
/// aligned and its counts make sense. The blob runs this without a stack, so it is written to
/// compile to a leaf of a few registers.
#[inline(always)]
pub fn exhausted<M: CallerMemory>(memory: &mut M, width: CellWidth, address: u64) {
    if !address.is_multiple_of(buffer::ALIGNMENT) {
        return;
    }
    let cell = |index: u64| address.wrapping_add(index.wrapping_mul(width.bytes()));
    let load = |memory: &M, index: usize| match width {
        CellWidth::Bits32 => memory.load32(cell(index as u64)).map(u64::from),
        CellWidth::Bits64 => memory.load64(cell(index as u64)),
    };
    if let (Some(inputs), Some(outputs)) =
        (load(memory, buffer::INPUTS), load(memory, buffer::OUTPUTS))
        && inputs <= buffer::MAX_CELLS as u64
        && outputs != 0
    {
        let place = cell(inputs.wrapping_add(buffer::ARGUMENTS as u64));
        // A cell that may not be written is left alone: there is nobody else to tell.
        let _ = match width {
            CellWidth::Bits32 => memory.store32(place, status::HARDWARE_ERROR as u32),
            CellWidth::Bits64 => memory.store64(place, i64::from(status::HARDWARE_ERROR) as u64),
        };
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
