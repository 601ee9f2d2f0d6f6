//! Whole calls, buffer to buffer.

use super::*;
use crate::config::NO_SHORT_TOKEN;
use crate::platform::HypervisorBuffer;
use crate::table;
use crate::testing::{BUFFER, FIRST, Machine, Memory, UNKNOWN_TOKEN, token};

const PARAMETER_ERROR: u32 = -3i32 as u32;

fn returned(exit: Exit<'_>) -> i32 {
    match exit {
        Exit::Return(status) => status,
        Exit::Leave(_) => panic!("left"),
    }
}

/// Inputs and outputs that a test can tell apart.
fn cells(first: u32, count: u32) -> Vec<u32> {
    (0..count).map(|index| first + index).collect()
}

#[test]
fn a_forwarded_call_is_one_hypercall_with_exact_cells_in_both_widths() {
    for call in table::calls() {
        if call.shape.handler != Handler::Forward {
            continue;
        }
        for (inputs, outputs) in call
            .shape
            .inputs
            .iter()
            .flat_map(|inputs| {
                call.shape
                    .outputs
                    .iter()
                    .map(move |outputs| (inputs, outputs))
            })
            .filter(|(inputs, outputs)| inputs + outputs <= 16 && *inputs < 16)
        {
            let token = token(call.name);
            // Calls that are about memory are tested in `hypervisor`.
            if call
                .shape
                .areas
                .iter()
                .any(|area| area.length != table::Length::Nothing)
            {
                continue;
            }
            let values = cells(0x8000_0100, inputs);
            let kept = cells(0x200, outputs);
            let answer = cells(0xffff_fff0, outputs);
            let mut sent = vec![token, inputs, outputs];
            sent.extend(&values);
            sent.extend(&kept);
            if let Some(status) = sent.get_mut(3 + inputs as usize) {
                *status = i32::MIN as u32;
            }
            let machine = Machine::new();
            // query-cpu-stopped-state and its like are modelled: they answer by themselves.
            machine
                .hypervisor
                .state()
                .answers
                .insert(token, answer.clone());
            let modelled = [
                "query-cpu-stopped-state",
                "ibm,query-interrupt-source-number",
            ];
            let mut memory = Memory::new();
            memory.put(BUFFER, token, &values, &kept);
            let exit = machine.dispatch(&machine.hypervisor, &mut memory, CellWidth::Bits32);
            let name = call.name;
            assert_eq!(machine.hypervisor.state().calls, [sent.clone()], "{name}");
            let mut wide = Memory::new();
            let sign_extend = |cells: &[u32]| -> Vec<u64> {
                cells
                    .iter()
                    .map(|cell| i64::from(*cell as i32) as u64)
                    .collect()
            };
            wide.put64(
                BUFFER,
                u64::from(token),
                &sign_extend(&values),
                &sign_extend(&kept),
            );
            let wide_exit = machine.dispatch(&machine.hypervisor, &mut wide, CellWidth::Bits64);
            assert_eq!(
                machine.hypervisor.state().calls,
                [sent.clone(), sent],
                "{name}"
            );
            let (inputs, outputs) = (inputs as usize, outputs as usize);
            let got = memory.outputs(BUFFER, inputs, outputs);
            assert_eq!(
                wide.outputs64(BUFFER, inputs, outputs),
                sign_extend(&got),
                "{name}"
            );
            assert_eq!(returned(exit), returned(wide_exit));
            if modelled.contains(&name) {
                assert_eq!(got[0], PARAMETER_ERROR);
                assert_eq!(
                    got[1..],
                    kept[1..],
                    "a failed call leaves the other outputs"
                );
            } else {
                assert_eq!(got, answer, "{name}");
            }
            // Nothing but the outputs was written.
            let written: u64 = memory.stores.iter().map(|(_, bytes)| bytes).sum();
            assert_eq!(written, 4 * outputs as u64, "{name}");
            if outputs > 0 {
                let status = BUFFER + 4 * (3 + inputs as u64);
                assert_eq!(memory.stores.last(), Some(&(status, 4)), "{name}: last");
            }
        }
    }
}

#[test]
fn outputs_that_the_hypervisor_leaves_alone_keep_the_callers_values() {
    let machine = Machine::new();
    let token = token("nvram-fetch");
    machine
        .hypervisor
        .state()
        .answers
        .insert(token, vec![PARAMETER_ERROR]);
    let outputs = machine.call_by(&machine.hypervisor, "nvram-fetch", &[0, 0x5000, 1], 2);
    assert_eq!(outputs, [PARAMETER_ERROR, 0xdead_beef]);
}

#[test]
fn a_hypercall_that_stores_nothing_is_a_hardware_error() {
    let machine = Machine::new();
    let token = token("event-scan");
    machine.hypervisor.state().answers.insert(token, vec![]);
    assert_eq!(machine.call("event-scan", &[0, 0, 0, 0]), -1);
}

#[test]
fn a_call_without_room_for_a_status_gives_it_in_r3_only() {
    let machine = Machine::new();
    let token = token("quiesce");
    machine.hypervisor.state().answers.insert(token, vec![0]);
    let mut memory = Memory::new();
    memory.put(BUFFER, token, &[], &[]);
    let exit = machine.dispatch(&machine.hypervisor, &mut memory, CellWidth::Bits32);
    assert_eq!(returned(exit), 0);
    assert!(memory.stores.is_empty());
}

#[test]
fn token_10_is_display_character() {
    let machine = Machine::new();
    let real = token("display-character");
    machine.hypervisor.state().answers.insert(real, vec![0]);
    let mut memory = Memory::new();
    memory.put(BUFFER, 10, &[0x41], &[7]);
    let exit = machine.dispatch(&machine.hypervisor, &mut memory, CellWidth::Bits32);
    assert_eq!(returned(exit), 0);
    let sent = vec![real, 1, 1, 0x41, i32::MIN as u32];
    assert_eq!(machine.hypervisor.state().calls, [sent]);
}

#[test]
fn a_call_that_only_the_hypervisor_knows_is_passed_on() {
    let machine = Machine::new();
    let by = &machine.hypervisor;
    by.state().answers.insert(UNKNOWN_TOKEN, vec![0, 1, 2]);
    for (inputs, outputs, passed) in [
        (0, 3, true),
        (13, 3, true),
        (14, 3, false),
        (0, 17, false),
        (15, 0, true),
        (15, 1, true),
        (16, 0, false),
    ] {
        by.forget();
        let mut memory = Memory::new();
        memory.put(BUFFER, UNKNOWN_TOKEN, &cells(1, inputs), &cells(1, outputs));
        let exit = machine.dispatch(by, &mut memory, CellWidth::Bits32);
        assert_eq!(returned(exit), if passed { 0 } else { -3 });
        assert_eq!(by.tokens().len(), usize::from(passed));
    }
}

#[test]
fn a_call_that_is_not_offered_is_a_parameter_error() {
    let mut machine = Machine::new();
    machine.config.tokens[table::index_of("ibm,os-term").unwrap()] = 0;
    assert_eq!(machine.call("ibm,os-term", &[0]), -3);
    assert_eq!(machine.hypervisor.tokens(), []);
}

#[test]
fn the_interrupt_calls_are_the_hypervisors_where_sources_are_not_native() {
    let mut machine = Machine::new();
    machine.config.flags = 0;
    machine.config.short_token = NO_SHORT_TOKEN;
    let by = &machine.hypervisor;
    for (name, inputs, outputs) in [
        ("ibm,int-off", vec![FIRST], 1),
        ("ibm,int-on", vec![FIRST], 1),
        ("ibm,get-xive", vec![FIRST], 3),
        ("ibm,change-msi", vec![1, 2, 3, 4, 5, 6], 3),
    ] {
        by.forget();
        by.state().answers.insert(token(name), vec![-1i32 as u32]);
        let got = machine.call_by(by, name, &inputs, outputs);
        assert_eq!(by.tokens(), [token(name)], "{name}");
        if name != "ibm,change-msi" {
            assert_eq!(got[0] as i32, -1, "as QEMU answers after CAS chose XIVE");
        }
    }
    by.forget();
    machine.call("ibm,set-xive", &[FIRST, 3, 4]);
    assert_eq!(
        by.state().calls[0][3..6],
        [FIRST, 3, 4],
        "not masked as at reset"
    );
}

#[test]
fn no_token_is_the_one_that_stands_for_none() {
    let mut machine = Machine::new();
    machine.config.flags = 0;
    machine.config.short_token = NO_SHORT_TOKEN;
    for distance in 0..4 {
        let mut memory = Memory::new();
        let inputs = [FIRST.into(), 0, 0];
        memory.put64(BUFFER, NO_SHORT_TOKEN + distance, &inputs[..1], &[7]);
        let exit = machine.dispatch(&machine.hypervisor, &mut memory, CellWidth::Bits64);
        assert_eq!(returned(exit), -3);
    }
    assert_eq!(machine.hypervisor.tokens(), []);
}

/// The interrupt calls by their short way and by the long one: the same, in all that can be seen.
#[test]
fn the_short_way_and_the_long_one_do_the_same() {
    let priorities = [0, 5, 0xff, 0x100];
    let mut calls: Vec<(&str, Vec<u32>)> = Vec::new();
    for number in [FIRST, FIRST + 1, FIRST + crate::testing::SOURCES] {
        for server in [0, 1, 6, 0x1_0000] {
            for priority in priorities {
                calls.push(("ibm,set-xive", vec![number, server, priority]));
            }
        }
        for name in ["ibm,int-on", "ibm,get-xive", "ibm,int-off", "ibm,int-off"] {
            calls.push((name, vec![number]));
        }
    }
    let short = Machine::new();
    let mut long = Machine::new();
    long.config.short_token = NO_SHORT_TOKEN;
    for (name, inputs) in calls.iter().chain(calls.iter().rev()) {
        for width in [CellWidth::Bits32, CellWidth::Bits64] {
            let outputs = if *name == "ibm,get-xive" { 3 } else { 1 };
            let see = |machine: &Machine| {
                let mut memory = Memory::new();
                let wide: Vec<u64> = inputs.iter().copied().map(u64::from).collect();
                match width {
                    CellWidth::Bits32 => {
                        memory.put(BUFFER, token(name), inputs, &[9; 3][..outputs])
                    }
                    CellWidth::Bits64 => {
                        memory.put64(BUFFER, token(name).into(), &wide, &[9; 3][..outputs]);
                    }
                }
                let status = returned(machine.dispatch(&machine.hypervisor, &mut memory, width));
                (status, memory.bytes)
            };
            assert_eq!(see(&short), see(&long), "{name} {inputs:x?} {width:?}");
            let calls = |machine: &Machine| machine.hypervisor.state().calls.clone();
            assert_eq!(calls(&short), calls(&long), "{name} {inputs:x?}");
            let number = inputs[0];
            if number < FIRST + crate::testing::SOURCES {
                assert_eq!(short.word(number), long.word(number));
            }
        }
    }
}

#[test]
fn calls_that_leave_leave_with_their_buffer() {
    let machine = Machine::new();
    let config = &machine.config;
    for (name, inputs, buffer) in [
        ("stop-self", vec![], &config.stop_self),
        ("system-reboot", vec![], &config.system_reboot),
        (
            "power-off",
            vec![0x1234_5678, 0x9abc_def0],
            &config.power_off,
        ),
    ] {
        let mut memory = Memory::new();
        memory.put(BUFFER, token(name), &inputs, &[7]);
        let exit = machine.dispatch(&machine.hypervisor, &mut memory, CellWidth::Bits32);
        let Exit::Leave(left) = exit else {
            panic!("{name} returned");
        };
        assert!(core::ptr::eq(left, buffer), "{name}");
        let wire: Vec<u32> = left
            .cells
            .iter()
            .map(|cell| u32::from_be(cell.load(Ordering::Relaxed)))
            .collect();
        let mut expected = vec![token(name), inputs.len() as u32, 1];
        expected.extend(&inputs);
        expected.resize(8, 0);
        assert_eq!(wire, expected, "{name}");
        assert!(memory.stores.is_empty() && machine.hypervisor.tokens().is_empty());
    }
}

#[test]
fn a_parameter_error_of_a_call_that_leaves_is_answered_first() {
    let machine = Machine::new();
    for (name, inputs, outputs) in [
        ("stop-self", vec![1], 1),
        ("stop-self", vec![], 0),
        ("stop-self", vec![], 2),
        ("system-reboot", vec![0], 1),
        ("power-off", vec![1], 1),
        ("power-off", vec![1, 2], 2),
    ] {
        let mut memory = Memory::new();
        memory.put(BUFFER, token(name), &inputs, &vec![7; outputs]);
        let exit = machine.dispatch(&machine.hypervisor, &mut memory, CellWidth::Bits32);
        assert_eq!(returned(exit), -3, "{name}");
    }
    let masks = &machine.config.power_off.cells;
    assert!(
        masks
            .iter()
            .skip(3)
            .all(|cell| cell.load(Ordering::Relaxed) == 0)
    );
}

#[test]
fn get_xive_gives_status_server_priority_in_both_widths() {
    let machine = Machine::new();
    machine.call("ibm,set-xive", &[FIRST, 3, 9]);
    assert_eq!(machine.get_xive(FIRST), Ok((3, 9)), "Table 7.53");
    let mut memory = Memory::new();
    let token = u64::from(token("ibm,get-xive"));
    memory.put64(BUFFER, token, &[u64::from(FIRST)], &[9, 9, 9]);
    let exit = machine.dispatch(&machine.hypervisor, &mut memory, CellWidth::Bits64);
    assert_eq!(returned(exit), 0);
    assert_eq!(memory.outputs64(BUFFER, 1, 3), [0, 3, 9]);
}

#[test]
fn a_source_that_does_not_exist_is_a_parameter_error_and_outputs_stay() {
    let machine = Machine::new();
    for number in [0, FIRST - 1, FIRST + crate::testing::SOURCES, u32::MAX] {
        let outputs = machine.call_by(&machine.hypervisor, "ibm,get-xive", &[number], 3);
        assert_eq!(outputs, [PARAMETER_ERROR, 0xdead_beef, 0xdead_beef]);
        assert_eq!(machine.call("ibm,int-off", &[number]), -3, "R1-7.3.10.3-6");
        assert_eq!(machine.call("ibm,int-on", &[number]), -3, "R1-7.3.10.4-6");
        assert_eq!(
            machine.call("ibm,set-xive", &[number, 0, 5]),
            -3,
            "R1-7.3.10.2-5"
        );
    }
    assert_eq!(machine.hypervisor.tokens(), []);
}

#[test]
fn fewer_words_than_sources_is_no_way_out_of_the_slice() {
    let mut machine = Machine::new();
    machine.words.truncate(1);
    assert_eq!(machine.call("ibm,int-off", &[FIRST]), 0);
    assert_eq!(machine.call("ibm,int-off", &[FIRST + 1]), -3);
}

#[test]
fn without_a_context_the_status_is_a_hardware_error_where_there_is_room() {
    let last_error = LastError::new(0);
    let mut memory = Memory::new();
    memory.put(BUFFER, token("ibm,int-off"), &[FIRST], &[7]);
    exhausted(&last_error, &mut memory, CellWidth::Bits32, BUFFER);
    assert_eq!(memory.outputs(BUFFER, 1, 1), [-1i32 as u32]);
    assert_eq!(memory.stores.len(), 1);

    let mut memory = Memory::new();
    memory.put64(BUFFER, 1, &[1, 2], &[7, 7]);
    exhausted(&last_error, &mut memory, CellWidth::Bits64, BUFFER);
    assert_eq!(memory.outputs64(BUFFER, 2, 2), [-1i64 as u64, 7]);

    let mut memory = Memory::new();
    memory.put(BUFFER + 4, 1, &[], &[7]);
    exhausted(&last_error, &mut memory, CellWidth::Bits32, BUFFER + 4);
    assert!(memory.stores.is_empty(), "unaligned");

    let untouched = |address: u64, width: CellWidth, inputs: u32, outputs: u32| {
        let mut memory = Memory::new();
        memory.put(BUFFER, 1, &[], &[]);
        let at = BUFFER as usize;
        memory.bytes[at + 4..at + 8].copy_from_slice(&inputs.to_be_bytes());
        memory.bytes[at + 8..at + 12].copy_from_slice(&outputs.to_be_bytes());
        exhausted(&last_error, &mut memory, width, address);
        memory.stores.is_empty()
    };
    assert!(untouched(BUFFER, CellWidth::Bits32, 0, 0), "no room");
    assert!(
        untouched(BUFFER, CellWidth::Bits32, 17, 1),
        "too many inputs"
    );
    assert!(untouched(BUFFER, CellWidth::Bits32, u32::MAX, 1));
    assert!(untouched(0x8000, CellWidth::Bits32, 0, 1), "private");
    assert!(untouched(u64::MAX - 7, CellWidth::Bits64, 0, 1), "wraps");
    assert!(!untouched(BUFFER, CellWidth::Bits32, 16, 1));
}

#[test]
fn the_hypervisors_buffer_may_hold_anything_before() {
    let machine = Machine::new();
    let mut memory = Memory::new();
    memory.put(BUFFER, token("ibm,set-xive"), &[FIRST, 2, 5], &[7]);
    let mut cells = HypervisorBuffer::new();
    cells.cells.fill(u32::MAX);
    let instance = machine.instance();
    let by = &machine.hypervisor;
    let exit = call(
        instance,
        by,
        &mut memory,
        CellWidth::Bits32,
        BUFFER,
        &mut cells,
    );
    assert_eq!(returned(exit), 0);
    assert_eq!(machine.get_xive(FIRST), Ok((2, 5)));
}
