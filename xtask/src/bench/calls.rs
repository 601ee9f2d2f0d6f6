//! RTAS calls: one after the other, and by many processors at once.

use super::boot::PER_TICK;
use super::figure::{Record, Unit};
use super::heard::Heard;
use crate::cli::BenchGroup;

/// What is called (`tests/src/checks/bench/calls.rs`).
pub const FUNCTIONS: [&str; 7] = [
    "ibm,get-xive",
    "ibm,set-xive",
    "ibm,int-off",
    "ibm,int-on",
    "get-time-of-day",
    "ibm,read-pci-config",
    "refused",
];
/// The widths that RTAS is entered in: MSR\[SF\] 0, as Linux does, and 1.
pub const WIDTHS: [&str; 2] = ["32", "64"];
/// The bare hypercall, beside the firmwares: what no RTAS in front of it can undercut.
pub const HYPERCALL: &str = "hypercall";
/// Plain instructions, as many as the first firmware's call has, beside the firmwares.
pub const PLAIN: &str = "plain instructions";

/// Instructions of one call in a width.
pub fn instructions(width: &str) -> String {
    format!("one call, {width}-bit, instructions")
}

/// Nanoseconds of one call in a width.
pub fn nanoseconds(width: &str) -> String {
    format!("one call, {width}-bit, nanoseconds")
}

/// Calls a second of several processors. `kind`: `private`, `shared` or `beside`.
pub fn rate(function: &str, width: &str, kind: &str) -> String {
    let kind = match kind {
        "private" => "each processor with a source of its own",
        "shared" => "all processors with one source",
        _ => "one processor, the others inside get-time-of-day",
    };
    format!("{function}, {width}-bit, {kind}: calls/s by processors")
}

fn add(heard: &Heard, firmware: &str, record: &mut Record, name: fn(&str) -> String, unit: Unit) {
    let first = record.firmware.first().is_some_and(|name| name == firmware);
    for width in WIDTHS {
        let chart = name(width);
        for function in FUNCTIONS {
            let label = format!("{function}/{width}");
            let ticks = |way: &str| heard.ticks(&["call", &label, way]);
            let Some(nothing) = ticks("nothing") else {
                continue;
            };
            let mut put = |subject: &str, way: &str| {
                if let Some(ticks) = ticks(way) {
                    let value = (ticks - nothing) * PER_TICK;
                    record.add((BenchGroup::Calls, &chart), function, subject, unit, value);
                }
            };
            put(firmware, "rtas");
            if first {
                put(HYPERCALL, "hypercall");
            }
        }
    }
}

/// What a run under -icount says of calls.
pub fn add_counts(heard: &Heard, firmware: &str, record: &mut Record) {
    add(heard, firmware, record, instructions, Unit::Instructions);
}

/// What a timed run says of calls, alone and together.
pub fn add_times(heard: &Heard, firmware: &str, record: &mut Record) {
    add(heard, firmware, record, nanoseconds, Unit::Nanoseconds);
    let first = record.firmware.first().is_some_and(|name| name == firmware);
    for row in heard.words(&["contention"]) {
        let [kind, way, processors, calls, ticks] = row else {
            continue;
        };
        let (Ok(calls), Ok(ticks)) = (calls.parse::<f64>(), ticks.parse::<f64>()) else {
            continue;
        };
        let parts: Vec<&str> = kind.split('/').collect();
        let (&[function, width, kind], true) = (parts.as_slice(), ticks > 0.0) else {
            continue;
        };
        let subject = match way.as_str() {
            "rtas" => firmware,
            _ if first => PLAIN,
            _ => continue,
        };
        let rate_now = calls / (ticks * PER_TICK * 1e-9);
        let chart = rate(function, width, kind);
        let chart = (BenchGroup::Calls, chart.as_str());
        record.add(chart, processors, subject, Unit::PerSecond, rate_now);
    }
}

/// Words that tell the guest how many plain instructions to set beside the calls: as many as the
/// first firmware's have.
pub fn plain(record: &Record) -> Vec<String> {
    let Some(first) = record.firmware.first() else {
        return Vec::new();
    };
    let count = |function| record.median(&instructions("32"), function, first);
    match (count("ibm,get-xive"), count("ibm,set-xive")) {
        (Some(get), Some(set)) => vec![format!("oxrtas.bench-plain={get:.0},{set:.0}")],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_is_taken_off_and_a_rate_is_per_second() {
        let names = ["oxrtas".to_owned()];
        let mut record = Record::new("7.2", "6.1", &names, 1);
        let text = "guest: bench call ibm,get-xive/32 rtas 8 4096\n\
            guest: bench call ibm,get-xive/32 nothing 8 1024\n\
            guest: bench call ibm,get-xive/32 hypercall 8 1536\n\
            guest: bench contention ibm,get-xive/32/private rtas 4 1000 512000\n\
            guest: bench contention ibm,get-xive/32/private plain 4 1000 256000\n\
            guest: bench done";
        let heard = Heard::of(text.lines()).unwrap();
        add_counts(&heard, "oxrtas", &mut record);
        add_times(&heard, "oxrtas", &mut record);
        let calls = |subject| record.median(&instructions("32"), "ibm,get-xive", subject);
        assert_eq!(calls("oxrtas"), Some(750.0));
        assert_eq!(calls(HYPERCALL), Some(125.0));
        let rates = |subject| record.median(&rate("ibm,get-xive", "32", "private"), "4", subject);
        assert_eq!(rates("oxrtas"), Some(1e6));
        assert_eq!(rates(PLAIN), Some(2e6));
        assert_eq!(plain(&record), Vec::<String>::new(), "set-xive is missing");
    }
}
