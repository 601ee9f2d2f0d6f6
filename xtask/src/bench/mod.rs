//! Figures: how long each firmware takes to its hand-over, and what its RTAS calls cost.
//!
//! Each machine runs twice as it is, which gives wall-clock time, and twice with `-icount shift=0`,
//! where every instruction takes a nanosecond of the machine's own time: those figures repeat.
//! What QEMU does in a hypercall is no instruction of the guest. Nothing is judged, and no test
//! depends on this.

mod figures;

use crate::build;
use crate::cli::{BenchArgs, IcMode};
use crate::defaults;
use crate::qemu::{Emulator, Firmware, Machine, Session};
use crate::setup;
use anyhow::{Context, Result, bail};
use comfy_table::{CellAlignment, Table, presets};
use figures::{Cost, Figures};
use std::process::ExitCode;
use std::time::Duration;

/// Ticks of the timebase in a microsecond (QEMU, include/hw/ppc/spapr.h, SPAPR_TIMEBASE_FREQ).
const TICKS_PER_MICROSECOND: f64 = 512.0;
/// How often each figure is taken.
const TIMES: usize = 2;
/// How long one run may take; SLOF under -icount needs most.
const LIMIT: Duration = Duration::from_secs(180);
/// A line that the guest prints first.
const ENTERED: &str = "guest: entered";

/// What was measured of one firmware, a value for each time.
struct Measured {
    firmware: String,
    /// Seconds from QEMU's start to the guest's first line.
    seconds: Vec<f64>,
    /// Under -icount.
    counted: Vec<Figures>,
}

/// `cargo xtask bench`.
pub fn run(arguments: &BenchArgs) -> Result<ExitCode> {
    setup::for_qemu()?;
    let guest = build::guest()?;
    let mut all = Vec::new();
    for name in &arguments.firmware {
        let mut machine = Machine {
            emulator: Emulator::named(&arguments.qemu)?,
            firmware: Firmware::named(name)?,
            kernel: Some(guest.clone()),
            initramfs: None,
            append: "oxrtas.guest=bench".to_owned(),
            cpu: defaults::CPU.to_owned(),
            ic_mode: IcMode::Xics,
            smp: "1".to_owned(),
            memory: defaults::MEMORY.to_owned(),
            devices: Vec::new(),
            gdb: None,
            no_reboot: true,
            extra: Vec::new(),
        };
        let mut measured = Measured {
            firmware: name.clone(),
            seconds: Vec::new(),
            counted: Vec::new(),
        };
        for _ in 0..TIMES {
            let (seconds, _) = measure(&machine, &format!("bench {name}"))?;
            measured.seconds.push(seconds);
        }
        machine.extra = ["-icount", "shift=0,sleep=off"].map(str::to_owned).into();
        for _ in 0..TIMES {
            let (_, figures) = measure(&machine, &format!("bench {name} icount"))?;
            measured.counted.push(figures);
        }
        all.push(measured);
    }
    println!("{}\n\n{}", hand_over(&all), calls(&all));
    Ok(ExitCode::SUCCESS)
}

/// Runs `machine`: seconds to the guest's first line, and what it measured.
fn measure(machine: &Machine, name: &str) -> Result<(f64, Figures)> {
    eprintln!("{name}");
    let ended = Session::start(machine, name, LIMIT)?.finish()?;
    if !ended.status.success() {
        bail!("QEMU ended with {}: {}", ended.status, ended.log.display());
    }
    let mut lines = ended.lines.iter();
    let first = lines.find(|line| line.text.starts_with(ENTERED));
    let first = first.context("the guest did not start")?;
    let figures = Figures::of(ended.lines.iter().map(|line| line.text.as_str()))
        .with_context(|| format!("its console is in {}", ended.log.display()))?;
    Ok((first.at.as_secs_f64(), figures))
}

/// From QEMU's start to the client's first instruction.
fn hand_over(all: &[Measured]) -> Table {
    let mut table = table(&["to the hand-over", "seconds", "instructions", "ratio"]);
    let mut first = None;
    for measured in all {
        let entries = measured.counted.iter().map(|figures| figures.entry as f64);
        let counts: Vec<f64> = entries
            .map(|ticks| ticks / TICKS_PER_MICROSECOND * 1000.0)
            .collect();
        let least = counts.iter().copied().fold(f64::INFINITY, f64::min);
        let ratio = least / *first.get_or_insert(least);
        table.add_row([
            measured.firmware.clone(),
            join(measured.seconds.iter().map(|s| format!("{s:.2}"))),
            join(counts.iter().map(|count| format!("{count:.0}"))),
            format!("{ratio:.2}"),
        ]);
    }
    table
}

/// One call: instructions in the guest. No times: they are noise on a host that is shared.
fn calls(all: &[Measured]) -> Table {
    let mut table = table(&["function", "firmware", "instructions", "hypercall alone"]);
    for measured in all {
        let functions = measured.counted.first().map_or(&[][..], |f| &f.costs[..]);
        for Cost { function, .. } in functions {
            let values = |runs: &[Figures], of: fn(&Cost) -> f64| -> Vec<f64> {
                let costs = runs.iter().flat_map(|figures| &figures.costs);
                let own = costs.filter(|cost| cost.function == *function);
                own.map(|cost| of(cost) / TICKS_PER_MICROSECOND * 1000.0)
                    .collect()
            };
            let show = |values: &[f64]| join(values.iter().map(|value| format!("{value:.0}")));
            table.add_row([
                function.clone(),
                measured.firmware.clone(),
                show(&values(&measured.counted, |cost| cost.rtas)),
                show(&values(&measured.counted, |cost| cost.hypervisor)),
            ]);
        }
    }
    table
}

fn join(values: impl Iterator<Item = String>) -> String {
    values.collect::<Vec<_>>().join(" / ")
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
