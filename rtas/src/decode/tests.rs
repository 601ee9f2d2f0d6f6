//! The decoder against everything that a caller may leave in memory.

use super::*;
use crate::testing::{BUFFER, Machine, Memory, token};
use proptest::prelude::*;

fn read(memory: &mut Memory, width: CellWidth, address: u64) -> Result<Request, i32> {
    let machine = Machine::new();
    Request::read(&machine.config, memory, Allegation::new(width, address))
}

fn tokens() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0x2000u64..0x2030,
        1 => Just(0xa),
        1 => Just(u64::from(crate::testing::UNKNOWN_TOKEN)),
        1 => any::<u64>(),
    ]
}

fn counts() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0u64..10, 2 => 0u64..40, 1 => any::<u64>()]
}

fn addresses() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0u64..0x800).prop_map(|at| BUFFER + 8 * at),
        1 => BUFFER..BUFFER + 64,
        2 => 0x7f80u64..0x8008,
        2 => 0x8ff0u64..0x9010,
        2 => 0xff80u64..0x1_0010,
        1 => any::<u64>(),
        1 => (u64::MAX - 200)..=u64::MAX,
    ]
}

fn widths() -> impl Strategy<Value = CellWidth> {
    prop_oneof![Just(CellWidth::Bits32), Just(CellWidth::Bits64)]
}

/// Puts a cell where there is memory for it.
fn put(memory: &mut Memory, width: CellWidth, address: u64, index: u64, value: u64) {
    let bytes = value.to_be_bytes();
    let bytes = match width {
        CellWidth::Bits32 => &bytes[4..],
        CellWidth::Bits64 => &bytes[..],
    };
    let Some(at) = address.checked_add(index * width.bytes()) else {
        return;
    };
    for (offset, byte) in bytes.iter().enumerate() {
        let at = at
            .checked_add(offset as u64)
            .and_then(|at| usize::try_from(at).ok());
        if let Some(place) = at.and_then(|at| memory.bytes.get_mut(at)) {
            *place = *byte;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_refused_buffer_changes_in_its_status_cell_only(
        token in tokens(), inputs in counts(), outputs in counts(),
        address in addresses(), width in widths(), fill: u8,
    ) {
        let mut memory = Memory::new();
        memory.bytes.fill(fill);
        for (index, value) in [token, inputs, outputs].into_iter().enumerate() {
            put(&mut memory, width, address, index as u64, value);
        }
        let before = memory.bytes.clone();
        let result = read(&mut memory, width, address);
        let signed = |count: u64| match width {
            CellWidth::Bits32 => i64::from(count as i32),
            CellWidth::Bits64 => count as i64,
        };
        let (inputs, outputs) = (signed(inputs), signed(outputs));
        match result {
            Ok(request) => {
                prop_assert!(memory.stores.is_empty());
                prop_assert_eq!(before, memory.bytes);
                prop_assert!(address.is_multiple_of(8));
                let bytes = (3 + inputs + outputs) as u64 * width.bytes();
                prop_assert!(memory.bounds.allow(address, bytes));
                prop_assert_eq!(request.inputs.len() as i64, inputs);
                prop_assert_eq!(request.outputs.len() as i64, outputs);
            }
            Err(status) => {
                prop_assert_eq!(status, -3);
                // What lies where the status would: the counts may be beside what was put there,
                // when the buffer overlaps the end of memory.
                let readable = memory.bounds.allow(address, 3 * width.bytes())
                    && address < 0x1_0000;
                let cell = if (0..=16).contains(&inputs) && outputs >= 1 && readable {
                    address.checked_add((3 + inputs as u64) * width.bytes())
                } else {
                    None
                };
                let cell = cell.filter(|cell| memory.bounds.allow(*cell, width.bytes()));
                if let Some(cell) = cell {
                    prop_assert_eq!(&memory.stores[..], &[(cell, width.bytes())]);
                    let mut expected = before;
                    let at = cell as usize;
                    match width {
                        CellWidth::Bits32 => expected[at..at + 4].copy_from_slice(&(-3i32).to_be_bytes()),
                        CellWidth::Bits64 => expected[at..at + 8].copy_from_slice(&(-3i64).to_be_bytes()),
                    }
                    prop_assert_eq!(expected, memory.bytes);
                } else {
                    prop_assert!(memory.stores.is_empty());
                    prop_assert_eq!(before, memory.bytes);
                }
            }
        }
    }

    #[test]
    fn no_cell_is_read_twice(
        token in tokens(), inputs in counts(), outputs in counts(), width in widths(),
    ) {
        let mut memory = Memory::new();
        for (index, value) in [token, inputs, outputs].into_iter().enumerate() {
            put(&mut memory, width, BUFFER, index as u64, value);
        }
        let _ = read(&mut memory, width, BUFFER);
        for (address, loads) in memory.loads.borrow().iter() {
            prop_assert_eq!(*loads, 1, "address {:#x}", address);
        }
    }
}

#[test]
fn a_buffer_is_aligned_to_eight_bytes() {
    for offset in 1..8 {
        let mut memory = Memory::new();
        memory.put(BUFFER + offset, token("ibm,int-off"), &[0x1000], &[7]);
        let result = read(&mut memory, CellWidth::Bits32, BUFFER + offset);
        assert_eq!(result.err(), Some(-3), "R1-7.2.7-1");
        assert_eq!(memory.outputs(BUFFER + offset, 1, 1), [-3i32 as u32]);
    }
}

#[test]
fn every_count_of_the_table_is_accepted_and_every_other_refused() {
    for call in table::calls() {
        for inputs in 0..=16u32 {
            for outputs in 0..=16 - inputs {
                let mut memory = Memory::new();
                let (values, cells) = (vec![1; inputs as usize], vec![9; outputs as usize]);
                memory.put(BUFFER, token(call.name), &values, &cells);
                let allowed = call.shape.inputs.allow(inputs)
                    && call.shape.outputs.allow(outputs)
                    && inputs < 16;
                let result = read(&mut memory, CellWidth::Bits32, BUFFER);
                assert_eq!(result.is_ok(), allowed, "{} {inputs}/{outputs}", call.name);
                let mut expected = cells;
                if let (false, Some(status)) = (allowed, expected.first_mut()) {
                    *status = -3i32 as u32;
                }
                let (inputs, outputs) = (inputs as usize, outputs as usize);
                assert_eq!(memory.outputs(BUFFER, inputs, outputs), expected);
            }
        }
    }
}

#[test]
fn a_cell_of_64_bits_is_sign_extended_or_zero_extended_or_refused() {
    for (cell, value) in [
        (0, Some(0)),
        (0x7fff_ffff, Some(0x7fff_ffff)),
        (0x8000_0000, Some(0x8000_0000)),
        (0xffff_ffff, Some(0xffff_ffff)),
        (0xffff_ffff_8000_0000, Some(0x8000_0000)),
        (u64::MAX, Some(0xffff_ffff)),
        (0x1_0000_0000, None),
        (0xffff_ffff_7fff_ffff, None),
        (0x8000_0000_0000_0000, None),
    ] {
        let mut memory = Memory::new();
        let token = u64::from(token("ibm,os-term"));
        memory.put64(BUFFER, token, &[cell], &[0x1234_5678_9abc_def0]);
        let result = read(&mut memory, CellWidth::Bits64, BUFFER);
        match value {
            Some(value) => assert_eq!(result.unwrap().inputs, [value], "{cell:#x}"),
            None => {
                assert_eq!(result.err(), Some(-3), "{cell:#x}");
                assert_eq!(memory.outputs64(BUFFER, 1, 1), [-3i64 as u64]);
            }
        }
    }
}

#[test]
fn a_token_is_found_at_its_guess_elsewhere_or_not_at_all() {
    let mut machine = Machine::new();
    let off = table::index_of("ibm,int-off").unwrap();
    let on = table::index_of("ibm,int-on").unwrap();
    machine.config.tokens.swap(off, on);
    machine.config.tokens[5] = 0;
    let find = |token| find(&machine.config, token).map(|(callee, _)| callee);
    let place = |callee| match callee {
        Some(Callee::Known { index, .. }) => Some(index),
        _ => None,
    };
    assert_eq!(place(find(0x200c)), Some(on));
    assert_eq!(place(find(0x200d)), Some(off));
    assert_eq!(place(find(0x2000)), Some(0));
    assert_eq!(place(find(0xa)), Some(0), "early display-character");
    assert_eq!(find(0x2005), None, "not offered");
    assert_eq!(find(0x203f), None, "no such call in the table");
    assert_eq!(find(0), None, "0 stands for calls that are not offered");
    assert_eq!(find(crate::testing::UNKNOWN_TOKEN), Some(Callee::Unknown));
}

#[test]
fn the_early_token_is_nothing_where_display_character_is_not_offered() {
    let mut machine = Machine::new();
    machine.config.tokens[table::index::DISPLAY_CHARACTER] = 0;
    assert_eq!(find(&machine.config, 0xa), None);
}
