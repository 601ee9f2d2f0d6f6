//! Reading what the guest prints when it measures (`checks/bench.rs` in `tests/`).

use anyhow::{Context, Result, bail};

/// What the lines begin with.
const MARKER: &str = "guest: bench ";

/// Ticks of the timebase for one call of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// The function.
    pub function: String,
    /// Of RTAS.
    pub rtas: f64,
    /// Of the hypervisor directly.
    pub hypervisor: f64,
}

/// What one run measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The timebase at the guest's entry.
    pub entry: u64,
    /// The functions, in order.
    pub costs: Vec<Cost>,
}

impl Figures {
    /// Reads the lines of a console. The cost of a call that does nothing is taken off.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut entry = None;
        let mut measured: Vec<(&str, &str, f64)> = Vec::new();
        for line in lines {
            let Some(text) = line.trim_end().strip_prefix(MARKER) else {
                continue;
            };
            let words: Vec<&str> = text.split(' ').collect();
            match words.as_slice() {
                ["entry", ticks, "ticks"] => entry = Some(ticks.parse()?),
                [function, way, calls, "calls", ticks, "ticks"] => {
                    let (calls, ticks): (f64, f64) = (calls.parse()?, ticks.parse()?);
                    if calls < 1.0 {
                        bail!("no call was made: {line}");
                    }
                    measured.push((function, way, ticks / calls));
                }
                _ => bail!("the guest could not measure: {text}"),
            }
        }
        let of = |function: &str, way: &str| {
            let found = measured.iter().find(|m| (m.0, m.1) == (function, way));
            found
                .map(|(_, _, ticks)| *ticks)
                .with_context(|| format!("the guest did not measure {function}, {way}"))
        };
        let mut costs = Vec::new();
        for (function, ..) in measured.iter().filter(|(_, way, _)| *way == "rtas") {
            let nothing = of(function, "nothing")?;
            costs.push(Cost {
                function: (*function).to_owned(),
                rtas: of(function, "rtas")? - nothing,
                hypervisor: of(function, "hypervisor")? - nothing,
            });
        }
        if costs.is_empty() {
            bail!("the guest measured no call");
        }
        let entry = entry.context("the guest did not say when it was entered")?;
        Ok(Self { entry, costs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "firmware\nguest: bench entry 4000 ticks\n\
        guest: bench f rtas 10 calls 500 ticks\r\nguest: bench f hypervisor 10 calls 200 ticks\n\
        guest: bench f nothing 10 calls 100 ticks\n";

    #[test]
    fn the_cost_of_nothing_is_taken_off_each_call() {
        let figures = Figures::of(LINES.lines()).unwrap();
        let cost = Cost {
            function: "f".to_owned(),
            rtas: 40.0,
            hypervisor: 10.0,
        };
        assert_eq!(
            figures,
            Figures {
                entry: 4000,
                costs: vec![cost]
            }
        );
    }

    #[test]
    fn a_missing_figure_is_an_error() {
        for line in LINES.lines().skip(1) {
            let rest = LINES.lines().filter(|other| *other != line);
            assert!(Figures::of(rest).is_err(), "without {line}");
        }
        let failed = LINES.replace("10 calls 500 ticks", "3 of 10 calls failed");
        assert!(Figures::of(failed.lines()).is_err());
    }
}
