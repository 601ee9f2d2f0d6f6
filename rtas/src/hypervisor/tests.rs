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
    ("check-exception", &[0x500, 0, 0, 0, 0x5000, 8, 0], 4, 8),
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

/// Calls `name` where the hypervisor answers `answer`: the outputs.
fn answered(name: &str, inputs: &[u32], answer: &[i32]) -> Vec<i32> {
    let machine = Machine::new();
    let by = &machine.hypervisor;
    let answer = answer.iter().map(|cell| *cell as u32).collect();
    by.state().answers.insert(token(name), answer);
    let outputs = table::shape(table::index_of(name).unwrap())
        .unwrap()
        .outputs;
    let outputs = outputs.iter().next().unwrap() as usize;
    let got = machine.call_by(by, name, inputs, outputs);
    got.into_iter().map(|cell| cell as i32).collect()
}

#[test]
fn a_function_that_is_not_there_reads_as_all_ones_and_swallows_what_is_written() {
    for (size, ones) in [(1, 0xff), (2, 0xffff), (4, -1)] {
        let inputs = [0xf800, 1, 2, size];
        let read = |answer: &[i32]| answered("ibm,read-pci-config", &inputs, answer);
        assert_eq!(read(&[-1]), [0, ones], "R1-7.3.4.1-5");
        assert_eq!(read(&[0, 7]), [0, 7], "a function that is there");
        assert_eq!(read(&[-3]), [-3, 0xdead_beef_u32 as i32]);
        let read = answered("read-pci-config", &[0xf800, size], &[-1]);
        assert_eq!(read, [0, ones]);
        let write = [0xf800, 1, 2, size, 5];
        let write = answered("ibm,write-pci-config", &write, &[-1]);
        assert_eq!(write, [0], "R1-7.3.4.2-5");
        assert_eq!(answered("write-pci-config", &[0xf800, size, 5], &[-1]), [0]);
    }
    let nothing = answered("ibm,read-pci-config", &[0xf800, 1, 2, 4], &[]);
    assert_eq!(nothing[0], -1, "a hypercall that did nothing");
    for (address, size) in [(0, 0), (0, 3), (0, 8), (1, 2), (2, 4), (0, u32::MAX)] {
        let read = answered("ibm,read-pci-config", &[address, 1, 2, size], &[-1]);
        assert_eq!(
            read[0], -3,
            "{size} bytes at {address}: no size, or unaligned"
        );
    }
}

#[test]
fn an_interrupt_that_a_function_does_not_have_is_status_1() {
    use crate::testing::hypervisor::Device;
    let machine = Machine::new();
    let device = Device {
        most: 4,
        block: Some((0x1300, 2)),
    };
    machine.hypervisor.state().devices.insert([1, 2, 3], device);
    let query = |function, index| {
        let inputs = [function, 2, 3, index];
        let name = "ibm,query-interrupt-source-number";
        machine.call_by(&machine.hypervisor, name, &inputs, 3)
    };
    assert_eq!(query(1, 1), [0, 0x1301, 1]);
    assert_eq!(query(1, 2)[0], 1, "R1-7.3.10.5.2-2, the second");
    assert_eq!(query(9, 0)[0], -3i32 as u32, "no function");
}

#[test]
fn no_room_asks_whether_there_is_a_parameter() {
    let get = |room, answer| answered("ibm,get-system-parameter", &[20, 0x5000, room], &[answer]);
    assert_eq!(get(0, -9999), [0], "R1-7.3.16-10: QEMU has it");
    assert_eq!(get(0, -3), [-3], "QEMU does not have it");
    assert_eq!(get(0, -9002), [-9002]);
    assert_eq!(get(1, -9999), [-9999], "there is room, and too little");
    assert_eq!(get(64, 0), [0]);
}

#[test]
fn no_type_has_indices_and_the_hypervisor_is_not_asked() {
    let machine = Machine::new();
    let by = &machine.hypervisor;
    for kind in [0, 1, 9003, 9006] {
        let inputs = [0, kind, 0x5000, 0x100, 1];
        let got = machine.call_by(by, "ibm,get-indices", &inputs, 2);
        assert_eq!(got, [-3i32 as u32, 0xdead_beef], "R1-7.3.17-9");
    }
    assert_eq!(by.tokens(), []);
}

#[test]
fn what_is_no_date_or_time_is_refused_and_the_hypervisor_not_asked() {
    let set = |time: [u32; 7]| call("set-time-of-day", &time);
    for good in [
        [2026, 12, 31, 23, 59, 59, 999_999_999],
        [2028, 2, 29, 0, 0, 0, 0],
        [2000, 2, 29, 0, 0, 0, 0],
        [2026, 4, 30, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0],
    ] {
        assert_eq!(set(good), (0, 1), "{good:?}");
    }
    for bad in [
        [2026, 0, 1, 0, 0, 0, 0],
        [2026, 13, 1, 0, 0, 0, 0],
        [2026, 1, 0, 0, 0, 0, 0],
        [2026, 1, 32, 0, 0, 0, 0],
        [2026, 4, 31, 0, 0, 0, 0],
        [2026, 6, 31, 0, 0, 0, 0],
        [2026, 9, 31, 0, 0, 0, 0],
        [2026, 11, 31, 0, 0, 0, 0],
        [2026, 2, 29, 0, 0, 0, 0],
        [2100, 2, 29, 0, 0, 0, 0],
        [2028, 2, 30, 0, 0, 0, 0],
        [2026, 1, 1, 24, 0, 0, 0],
        [2026, 1, 1, 0, 60, 0, 0],
        [2026, 1, 1, 0, 0, 60, 0],
        [2026, 1, 1, 0, 0, 0, 1_000_000_000],
        [2026, u32::MAX, 1, 0, 0, 0, 0],
    ] {
        assert_eq!(set(bad), (-3, 0), "{bad:?}");
    }
}

#[test]
fn an_event_log_is_cut_at_the_callers_length_and_the_hypervisor_gets_the_calls_own_memory() {
    use crate::testing::hypervisor::PRIVATE;
    let mut log: Vec<u8> = (1..=120).collect();
    // An extended part of 108 bytes.
    log[1] = 4;
    log[4..8].copy_from_slice(&[0, 0, 0, 108]);
    for width in [CellWidth::Bits32, CellWidth::Bits64] {
        for (length, stored) in [(0, 0), (1, 1), (64, 64), (116, 116), (2048, 116)] {
            let machine = Machine::new();
            let name = token("check-exception");
            {
                let mut state = machine.hypervisor.state();
                state.answers.insert(name, vec![0]);
                state.written.clone_from(&log);
            }
            let mut memory = Memory::new();
            let inputs = [0x500, 0, u32::MAX, 0, 0x5000, length];
            match width {
                CellWidth::Bits32 => memory.put(BUFFER, name, &inputs, &[9]),
                CellWidth::Bits64 => {
                    memory.put64(BUFFER, name.into(), &inputs.map(u64::from), &[9]);
                }
            }
            let exit = machine.dispatch(&machine.hypervisor, &mut memory, width);
            assert!(matches!(exit, Exit::Return(0)), "{length} {width:?}");
            let told = machine.hypervisor.state().calls[0].clone();
            assert_eq!(told[7..9], [PRIVATE, 512], "where, and how long");
            assert_eq!(memory.bytes[0x5000..0x5000 + stored], log[..stored]);
            let behind = &memory.bytes[0x5000 + stored..0x6000];
            assert!(behind.iter().all(|byte| *byte == 0xa5), "{length}");
        }
    }
}

#[test]
fn without_an_event_nothing_is_stored_but_the_status() {
    let machine = Machine::new();
    let name = token("check-exception");
    machine.hypervisor.state().answers.insert(name, vec![1]);
    let mut memory = Memory::new();
    memory.put(BUFFER, name, &[0x500, 0, 0, 0, 0x5000, 64], &[9]);
    let exit = machine.dispatch(&machine.hypervisor, &mut memory, CellWidth::Bits32);
    assert!(matches!(exit, Exit::Return(1)));
    assert_eq!(memory.stores, [(BUFFER + 4 * 9, 4)]);
}
