//! What is refused or put right on the way to the hypervisor.

use super::*;
use crate::dispatch::Exit;
use crate::memory::CellWidth;
use crate::table;
use crate::testing::{BUFFER, Machine, Memory, token};

/// Where [`Memory`] has its private area, and how much memory there is.
const PRIVATE: u32 = 0x8000;
const PRIVATE_END: u32 = 0x9000;
const MEMORY_END: u32 = 0x1_0000;

/// Calls `name`: its status, and how many hypercalls were made.
fn call(name: &str, inputs: &[u32]) -> (i32, usize) {
    let machine = Machine::new();
    let outputs = table::shape(table::index_of(name).unwrap())
        .unwrap()
        .outputs;
    let outputs = outputs.iter().next().unwrap() as usize;
    let answer = vec![0; outputs];
    let by = &machine.hypervisor;
    by.state().answers.insert(token(name), answer);
    let got = machine.call_by(by, name, inputs, outputs);
    (got[0] as i32, by.tokens().len())
}

/// Each call that passes addresses on: its good inputs, and which of them is an address of how many
/// bytes.
const ABOUT_MEMORY: [(&str, &[u32], usize, u32); 11] = [
    ("ibm,get-system-parameter", &[20, 0x5000, 0x100], 1, 0x100),
    ("ibm,set-system-parameter", &[20, 0x5000], 1, 2),
    ("check-exception", &[0x500, 0, 0, 0, 0x5000, 2048], 4, 2048),
    ("check-exception", &[0x500, 0, 0, 0, 0x5000, 8, 0], 4, 1024),
    ("event-scan", &[0, 0, 0x5000, 64], 2, 64),
    ("nvram-fetch", &[0, 0x5000, 0x10], 1, 0x10),
    ("nvram-store", &[0, 0x5000, 0x10], 1, 0x10),
    ("ibm,configure-connector", &[0x5000, 0], 0, 4096),
    (
        "ibm,slot-error-detail",
        &[0, 0, 0, 0x5000, 32, 0x6000, 64, 1],
        3,
        32,
    ),
    (
        "ibm,slot-error-detail",
        &[0, 0, 0, 0x5000, 32, 0x6000, 64, 1],
        5,
        64,
    ),
    ("ibm,configure-kernel-dump", &[1, 0x5000, 0x40], 1, 0x40),
];

#[test]
fn memory_that_the_caller_may_not_have_is_refused_and_the_hypervisor_not_asked() {
    for (name, good, index, bytes) in ABOUT_MEMORY {
        assert_eq!(call(name, good), (0, 1), "{name}");
        let at = |address: u32| {
            let mut inputs = good.to_vec();
            inputs[index] = address;
            call(name, &inputs)
        };
        for address in [
            PRIVATE - bytes + 1,
            PRIVATE,
            PRIVATE_END - 1,
            MEMORY_END - bytes + 1,
            MEMORY_END,
            u32::MAX,
            u32::MAX - bytes + 1,
        ] {
            assert_eq!(at(address), (-3, 0), "{name} {address:#x}");
        }
        for address in [PRIVATE - bytes, PRIVATE_END, MEMORY_END - bytes] {
            assert_eq!(at(address), (0, 1), "{name} {address:#x}");
        }
    }
}

#[test]
fn an_address_of_no_bytes_is_not_looked_at() {
    for (name, inputs) in [
        ("ibm,get-system-parameter", &[20, PRIVATE, 0][..]),
        ("event-scan", &[0, 0, u32::MAX, 0]),
        ("ibm,slot-error-detail", &[0, 0, 0, 0, 0, 0, 0, 1]),
    ] {
        assert_eq!(call(name, inputs), (0, 1), "{name}");
    }
}

#[test]
fn the_string_of_os_term_is_memory() {
    assert_eq!(call("ibm,os-term", &[0x5000]), (0, 1));
    assert_eq!(call("ibm,os-term", &[PRIVATE]), (-3, 0));
}

#[test]
fn no_bytes_of_nvram_are_answered_without_the_hypervisor() {
    for name in ["nvram-fetch", "nvram-store"] {
        let machine = Machine::new();
        let by = &machine.hypervisor;
        assert_eq!(
            machine.call_by(by, name, &[0, 0x5000, 0], 2),
            [0, 0],
            "{name}"
        );
        assert_eq!(by.tokens(), []);
    }
}

#[test]
fn more_memory_for_a_connector_is_refused() {
    assert_eq!(call("ibm,configure-connector", &[0x5000, 0x6000]), (-3, 0));
}

#[test]
fn a_power_level_of_zero_for_everything_is_power_off() {
    let machine = Machine::new();
    let mut memory = Memory::new();
    memory.put(BUFFER, token("set-power-level"), &[0, 0], &[7, 7]);
    let exit = machine.dispatch(&machine.hypervisor, &mut memory, CellWidth::Bits32);
    let Exit::Leave(buffer) = exit else {
        panic!("returned");
    };
    assert!(core::ptr::eq(buffer, &machine.config.power_off));
    assert_eq!(machine.hypervisor.tokens(), []);
    for inputs in [[0, 100], [u32::MAX, 0], [u32::MAX, 100]] {
        assert_eq!(call("set-power-level", &inputs), (0, 1));
    }
    let mut machine = Machine::new();
    let [token, ..] = &mut machine.config.power_off.cells;
    *token.get_mut() = 0;
    let outputs = machine.call_by(&machine.hypervisor, "set-power-level", &[0, 0], 2);
    assert_eq!(outputs[0] as i32, -3, "as QEMU has it");
    assert_eq!(machine.hypervisor.tokens().len(), 1);
}

#[test]
fn nanoseconds_are_those_of_the_second() {
    for (time, seconds) in [
        ([1970, 1, 1, 0, 0, 0], 0i64),
        ([1970, 3, 1, 0, 0, 1], 5_097_601),
        ([2000, 2, 29, 23, 59, 59], 951_868_799),
        ([2000, 3, 1, 0, 0, 0], 951_868_800),
        ([2026, 11, 22, 14, 4, 18], 1_795_356_258),
        ([2100, 3, 1, 0, 0, 0], 4_107_542_400),
        ([1969, 12, 31, 23, 59, 59], -1),
    ] {
        for nanoseconds in [0, 1, 294_967_296, 999_999_999] {
            let all = seconds * 1_000_000_000 + i64::from(nanoseconds);
            let [year, month, day, hour, minute, second] = time;
            let time = [year, month, day, hour, minute, second, all as u32];
            assert_eq!(super::nanoseconds(time), nanoseconds, "{time:?}");
        }
    }
}

#[test]
fn nanoseconds_that_fit_no_second_are_taken_for_right_or_for_none() {
    // Of the second before: nothing that QEMU gives.
    let seconds = 1_795_356_258u64 * 1_000_000_000;
    let low = (seconds as u32).wrapping_sub(5);
    let expected = if low < 1_000_000_000 { low } else { 0 };
    assert_eq!(nanoseconds([2026, 11, 22, 14, 4, 18, low]), expected);
    assert!(nanoseconds([2026, 11, 22, 14, 4, 18, 7]) < 1_000_000_000);
    assert!(nanoseconds([u32::MAX; 7]) < 1_000_000_000);
}

#[test]
fn the_time_of_day_is_given_with_its_nanoseconds() {
    let machine = Machine::new();
    let all = 1_795_356_258u64 * 1_000_000_000 + 123_456_789;
    let answer = vec![0, 2026, 11, 22, 14, 4, 18, all as u32];
    let by = &machine.hypervisor;
    by.state().answers.insert(token("get-time-of-day"), answer);
    let got = machine.call_by(by, "get-time-of-day", &[], 8);
    assert_eq!(got, [0, 2026, 11, 22, 14, 4, 18, 123_456_789]);
    by.state()
        .answers
        .insert(token("get-time-of-day"), vec![-1i32 as u32]);
    let got = machine.call_by(by, "get-time-of-day", &[], 8);
    assert_eq!(got[1..], [0xdead_beef; 7], "a failed call leaves them");
}
