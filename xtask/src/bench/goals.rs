//! What oxrtas is meant to reach, and what was measured of it.

use super::calls::{self, HYPERCALL};
use super::figure::{Record, Spread, ratio};
use super::{boot, crash, size};
use crate::cli::BenchGroup;
use serde::Serialize;
use std::collections::BTreeSet;

/// One goal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Goal {
    /// What is compared with what.
    pub what: String,
    /// The limit, as text.
    pub limit: String,
    /// What was measured, as text; empty if it was not.
    pub measured: String,
    /// Whether it is reached; `None` if it was not measured.
    pub met: Option<bool>,
}

/// A limit.
#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

/// How the measured value is written.
#[derive(Clone, Copy)]
enum Kind {
    /// How many times one thing is of another.
    Times,
    /// A number of instructions or bytes.
    Number,
    Percent,
}

impl Kind {
    fn show(self, value: f64) -> String {
        match self {
            Self::Times if value >= 100.0 => format!("{value:.0} x"),
            Self::Times => format!("{value:.2} x"),
            Self::Number => format!("{value:.0}"),
            Self::Percent => format!("{value:.1} %"),
        }
    }
}

fn goal(what: impl Into<String>, limit: Limit, kind: Kind, value: Option<f64>) -> Goal {
    let (text, met) = match limit {
        Limit::AtMost(limit) => (
            format!("at most {}", kind.show(limit)),
            value.map(|value| value <= limit),
        ),
        Limit::AtLeast(limit) => (
            format!("at least {}", kind.show(limit)),
            value.map(|value| value >= limit),
        ),
    };
    Goal {
        what: what.into(),
        limit: text,
        measured: value.map(|value| kind.show(value)).unwrap_or_default(),
        met,
    }
}

/// The firmware that the goals are about.
const OURS: &str = "oxrtas";

/// The goals of `groups`, those that were not measured included.
pub fn of(groups: &BTreeSet<BenchGroup>, record: &Record) -> Vec<Goal> {
    let of_group = |group: &BenchGroup| match group {
        BenchGroup::Boot => boots(record),
        BenchGroup::Calls => [single_calls(record), contention(record)].concat(),
        BenchGroup::Crash => masking(record),
        BenchGroup::Size => sizes(record),
    };
    groups.iter().flat_map(of_group).collect()
}

/// How many times ours is of `other`'s: the median of the rounds' ratios.
fn against(record: &Record, chart: &str, point: &str, other: &str) -> Option<f64> {
    let ours = record.values(chart, point, OURS)?;
    Some(ratio(ours, record.values(chart, point, other)?)?.median)
}

/// How many times `other`'s is of ours.
fn fewer(record: &Record, chart: &str, point: &str, other: &str) -> Option<f64> {
    let theirs = record.values(chart, point, other)?;
    Some(ratio(theirs, record.values(chart, point, OURS)?)?.median)
}

fn boots(record: &Record) -> Vec<Goal> {
    let user_space = |other| against(record, boot::LINUX, boot::USER_SPACE, other);
    let mut goals = vec![
        goal(
            "reset to user space, of VOF's time",
            Limit::AtMost(1.05),
            Kind::Times,
            user_space("vof"),
        ),
        goal(
            "reset to user space, of SLOF's time",
            Limit::AtMost(0.40),
            Kind::Times,
            user_space("slof"),
        ),
        goal(
            "reset to hand-over, SLOF's instructions of ours",
            Limit::AtLeast(40.0),
            Kind::Times,
            fewer(record, boot::BY_PROCESSORS, "1", "slof"),
        ),
    ];
    for service in ["finddevice", "getprop", "nextprop"] {
        goals.push(goal(
            format!("{service} on a deep path, SLOF's instructions of ours"),
            Limit::AtLeast(20.0),
            Kind::Times,
            fewer(record, boot::CLIENT, service, "slof"),
        ));
    }
    let (steps, product) = growth(record);
    goals.push(goal(
        "instructions to hand-over, the cost of one more processor or device: large machines of small",
        Limit::AtMost(1.5),
        Kind::Times,
        steps,
    ));
    goals.push(goal(
        "instructions to hand-over that only processors and devices together cause",
        Limit::AtMost(5.0),
        Kind::Percent,
        product,
    ));
    goals
}

/// Of the instructions to the hand-over: how much steeper they grow between the larger two machines
/// than between the smaller two (1 if the growth is linear), at most; and the share on the largest
/// machine that is neither the processors' nor the devices', in percent.
fn growth(record: &Record) -> (Option<f64>, Option<f64>) {
    let at = |chart, point: u32| record.median(chart, &point.to_string(), OURS);
    let steeper = |chart, points: [u32; 3]| {
        let [small, middle, large] =
            points.map(|point| Some((f64::from(point), at(chart, point)?)));
        let (small, middle, large) = (small?, middle?, large?);
        let slope = |from: (f64, f64), to: (f64, f64)| (to.1 - from.1) / (to.0 - from.0);
        let first = slope(small, middle);
        (first > 0.0).then(|| slope(middle, large) / first)
    };
    let processors = steeper(boot::BY_PROCESSORS, boot::PROCESSORS);
    let devices = steeper(boot::BY_DEVICES, boot::DEVICES);
    let steps = processors.zip(devices).map(|(one, other)| one.max(other));
    let [least_processors, .., most_processors] = boot::PROCESSORS;
    let [.., most_devices] = boot::DEVICES;
    let share = || {
        let both = at(boot::BOTH, most_processors * most_devices)?;
        let least = at(boot::BY_PROCESSORS, least_processors)?;
        let processors = at(boot::BY_PROCESSORS, most_processors)? - least;
        let devices = at(boot::BY_DEVICES, most_devices)? - least;
        Some(100.0 * (both - least - processors - devices) / both)
    };
    (steps, share())
}

fn single_calls(record: &Record) -> Vec<Goal> {
    let mut goals = Vec::new();
    for width in calls::WIDTHS {
        let instructions = calls::instructions(width);
        let time = calls::nanoseconds(width);
        for function in ["ibm,int-off", "ibm,int-on", "ibm,set-xive"] {
            let count = |subject| record.median(&instructions, function, subject);
            let above = count(OURS).zip(count(HYPERCALL));
            goals.push(goal(
                format!("{function}, {width}-bit: instructions above the bare hypercall"),
                Limit::AtMost(150.0),
                Kind::Number,
                above.map(|(ours, bare)| (ours - bare).round()),
            ));
            goals.push(goal(
                format!("{function}, {width}-bit, of SLOF's time"),
                Limit::AtMost(2.0),
                Kind::Times,
                against(record, &time, function, "slof"),
            ));
        }
        goals.push(goal(
            format!("ibm,get-xive, {width}-bit, one processor, of SLOF's time"),
            Limit::AtMost(1.0),
            Kind::Times,
            against(record, &time, "ibm,get-xive", "slof"),
        ));
    }
    goals
}

fn contention(record: &Record) -> Vec<Goal> {
    let chart = calls::rate("ibm,get-xive", "32", "private");
    // QEMU 7.2 is not what this one is about.
    let asked = record.qemu.starts_with("10.");
    let rate = asked
        .then(|| against(record, &chart, "16", "slof"))
        .flatten();
    vec![goal(
        "ibm,get-xive, 16 processors, of SLOF's calls a second (--qemu 10.0)",
        Limit::AtLeast(1.5),
        Kind::Times,
        rate,
    )]
}

fn masking(record: &Record) -> Vec<Goal> {
    vec![goal(
        "masking 4096 sources, of SLOF's time",
        Limit::AtMost(2.0),
        Kind::Times,
        against(record, crash::MASK_SECONDS, "4096", "slof"),
    )]
}

fn sizes(record: &Record) -> Vec<Goal> {
    const KIB: f64 = 1024.0;
    let number = |what: String, limit: f64, value: Option<f64>| {
        goal(what, Limit::AtMost(limit), Kind::Number, value)
    };
    let image = |point| record.median(size::IMAGE, point, OURS);
    let mut goals = vec![
        number("image, bytes".to_owned(), 160.0 * KIB, image(size::FILE)),
        number(
            "blob's code, bytes".to_owned(),
            24.0 * KIB,
            image(size::TEXT),
        ),
    ];
    for processors in size::PROCESSORS {
        let limit = 64.0 * KIB + 8.0 * f64::from(size::SOURCES) + 8.0 * KIB * f64::from(processors);
        goals.push(number(
            format!("rtas-size with {processors} processors, bytes"),
            limit,
            record.median(size::AREA, &processors.to_string(), OURS),
        ));
    }
    let stack = |point: &str| record.median(size::STACK, point, OURS);
    if let (Some(deepest), Some(room)) = (stack(size::DEEPEST), stack("room")) {
        goals.push(number(
            "stack of a call, bytes".to_owned(),
            room,
            Some(deepest),
        ));
    }
    goals
}

/// A ratio with its spread as text; one number if the rounds agree.
pub fn spread(spread: Spread) -> String {
    let Spread { low, median, high } = spread;
    if (high - low).abs() <= 0.005 * median.abs() {
        return short(median);
    }
    format!("{} ({} to {})", short(median), short(low), short(high))
}

/// A ratio in as many digits as it is worth.
fn short(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0..100.0 => format!("{value:.1}"),
        0.095..10.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::figure::Unit;
    use super::*;
    use clap::ValueEnum;

    fn all(record: &Record) -> Vec<Goal> {
        of(
            &BenchGroup::value_variants().iter().copied().collect(),
            record,
        )
    }

    fn empty() -> Record {
        let names = [OURS.to_owned(), "slof".to_owned()];
        Record::new("7.2", "6.1", &names, 1)
    }

    fn find<'a>(goals: &'a [Goal], what: &str) -> &'a Goal {
        let mut found = goals.iter().filter(|goal| goal.what.contains(what));
        found.next().unwrap()
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        assert!(all(&empty()).iter().all(|goal| goal.met.is_none()));
    }

    #[test]
    fn a_group_is_judged_by_its_own_goals() {
        let goals = of(&[BenchGroup::Crash].into(), &empty());
        assert!(goals.iter().all(|goal| goal.what.contains("masking")));
        assert!(goals.len() < all(&empty()).len());
    }

    #[test]
    fn a_goal_is_met_on_its_limit_and_missed_beyond() {
        for (ours, met) in [(0.40, true), (0.41, false)] {
            let mut record = empty();
            let chart = (BenchGroup::Boot, boot::LINUX);
            record.add(chart, boot::USER_SPACE, OURS, Unit::Seconds, ours);
            record.add(chart, boot::USER_SPACE, "slof", Unit::Seconds, 1.0);
            let goals = all(&record);
            assert_eq!(find(&goals, "user space, of SLOF").met, Some(met));
            assert_eq!(find(&goals, "user space, of VOF").met, None);
        }
    }

    #[test]
    fn sixteen_processors_are_judged_on_qemu_10_only() {
        let mut record = empty();
        let chart = calls::rate("ibm,get-xive", "32", "private");
        let chart = (BenchGroup::Calls, chart.as_str());
        record.add(chart, "16", OURS, Unit::PerSecond, 3.0);
        record.add(chart, "16", "slof", Unit::PerSecond, 2.0);
        assert_eq!(find(&all(&record), "16 processors").met, None);
        record.qemu = "10.0".to_owned();
        assert_eq!(find(&all(&record), "16 processors").met, Some(true));
    }

    #[test]
    fn a_product_of_processors_and_devices_shows() {
        let of = |cost: fn(f64, f64) -> f64| {
            let mut record = empty();
            let mut add = |chart, point: u32, value| {
                let chart = (BenchGroup::Boot, chart);
                record.add(chart, point, OURS, Unit::Instructions, value);
            };
            for count in boot::PROCESSORS {
                add(boot::BY_PROCESSORS, count, cost(count.into(), 0.0));
            }
            for count in boot::DEVICES {
                add(boot::BY_DEVICES, count, cost(1.0, count.into()));
            }
            add(boot::BOTH, 256 * 64, cost(256.0, 64.0));
            growth(&record)
        };
        let linear = of(|processors, devices| 1e6 + 100.0 * processors + 300.0 * devices);
        assert_eq!(linear, (Some(1.0), Some(0.0)));
        let product =
            of(|processors, devices| 1e6 + processors * (100.0 + 30.0 * devices) + devices);
        assert!(product.1.unwrap() > 5.0);
        let square = of(|processors, devices| 1e6 + processors * processors + devices);
        assert!(square.0.unwrap() > 1.5);
    }
}
