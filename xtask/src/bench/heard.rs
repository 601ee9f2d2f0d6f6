//! Reading what the guest prints when it measures (`tests/src/checks/bench/`).

use super::figure::Spread;
use anyhow::{Context, Result};

/// What the lines begin with.
const MARKER: &str = "guest: bench ";

/// What one run of the guest said, line by line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    rows: Vec<Vec<String>>,
}

impl Heard {
    /// Reads the lines of a console; one that was not written to its end is an error.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let lines = lines.into_iter().map(str::trim_end);
        let rows = lines.filter_map(|line| line.strip_prefix(MARKER));
        let rows: Vec<Vec<String>> = rows
            .map(|text| text.split(' ').map(str::to_owned).collect())
            .collect();
        let heard = Self { rows };
        heard
            .words(&["done"])
            .next()
            .context("the guest did not come to its end")?;
        Ok(heard)
    }

    /// The rest of each line that begins with these words.
    pub fn words<'a>(&'a self, head: &'a [&'a str]) -> impl Iterator<Item = &'a [String]> {
        self.rows.iter().filter_map(move |row| {
            let (own, rest) = row.split_at_checked(head.len())?;
            (own == head).then_some(rest)
        })
    }

    /// Reasons why figures are missing.
    pub fn failures(&self) -> impl Iterator<Item = String> {
        self.words(&["failed"]).map(|words| words.join(" "))
    }

    /// The number behind these words.
    pub fn number(&self, head: &[&str]) -> Result<f64> {
        let row = self.words(head).next();
        let word = row
            .and_then(|words| words.first())
            .with_context(|| format!("the guest did not say {}", head.join(" ")))?;
        Ok(word.parse()?)
    }

    /// Ticks for one call, of each line that begins with these words and ends with a number of
    /// calls and ticks.
    pub fn per_call(&self, head: &[&str]) -> Vec<f64> {
        self.words(head)
            .filter_map(|words| match words {
                [calls, ticks] => {
                    let (calls, ticks): (f64, f64) = (calls.parse().ok()?, ticks.parse().ok()?);
                    (calls >= 1.0).then_some(ticks / calls)
                }
                _ => None,
            })
            .collect()
    }

    /// The median of [`Heard::per_call`]: what disturbed some batches does not count.
    pub fn ticks(&self, head: &[&str]) -> Option<f64> {
        Some(Spread::of(&self.per_call(head))?.median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "firmware\nguest: bench entry 4000\n\
        guest: bench call f/32 rtas 10 500\r\nguest: bench call f/32 rtas 10 9000\n\
        guest: bench call f/32 rtas 10 400\nguest: bench failed g is not there\n\
        guest: bench done\n";

    #[test]
    fn the_median_batch_counts() {
        let heard = Heard::of(LINES.lines()).unwrap();
        assert_eq!(heard.ticks(&["call", "f/32", "rtas"]), Some(50.0));
        assert_eq!(heard.ticks(&["call", "f/32", "nothing"]), None);
        assert_eq!(heard.number(&["entry"]).unwrap(), 4000.0);
        assert!(heard.number(&["rtas-size"]).is_err());
    }

    #[test]
    fn what_failed_is_told() {
        let heard = Heard::of(LINES.lines()).unwrap();
        assert_eq!(heard.failures().collect::<Vec<_>>(), ["g is not there"]);
    }

    #[test]
    fn a_guest_that_stopped_early_is_an_error() {
        let cut = LINES.replace("guest: bench done\n", "");
        assert!(Heard::of(cut.lines()).is_err());
    }
}
