//! Verdicts, one line each.
//!
//! ```text
//! ok R1-7.2.8-1 unknown-token/32: status -3
//! not ok R1-7.3.10.1-4 initial/32: wanted priority 0xff, saw 0x5
//! skip R1-7.3.1.1-1 nvram-fetch/32: /rtas has no nvram-fetch
//! guest: done, 3 checks
//! ```
//!
//! A line is `VERDICT REQUIREMENT NAME: TEXT`; requirement and name have no spaces, and a pair of
//! them is printed once a run.

use alloc::string::String;
use core::fmt::{self, Write};

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What was seen, and it is what the requirement wants.
    Pass(String),
    /// What the requirement wants, and what was seen instead.
    Fail(String, String),
    /// Why the check does not apply or cannot be made here.
    Skip(String),
}

/// The verdict on one value: passes with the value itself, or fails with both.
#[macro_export]
macro_rules! expect {
    ($what:expr, $wanted:expr, $saw:expr) => {{
        let (wanted, saw) = (&$wanted, &$saw);
        if wanted == saw {
            $crate::verdict::Verdict::Pass(alloc::format!("{} {:x?}", $what, saw))
        } else {
            $crate::verdict::Verdict::Fail(
                alloc::format!("{} {:x?}", $what, wanted),
                alloc::format!("{:x?}", saw),
            )
        }
    }};
}

/// Leaves the check with a failure.
#[macro_export]
macro_rules! fail {
    ($wanted:expr, $($saw:tt)*) => {
        return $crate::verdict::Verdict::Fail(($wanted).into(), alloc::format!($($saw)*))
    };
}

/// Leaves the check with a failure unless the condition holds.
#[macro_export]
macro_rules! need {
    ($condition:expr, $wanted:expr, $($saw:tt)*) => {
        if !$condition {
            return $crate::verdict::Verdict::Fail(($wanted).into(), alloc::format!($($saw)*));
        }
    };
}

/// Leaves the check as passed, with what was seen.
#[macro_export]
macro_rules! pass {
    ($($saw:tt)*) => {
        return $crate::verdict::Verdict::Pass(alloc::format!($($saw)*))
    };
}

/// Leaves the check as not applicable, with the reason.
#[macro_export]
macro_rules! skip {
    ($($why:tt)*) => {
        return $crate::verdict::Verdict::Skip(alloc::format!($($why)*))
    };
}

/// Prints verdicts and counts them.
pub struct Report<W> {
    to: W,
    checks: u32,
}

impl<W: Write> Report<W> {
    /// A report that goes to `to`.
    pub fn new(to: W) -> Self {
        Report { to, checks: 0 }
    }

    /// Prints one verdict.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn verdict(&mut self, requirement: &str, name: &str, verdict: &Verdict) -> fmt::Result {
        self.checks += 1;
        match verdict {
            Verdict::Pass(saw) => writeln!(self.to, "ok {requirement} {name}: {}", Line(saw)),
            Verdict::Fail(wanted, saw) => writeln!(
                self.to,
                "not ok {requirement} {name}: wanted {}, saw {}",
                Line(wanted),
                Line(saw)
            ),
            Verdict::Skip(why) => writeln!(self.to, "skip {requirement} {name}: {}", Line(why)),
        }
    }

    /// Prints the last line.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn done(&mut self) -> fmt::Result {
        writeln!(self.to, "guest: done, {} checks", self.checks)
    }
}

/// Text on one line, whatever is in it.
struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            to.write_char(if letter.is_control() { '?' } else { letter })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn each_verdict_is_one_line_and_the_last_line_counts_them() {
        let mut text = String::new();
        let mut report = Report::new(&mut text);
        report
            .verdict("R1-7.2.8-1", "a/32", &Verdict::Pass("x\ny".to_string()))
            .unwrap();
        report
            .verdict("R1-7.2.8-1", "b", &Verdict::Fail("1".into(), "2".into()))
            .unwrap();
        report
            .verdict("R1-7.2.8-1", "c", &Verdict::Skip("why".into()))
            .unwrap();
        report.done().unwrap();
        assert_eq!(
            text,
            "ok R1-7.2.8-1 a/32: x?y\nnot ok R1-7.2.8-1 b: wanted 1, saw 2\n\
             skip R1-7.2.8-1 c: why\nguest: done, 3 checks\n"
        );
    }

    #[test]
    fn expect_passes_only_on_equal_values() {
        assert_eq!(
            expect!("status", 0, 0),
            Verdict::Pass("status 0".to_string())
        );
        assert_eq!(
            expect!("status", 0, -3),
            Verdict::Fail("status 0".to_string(), "fffffffd".to_string())
        );
    }
}
