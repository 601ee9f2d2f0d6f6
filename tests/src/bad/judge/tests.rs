use super::super::testing::{good, world, worlds};
use super::*;
use alloc::vec::Vec;

/// What comes of a call whose buffer is changed by `change`.
fn after(
    case: &Case,
    cell: u64,
    change: impl Fn(&mut dyn FnMut(usize, u32)),
) -> Result<Option<i64>, Deviation> {
    let world = world(cell, cell == 8);
    let before = buffer(case, cell);
    let mut after = before;
    change(&mut |index, number| {
        let (bytes, length) = encode(number, cell);
        after[index * length..][..length].copy_from_slice(&bytes[..length]);
    });
    judge(&world, case, &before, &after)
}

/// The cell of the first output.
fn status_cell(case: &Case) -> usize {
    3 + case.inputs as usize
}

#[test]
fn what_a_function_does_passes() {
    for world in worlds() {
        let case = good(&world, "ibm,get-xive");
        let at = status_cell(&case);
        let told = |put: &mut dyn FnMut(usize, u32)| {
            put(at, 0);
            put(at + 1, 7);
            put(at + 2, 5);
        };
        assert_eq!(after(&case, world.cell, told), Ok(Some(0)));
    }
}

#[test]
fn a_byte_of_the_buffer_that_is_no_output_must_not_change() {
    for world in worlds() {
        let case = good(&world, "ibm,int-off");
        let at = status_cell(&case);
        for wrong in (0..at).chain([at + 1, at + 10]) {
            let touched = |put: &mut dyn FnMut(usize, u32)| {
                put(at, 0);
                put(wrong, 0x0bad_0bad);
            };
            let result = after(&case, world.cell, touched);
            assert!(matches!(result, Err(Deviation::Wrote(_))), "{wrong}");
        }
    }
}

#[test]
fn a_call_that_can_be_done_has_a_status_of_its_own() {
    for world in worlds() {
        let case = good(&world, "ibm,int-off");
        let at = status_cell(&case);
        assert_eq!(after(&case, world.cell, |_| ()), Err(Deviation::NoStatus));
        for status in [1i64, -2, -7] {
            let result = after(&case, world.cell, |put| put(at, status as u32));
            assert_eq!(result, Err(Deviation::Status(status)));
        }
    }
}

#[test]
fn a_status_that_was_there_before_may_have_been_stored_again() {
    for world in worlds() {
        let mut case = good(&world, "ibm,int-off");
        let inputs = case.inputs as usize;
        for (number, legal) in [(0, true), (-3i32 as u32, true), (1, false), (77, false)] {
            case.cells[inputs] = number;
            let wanted = if legal {
                Ok(None)
            } else {
                Err(Deviation::NoStatus)
            };
            assert_eq!(after(&case, world.cell, |_| ()), wanted, "{number}");
        }
    }
}

#[test]
fn a_call_with_wrong_counts_is_refused_and_told_so() {
    for world in worlds() {
        let mut case = good(&world, "nvram-fetch");
        case.outputs = 3;
        let at = status_cell(&case);
        let status = |number: i64| after(&case, world.cell, |put| put(at, number as u32));
        assert_eq!(status(-3), Ok(Some(-3)));
        assert_eq!(status(0), Err(Deviation::Status(0)));
        let more = after(&case, world.cell, |put| {
            put(at, -3i32 as u32);
            put(at + 1, 16);
        });
        assert!(matches!(more, Err(Deviation::Wrote(_))));
        assert_eq!(after(&case, world.cell, |_| ()), Err(Deviation::NoStatus));
    }
}

#[test]
fn without_outputs_nothing_is_written() {
    let mut case = good(&world(4, false), "get-time-of-day");
    case.outputs = 0;
    assert_eq!(after(&case, 4, |_| ()), Ok(None));
    let at = status_cell(&case);
    let result = after(&case, 4, |put| put(at, -3i32 as u32));
    assert_eq!(result, Err(Deviation::Wrote(4 * at)));
}

#[test]
fn a_pointer_into_rtas_or_behind_memory_is_not_followed() {
    for world in worlds() {
        let ends = [world.rtas.start as u32, world.rtas.end as u32 - 1];
        let across = [world.rtas.start as u32 - 1, world.memory_end as u32 - 1];
        let behind = [world.memory_end as u32, u32::MAX];
        for place in ends.into_iter().chain(across).chain(behind) {
            let mut case = good(&world, "nvram-fetch");
            case.cells[1] = place;
            let at = status_cell(&case);
            let result = after(&case, world.cell, |put| put(at, 0));
            assert_eq!(result, Err(Deviation::Status(0)), "{place:#x}");
            let result = after(&case, world.cell, |put| put(at, -3i32 as u32));
            assert_eq!(result, Ok(Some(-3)));
        }
        // It may have had nothing to write.
        let mut case = good(&world, "event-scan");
        case.cells[2] = world.rtas.start as u32;
        let at = status_cell(&case);
        assert_eq!(after(&case, world.cell, |put| put(at, 1)), Ok(Some(1)));
    }
}

#[test]
fn a_buffer_that_leaves_memory_is_refused() {
    let world = world(4, true);
    let mut case = good(&world, "get-time-of-day");
    case.buffer = world.memory_end - 16;
    let (at, length) = case.lies_at(&world);
    assert_eq!((at, length), (world.memory_end - 16, 16));
    let block = buffer(&case, 4);
    let before = &block[..16];
    let judged = |after: &[u8]| judge(&world, &case, before, after);
    assert_eq!(judged(before), Ok(None));
    let mut told: Vec<u8> = before.to_vec();
    told[12..].copy_from_slice(&(-3i32).to_be_bytes());
    assert_eq!(judged(&told), Ok(Some(-3)));
    told[12..].copy_from_slice(&0u32.to_be_bytes());
    assert_eq!(judged(&told), Err(Deviation::Status(0)));
    told[8] = 1;
    assert_eq!(judged(&told), Err(Deviation::Wrote(8)));
}
