//! Runs of the conformance guest on a firmware and a QEMU.

use super::catalogue::Catalogue;
use super::judge;
use super::known::{self, Subject};
use super::outside;
use super::plug;
use super::verdicts::{Heard, Outcome};
use crate::build;
use crate::cli::IcMode;
use crate::defaults;
use crate::qemu::{Emulator, Ended, Firmware, Machine, Session};
use crate::report::Verdict;
use anyhow::{Context, Result, bail};
use conformance_guest::runs::{RUNS, Run};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How much longer than on an idle machine a run may take.
const PATIENCE: u32 = 3;
/// Runs that are too long for every test run, or end QEMU.
const LONG: [&str; 8] = [
    "fuzz",
    "fuzz-32",
    "fuzz-64",
    "fuzz-cells64",
    "qemu-nvram",
    "qemu-window",
    "stress-64",
    "stress-long",
];
/// The run that has every check.
pub const FULL: &str = defaults::GUEST_RUN;
/// The runs that are made on [`NEWER`], too.
const ON_NEWER: [&str; 5] = [FULL, "dual", "xive", "outside", "reboot"];
/// The runs that are made on [`NEWER`] where everything is tested.
const FULL_ON_NEWER: [&str; 1] = ["stress"];
/// The runs that other firmware makes: every check that compares, and those that need somebody outside.
const OF_OTHERS: [&str; 3] = [FULL, "outside", "reboot"];
/// The QEMU beside the default.
const NEWER: &str = "10.0";
/// What oxrtas is compared with.
const COMPARED: [&str; 2] = ["slof", "vof"];

/// Runs that end QEMU on a firmware, and why.
const ENDS_QEMU: [(&str, &str, &str); 1] = [(
    "vof",
    "five-gibibytes",
    "VOF lets memory be claimed behind the end, and QEMU then aborts in vof_dt_memory_available",
)];

/// One run on one firmware and one QEMU.
#[derive(Clone, Debug)]
pub struct Case {
    /// The firmware: its name or its file.
    pub firmware: String,
    /// Whose known failures it has.
    pub subject: Subject,
    /// QEMU.
    pub qemu: String,
    /// The run.
    pub run: &'static Run,
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            firmware,
            qemu,
            run,
            ..
        } = self;
        write!(formatter, "guest/{firmware} {qemu} {}", run.name)
    }
}

/// The run called `name`.
pub fn run_named(name: &str) -> Option<&'static Run> {
    RUNS.iter().find(|run| run.name == name)
}

/// The runs that say all that is to be said of a firmware.
pub fn runs_of(subject: Subject) -> Vec<&'static Run> {
    let ours = subject == Subject::Oxrtas;
    let runs = RUNS.iter().filter(|run| {
        let other = OF_OTHERS.contains(&run.name);
        other || ours && !LONG.contains(&run.name)
    });
    runs.collect()
}

/// The cases of every test run: all runs but the long ones on `firmware`, some of them on the newer
/// QEMU, and some on each firmware to compare with; all of those on the newer QEMU, too, if `full`.
pub fn cases(firmware: &str, full: bool) -> Vec<Case> {
    let case = |firmware: &str, qemu: &str, run| Case {
        firmware: firmware.to_owned(),
        subject: Subject::named(firmware),
        qemu: qemu.to_owned(),
        run,
    };
    let mut cases = Vec::new();
    for run in RUNS.iter().filter(|run| !LONG.contains(&run.name)) {
        if run.needs_flat && COMPARED.contains(&firmware) {
            continue;
        }
        cases.push(case(firmware, defaults::QEMU, run));
        if ON_NEWER.contains(&run.name) || full && FULL_ON_NEWER.contains(&run.name) {
            cases.push(case(firmware, NEWER, run));
        }
    }
    for other in COMPARED.into_iter().filter(|other| *other != firmware) {
        for run in runs_of(Subject::named(other)) {
            cases.push(case(other, defaults::QEMU, run));
            if full {
                cases.push(case(other, NEWER, run));
            }
        }
    }
    cases
}

/// What all cases share.
#[derive(Debug)]
pub struct Runner {
    guest: PathBuf,
    firmwares: BTreeMap<String, Firmware>,
    /// Requirements and checks that gave a verdict, in any case so far.
    ///
    /// Protects:    itself; only added to.
    /// Holder:      whoever runs a case, for one insertion.
    /// Order:       no other lock is taken while it is held.
    /// Holder dies: what is there is true, so a poisoned lock is used.
    judged: Mutex<BTreeSet<(String, String)>>,
}

impl Runner {
    /// Prepares to run `cases`: builds the guest, and oxrtas where it is needed.
    pub fn new(cases: &[Case]) -> Result<Self> {
        let mut firmwares = BTreeMap::new();
        for Case { firmware, .. } in cases {
            if !firmwares.contains_key(firmware) {
                firmwares.insert(firmware.clone(), Firmware::named(firmware)?);
            }
        }
        let guest = build::guest()?;
        Ok(Self {
            guest,
            firmwares,
            judged: Mutex::default(),
        })
    }

    /// Runs `case`. Known failures are as expected; anything else that is not ok is not.
    pub fn run(&self, case: &Case) -> Verdict {
        let key = (case.firmware.as_str(), case.run.name);
        let ends = |(firmware, run, _): &&(&str, &str, &str)| (*firmware, *run) == key;
        if let Some((_, _, reason)) = ENDS_QEMU.iter().find(ends) {
            return Verdict::Skipped((*reason).to_owned());
        }
        let heard = self.hear(case);
        if let Ok(heard) = &heard {
            let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
            judged.extend(heard.judged());
        }
        match heard.and_then(|heard| judge(case, &heard)) {
            Ok(detail) => Verdict::Passed(detail),
            Err(error) => Verdict::Failed(format!("{error:#}")),
        }
    }

    /// Whether every requirement that a check of the guest is to speak for got a verdict in some case so
    /// far: how many did, or those that did not.
    pub fn all_judged(&self) -> Verdict {
        let judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = Catalogue::read().and_then(|catalogue| catalogue.silent(&judged));
        match silent {
            Ok(silent) if silent.is_empty() => Verdict::Passed(format!("{} checks", judged.len())),
            Ok(silent) => Verdict::Failed(silent.join("\n")),
            Err(error) => Verdict::Failed(format!("{error:#}")),
        }
    }

    /// What the guest says in `case`.
    pub fn hear(&self, case: &Case) -> Result<Heard> {
        let firmware = self.firmwares.get(&case.firmware).cloned();
        self.hear_on(case, firmware.context("a firmware that nobody prepared")?)
    }

    /// The same on this firmware, however the case calls it.
    pub fn hear_on(&self, case: &Case, firmware: Firmware) -> Result<Heard> {
        let machine = Machine {
            emulator: Emulator::named(&case.qemu)?,
            firmware,
            kernel: Some(self.guest.clone()),
            initramfs: None,
            append: case.run.arguments.to_owned(),
            cpu: defaults::CPU.to_owned(),
            ic_mode: interrupts(case.run)?,
            smp: case.run.processors.to_string(),
            memory: memory(case.run),
            devices: Vec::new(),
            gdb: None,
            no_reboot: !case.run.reboots,
            extra: extra(case.run),
        };
        let limit = Duration::from_secs((case.run.seconds * PATIENCE).into());
        let mut session = Session::start(&machine, &case.to_string(), limit)?;
        let removed = if case.run.plugs {
            Some(plug::while_asked(&mut session)?)
        } else {
            None
        };
        let mut qmp = None;
        if case.run.asks || case.run.reboots {
            let mut own = session.qmp()?;
            outside::serve(&mut session, &mut own)?;
            qmp = Some(own);
        }
        let ended = session.finish()?;
        let mut heard = Heard::of(ended.lines.iter().map(|line| line.text.as_str()));
        refuse_other_ends(&ended)?;
        if let Some(qmp) = qmp {
            heard.add(outside::verdicts(&ended, &qmp.rest()));
        }
        if removed == Some(0) {
            bail!("no device was added and removed while the guest ran");
        }
        Ok(heard)
    }
}

/// What `-m` takes: memory, and room for more in blocks.
fn memory(run: &Run) -> String {
    match (run.memory_mib, run.room_mib) {
        (own, 0) => format!("{own}M"),
        (own, room) => format!("{own}M,slots={},maxmem={}M", room / 256, own + room),
    }
}

/// What QEMU is told of the devices of a run, and of its time.
fn extra(run: &Run) -> Vec<String> {
    let devices = run.devices.iter();
    let mut extra: Vec<String> = devices
        .flat_map(|device| ["-device".to_owned(), (*device).to_owned()])
        .collect();
    extra.extend(["-name", "oxrtas conformance"].map(str::to_owned));
    if run.counts {
        extra.extend(["-icount", "shift=0,sleep=off"].map(str::to_owned));
    }
    if run.asks {
        extra.extend(["-action", "panic=none"].map(str::to_owned));
    }
    extra
}

fn interrupts(run: &Run) -> Result<IcMode> {
    let modes = [IcMode::Xics, IcMode::Xive, IcMode::Dual];
    let mode = modes.into_iter().find(|mode| mode.name() == run.interrupts);
    mode.with_context(|| format!("there is no interrupt mode {}", run.interrupts))
}

/// A QEMU that crashed is an error that shows the end of its console.
fn refuse_other_ends(ended: &Ended) -> Result<()> {
    if ended.status.success() {
        return Ok(());
    }
    let last = ended.lines.last().map_or("", |line| line.text.as_str());
    let errors = ended.errors.join("\n");
    bail!(
        "QEMU ended with {} after: {last}\n{errors}\nits console is in {}",
        ended.status,
        ended.log.display()
    )
}

/// The counts of a run that is as expected, or what is not.
fn judge(case: &Case, heard: &Heard) -> Result<String> {
    let failures = judge::failures(heard, &known::of(case.subject), Some(case.run));
    if !failures.is_empty() {
        let lines: Vec<String> = failures.iter().map(ToString::to_string).collect();
        bail!("{}", lines.join("\n"));
    }
    let count = |outcome| heard.count(outcome);
    Ok(format!(
        "{} ok, {} not ok as known, {} do not apply",
        count(Outcome::Ok),
        count(Outcome::NotOk),
        count(Outcome::Skip)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_are_chosen_from_the_list_of_runs_are_in_it() {
        let ends_qemu = ENDS_QEMU.map(|(_, run, _)| run);
        let chosen = ON_NEWER.into_iter().chain(FULL_ON_NEWER).chain(OF_OTHERS);
        for name in LONG.into_iter().chain(chosen).chain(ends_qemu) {
            assert!(run_named(name).is_some(), "{name}");
        }
        assert!(RUNS.iter().all(|run| interrupts(run).is_ok()));
    }

    #[test]
    fn the_full_run_leaves_no_check_out() {
        let run = run_named(FULL).unwrap();
        assert!(run.arguments.is_empty() && run.processors > 1);
    }

    #[test]
    fn the_firmware_under_test_makes_every_run_and_the_others_some() {
        let count = |cases: &[Case], firmware: &str| {
            let on = |case: &&Case| case.firmware == firmware;
            cases.iter().filter(on).count()
        };
        let cases = super::cases("oxrtas", false);
        assert_eq!(
            count(&cases, "oxrtas"),
            RUNS.len() - LONG.len() + ON_NEWER.len()
        );
        let others = OF_OTHERS.len();
        assert_eq!(
            (count(&cases, "slof"), count(&cases, "vof")),
            (others, others)
        );
        let cases = super::cases("slof", false);
        assert_eq!((count(&cases, "oxrtas"), count(&cases, "vof")), (0, others));
        assert!(cases.iter().all(|case| !case.run.needs_flat));
    }

    #[test]
    fn everything_is_on_both_qemus_that_is_said_to_be_the_same() {
        let cases = super::cases("oxrtas", true);
        for (firmware, run) in [("oxrtas", "stress"), ("slof", FULL), ("vof", FULL)] {
            let same = |case: &&Case| (case.firmware.as_str(), case.run.name) == (firmware, run);
            let qemus: Vec<&str> = cases
                .iter()
                .filter(same)
                .map(|it| it.qemu.as_str())
                .collect();
            assert_eq!(qemus, [defaults::QEMU, NEWER], "{firmware} {run}");
        }
    }
}
