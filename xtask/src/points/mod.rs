//! `cargo xtask crash-points`: a processor dies at every instruction of every RTAS call, and another
//! one must get through a crash.
//!
//! [`calls`] says what each call is given, [`unit`] what a run is made of. [`target`] is the machine
//! under gdb, [`bench`] puts it and its processors into states, [`walk`], [`nested`] and [`several`]
//! do the work. [`state`] keeps what was done, and [`record`] is what the build wants to see. [`share`]
//! is what every test run keeps of it.

mod bench;
mod calls;
mod nested;
pub mod record;
mod several;
mod share;
mod state;
mod target;
mod unit;
mod walk;

use crate::build::{self, Promise};
use crate::cli::{Broken, CrashPointsArgs, IcMode, ReportArgs};
use crate::crash::symbols::Symbols;
use crate::defaults;
use crate::error::WithHint;
use crate::partition::Partition;
use crate::progress::Step;
use crate::qemu::{Emulator, Firmware, Machine};
use crate::report::{self, Count, Tested, Verdict};
use crate::{digest, paths, process, setup};
use anyhow::{Result, bail};
use bench::Bench;
use clap::ValueEnum;
use comfy_table::{CellAlignment, Table, presets};
use conformance_guest::points::{ARGUMENT, flag};
pub use share::Test;
use state::{Done, State};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;
use unit::{Kind, Setting, Share, Unit};

/// Processors of the machine: one crashes, three can die, one is never started.
const PROCESSORS: usize = 5;
/// Counted instructions, no end of the machine at ibm,os-term, and a device with MSI-X.
const OPTIONS: [&str; 8] = [
    "-icount",
    "shift=0,sleep=off",
    "-action",
    "panic=none",
    "-device",
    "nec-usb-xhci,addr=1",
    // For the partition's name, a system parameter.
    "-name",
    "guest",
];

/// What is run on what.
struct Campaign {
    bench: Bench,
    state: State,
    is_ours: bool,
}

/// `cargo xtask crash-points`.
pub fn run(arguments: &CrashPointsArgs) -> Result<ExitCode> {
    let units = select(arguments)?;
    if arguments.list {
        for unit in &units {
            println!("{unit}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut campaign = prepare(arguments)?;
    for path in &arguments.merge {
        campaign.state.merge(path)?;
    }
    let tests = if arguments.record && arguments.no_run {
        Vec::new()
    } else {
        campaign.run(arguments, &units)?
    };
    report::write_junit(&arguments.report, &tests)?;
    let count = Count::of(&tests);
    let is_whole = arguments.at.is_none() && arguments.sample.is_none();
    if !arguments.report.json && is_whole {
        println!("\n{}\n", table(&campaign.state, &units));
        println!("state: {}", campaign.state.path().display());
    }
    if arguments.record {
        if !campaign.is_ours {
            bail!("a record is of oxrtas only");
        }
        let record = campaign
            .state
            .record()
            .hint("run the rest, or give the states of other machines with --merge")?;
        let path = paths::workspace().join(record::PATH);
        record.store(&path)?;
        println!("{} is written.", path.display());
    }
    println!("{}", count.line());
    Ok(if count.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The units that the command line asks for.
fn select(arguments: &CrashPointsArgs) -> Result<Vec<Unit>> {
    let pattern = arguments.only.as_deref().unwrap_or_default();
    let all = unit::all().into_iter();
    // The whole name is that unit alone: some names are the beginning of others.
    let exact: Vec<Unit> = all
        .clone()
        .filter(|unit| unit.to_string() == pattern)
        .collect();
    let units: Vec<Unit> = if exact.is_empty() {
        all.filter(|unit| unit.to_string().contains(pattern))
            .collect()
    } else {
        exact
    };
    if units.is_empty() {
        return Err(anyhow::anyhow!("no unit's name contains {pattern:?}"))
            .hint("`cargo xtask crash-points --list` has the names");
    }
    if arguments.at.is_some() && units.len() != 1 {
        return Err(anyhow::anyhow!(
            "--at is about one unit, and {} match",
            units.len()
        ))
        .hint("give the whole name with --only");
    }
    Ok(arguments.partition.unwrap_or(Partition::WHOLE).of(units))
}

/// The command line without an option.
fn arguments() -> CrashPointsArgs {
    CrashPointsArgs {
        only: None,
        at: None,
        sample: None,
        partition: None,
        list: false,
        seed: defaults::SEED,
        fresh: false,
        merge: Vec::new(),
        record: false,
        no_run: false,
        broken: None,
        firmware: defaults::FIRMWARE.to_owned(),
        qemu: defaults::QEMU.to_owned(),
        report: ReportArgs::default(),
    }
}

/// Builds what is needed, and opens the state.
fn prepare(arguments: &CrashPointsArgs) -> Result<Campaign> {
    setup::for_qemu()?;
    let emulator = Emulator::named(&arguments.qemu)?;
    let version = process::output(emulator.command().arg("--version"))?;
    let version = version.lines().next().unwrap_or_default().to_owned();
    let is_ours = arguments.firmware == defaults::FIRMWARE;
    let (firmware, blob, symbols) = if is_ours {
        // The image that promises nothing: it needs no record.
        let outputs = build::build(Promise::Silent)?;
        let symbols = Symbols::read(&outputs.blob_elf)?;
        let hash = digest::of_file(&outputs.blob)?;
        (Firmware::Image(outputs.image), hash, Some(symbols))
    } else {
        let firmware = Firmware::named(&arguments.firmware)?;
        let name = arguments.firmware.replace(['/', '.'], "-");
        (firmware, name, None)
    };
    let machine = Machine {
        emulator,
        firmware,
        kernel: Some(build::guest()?),
        initramfs: None,
        append: format!("oxrtas.guest={ARGUMENT}"),
        cpu: defaults::CPU.to_owned(),
        ic_mode: IcMode::Xics,
        smp: PROCESSORS.to_string(),
        memory: "512M".to_owned(),
        devices: Vec::new(),
        gdb: None,
        no_reboot: false,
        extra: OPTIONS.map(str::to_owned).into(),
    };
    let mut broken = target::Broken::default();
    let suffix = match arguments.broken {
        None => "",
        Some(Broken::Lock) => {
            broken.flags = flag::LOCK;
            "-lock"
        }
        Some(Broken::LeaveOne) => {
            broken.left_out = calls::SOURCE;
            "-leave-one"
        }
    };
    if arguments.record && arguments.broken.is_some() {
        bail!("what is broken on purpose is not recorded");
    }
    let directory = paths::target_directory("crash-points")?;
    // Two shares may run at once on one machine, and neither writes over the other's state.
    let share = arguments.partition.map(|share| share.suffix());
    let kept = format!("{suffix}{}", share.unwrap_or_default());
    let state = State::open(&directory, &blob, &version, arguments.seed, &kept)?;
    let name = format!("crash-points{suffix}-{}", std::process::id());
    let setting = setting(arguments);
    let bench = Bench::new(machine, PROCESSORS, &name, broken, setting, symbols);
    Ok(Campaign {
        bench,
        state,
        is_ours,
    })
}

/// What it takes to run the same again.
fn setting(arguments: &CrashPointsArgs) -> Setting {
    let mut others = String::new();
    if let Some(broken) = arguments
        .broken
        .and_then(|broken| broken.to_possible_value())
    {
        others.push_str(&format!(" --broken {}", broken.get_name()));
    }
    for (option, value, default) in [
        ("--firmware", &arguments.firmware, defaults::FIRMWARE),
        ("--qemu", &arguments.qemu, defaults::QEMU),
    ] {
        if value != default {
            others.push_str(&format!(" {option} {value}"));
        }
    }
    Setting {
        seed: arguments.seed,
        others,
    }
}

impl Campaign {
    /// Runs `units`, but for those that passed before.
    fn run(&mut self, arguments: &CrashPointsArgs, units: &[Unit]) -> Result<Vec<Tested>> {
        let mut tests = Vec::new();
        let share = match (arguments.at, arguments.sample) {
            (Some(at), _) => Share::Point(at),
            (None, Some(count)) => Share::Sample(count),
            (None, None) => Share::All,
        };
        let step = Step::start(format!("{} units", units.len()));
        for (index, unit) in units.iter().enumerate() {
            if share == Share::All && !arguments.fresh && self.state.has(unit) {
                continue;
            }
            step.detail(&format!("{unit} ({} of {})", index + 1, units.len()));
            let started = Instant::now();
            let mut done = self.attempt(unit, share);
            done.seconds = started.elapsed().as_secs_f64();
            let tested = tested(unit, &done, started);
            tested.print(&arguments.report)?;
            tests.push(tested);
            // Some points say nothing about the unit.
            if share == Share::All {
                self.state.add(unit, done)?;
            }
        }
        step.finish();
        Ok(tests)
    }

    /// Runs a unit. What breaks it off is a failure, and says how to repeat it.
    fn attempt(&mut self, unit: &Unit, share: Share) -> Done {
        self.unit(unit, share).unwrap_or_else(|error| {
            // Whatever state it is in: the next unit has a new machine.
            self.bench.discard();
            let setting = &self.bench.setting;
            let again = match share {
                Share::Point(at) => unit.repeat(at, setting),
                Share::All | Share::Sample(_) => unit.again(setting),
            };
            Done {
                failures: vec![format!("{error:#}\n{again}")],
                ..Done::default()
            }
        })
    }

    fn unit(&mut self, unit: &Unit, share: Share) -> Result<Done> {
        let bench = &mut self.bench;
        let only_32 = bench.target()?.places().entries[1] == 0;
        if unit.width == 64 && only_32 {
            bail!("this firmware has no instantiate-rtas-64");
        }
        match &unit.kind {
            Kind::Walk(case) | Kind::Nested(case) => {
                let done = match &unit.kind {
                    Kind::Walk(_) => walk::run(bench, unit, case, share),
                    _ => nested::run(bench, unit, case, share),
                };
                if case.call.lasts() {
                    bench.discard();
                }
                done
            }
            Kind::Several { dead, .. } => several::several(bench, unit, *dead, share),
            Kind::Everyone {
                present, possible, ..
            } => several::everyone(bench, unit, *present, *possible),
        }
    }
}

/// A unit as the reports have it.
fn tested(unit: &Unit, done: &Done, started: Instant) -> Tested {
    let counts = format!("{} of {} points passed", done.passed, done.points);
    let note = match done.note.as_str() {
        "" => String::new(),
        note => format!(", {note}"),
    };
    let verdict = if done.complete() {
        Verdict::Passed(format!("{counts}{note}"))
    } else {
        Verdict::Failed(format!("{counts}\n{}", done.failures.join("\n")))
    };
    Tested {
        name: format!("crash-points/{unit}"),
        verdict,
        duration: started.elapsed(),
    }
}

/// What is known of `units`: a row for each function and campaign.
fn table(state: &State, units: &[Unit]) -> Table {
    let mut rows: BTreeMap<(usize, String), [Row; 2]> = BTreeMap::new();
    for (index, unit) in units.iter().enumerate() {
        let name = match &unit.kind {
            Kind::Walk(case) => case.call.function.to_owned(),
            _ => unit.campaign(),
        };
        let known = rows.keys().find(|(_, own)| *own == name).cloned();
        let row = rows.entry(known.unwrap_or((index, name))).or_default();
        let [narrow, wide] = row;
        let row = if unit.width == 32 { narrow } else { wide };
        row.units += 1;
        if let Some(done) = state.units.get(&unit.to_string()) {
            row.add(done);
        }
    }
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "dead in",
        "cases",
        "32-bit points",
        "passed",
        "64-bit points",
        "passed",
        "seconds",
    ]);
    let mut total = [Row::default(), Row::default()];
    for ((_, name), row) in rows {
        for (sum, own) in total.iter_mut().zip(&row) {
            sum.units += own.units;
            sum.points += own.points;
            sum.passed += own.passed;
            sum.seconds += own.seconds;
        }
        table.add_row(cells(&name, &row));
    }
    table.add_row(cells("all", &total));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    units: u32,
    points: u32,
    passed: u32,
    seconds: f64,
}

impl Row {
    fn add(&mut self, done: &Done) {
        self.points += done.points;
        self.passed += done.passed;
        self.seconds += done.seconds;
    }
}

fn cells(name: &str, [narrow, wide]: &[Row; 2]) -> [String; 7] {
    [
        name.to_owned(),
        narrow.units.max(wide.units).to_string(),
        narrow.points.to_string(),
        narrow.passed.to_string(),
        wide.points.to_string(),
        wide.passed.to_string(),
        format!("{:.0}", narrow.seconds + wide.seconds),
    ]
}
