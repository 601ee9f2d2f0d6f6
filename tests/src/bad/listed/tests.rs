use super::super::testing::worlds;
use super::super::{Done, World};
use super::*;

fn each(world: &World<'_>, list: List, mut look: impl FnMut(Case)) -> usize {
    let mut count = 0;
    list(world, &mut |case| {
        count += 1;
        look(case);
    });
    count
}

#[test]
fn no_wrong_pair_of_counts_is_left_out_and_no_right_one_made() {
    for world in worlds() {
        let count = each(&world, counts, |case| {
            assert_eq!(case.expect(&world).done, Done::No);
        });
        let pairs = COUNTS.len() * COUNTS.len();
        let functions = world.functions.len();
        assert!(count > pairs * functions - 4 * functions && count < pairs * (functions + 8));
    }
}

#[test]
fn a_call_that_is_done_writes_the_area_only() {
    for world in worlds() {
        for list in [arguments, pointers, places] {
            each(&world, list, |case| {
                let (at, length) = case.lies_at(&world);
                assert!(!case.put || world.free(at, length), "{case:x?}");
                if case.expect(&world).done != Done::Yes || world.excluded(&case).is_some() {
                    return;
                }
                let written = |index: &usize| {
                    let inputs = case
                        .function
                        .and_then(|function| function.inputs.get(*index));
                    matches!(inputs, Some(Argument::Writes(_)))
                };
                let written = (0..8).filter(written);
                for behind in written.filter_map(|index| case.behind(index)) {
                    let length = (behind.end - behind.start).min(0x1000);
                    assert!(world.free(behind.start, length), "{case:x?}");
                }
            });
        }
    }
}

#[test]
fn every_pointer_goes_into_rtas_and_behind_memory() {
    for world in worlds() {
        let (mut inside, mut behind) = (0, 0);
        each(&world, pointers, |case| {
            let ranges = (0..8).filter_map(|index| case.behind(index));
            for range in ranges {
                inside += usize::from(world.rtas.contains(&range.start));
                behind += usize::from(range.start >= world.memory_end);
            }
        });
        let pointers = world
            .functions
            .iter()
            .flat_map(|(_, function)| function.inputs);
        let pointers = pointers.filter(|argument| **argument != Argument::Number);
        let pointers = pointers.count();
        assert!(inside >= 8 * pointers && behind >= 3 * pointers);
    }
}
