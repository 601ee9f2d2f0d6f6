//! Platforms that get in the way of a call: at a hypercall, or for good.

use core::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{Hypervisor, token};
use crate::platform::{HypervisorBuffer, Platform};

type Meanwhile<'a> = Box<dyn FnOnce() + 'a>;

/// Runs `meanwhile` right before the hypercall number `at`, counted from zero, takes effect: what
/// other processors do while this one is stopped there.
pub struct Interrupted<'a> {
    hypervisor: &'a Hypervisor,
    at: usize,
    meanwhile: RefCell<Option<Meanwhile<'a>>>,
    /// Hypercalls made so far.
    pub hypercalls: Cell<usize>,
    /// Those among them that write a source.
    pub writes: Cell<u64>,
}

impl<'a> Interrupted<'a> {
    pub fn new(hypervisor: &'a Hypervisor, at: usize, meanwhile: impl FnOnce() + 'a) -> Self {
        Self {
            hypervisor,
            at,
            meanwhile: RefCell::new(Some(Box::new(meanwhile))),
            hypercalls: Cell::new(0),
            writes: Cell::new(0),
        }
    }

    /// Whether the moment came.
    pub fn was_reached(&self) -> bool {
        self.meanwhile.borrow().is_none()
    }
}

impl Platform for Interrupted<'_> {
    fn h_rtas(&self, buffer: &mut HypervisorBuffer) -> i64 {
        let number = self.hypercalls.get();
        self.hypercalls.set(number + 1);
        if buffer.get(0) == token("ibm,set-xive") {
            self.writes.set(self.writes.get() + 1);
        }
        if number == self.at {
            let meanwhile = self.meanwhile.borrow_mut().take();
            meanwhile.expect("each number comes once")();
        }
        self.hypervisor.h_rtas(buffer)
    }

    fn h_rtas_about(&self, buffer: &mut HypervisorBuffer, cell: usize, memory: &mut [u8]) -> i64 {
        self.hypervisor.h_rtas_about(buffer, cell, memory)
    }

    fn full_barrier(&self) {
        self.hypervisor.full_barrier();
    }
}

/// A processor that stops for good at a step: a barrier, or before or after a hypercall's effect.
struct Dying<'a> {
    hypervisor: &'a Hypervisor,
    steps_left: Cell<usize>,
}

struct Dead;

impl Dying<'_> {
    fn step(&self) {
        match self.steps_left.get().checked_sub(1) {
            Some(left) => self.steps_left.set(left),
            None => resume_unwind(Box::new(Dead)),
        }
    }
}

impl Platform for Dying<'_> {
    fn h_rtas(&self, buffer: &mut HypervisorBuffer) -> i64 {
        self.step();
        let status = self.hypervisor.h_rtas(buffer);
        self.step();
        status
    }

    fn h_rtas_about(&self, buffer: &mut HypervisorBuffer, cell: usize, memory: &mut [u8]) -> i64 {
        self.step();
        let status = self.hypervisor.h_rtas_about(buffer, cell, memory);
        self.step();
        status
    }

    fn full_barrier(&self) {
        self.step();
        self.hypervisor.full_barrier();
    }
}

/// Lets a call die at step `steps`: whether it did, or came to its end before.
pub fn dies_at(hypervisor: &Hypervisor, steps: usize, call: impl FnOnce(&dyn DynPlatform)) -> bool {
    let dying = Dying {
        hypervisor,
        steps_left: Cell::new(steps),
    };
    match catch_unwind(AssertUnwindSafe(|| call(&dying))) {
        Ok(()) => false,
        Err(cause) if cause.is::<Dead>() => true,
        Err(cause) => resume_unwind(cause),
    }
}

/// [`Platform`] behind a reference, so that a closure can take any.
pub trait DynPlatform {
    fn h_rtas_by(&self, buffer: &mut HypervisorBuffer) -> i64;
    fn h_rtas_about_by(&self, buffer: &mut HypervisorBuffer, cell: usize, memory: &mut [u8])
    -> i64;
    fn full_barrier_by(&self);
}

impl<P: Platform> DynPlatform for P {
    fn h_rtas_by(&self, buffer: &mut HypervisorBuffer) -> i64 {
        self.h_rtas(buffer)
    }

    fn h_rtas_about_by(
        &self,
        buffer: &mut HypervisorBuffer,
        cell: usize,
        memory: &mut [u8],
    ) -> i64 {
        self.h_rtas_about(buffer, cell, memory)
    }

    fn full_barrier_by(&self) {
        self.full_barrier();
    }
}

impl Platform for &dyn DynPlatform {
    fn h_rtas(&self, buffer: &mut HypervisorBuffer) -> i64 {
        (**self).h_rtas_by(buffer)
    }

    fn h_rtas_about(&self, buffer: &mut HypervisorBuffer, cell: usize, memory: &mut [u8]) -> i64 {
        (**self).h_rtas_about_by(buffer, cell, memory)
    }

    fn full_barrier(&self) {
        (**self).full_barrier_by();
    }
}
