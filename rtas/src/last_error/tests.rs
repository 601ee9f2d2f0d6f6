//! `rtas-last-error` after calls that fail, each for its own reason.

use rtas_abi::error_log;

use super::*;
use crate::memory::CellWidth;
use crate::platform::{HypervisorBuffer, Platform};
use crate::testing::{BUFFER, Device, FIRST, Hypervisor, Machine, Memory, token};

/// Where the log goes.
const LOG: u32 = 0x5000;

/// A hypervisor that refuses every call and stores no status.
struct Refusing;

impl Platform for Refusing {
    fn h_rtas(&self, _: &mut HypervisorBuffer) -> i64 {
        -2
    }

    fn h_rtas_about(&self, cells: &mut HypervisorBuffer, _: usize, _: &mut [u8]) -> i64 {
        self.h_rtas(cells)
    }

    fn full_barrier(&self) {}
}

/// `rtas-last-error` with room for `length` bytes: its status, and the bytes from [`LOG`] on.
fn ask(machine: &Machine, length: u32) -> (i32, Vec<u8>) {
    let mut memory = Memory::new();
    memory.put(BUFFER, token("rtas-last-error"), &[LOG, length], &[7]);
    let exit = machine.dispatch(&machine.hypervisor, &mut memory, CellWidth::Bits32);
    assert!(matches!(exit, crate::dispatch::Exit::Return(_)));
    let status = memory.outputs(BUFFER, 2, 1)[0] as i32;
    (status, memory.bytes[LOG as usize..][..16].to_vec())
}

/// A log and what lies behind it.
fn log(fixed: u32, length: usize) -> Vec<u8> {
    let mut bytes = vec![0xa5; 16];
    let log = (u64::from(fixed) << 32).to_be_bytes();
    bytes[..length].copy_from_slice(&log[..length]);
    bytes
}

#[test]
fn a_call_that_the_hypervisor_did_not_do_is_told_once() {
    let machine = Machine::new();
    for (name, inputs) in [
        ("get-power-level", [0, 0]),
        ("ibm,int-off", [FIRST, 0]),
        ("nvram-fetch", [0, 0x5000]),
    ] {
        let inputs: &[u32] = match name {
            "nvram-fetch" => &[0, 0x5000, 8],
            _ => &inputs[..1],
        };
        let outputs = if name == "ibm,int-off" { 1 } else { 2 };
        let answer = machine.call_by(&Refusing, name, inputs, outputs);
        assert_eq!(answer[0] as i32, -1, "{name}");
        assert_eq!(ask(&machine, 1024), (0, log(NO_ANSWER, 8)), "{name}");
        assert_eq!(ask(&machine, 1024), (1, vec![0xa5; 16]), "{name}");
        assert_eq!(machine.hypervisor.tokens(), [], "nothing of it is QEMU's");
    }
}

#[test]
fn a_call_without_a_context_is_told() {
    let machine = Machine::new();
    let mut memory = Memory::new();
    memory.put(BUFFER, token("ibm,int-off"), &[FIRST], &[7]);
    crate::dispatch::exhausted(
        &machine.config.last_error,
        &mut memory,
        CellWidth::Bits32,
        BUFFER,
    );
    assert_eq!(ask(&machine, 8), (0, log(NO_CONTEXT, 8)));
    assert_eq!(ask(&machine, 8).0, 1);
}

/// Linux asks after each of them.
#[test]
fn a_status_of_the_hypervisors_is_no_error_of_the_platform() {
    for status in [-1, -2, -3, 0, 1] {
        let machine = Machine::new();
        let by = &machine.hypervisor;
        let called = token("get-sensor-state");
        by.state().answers.insert(called, vec![status as u32, 0]);
        let answer = machine.call_by(by, "get-sensor-state", &[9003, 0], 2);
        assert_eq!(answer[0] as i32, status);
        assert_eq!(ask(&machine, 64), (1, vec![0xa5; 16]));
    }
}

/// A hypervisor that leaves one kind of call undone.
struct Without<'a> {
    hypervisor: &'a Hypervisor,
    call: u32,
}

impl Platform for Without<'_> {
    fn h_rtas(&self, cells: &mut HypervisorBuffer) -> i64 {
        match cells.get(0) {
            call if call == self.call => -2,
            _ => self.hypervisor.h_rtas(cells),
        }
    }

    fn h_rtas_about(&self, cells: &mut HypervisorBuffer, cell: usize, memory: &mut [u8]) -> i64 {
        match cells.get(0) {
            call if call == self.call => -2,
            _ => self.hypervisor.h_rtas_about(cells, cell, memory),
        }
    }

    fn full_barrier(&self) {}
}

#[test]
fn an_error_on_the_way_to_another_status_is_not_told() {
    let machine = Machine::new();
    let device = Device {
        most: 4,
        block: None,
    };
    machine
        .hypervisor
        .state()
        .devices
        .insert([0x100, 0, 1], device);
    let by = Without {
        hypervisor: &machine.hypervisor,
        call: token("ibm,query-interrupt-source-number"),
    };
    let answer = machine.call_by(&by, "ibm,change-msi", &[0x100, 0, 1, 1, 2, 1], 3);
    assert_eq!(answer[0], 0, "the change itself is done");
    assert_eq!(ask(&machine, 64).0, 1, "R1-7.3.3.3-3");
}

#[test]
fn the_log_is_cut_to_its_room() {
    for length in 0..=9 {
        let machine = Machine::new();
        machine.config.last_error.keep(NO_ANSWER);
        let stored = log(NO_ANSWER, length.min(8) as usize);
        assert_eq!(ask(&machine, length), (0, stored), "R1-7.3.3.3-2");
    }
}

#[test]
fn a_buffer_that_the_caller_may_not_have_is_refused_and_the_error_kept() {
    let machine = Machine::new();
    machine.config.last_error.keep(NO_ANSWER);
    for inputs in [
        [0, 64],
        [0x8000, 64],
        [0x7fff, 2],
        [0xffff_ffff, 1],
        [0x5000, 0xffff_ffff],
    ] {
        assert_eq!(machine.call("rtas-last-error", &inputs), -3, "{inputs:x?}");
    }
    assert_eq!(ask(&machine, 64).0, 0);
}

#[test]
fn logs_are_those_of_table_10_4() {
    // Version, severity, disposition, presence of an extended part, initiator, target, type.
    let fields = |log: u32| {
        [
            log >> 24,
            log >> 21 & 7,
            log >> 19 & 3,
            log >> 18 & 1,
            log >> 12 & 15,
            log >> 8 & 15,
            log & 0xff,
        ]
    };
    assert_eq!(fields(NO_ANSWER), [6, 4, 2, 0, 1, 0, 3]);
    assert_eq!(fields(NO_CONTEXT), [6, 2, 2, 0, 1, 0, 1]);
    assert_eq!(error_log::VERSION, 6);
}
