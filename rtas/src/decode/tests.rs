//! The decoder against everything that a caller may leave in memory.

use super::*;
use crate::memory::{Bounds, refuse_unaligned};
use crate::testing::{BUFFER, Machine, Memory, token};
use proptest::prelude::*;
use rtas_abi::status;

/// What the long way makes of a buffer before it does anything: a request, or a refusal that is
/// stored where there is room.
fn read(memory: &mut Memory, width: CellWidth, address: u64) -> Result<Request, i32> {
    let machine = Machine::new();
    let Some(cells) = Cells::new(&memory.bounds(), width, address) else {
        refuse_unaligned(memory, width, address, status::PARAMETER_ERROR);
        return Err(status::PARAMETER_ERROR);
    };
    let header = Header::read(memory, cells);
    find(&machine.config, header.token)
        .and_then(|callee| header.request(callee.shape()))
        .ok_or_else(|| header.refuse(memory, status::PARAMETER_ERROR))
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
                prop_assert!(address.is_multiple_of(width.bytes()));
                let bytes = (3 + inputs + outputs) as u64 * width.bytes();
                prop_assert!(memory.bounds.allow(address, bytes));
                prop_assert_eq!(request.inputs() as i64, inputs);
                prop_assert_eq!(request.outputs() as i64, outputs);
            }
            Err(status) => {
                prop_assert_eq!(status, -3);
                // What lies where the status would: the counts may be beside what was put there,
                // when the buffer overlaps the end of memory.
                let readable = memory.bounds.allow(address, 3 * width.bytes()) && address != 0;
                let cell = if (0..=16).contains(&inputs) && outputs >= 1 && readable {
                    address.checked_add((3 + inputs as u64) * width.bytes())
                } else {
                    None
                };
                let room = |cell: &u64| cell + width.bytes() - address;
                let cell = cell.filter(|cell| memory.bounds.allow(address, room(cell)));
                if let Some(cell) = cell {
                    if address.is_multiple_of(width.bytes()) {
                        prop_assert_eq!(&memory.stores[..], &[(cell, width.bytes())]);
                    }
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
fn a_buffer_that_is_not_aligned_to_its_cells_is_refused() {
    // R1-7.2.7-1 wants eight bytes, and leaves open what comes of less: Linux has buffers on its
    // stack that C aligns to four.
    for (width, fits) in [(CellWidth::Bits32, 4), (CellWidth::Bits64, 8)] {
        for offset in 0..16 {
            let mut memory = Memory::new();
            let address = BUFFER + offset;
            for (index, value) in [token("ibm,int-off").into(), 1, 1, 0x1000]
                .into_iter()
                .enumerate()
            {
                put(&mut memory, width, address, index as u64, value);
            }
            let mut expected = memory.bytes.clone();
            let result = read(&mut memory, width, address);
            assert_eq!(result.is_ok(), offset % fits == 0, "{width:?} {offset}");
            if result.is_err() {
                let at = (address + 4 * width.bytes()) as usize;
                let status = (-3i64).to_be_bytes();
                let bytes = width.bytes() as usize;
                expected[at..at + bytes].copy_from_slice(&status[8 - bytes..]);
            }
            assert_eq!(memory.bytes, expected, "{width:?} {offset}");
            let whole = Cells::whole(&memory.bounds(), width, address);
            assert_eq!(
                whole.is_some(),
                offset % 8 == 0,
                "the rest is for the long way"
            );
        }
    }
}

proptest! {
    #[test]
    fn a_whole_buffer_is_one_that_can_be_touched_to_its_last_cell(
        address in addresses(), width in widths(), memory_end in 0x8000u64..0x1_0000,
    ) {
        let private = 0x8000..0x9000;
        let whole_buffers = Bounds::whole_buffers(memory_end);
        let bounds = Bounds { memory_end, whole_buffers, private };
        let whole = Cells::whole(&bounds, width, address);
        let any = Cells::new(&bounds, width, address);
        if let Some(cells) = whole {
            prop_assert_eq!(cells.count(), Cells::MOST);
            prop_assert!(address != 0 && address.is_multiple_of(8));
            prop_assert!(bounds.allow(address, Cells::MOST * 8));
            prop_assert_eq!(any.map(Cells::count), Some(Cells::MOST));
        } else if address != 0 && address.is_multiple_of(8) {
            prop_assert!(!bounds.allow(address, Cells::MOST * 8 + 8));
        }
        if let Some(cells) = any {
            prop_assert!(bounds.allow(address, cells.count() * width.bytes()));
            let more = (cells.count() + 1) * width.bytes();
            prop_assert!(cells.count() == Cells::MOST || !bounds.allow(address, more));
        }
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
                let allowed = call.shape.inputs.allow(inputs.into())
                    && call.shape.outputs.allow(outputs.into())
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
        let request = read(&mut memory, CellWidth::Bits64, BUFFER).expect("its counts are right");
        let inputs = request.read(&memory);
        assert_eq!(inputs, value.map(|value: u32| [value]), "{cell:#x}");
        let mut buffer = HypervisorBuffer::new();
        let loaded = request.load_inputs(&memory, &mut buffer);
        assert_eq!(loaded.map(|()| buffer.get(3)), value, "{cell:#x}");
        assert_eq!(request.read(&memory), value.map(|value| [value]));
    }
}

#[test]
fn a_token_is_found_at_its_guess_elsewhere_or_not_at_all() {
    let mut machine = Machine::new();
    let off = table::index_of("ibm,int-off").unwrap();
    let on = table::index_of("ibm,int-on").unwrap();
    machine.config.tokens.swap(off, on);
    machine.config.tokens[5] = 0;
    let last = table::COUNT - 1;
    machine.config.tokens[last] = 0x20f0;
    let find = |token| find(&machine.config, token);
    let place = |callee: Option<Callee>| callee.and_then(|callee| callee.index);
    assert_eq!(place(find(0x200c)), Some(on));
    assert_eq!(place(find(0x200d)), Some(off));
    assert_eq!(place(find(0x2000)), Some(0));
    assert_eq!(place(find(0x20f0)), Some(last));
    assert_eq!(place(find(0xa)), Some(0), "early display-character");
    assert_eq!(find(0x2005), None, "not offered");
    assert_eq!(find(0x203f), None, "no such call in the table");
    assert_eq!(find(0), None, "0 stands for calls that are not offered");
    assert_eq!(find(0x1_0000_200c), None, "more than 32 bits");
    let unknown = find(crate::testing::UNKNOWN_TOKEN.into()).expect("offered");
    assert_eq!(unknown.index, None);
}

#[test]
fn the_early_token_is_nothing_where_display_character_is_not_offered() {
    let mut machine = Machine::new();
    machine.config.tokens[table::index::DISPLAY_CHARACTER] = 0;
    assert_eq!(find(&machine.config, 0xa), None);
}
