//! Figures: what was measured, of which firmware, and how far the rounds are apart. One model for
//! tables, JSON, plots and comparisons.

use crate::cli::BenchGroup;
use crate::error::WithHint;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Instructions of the guest, by `-icount`: exact.
    Instructions,
    /// Seconds of the host.
    Seconds,
    /// Nanoseconds of the host.
    Nanoseconds,
    /// Calls in a second of the host.
    PerSecond,
    /// Bytes: exact.
    Bytes,
}

impl Unit {
    /// As a word behind a number.
    pub fn word(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Seconds => "s",
            Self::Nanoseconds => "ns",
            Self::PerSecond => "calls/s",
            Self::Bytes => "bytes",
        }
    }

    /// Whether it is the same on every run.
    pub fn is_exact(self) -> bool {
        matches!(self, Self::Instructions | Self::Bytes)
    }

    /// A value, in the precision that it is worth.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Seconds if value < 0.1 => format!("{value:.4}"),
            Self::Seconds => format!("{value:.2}"),
            Self::Instructions | Self::Nanoseconds if value < 1e5 => format!("{value:.0}"),
            Self::Bytes => format!("{value:.0}"),
            _ if value >= 1e9 => format!("{:.2} G", value / 1e9),
            _ if value >= 1e6 => format!("{:.2} M", value / 1e6),
            _ if value >= 1e4 => format!("{:.1} k", value / 1e3),
            _ => format!("{value:.0}"),
        }
    }
}

/// One thing measured of one subject: a value for each round, one value if it is exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The group it belongs to.
    pub group: BenchGroup,
    /// What is compared: a table and a panel of the plot.
    pub chart: String,
    /// Which row of it: a function, or a number.
    pub point: String,
    /// A firmware, or what stands beside them (`hypercall`: without any firmware).
    pub subject: String,
    /// What the values count.
    pub unit: Unit,
    /// The values, in the order of the rounds.
    pub values: Vec<f64>,
}

/// Median, lowest and highest of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The lowest.
    pub low: f64,
    /// The median.
    pub median: f64,
    /// The highest.
    pub high: f64,
}

impl Spread {
    /// Of these values; of none there is none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(*sorted.get(middle - 1)?, upper),
            _ => upper,
        };
        Some(Self {
            low: *sorted.first()?,
            median,
            high: *sorted.last()?,
        })
    }
}

/// How many times `one` is of `other`: round by round where both have the same rounds, since what
/// disturbed a round disturbed both; otherwise of the medians.
pub fn ratio(one: &[f64], other: &[f64]) -> Option<Spread> {
    if one.len() == other.len() {
        let pairs = one.iter().zip(other);
        let ratios: Vec<f64> = pairs
            .filter(|(_, other)| **other > 0.0)
            .map(|(one, other)| one / other)
            .collect();
        return Spread::of(&ratios);
    }
    let (one, other) = (Spread::of(one)?, Spread::of(other)?);
    (other.median > 0.0).then(|| Spread {
        low: one.low / other.high.max(f64::MIN_POSITIVE),
        median: one.median / other.median,
        high: one.high / other.low.max(f64::MIN_POSITIVE),
    })
}

/// The version of [`Record`] that this program writes and reads.
const VERSION: u32 = 1;

/// All figures of one command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The version of this form.
    pub version: u32,
    /// QEMU, as `--qemu` names it.
    pub qemu: String,
    /// The kernel, as `--kernel` names it.
    pub kernel: String,
    /// The firmwares, the one that is compared with the others first.
    pub firmware: Vec<String>,
    /// How often everything was timed.
    pub rounds: u32,
    /// The figures.
    pub figures: Vec<Figure>,
    /// What could not be measured, and why.
    pub missing: Vec<String>,
}

impl Record {
    /// One without figures.
    pub fn new(qemu: &str, kernel: &str, firmware: &[String], rounds: u32) -> Self {
        Self {
            version: VERSION,
            qemu: qemu.to_owned(),
            kernel: kernel.to_owned(),
            firmware: firmware.to_vec(),
            rounds,
            figures: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// Reads what [`Record::save`] wrote.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let record: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} holds no figures", path.display()))
            .hint("--against takes a file that `cargo xtask bench --save FILE` wrote")?;
        if record.version != VERSION {
            bail!(
                "{} has version {}, this program knows {VERSION}",
                path.display(),
                record.version
            );
        }
        Ok(record)
    }

    /// Writes it to a file.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Adds a value to the figure of that name.
    pub fn add(
        &mut self,
        chart: (BenchGroup, &str),
        point: impl ToString,
        subject: &str,
        unit: Unit,
        value: f64,
    ) {
        let (group, chart) = chart;
        let point = point.to_string();
        let found = self.figures.iter_mut().find(|figure| {
            (&*figure.chart, &*figure.point, &*figure.subject) == (chart, &*point, subject)
        });
        match found {
            Some(figure) => figure.values.push(value),
            None => self.figures.push(Figure {
                group,
                chart: chart.to_owned(),
                point,
                subject: subject.to_owned(),
                unit,
                values: vec![value],
            }),
        }
    }

    /// The values of a figure, if it was measured.
    pub fn values(&self, chart: &str, point: &str, subject: &str) -> Option<&[f64]> {
        let mut figures = self.figures.iter();
        let found = figures.find(|figure| {
            (&*figure.chart, &*figure.point, &*figure.subject) == (chart, point, subject)
        })?;
        Some(&found.values)
    }

    /// The median of a figure, if it was measured.
    pub fn median(&self, chart: &str, point: &str, subject: &str) -> Option<f64> {
        Some(Spread::of(self.values(chart, point, subject)?)?.median)
    }

    /// The charts of a group, in order.
    pub fn charts(&self, group: BenchGroup) -> Vec<&str> {
        let figures = self.figures.iter().filter(|figure| figure.group == group);
        unique(figures.map(|figure| figure.chart.as_str()))
    }

    /// The figures of a chart.
    pub fn chart(&self, chart: &str) -> Vec<&Figure> {
        let figures = self.figures.iter();
        figures.filter(|figure| figure.chart == chart).collect()
    }
}

/// Each of them once, in order.
pub fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

#[cfg(test)]
pub mod tests {
    use super::*;

    const CHART: (BenchGroup, &str) = (BenchGroup::Calls, "calls");

    /// A record of two firmwares with one exact figure and one that was timed twice.
    pub fn record() -> Record {
        let names = ["oxrtas".to_owned(), "slof".to_owned()];
        let mut record = Record::new("7.2", "6.1", &names, 2);
        record.add(CHART, "f", "oxrtas", Unit::Instructions, 300.0);
        record.add(CHART, "f", "slof", Unit::Instructions, 4.0);
        for (ours, theirs) in [(2.0, 1.0), (9.0, 3.0)] {
            let chart = (BenchGroup::Boot, "boot");
            record.add(chart, "1", "oxrtas", Unit::Seconds, ours);
            record.add(chart, "1", "slof", Unit::Seconds, theirs);
        }
        record
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        let spread = Spread::of(&[4.0, 1.0, 2.0, 8.0]).unwrap();
        assert_eq!((spread.low, spread.median, spread.high), (1.0, 3.0, 8.0));
        assert_eq!(Spread::of(&[7.0]).unwrap().median, 7.0);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let spread = ratio(&[2.0, 9.0, 4.0], &[1.0, 3.0, 4.0]).unwrap();
        assert_eq!((spread.low, spread.median, spread.high), (1.0, 2.0, 3.0));
        let medians = ratio(&[10.0], &[4.0, 5.0, 6.0]).unwrap();
        assert_eq!(medians.median, 2.0);
        assert_eq!(ratio(&[1.0], &[0.0]), None);
    }

    #[test]
    fn what_is_saved_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record.json");
        let record = record();
        record.save(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap().figures, record.figures);
        fs::write(&path, "{}").unwrap();
        assert!(Record::read(&path).is_err());
    }

    #[test]
    fn a_record_of_another_version_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record.json");
        let mut old = record();
        old.version += 1;
        old.save(&path).unwrap();
        let error = Record::read(&path).unwrap_err().to_string();
        assert!(error.contains("version"), "{error}");
    }
}
