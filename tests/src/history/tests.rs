use super::*;
use crate::source::{Call, Random, Source};

fn event(start: u32, end: u32, operation: Operation) -> Event {
    Event {
        start,
        end,
        operation,
    }
}

fn judge(events: &[Event]) -> Result<(), Violation> {
    let mut checker = Checker::new(16);
    checker.clear();
    for event in events {
        checker.add(*event)?;
    }
    checker.judge()
}

/// Whether some order of the events explains them and ends with the mask, by trying all orders on
/// the sequential specification itself.
fn explained(events: &[Event], source: Source, masked: Option<bool>) -> bool {
    if events.is_empty() {
        return masked.is_none_or(|masked| masked == source.masked);
    }
    (0..events.len()).any(|index| {
        let first = events[index];
        if events.iter().any(|other| other.end < first.start) {
            return false;
        }
        let value = |value: Value| u32::from(value);
        let next = match first.operation {
            Operation::Set(set) => source.after(Call::Set(value(set), 5)),
            Operation::Off => source.after(Call::Off),
            Operation::On => source.after(Call::On),
            Operation::Get(told) if source.server == Some(value(told)) => source,
            Operation::Get(_) => return false,
        };
        let mut rest = events.to_vec();
        rest.remove(index);
        explained(&rest, next, masked)
    })
}

/// A history of a few calls on two or three processors, right or wrong.
fn random_history(random: &mut Random) -> Vec<Event> {
    let (mut tickets, mut next, mut open) = (1, 0, [None::<(u32, Operation)>; 3]);
    let mut events = Vec::new();
    let target = 3 + random.below(5) as usize;
    while events.len() < target {
        let lane = random.below(3) as usize;
        match open[lane].take() {
            Some((start, operation)) => events.push(event(start, tickets, operation)),
            None => {
                let operation = match random.below(6) {
                    0 | 1 => {
                        next += 1;
                        Operation::Set(next)
                    }
                    2 => Operation::Off,
                    3 => Operation::On,
                    // Any value that was set, or will be, or never.
                    _ => match random.below(5) {
                        0 => Operation::Get(INITIAL),
                        told => Operation::Get(told as Value),
                    },
                };
                open[lane] = Some((tickets, operation));
            }
        }
        tickets += 1;
    }
    events
}

#[test]
fn a_history_is_refused_exactly_if_no_order_explains_it() {
    let mut random = Random::new(0x1155_7701);
    let begin = Source {
        server: Some(INITIAL.into()),
        ..Source::BOOT
    };
    let (mut right, mut wrong) = (0, 0);
    for _ in 0..20_000 {
        let events = random_history(&mut random);
        let wanted = explained(&events, begin, None);
        assert_eq!(judge(&events).is_ok(), wanted, "{events:?}");
        if wanted {
            right += 1;
        } else {
            wrong += 1;
        }
    }
    assert!(right > 2000 && wrong > 2000, "{right} right, {wrong} wrong");
}

#[test]
fn a_mask_is_refused_exactly_if_no_order_ends_with_it() {
    let mut random = Random::new(0x0ff0);
    for _ in 0..20_000 {
        let mut events = random_history(&mut random);
        events.retain(|event| matches!(event.operation, Operation::Off | Operation::On));
        for before in [false, true] {
            let source = Source {
                masked: before,
                ..Source::BOOT
            };
            let mut mask = Mask::new(before);
            events.iter().for_each(|event| mask.add(*event));
            for masked in [false, true] {
                let wanted = explained(&events, source, Some(masked));
                assert_eq!(mask.may_be(masked), wanted, "{masked} after {events:?}");
            }
        }
    }
}

#[test]
fn wrong_histories_are_named() {
    use Operation::{Get, Set};
    let set = |start, end| event(start, end, Set(1));
    // Told though nobody set it.
    assert_eq!(judge(&[event(1, 2, Get(3))]), Err(Violation::NeverSet(3)));
    // Told before it was set.
    let events = [event(1, 2, Get(1)), set(3, 4)];
    assert_eq!(judge(&events), Err(Violation::TooEarly(1)));
    // The old value after the new one was told.
    let events = [set(1, 8), event(2, 3, Get(1)), event(4, 5, Get(INITIAL))];
    assert!(judge(&events).is_err());
    // An update that was lost: set by one, gone though nobody else set anything.
    let events = [set(1, 2), event(3, 4, Get(INITIAL))];
    assert!(judge(&events).is_err());
    // Two processors saw two updates in different orders.
    let events = [
        set(1, 2),
        event(3, 10, Set(2)),
        event(4, 5, Get(2)),
        event(6, 7, Get(1)),
    ];
    assert!(judge(&events).is_err());
    assert_eq!(judge(&[set(1, 2), set(3, 4)]), Err(Violation::SetTwice(1)));
}

#[test]
fn a_checker_forgets_the_last_history() {
    let mut checker = Checker::new(4);
    for _ in 0..3 {
        checker.clear();
        for at in [
            event(1, 2, Operation::Set(3)),
            event(3, 4, Operation::Get(3)),
        ] {
            checker.add(at).unwrap();
        }
        assert_eq!(checker.judge(), Ok(()));
    }
    checker.clear();
    checker.add(event(1, 2, Operation::Get(3))).unwrap();
    assert_eq!(checker.judge(), Err(Violation::NeverSet(3)));
}
