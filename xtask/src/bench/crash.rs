//! A crash: masking every interrupt, and the way to the kdump kernel.

use super::boot::PER_TICK;
use super::calls::HYPERCALL;
use super::figure::{Record, Unit};
use super::heard::Heard;
use super::lab::Lab;
use crate::cli::BenchGroup;
use anyhow::Result;

/// Instructions to mask all sources, by their number.
pub const MASK_INSTRUCTIONS: &str = "masking all sources, instructions by sources";
/// Seconds of the same.
pub const MASK_SECONDS: &str = "masking all sources, seconds by sources";
/// Seconds from the crash to the kdump kernel's first line.
pub const KDUMP: &str = "crash to the kdump kernel's first line";

fn add(heard: &Heard, firmware: &str, record: &mut Record, chart: &str, unit: Unit, scale: f64) {
    let first = record.firmware.first().is_some_and(|name| name == firmware);
    let rows = |way: &'static str| {
        heard.words(&["mask"]).filter_map(move |row| match row {
            [own, sources, _, ticks] if own == way => {
                Some((sources.clone(), ticks.parse::<f64>().ok()?))
            }
            _ => None,
        })
    };
    for (sources, nothing) in rows("nothing") {
        let mut put = |way: &'static str, subject: &str| {
            for (_, ticks) in rows(way).filter(|(own, _)| *own == sources) {
                let value = (ticks - nothing) * PER_TICK * scale;
                record.add((BenchGroup::Crash, chart), &sources, subject, unit, value);
            }
        };
        put("rtas", firmware);
        if first {
            put("hypercall", HYPERCALL);
        }
    }
}

/// What a run under -icount says of masking.
pub fn add_counts(heard: &Heard, firmware: &str, record: &mut Record) {
    let unit = Unit::Instructions;
    add(heard, firmware, record, MASK_INSTRUCTIONS, unit, 1.0);
}

/// What a timed run says of masking.
pub fn add_times(heard: &Heard, firmware: &str, record: &mut Record) {
    add(heard, firmware, record, MASK_SECONDS, Unit::Seconds, 1e-9);
}

/// Times a crash of Linux.
pub fn time(lab: &mut Lab, firmware: &str, record: &mut Record) -> Result<()> {
    let seconds = lab.crash(firmware)?;
    let point = crate::crash::Stopwatch::SCENARIO;
    record.add(
        (BenchGroup::Crash, KDUMP),
        point,
        firmware,
        Unit::Seconds,
        seconds,
    );
    Ok(())
}
