//! From the argument buffer to the status word: one call.

use core::sync::atomic::Ordering;

use rtas_abi::{buffer, status};

use crate::config::{Config, LeaveBuffer, SOURCES_ARE_NATIVE};
use crate::decode::{self, Header, Request, StatusPlace};
use crate::epow;
use crate::hypervisor::{check_exception, forward};
use crate::instance::Instance;
use crate::last_error::{LastError, NO_ANSWER, NO_CONTEXT};
pub use crate::memory::CellWidth;
use crate::memory::{CallerMemory, Cells, refuse_unaligned};
use crate::msi;
use crate::parameter::{LPAR_NAME, get_name};
use crate::platform::{HypervisorBuffer, Platform};
use crate::source::{Change, Sources};
use crate::table::{self, Handler, Shape, index};
use crate::vpd::{get_vpd, partition_name};

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
///
/// The four interrupt calls come first and on a short way: an operating system masks and unmasks
/// with them, and masks every source in a crash. Then come calls that are one hypercall, from a buffer
/// as operating systems have it. Whatever is neither goes the long way. Each way reads and judges the
/// buffer anew. The blob has them in functions of their own, so that the shorter ones save few
/// registers.
pub fn call<'a, P: Platform, M: CallerMemory>(
    instance: Instance<'a>,
    platform: &P,
    memory: &mut M,
    width: CellWidth,
    address: u64,
    cells: &mut HypervisorBuffer,
) -> Exit<'a> {
    match short_call(instance, platform, memory, width, address, cells) {
        Short::Done(status) => Exit::Return(status),
        Short::Unsettled(change, place) => {
            let status = Sources::new(instance, platform).settle(change, cells);
            keep_error(instance.config, cells, status);
            Exit::Return(place.finish(memory, status))
        }
        Short::OtherCall if width == CellWidth::Bits32 => {
            match forwarded_call(instance.config, platform, memory, width, address, cells) {
                Some(status) => Exit::Return(status),
                None => long_call(instance, platform, memory, width, address, cells),
            }
        }
        Short::OtherCall | Short::OtherWay => {
            long_call(instance, platform, memory, width, address, cells)
        }
    }
}

/// How the short way ended.
#[derive(Clone, Copy)]
pub enum Short<'a> {
    /// With a status.
    Done(i32),
    /// With a change that is not settled, and where the status goes.
    Unsettled(Change<'a>, StatusPlace),
    /// Nothing was done: it is another call.
    OtherCall,
    /// Nothing was done: one of the four calls, or a buffer, that is for the long way.
    OtherWay,
}

/// The short way of [`call`], for an interrupt call in a buffer that is in order and not at the end
/// of anything, with nothing to be refused.
#[inline(always)]
pub fn short_call<'a, P: Platform, M: CallerMemory>(
    instance: Instance<'a>,
    platform: &'a P,
    memory: &mut M,
    width: CellWidth,
    address: u64,
    cells: &mut HypervisorBuffer,
) -> Short<'a> {
    match try_short_call(instance, platform, memory, width, address, cells) {
        None => Short::OtherWay,
        Some(Attempt::OtherCall) => Short::OtherCall,
        Some(Attempt::Got(place)) => Short::Done(place.finish(memory, status::SUCCESS)),
        Some(Attempt::Changed(place, change)) if change.is_settled() => {
            Short::Done(place.finish(memory, status::SUCCESS))
        }
        Some(Attempt::Changed(place, change)) => Short::Unsettled(change, place),
    }
}

/// What the short way did, its status aside.
enum Attempt<'a> {
    OtherCall,
    Got(StatusPlace),
    Changed(StatusPlace, Change<'a>),
}

#[inline(always)]
fn try_short_call<'a, P: Platform, M: CallerMemory>(
    instance: Instance<'a>,
    platform: &'a P,
    memory: &mut M,
    width: CellWidth,
    address: u64,
    cells: &mut HypervisorBuffer,
) -> Option<Attempt<'a>> {
    const fn shape(index: usize) -> Shape {
        table::CALLS[index].shape
    }
    let buffer = Cells::whole(&memory.bounds(), width, address)?;
    let header = Header::read(memory, buffer);
    let sources = Sources::new(instance, platform);
    // More than 32 bits are no token, but may be NO_SHORT_TOKEN.
    let token = u64::from(u32::try_from(header.token).ok()?);
    let first = instance.config.short_token;
    let (request, change) = match token.wrapping_sub(first) {
        SET_XIVE => {
            let request = header.request(&const { shape(index::IBM_SET_XIVE) })?;
            let [number, server, priority] = request.read(memory)?;
            let change = sources.set_priority(number, server, priority, cells)?;
            (request, change)
        }
        GET_XIVE => {
            let request = header.request(&const { shape(index::IBM_GET_XIVE) })?;
            get_xive(sources, memory, &request)?;
            return Some(Attempt::Got(request.status_place()?));
        }
        INT_OFF => {
            let request = header.request(&const { shape(index::IBM_INT_OFF) })?;
            let [number] = request.read(memory)?;
            (request, sources.int_off(number, cells)?)
        }
        INT_ON => {
            let request = header.request(&const { shape(index::IBM_INT_ON) })?;
            let [number] = request.read(memory)?;
            (request, sources.int_on(number, cells)?)
        }
        _ => return Some(Attempt::OtherCall),
    };
    Some(Attempt::Changed(request.status_place()?, change))
}

/// Distances of the tokens of the four interrupt calls from that of `ibm,set-xive`.
const SET_XIVE: u64 = 0;
const GET_XIVE: u64 = (index::IBM_GET_XIVE - index::IBM_SET_XIVE) as u64;
const INT_OFF: u64 = (index::IBM_INT_OFF - index::IBM_SET_XIVE) as u64;
const INT_ON: u64 = (index::IBM_INT_ON - index::IBM_SET_XIVE) as u64;

/// The middle way of [`call`], for one hypercall with the caller's cells, from a buffer as the short
/// way takes it. `None`, with nothing done, for anything else. Made for one width of the cells, so
/// that nothing asks for it: that of operating systems.
#[inline(always)]
pub fn forwarded_call<P: Platform, M: CallerMemory>(
    config: &Config,
    platform: &P,
    memory: &mut M,
    width: CellWidth,
    address: u64,
    cells: &mut HypervisorBuffer,
) -> Option<i32> {
    let buffer = Cells::whole(&memory.bounds(), width, address)?;
    let header = Header::read(memory, buffer);
    let callee = decode::find_in_order(config, header.token)?;
    let shape = callee.shape();
    let request = header.request(shape)?;
    let forwarded = handler(config, shape).is_one_hypercall();
    forwarded.then(|| {
        let status = forward(platform, memory, cells, callee.token, shape, &request);
        keep_own_error(config, cells, status);
        status
    })
}

/// Keeps the error for `rtas-last-error`, if the call ends with -1 (R1-7.3.3.3-3) and the hypervisor
/// did not do what `cells` asked of it.
pub fn keep_error(config: &Config, cells: &mut HypervisorBuffer, status: i32) {
    if cells.take_unanswered() && status == status::HARDWARE_ERROR {
        config.last_error.keep(NO_ANSWER);
    }
}

/// The same after one hypercall that the status is of: nothing is left in `cells` by another.
#[inline(always)]
fn keep_own_error(config: &Config, cells: &mut HypervisorBuffer, status: i32) {
    if status == status::HARDWARE_ERROR {
        keep_error(config, cells, status);
    }
}

/// The long way of [`call`], for any call, whatever its buffer is like.
pub fn long_call<'a, P: Platform, M: CallerMemory>(
    instance: Instance<'a>,
    platform: &P,
    memory: &mut M,
    width: CellWidth,
    address: u64,
    cells: &mut HypervisorBuffer,
) -> Exit<'a> {
    let config = instance.config;
    let Some(buffer) = Cells::new(&memory.bounds(), width, address) else {
        refuse_unaligned(memory, width, address, status::PARAMETER_ERROR);
        return Exit::Return(status::PARAMETER_ERROR);
    };
    let header = Header::read(memory, buffer);
    let found = decode::find(config, header.token).and_then(|callee| {
        let shape = callee.shape();
        Some((callee.token, shape, header.request(shape)?))
    });
    let Some((token, shape, request)) = found else {
        return Exit::Return(header.refuse(memory, status::PARAMETER_ERROR));
    };
    match handler(config, shape) {
        handler if handler.is_one_hypercall() => (),
        // LoPAR 7.3.6.1, note 1: it turns off everything, and must be there in a crash (R1-7.2.3-7).
        // QEMU knows no domain 0.
        Handler::SetPowerLevel => {
            if leaves(&config.power_off) && request.read(memory) == Some([0, 0]) {
                return Exit::Leave(power_off(config, [0, 0]));
            }
        }
        Handler::GetSensorState | Handler::GetSystemParameter | Handler::SetSystemParameter => {
            if let Some(status) = own_part(instance, memory, shape, &request) {
                return Exit::Return(request.finish(memory, status));
            }
        }
        _ => {
            let exit = own_call(instance, platform, memory, cells, token, shape, &request);
            if let Exit::Return(status) = exit {
                keep_error(config, cells, status);
            }
            return exit;
        }
    }
    let status = forward(platform, memory, cells, token, shape, &request);
    keep_own_error(config, cells, status);
    Exit::Return(status)
}

/// What the blob knows of calls that are the hypervisor's for the rest: the status, the outputs being
/// stored. `None` for the rest.
#[inline(never)]
fn own_part<M: CallerMemory>(
    instance: Instance<'_>,
    memory: &mut M,
    shape: &Shape,
    request: &Request,
) -> Option<i32> {
    match shape.handler {
        Handler::GetSensorState => {
            if request.read(memory)? != [epow::SENSOR, 0] {
                return None;
            }
            request.store(memory, 1, instance.config.epow.state());
            Some(status::SUCCESS)
        }
        Handler::GetSystemParameter | Handler::SetSystemParameter => {
            let [parameter, address] = request.read(memory)?;
            if parameter != LPAR_NAME {
                return None;
            }
            let name = partition_name(instance.vpd)?;
            if shape.handler == Handler::SetSystemParameter {
                return Some(status::NOT_AUTHORIZED);
            }
            let [_, _, room] = request.read(memory)?;
            Some(get_name(name, memory, [address, room]))
        }
        _ => None,
    }
}

/// The part of [`long_call`] that is not one hypercall with the caller's cells.
#[inline(never)]
fn own_call<'a, P: Platform, M: CallerMemory>(
    instance: Instance<'a>,
    platform: &P,
    memory: &mut M,
    cells: &mut HypervisorBuffer,
    token: u32,
    shape: &Shape,
    request: &Request,
) -> Exit<'a> {
    let config = instance.config;
    let sources = Sources::new(instance, platform);
    let change = match shape.handler {
        Handler::ChangeMsi => {
            let status = msi::change_msi(config, sources, memory, cells, token, request);
            return Exit::Return(status);
        }
        Handler::CheckException => {
            let epow = &config.epow;
            let status = check_exception(platform, memory, cells, token, shape, request, epow);
            return Exit::Return(status);
        }
        Handler::StopSelf => return Exit::Leave(&config.stop_self),
        Handler::SystemReboot => return Exit::Leave(&config.system_reboot),
        Handler::PowerOff => match request.read(memory) {
            Some(masks) => return Exit::Leave(power_off(config, masks)),
            None => None,
        },
        Handler::GetXive => return ended(request, get_xive(sources, memory, request), memory),
        Handler::LastError => {
            let log = request.read(memory);
            let status = log.and_then(|log| config.last_error.tell(memory, log));
            return ended(request, status, memory);
        }
        Handler::GetVpd => {
            let inputs = request.read(memory);
            let told = inputs.and_then(|inputs| get_vpd(instance.vpd, memory, inputs));
            let status = told.map(|told| {
                request.store(memory, 1, told.next);
                request.store(memory, 2, told.bytes);
                told.status
            });
            return ended(request, status, memory);
        }
        // DR indicators and sensors are not for it (LoPAR 7.3.17), and QEMU has no others: each type
        // is one without indicators for the caller (R1-7.3.17-9).
        Handler::GetIndices => return ended(request, None, memory),
        Handler::SetXive => request.read(memory).and_then(|[number, server, priority]| {
            sources.set_xive(number, server, priority, cells)
        }),
        Handler::IntOff => request
            .read(memory)
            .and_then(|[number]| sources.int_off(number, cells)),
        Handler::IntOn => request
            .read(memory)
            .and_then(|[number]| sources.int_on(number, cells)),
        // One hypercall: not for here.
        _ => None,
    };
    Exit::Return(request.finish(memory, sources.finish(change, cells)))
}

/// The end of a call with this status, a parameter error where there is none.
fn ended<'a, M: CallerMemory>(request: &Request, status: Option<i32>, memory: &mut M) -> Exit<'a> {
    Exit::Return(request.finish(memory, status.unwrap_or(status::PARAMETER_ERROR)))
}

/// `ibm,get-xive`: the status, server and priority being stored.
#[inline(always)]
fn get_xive<P: Platform, M: CallerMemory>(
    sources: Sources<'_, P>,
    memory: &mut M,
    request: &Request,
) -> Option<i32> {
    let [number] = request.read(memory)?;
    let (server, priority) = sources.get_xive(number)?;
    request.store(memory, 1, server);
    request.store(memory, 2, priority);
    Some(status::SUCCESS)
}

/// What does the work of a call on this machine: the interrupt calls are the hypervisor's where it
/// does not deliver interrupts by XICS.
fn handler(config: &Config, shape: &Shape) -> Handler {
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

/// Whether the hypervisor has the call of this buffer.
fn leaves(buffer: &LeaveBuffer) -> bool {
    let [token, ..] = &buffer.cells;
    token.load(Ordering::Relaxed) != 0
}

/// The buffer of `power-off` with the caller's two masks of power-on events in it. Two processors
/// that power off at once may mix their masks; each of them asks for the machine's end.
fn power_off(config: &Config, masks: [u32; 2]) -> &LeaveBuffer {
    let cells = config.power_off.cells.iter().skip(buffer::ARGUMENTS);
    for (cell, mask) in cells.zip(masks) {
        cell.store(mask.to_be(), Ordering::Relaxed);
    }
    &config.power_off
}

/// There is no context for the call: stores a hardware error as its status, if there is room for a
/// whole buffer and its counts make sense. The blob runs this without a stack, so it is written to
/// compile to a leaf of a few registers.
#[inline(always)]
pub fn exhausted<M: CallerMemory>(
    last_error: &LastError,
    memory: &mut M,
    width: CellWidth,
    address: u64,
) {
    last_error.keep(NO_CONTEXT);
    if let Some(cells) = Cells::whole(&memory.bounds(), width, address) {
        Header::read(memory, cells).refuse(memory, status::HARDWARE_ERROR);
    }
}

#[cfg(all(test, not(loom)))]
mod fuzz;
#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
