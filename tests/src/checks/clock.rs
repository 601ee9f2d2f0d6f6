//! The clock (LoPAR 7.3.2). What the checks set, they put back.

use alloc::format;
use alloc::vec::Vec;

use guest::verdict::Verdict;
use guest::{fail, need, pass};
use rtas_abi::status::PARAMETER_ERROR;

use super::{Check, check};
use crate::board::{processor, timebase};
use crate::subject::Machine;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.2.2-2", "clock-resolution", resolution),
    check("R1-2.9-7", "clock-goes-on", goes_on),
    check("R1-7.3.2.3-1", "clock-set", set),
    check("R1-7.3.2.3-2", "clock-set-nanoseconds", set_nanoseconds),
    check("R1-14.10-4", "clock-set-and-goes-on", set_and_goes_on),
    check("R1-7.3.2.1-3", "clock-leap-years", leap_years),
    check("R1-7.3.2.1-1", "clock-ends-of-months", ends_of_months),
    check("R1-7.3.2.3-3", "clock-impossible-dates", impossible),
    check("R1-7.3.2.3-3", "clock-impossible-times", impossible_times),
];

/// Year, month, day, hour, minute, second.
type Date = [u32; 6];

/// The time: date and nanoseconds.
fn read(machine: &mut Machine) -> Result<(Date, i64), Verdict> {
    let outcome = super::ask::ask(machine, "get-time-of-day", &[], 8)?;
    if outcome.status() != 0 {
        let saw = format!("{:?}", outcome.cells);
        return Err(Verdict::Fail("status 0 of get-time-of-day".into(), saw));
    }
    let date = core::array::from_fn(|index| outcome.cells[index + 1] as u32);
    Ok((date, outcome.cells[7]))
}

macro_rules! read {
    ($machine:expr) => {
        match read($machine) {
            Ok(time) => time,
            Err(verdict) => return verdict,
        }
    };
}

/// The status of setting a date.
fn write(machine: &mut Machine, date: Date) -> Result<i64, Verdict> {
    write_exactly(machine, date, 0)
}

/// The status of setting a date and nanoseconds.
fn write_exactly(machine: &mut Machine, date: Date, nanoseconds: u32) -> Result<i64, Verdict> {
    let inputs: Vec<u32> = date.into_iter().chain([nanoseconds]).collect();
    let outcome = super::ask::ask(machine, "set-time-of-day", &inputs, 1)?;
    Ok(outcome.status())
}

macro_rules! write {
    ($machine:expr, $date:expr) => {
        match write($machine, $date) {
            Ok(status) => status,
            Err(verdict) => return verdict,
        }
    };
}

/// Seconds of the day.
fn seconds(date: Date) -> u32 {
    (date[3] * 60 + date[4]) * 60 + date[5]
}

/// Whether `next` is `wanted` or one of the two seconds behind it, over the end of a day, too.
fn soon_after(wanted: Date, next: Date) -> bool {
    let passed = (seconds(next) + 86_400 - seconds(wanted)) % 86_400;
    passed <= 2 && (next[..3] == wanted[..3] || seconds(next) < seconds(wanted))
}

/// About ten milliseconds between two readings: each of them takes memory of the guest's.
fn pause() {
    let start = timebase();
    while timebase().wrapping_sub(start) < 5_120_000 {
        core::hint::spin_loop();
    }
}

fn resolution(machine: &mut Machine) -> Verdict {
    let (_, first) = read!(machine);
    let mut different = 0;
    let mut last = first;
    for _ in 0..64 {
        let (_, next) = read!(machine);
        different += u32::from(next != last);
        last = next;
    }
    need!(
        different > 0,
        "nanoseconds that change within 64 readings",
        "{first} each time"
    );
    pass!("{different} of 64 readings differ from the one before")
}

fn goes_on(machine: &mut Machine) -> Verdict {
    let (first, _) = read!(machine);
    let mut last = first;
    let mut failed = None;
    let moved = processor::wait(4, || {
        pause();
        match read(machine) {
            Ok((date, _)) => last = date,
            Err(verdict) => failed = Some(verdict),
        }
        failed.is_some() || last != first
    });
    if let Some(verdict) = failed {
        return verdict;
    }
    need!(
        moved,
        "another second within four",
        "{first:?} all the time"
    );
    need!(
        soon_after(first, last),
        format!("a second or two after {first:?}"),
        "{last:?}"
    );
    pass!("{first:?}, then {last:?}")
}

/// Sets `date`, reads it back, and sets what the clock had; the date that was read.
fn try_date(machine: &mut Machine, date: Date) -> Result<(i64, Date), Verdict> {
    let (before, _) = read(machine)?;
    let status = write(machine, date)?;
    let (after, _) = read(machine)?;
    let restored = write(machine, before)?;
    if restored != 0 {
        let saw = format!("{restored} for {before:?}");
        return Err(Verdict::Fail("status 0 of setting what it was".into(), saw));
    }
    Ok((status, after))
}

/// Sets each date, which has to work.
fn all_work(machine: &mut Machine, dates: &[Date]) -> Verdict {
    for date in dates {
        match try_date(machine, *date) {
            Ok((status, after)) => need!(
                status == 0 && soon_after(*date, after),
                format!("status 0, and {date:?} read back"),
                "{status}, {after:?}"
            ),
            Err(verdict) => return verdict,
        }
    }
    pass!("{} dates set and read back", dates.len())
}

fn set(machine: &mut Machine) -> Verdict {
    all_work(machine, &[[2031, 7, 14, 12, 34, 56], [2024, 1, 1, 0, 0, 0]])
}

/// The time is read in nanoseconds (R1-7.3.2.2-2): as finely it is to be set. Read back, it is not
/// before what was set, and not more behind it than went by.
fn set_nanoseconds(machine: &mut Machine) -> Verdict {
    const SECOND: i64 = 1_000_000_000;
    /// Ticks of the timebase in a second.
    const TICKS: i64 = 512_000_000;
    let date = [2031, 7, 14, 12, 34, 56];
    for nanoseconds in [750_000_000, 250_000_000, 999_999_999] {
        let (before, _) = read!(machine);
        let start = timebase();
        let status = match write_exactly(machine, date, nanoseconds) {
            Ok(status) => status,
            Err(verdict) => return verdict,
        };
        let (after, read) = read!(machine);
        let ticks = timebase().wrapping_sub(start) as i64;
        let restored = write!(machine, before);
        need!(
            (status, restored) == (0, 0),
            "statuses 0",
            "{status}, {restored}"
        );
        let behind = i64::from(seconds(after) as i32 - seconds(date) as i32) * SECOND + read
            - i64::from(nanoseconds);
        let passed = ticks / (TICKS / 1_000_000) * 1_000 + 1_000_000;
        need!(
            (0..=passed).contains(&behind) && after[..3] == date[..3],
            format!("{date:?} and {nanoseconds} ns, at most {passed} ns later"),
            "{after:?} and {read} ns"
        );
    }
    pass!("three times set and read back to the nanosecond")
}

fn set_and_goes_on(machine: &mut Machine) -> Verdict {
    let (before, _) = read!(machine);
    let date = [2033, 5, 6, 7, 8, 9];
    let status = write!(machine, date);
    let verdict = goes_on(machine);
    let (after, _) = read!(machine);
    let restored = write!(machine, before);
    need!(
        (status, restored) == (0, 0),
        "statuses 0",
        "{status}, {restored}"
    );
    need!(
        after[..3] == date[..3],
        format!("a time of {date:?}"),
        "{after:?}"
    );
    verdict
}

/// The day after the last second of each of these days.
fn leap_years(machine: &mut Machine) -> Verdict {
    let ends = [
        ([2028, 2, 28, 23, 59, 59], [2028, 2, 29]),
        ([2028, 2, 29, 23, 59, 59], [2028, 3, 1]),
        ([2027, 2, 28, 23, 59, 59], [2027, 3, 1]),
    ];
    for (date, next) in ends {
        let (before, _) = read!(machine);
        let status = write!(machine, date);
        need!(status == 0, format!("status 0 for {date:?}"), "{status}");
        let mut last = date;
        let moved = processor::wait(4, || {
            pause();
            if let Ok((date, _)) = read(machine) {
                last = date;
            }
            last[..3] != date[..3]
        });
        let restored = write!(machine, before);
        need!(
            restored == 0,
            "status 0 of setting what it was",
            "{restored}"
        );
        need!(
            moved && last[..3] == next,
            format!("{next:?} after {date:?}"),
            "{last:?}"
        );
    }
    pass!("29 February 2028 came and went, 2027 had none")
}

fn ends_of_months(machine: &mut Machine) -> Verdict {
    let days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let dates: Vec<Date> = (1..=12)
        .zip(days)
        .map(|(month, day)| [2026, month, day, 12, 0, 0])
        .collect();
    all_work(machine, &dates)
}

/// Sets what is no date or time: -3, and the clock goes on as it did.
fn all_refused(machine: &mut Machine, dates: &[Date]) -> Verdict {
    for date in dates {
        let (before, _) = read!(machine);
        match try_date(machine, *date) {
            Ok((status, after)) => {
                need!(
                    status == i64::from(PARAMETER_ERROR),
                    format!("-3 for {date:?}"),
                    "{status}, then {after:?}"
                );
                need!(
                    soon_after(before, after),
                    format!("the clock as it was, {before:?}"),
                    "{after:?}"
                );
            }
            Err(verdict) => return verdict,
        }
    }
    if dates.is_empty() {
        fail!("dates to be refused", "none")
    }
    pass!("-3 for {} of them", dates.len())
}

fn impossible(machine: &mut Machine) -> Verdict {
    all_refused(
        machine,
        &[
            [2026, 0, 1, 12, 0, 0],
            [2026, 13, 1, 12, 0, 0],
            [2026, 1, 0, 12, 0, 0],
            [2026, 1, 32, 12, 0, 0],
            [2026, 4, 31, 12, 0, 0],
            [2026, 2, 29, 12, 0, 0],
        ],
    )
}

fn impossible_times(machine: &mut Machine) -> Verdict {
    all_refused(
        machine,
        &[
            [2026, 1, 1, 24, 0, 0],
            [2026, 1, 1, 12, 60, 0],
            [2026, 1, 1, 12, 0, 61],
        ],
    )
}
