//! Figures: how oxrtas compares with other firmware, in instructions of the guest and in time.
//!
//! [`lab`] runs machines: the bare-metal guest of `tests/`, whose lines [`heard`] reads, and Linux.
//! [`boot`], [`calls`], [`crash`] and [`size`] say what is run for each group and turn it into
//! [`figure`]s, which [`table`] and [`plot`] show, and which [`goals`] are held against. Nothing is
//! judged by its exit code, and no test depends on any of it.
//!
//! With `-icount shift=0` each instruction takes a nanosecond of the machine's own time, so the
//! timebase counts them; what QEMU does in a hypercall is no instruction of the guest. Those figures
//! are taken once. Times are taken in rounds, in which the firmwares take turns.

mod boot;
mod calls;
mod crash;
mod figure;
mod goals;
mod heard;
mod lab;
mod plot;
mod size;
mod table;

use crate::cli::{BenchArgs, BenchGroup};
use crate::paths;
use crate::progress::Step;
use crate::setup;
use anyhow::{Context, Result};
use figure::Record;
use lab::{GuestRun, Lab};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;

/// `cargo xtask bench`.
pub fn run(arguments: &BenchArgs) -> Result<ExitCode> {
    let groups: BTreeSet<BenchGroup> = match arguments.groups.as_slice() {
        [] => BenchGroup::ALL.into(),
        named => named.iter().copied().collect(),
    };
    // Before anything takes long.
    let before = arguments.against.as_deref().map(Record::read).transpose()?;
    setup::for_qemu()?;
    let mut lab = Lab::prepare(arguments, &groups)?;
    let mut record = Record::new(
        &arguments.qemu,
        &arguments.kernel,
        &arguments.firmware,
        arguments.rounds,
    );
    measure(&mut lab, &groups, &mut record)?;
    if let Some(path) = &arguments.save {
        record.save(path)?;
    }
    let goals = goals::of(&groups, &record);
    let changes = before
        .as_ref()
        .map(|before| table::changes(before, &record));
    if arguments.json {
        let all = json!({ "record": record, "goals": goals, "changes": changes });
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        println!("{}", table::figures(&record));
        println!("{}", table::goals(&goals));
        if let Some(changes) = &changes {
            println!("{}", table::changed(changes));
        }
        for reason in &record.missing {
            println!("not measured: {reason}");
        }
    }
    for &group in &groups {
        let path = paths::target_directory("bench")?.join(format!("{}.svg", group.name()));
        fs::write(&path, plot::render(&record, group))
            .with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("plot: {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything that the groups ask for.
fn measure(lab: &mut Lab, groups: &BTreeSet<BenchGroup>, record: &mut Record) -> Result<()> {
    let has = |group: BenchGroup| groups.contains(&group);
    // One run counts for all groups: a boot under -icount takes longer than what is measured.
    let mut counted = GuestRun::counted();
    let mut timed = GuestRun::timed();
    if has(BenchGroup::Boot) {
        counted.parts.push("bench-client");
    }
    if has(BenchGroup::Calls) {
        counted.parts.push("bench-calls");
        timed.parts.extend(["bench-calls", "bench-contention"]);
    }
    if has(BenchGroup::Crash) {
        counted.parts.push("bench-mask");
        timed.parts.push("bench-mask");
    }
    if has(BenchGroup::Size) {
        size::add(lab, record)?;
    }
    for firmware in lab.firmwares() {
        if has(BenchGroup::Boot) {
            boot::count(lab, &firmware, record)?;
        }
        if counted.parts.is_empty() {
            continue;
        }
        let heard = lab.guest(&firmware, &counted, record)?;
        boot::add_client(&heard, &firmware, record);
        calls::add_counts(&heard, &firmware, record);
        crash::add_counts(&heard, &firmware, record);
    }
    timed.words = calls::plain(record);
    for round in 1..=record.rounds {
        for firmware in lab.firmwares() {
            let step = Step::start(format!("round {round} of {}: {firmware}", record.rounds));
            if has(BenchGroup::Boot) {
                boot::time(lab, &firmware, record)?;
            }
            if !timed.parts.is_empty() {
                let heard = lab.guest(&firmware, &timed, record)?;
                calls::add_times(&heard, &firmware, record);
                crash::add_times(&heard, &firmware, record);
            }
            if has(BenchGroup::Crash) {
                crash::time(lab, &firmware, record)?;
            }
            step.finish();
        }
    }
    Ok(())
}
