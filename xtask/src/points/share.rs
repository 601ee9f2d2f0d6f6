//! The share of the crash points that every test run keeps, and the tests of these tests.

use super::unit::{self, Share, Unit};
use super::{arguments, prepare};
use crate::cli::Broken;
use anyhow::{Result, bail};
use std::time::Instant;

/// What is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// Every instruction of the four interrupt calls, in one state of the source and one width.
    Interrupt,
    /// Some points of all the rest.
    Rest,
    /// A lock around all calls, as the operating system has, is seen.
    Lock,
    /// A source that is not masked is seen.
    LeftOut,
}

/// The case that is broken on purpose: its source is enabled.
const BROKEN: &str = "walk/ibm,int-off/enabled/32";

impl Test {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Interrupt, Self::Rest, Self::Lock, Self::LeftOut];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "every-instruction-of-the-interrupt-calls",
            Self::Rest => "a-sample-of-the-others",
            Self::Lock => "a-lock-is-seen",
            Self::LeftOut => "an-unmasked-source-is-seen",
        }
    }

    /// The units and what is run of them.
    fn share(self) -> Vec<(Unit, Share)> {
        let select = |unit: Unit| {
            let name = unit.to_string();
            let interrupt = name.starts_with("walk/") && name.ends_with("/enabled/32");
            let share = match self {
                Self::Interrupt if interrupt => Share::All,
                Self::Rest if interrupt => return None,
                Self::Rest => match name.as_str() {
                    "nested/ibm,set-xive/enabled/64" => Share::Sample(6),
                    "nested/get-time-of-day/call/32" => Share::Sample(2),
                    "pairs/0/64" | "triples/0/32" => Share::Sample(4),
                    "all-4/0/32" => Share::All,
                    // Each of these takes machines of its own.
                    _ if SLOW.iter().any(|slow| name.contains(slow)) => return None,
                    _ if name.starts_with("walk/") && name.ends_with("/call/32") => {
                        Share::Sample(1)
                    }
                    _ => return None,
                },
                Self::Lock | Self::LeftOut if name == BROKEN => Share::Sample(1),
                _ => return None,
            };
            Some((unit, share))
        };
        unit::all().into_iter().filter_map(select).collect()
    }

    /// Runs it: what was seen.
    pub fn run(self) -> Result<String> {
        let started = Instant::now();
        let mut arguments = arguments();
        arguments.broken = match self {
            Self::Interrupt | Self::Rest => None,
            Self::Lock => Some(Broken::Lock),
            Self::LeftOut => Some(Broken::LeaveOne),
        };
        let mut campaign = prepare(&arguments)?;
        let (mut points, mut failures) = (0, Vec::new());
        for (unit, share) in self.share() {
            let mut done = campaign.attempt(&unit, share);
            if !done.complete() && done.failures.is_empty() {
                let again = unit.again(&campaign.bench.setting);
                let (passed, points) = (done.passed, done.points);
                done.failures
                    .push(format!("{passed} of {points} points\n{again}"));
            }
            points += done.covered;
            failures.extend(done.failures.iter().map(|why| format!("{unit}: {why}")));
        }
        let seen = |what: &str| failures.iter().any(|why| why.contains(what));
        match self {
            Self::Interrupt | Self::Rest if failures.is_empty() && points > 0 => {
                let seconds = started.elapsed().as_secs_f64();
                Ok(format!("{points} points in {seconds:.0} s"))
            }
            Self::Lock if seen("does not end") => Ok(String::new()),
            Self::LeftOut if seen("priority at the hypervisor") => Ok(String::new()),
            Self::Interrupt | Self::Rest => bail!("{}", failures.join("\n")),
            Self::Lock | Self::LeftOut => bail!("it was not seen: {failures:?}"),
        }
    }
}

/// What the names of units contain that boot machines of their own.
const SLOW: [&str; 4] = [
    "start-cpu",
    "configure-connector",
    "create-pe-dma-window",
    "nmi-register",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_of_the_four_is_in_the_share() {
        let names: Vec<String> = Test::Interrupt
            .share()
            .into_iter()
            .filter(|(_, share)| *share == Share::All)
            .map(|(unit, _)| unit.to_string())
            .collect();
        for call in ["int-off", "int-on", "get-xive", "set-xive"] {
            let wanted = format!("walk/ibm,{call}/enabled/32");
            assert!(names.contains(&wanted), "{wanted} in {names:?}");
        }
    }

    #[test]
    fn each_kind_is_in_the_sample_and_the_broken_ones_are_one_unit() {
        let rest = Test::Rest.share();
        for kind in ["walk/", "nested/", "pairs/", "triples/", "all-4/"] {
            let has = rest
                .iter()
                .any(|(unit, _)| unit.to_string().starts_with(kind));
            assert!(has, "{kind}");
        }
        assert_eq!(Test::Lock.share().len(), 1);
        assert_eq!(Test::LeftOut.share().len(), 1);
    }
}
