//! Sequences of `ibm,get-vpd`, with work areas of every size.

use proptest::prelude::*;

use super::*;
use crate::testing::{BUFFER, Machine, Memory, token};

/// Where the location code is.
const LOCATION: u32 = 0x6000;
/// Where the data go.
const AREA: u32 = 0x5000;
/// What the machine has.
const RECORDS: [(&str, &[u8]); 3] = [
    ("UMODEL.SERIAL", b"the system"),
    ("UMODEL.SERIAL-P1", b""),
    ("UMODEL.SERIAL-Y1", b"its firmware"),
];

fn machine() -> Machine {
    let mut machine = Machine::new();
    for (location, bytes) in RECORDS {
        machine.vpd.extend(record(location, bytes));
    }
    machine
}

/// One call: status, next number, and what is in the work area and behind it.
fn call(machine: &Machine, location: &[u8], room: u32, sequence: u32) -> (i32, u32, Vec<u8>) {
    let mut memory = Memory::new();
    let inputs = [LOCATION, AREA, room, sequence];
    memory.put(BUFFER, token("ibm,get-vpd"), &inputs, &[7, 7, 7]);
    memory.bytes[LOCATION as usize..][..location.len()].copy_from_slice(location);
    let width = crate::memory::CellWidth::Bits32;
    let exit = machine.dispatch(&machine.hypervisor, &mut memory, width);
    assert!(matches!(exit, crate::dispatch::Exit::Return(_)));
    assert_eq!(machine.hypervisor.tokens(), [], "no hypercall");
    let outputs = memory.outputs(BUFFER, 4, 3);
    let status = outputs[0] as i32;
    if status < 0 {
        assert_eq!(outputs[1..], [7, 7], "nothing but the status");
        return (status, 0, Vec::new());
    }
    let bytes = &memory.bytes[AREA as usize..];
    assert!(outputs[2] <= room);
    let (told, rest) = bytes[..256].split_at(outputs[2] as usize);
    assert!(rest.iter().all(|byte| *byte == 0xa5), "nothing behind them");
    (status, outputs[1], told.to_vec())
}

/// A whole sequence with work areas of these sizes, the last one again and again.
fn sequence(machine: &Machine, location: &[u8], rooms: &[u32]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut next = 1;
    for step in 0..100 {
        let room = rooms[step.min(rooms.len() - 1)];
        let (status, number, bytes) = call(machine, location, room, next);
        all.extend(bytes);
        match status {
            0 => {
                assert_eq!(number, 1, "no more calls are required");
                return all;
            }
            1 => next = number,
            status => panic!("status {status}"),
        }
    }
    panic!("no end")
}

#[test]
fn everything_is_told_for_an_empty_location_code_and_for_none() {
    let machine = machine();
    let all = b"the systemits firmware";
    assert_eq!(sequence(&machine, b"\0", &[128]), all);
    let inputs = [0, AREA, 128, 1];
    let told = machine.call_by(&machine.hypervisor, "ibm,get-vpd", &inputs, 3);
    assert_eq!(told, [0, 1, all.len() as u32], "R1-7.3.20-15");
}

#[test]
fn a_location_code_has_its_own_data() {
    let machine = machine();
    for (location, bytes) in [RECORDS[0], RECORDS[2]] {
        let location = [location.as_bytes(), b"\0"].concat();
        assert_eq!(sequence(&machine, &location, &[128]), bytes);
    }
    for unknown in [
        &b"UMODEL\0"[..],
        b"UMODEL.SERIAL-\0",
        b"UMODEL.SERIAL-Y1-P1\0",
        b"UMODEL.SERIAL-P1\0",
    ] {
        assert_eq!(call(&machine, unknown, 128, 1).0, -3);
    }
}

proptest! {
    #[test]
    fn the_parts_of_a_sequence_are_the_whole_whatever_their_sizes(
        rooms in prop::collection::vec(1u32..30, 1..8)
    ) {
        let machine = machine();
        let whole = sequence(&machine, b"\0", &[128]);
        prop_assert_eq!(sequence(&machine, b"\0", &rooms), whole);
    }

    #[test]
    fn no_input_is_a_way_out_of_the_data(
        location: u32, area: u32, room: u32, sequence: u32, vpd: Vec<u8>
    ) {
        let mut machine = machine();
        machine.vpd = vpd;
        for inputs in [
            [location, area, room, sequence],
            [0, AREA, room & 0xff, sequence & 0xff],
            [LOCATION, area & 0xffff, room & 0xfff, 1],
        ] {
            // Memory that the caller may not have fails the test.
            let told = machine.call_by(&machine.hypervisor, "ibm,get-vpd", &inputs, 3);
            prop_assert!(matches!(told[0] as i32, -3..=1));
        }
    }
}

#[test]
fn a_sequence_may_be_begun_anew_within_another() {
    let machine = machine();
    let (status, next, _) = call(&machine, b"\0", 4, 1);
    assert_eq!(status, 1);
    assert_eq!(call(&machine, b"\0", 4, 1).2, b"the ", "R1-7.3.20-4");
    assert_eq!(call(&machine, b"\0", 4, next).2, b"syst");
}

#[test]
fn numbers_that_no_call_gave_and_work_areas_without_room_are_refused() {
    let machine = machine();
    let whole = sequence(&machine, b"\0", &[128]).len() as u32;
    for sequence in [0, whole + 1, whole + 2, u32::MAX] {
        assert_eq!(call(&machine, b"\0", 128, sequence).0, -3, "{sequence}");
    }
    assert_eq!(call(&machine, b"\0", 128, whole).2.len(), 1);
    assert_eq!(call(&machine, b"\0", 0, 1).0, -3);
}

#[test]
fn memory_that_the_caller_may_not_have_is_refused() {
    let machine = machine();
    for inputs in [
        [LOCATION, 0x8000, 16, 1],
        [LOCATION, 0x7fff, 2, 1],
        [LOCATION, 0, 16, 1],
        [LOCATION, AREA, u32::MAX, 1],
        [0x8000, AREA, 16, 1],
        [u32::MAX, AREA, 16, 1],
    ] {
        assert_eq!(machine.call("ibm,get-vpd", &inputs), -3, "{inputs:x?}");
    }
}

#[test]
fn a_location_code_that_runs_into_forbidden_memory_is_no_match() {
    let machine = machine();
    let mut memory = Memory::new();
    let code = b"UMODEL.SERIAL";
    let at = 0x8000 - code.len();
    memory.bytes[at..0x8000].copy_from_slice(code);
    let inputs = [at as u32, AREA, 128, 1];
    assert_eq!(get_vpd(&machine.vpd, &mut memory, inputs), None);
}

#[test]
fn records_that_are_cut_off_end_the_data() {
    let whole: Vec<u8> = record("AB", b"xyz").collect();
    assert!(records(&whole).eq([(&b"AB"[..], &b"xyz"[..])]));
    assert_eq!(size(&whole), 3);
    for length in 0..whole.len() {
        assert_eq!(records(&whole[..length]).count(), 0, "{length}");
    }
}
