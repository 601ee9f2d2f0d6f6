use super::super::testing::worlds;
use super::super::{Case, Done, World};
use super::*;

const CASES: u64 = 50_000;

fn cases<'a>(world: &'a World<'a>) -> impl Iterator<Item = Case> + 'a {
    (0..CASES).map(|number| case(world, 7, number))
}

#[test]
fn a_call_is_the_same_for_the_same_number_and_another_for_another_seed() {
    for world in worlds() {
        let text = |seed, number| alloc::format!("{:?}", case(&world, seed, number));
        for number in [0, 1, 4095, 999_999] {
            assert_eq!(text(7, number), text(7, number));
            assert_ne!(text(7, number), text(8, number));
            assert_ne!(text(7, number), text(7, number + 1));
        }
    }
}

#[test]
fn a_call_that_is_made_writes_the_area_only() {
    for world in worlds() {
        for case in cases(&world).filter(|case| world.excluded(case).is_none()) {
            let (at, length) = case.lies_at(&world);
            assert!(!case.put || world.free(at, length), "{case:x?}");
            if matches!(case.expect(&world).done, Done::Yes | Done::Overlapping) {
                for behind in (0..8).filter_map(|index| case.behind(index)) {
                    let length = (behind.end - behind.start).min(0x1000);
                    let free = world.free(behind.start, length);
                    assert!(free || !world.usable(behind.start, length), "{case:x?}");
                }
            }
        }
    }
}

#[test]
fn calls_that_may_be_done_and_calls_that_must_not_are_both_many() {
    for world in worlds() {
        let share = |done: Done| {
            let all = cases(&world).filter(|case| world.excluded(case).is_none());
            all.filter(|case| case.expect(&world).done == done).count()
        };
        for (done, least) in [
            (Done::Yes, CASES / 5),
            (Done::No, CASES / 5),
            (Done::WithoutTransfer, CASES / 100),
            (Done::Overlapping, CASES / 1000),
        ] {
            assert!(share(done) as u64 > least, "{done:?}");
        }
    }
}

#[test]
fn what_ends_the_machine_is_not_made() {
    for world in worlds() {
        for case in cases(&world).filter(|case| world.excluded(case).is_none()) {
            let Some(function) = case.function else {
                continue;
            };
            let made = function.takes(case.inputs, case.outputs);
            assert!(!made || function.ends.is_none(), "{}", function.name);
        }
    }
}
