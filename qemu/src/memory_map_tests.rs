use super::*;

const MIB: u64 = 0x10_0000;

fn map() -> MemoryMap {
    MemoryMap::new([0x1000_0000..0x2000_0000, 0..0x1000_0000])
}

#[test]
fn adjacent_memory_is_one_range() {
    let map = map();
    assert_eq!(map.end(), 0x2000_0000);
    assert_eq!(map.total(), 0x2000_0000);
    assert!(map.is_memory(&(0x0fff_f000..0x1000_1000)));
    assert!(!map.is_memory(&(0x1fff_f000..0x2000_0001)));
    assert!(!map.is_memory(&(5..5)));
}

#[test]
fn an_exact_claim_takes_that_range_or_fails() {
    let mut map = map();
    assert_eq!(map.claim(0x40_0000, MIB, Owner::Kernel), Ok(()));
    let taken = Err(ClaimError::Taken(Owner::Kernel));
    for (start, size) in [
        (0x40_0000, MIB),
        (0x3f_f000, 0x1001),
        (0x4f_ffff, 1),
        (0, 0x1000_0000),
    ] {
        assert_eq!(map.claim(start, size, Owner::Client), taken);
    }
    assert_eq!(map.claim(0x3f_f000, 0x1000, Owner::Client), Ok(()));
    assert_eq!(map.claim(0x50_0000, 0x1000, Owner::Client), Ok(()));
}

#[test]
fn a_claim_outside_memory_or_with_a_wrapping_end_is_refused() {
    let mut map = map();
    let outside = Err(ClaimError::OutsideMemory);
    assert_eq!(map.claim(0x2000_0000, 1, Owner::Client), outside);
    assert_eq!(map.claim(0x1fff_ffff, 2, Owner::Client), outside);
    let wraps = Err(ClaimError::NoRange);
    assert_eq!(map.claim(u64::MAX, 2, Owner::Client), wraps);
    assert_eq!(map.claim(0x1000, 0, Owner::Client), wraps);
}

#[test]
fn an_aligned_claim_is_the_highest_free_place_in_the_window() {
    let mut map = map();
    let window = 0..0x1800_0000;
    let place = |map: &mut MemoryMap, size, alignment| {
        map.allocate(size, alignment, &window, Owner::Client)
    };
    assert_eq!(place(&mut map, 0x3000, 0x1000), Ok(0x17ff_d000));
    assert_eq!(place(&mut map, 0x1000, 0x1_0000), Ok(0x17ff_0000));
    assert_eq!(place(&mut map, 0xc000, 0x1000), Ok(0x17ff_1000));
    assert_eq!(place(&mut map, 1, 3), Err(ClaimError::BadAlignment));
    assert_eq!(place(&mut map, 0, 1), Err(ClaimError::NoRange));
    assert_eq!(place(&mut map, 0x1800_0000, 1), Err(ClaimError::Full));
    assert_eq!(place(&mut map, u64::MAX, 1), Err(ClaimError::Full));
    assert_eq!(place(&mut map, 1, 1 << 63), Ok(0), "the multiple 0");
    assert_eq!(place(&mut map, 1, 1 << 63), Err(ClaimError::Full));
}

#[test]
fn a_place_that_does_not_fit_is_passed_over() {
    let map = map();
    let place = map.find(0x2000, 0x1000, &(0..0x1000_1000), |base| {
        base / 0x1000_0000 == (base + 0x1fff) / 0x1000_0000
    });
    assert_eq!(place, Ok(0x0fff_e000));
}

#[test]
fn release_frees_only_what_the_owner_has() {
    let mut map = map();
    map.claim(0x40_0000, MIB, Owner::Kernel).unwrap();
    map.claim(0x50_0000, MIB, Owner::Client).unwrap();
    map.claim(0x60_0000, MIB, Owner::Client).unwrap();
    assert_eq!(map.release(0x40_0000, 2 * MIB, Owner::Client), MIB);
    assert_eq!(
        map.claim(0x4f_0000, MIB, Owner::Client),
        Err(ClaimError::Taken(Owner::Kernel))
    );
    assert_eq!(map.claim(0x50_0000, MIB, Owner::Client), Ok(()));
    assert_eq!(map.release(0x58_0000, 0x1000, Owner::Client), 0x1000);
    assert_eq!(map.release(0x58_0000, 0x1000, Owner::Client), 0);
    assert_eq!(map.claim(0x58_0000, 0x1000, Owner::Client), Ok(()));
    assert_eq!(map.release(u64::MAX, 2, Owner::Client), 0);
}

#[test]
fn a_mark_keeps_the_owners_that_are_there() {
    let mut map = map();
    map.claim(0x40_0000, MIB, Owner::Kernel).unwrap();
    map.mark(&(0x30_0000..0x60_0000), Owner::Reserved);
    let owners = |range: Range<u64>| map.owners(&range).collect::<Vec<_>>();
    assert_eq!(owners(0x30_0000..0x40_0000), [Owner::Reserved]);
    assert_eq!(owners(0x40_0000..0x50_0000), [Owner::Kernel]);
    assert_eq!(owners(0x50_0000..0x60_0000), [Owner::Reserved]);
    assert_eq!(owners(0x60_0000..0x70_0000), []);
}

#[test]
fn available_memory_is_what_nobody_owns_in_whole_pages() {
    let mut map = map();
    map.claim(0, 0x10_0001, Owner::Firmware).unwrap();
    map.claim(0x1f00_0000, MIB, Owner::Client).unwrap();
    assert_eq!(
        map.available(&(0..0x1000_0000)),
        [Range {
            start: 0x10_1000,
            end: 0x1000_0000
        }]
    );
    assert_eq!(
        map.available(&(0x1000_0000..0x2000_0000)),
        [0x1000_0000..0x1f00_0000, 0x1f10_0000..0x2000_0000]
    );
}
