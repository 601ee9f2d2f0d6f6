//! Telling a hang.
//!
//! A hang counts as that of the kernel's RTAS lock only if one processor has rtas_call on its stack
//! in every one of [`SAMPLES`] looks over [`HANG`], while no line of a kdump kernel comes.

use super::super::backtrace::Backtrace;
use super::super::scenario::Fate;
use super::Run;
use crate::gdb::Thread;
use crate::qemu::Seen;
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Looks at a processor that make a hang, and the time from the first to the last.
const SAMPLES: usize = 3;
const HANG: Duration = Duration::from_secs(10);
/// Time between two looks.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(3500);
/// How long a crash may take that neither hangs in RTAS nor gets to its kdump kernel.
const CRASH_LIMIT: Duration = Duration::from_secs(90);
/// The same where a processor is gone. Linux waits for it in 10,000 delays of a millisecond, each of
/// which takes longer where the host's processors are shared.
const GONE_LIMIT: Duration = Duration::from_secs(300);
/// Lines that say that the crashed kernel is left.
pub const LEFT: [&str; 2] = ["I'm in purgatory", "] Linux version"];

/// What came of a crash with processors held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The crashed kernel was left.
    Left,
    /// QEMU ended.
    Ended,
    /// A processor, as Linux counts, waits in rtas_call for good.
    Lock(u32),
    /// It does not get on, and not for that reason.
    Stuck,
    /// Nobody knows: something went wrong before.
    Lost,
}

impl Verdict {
    /// Whether the crashed kernel is no more.
    pub fn is_left(self) -> bool {
        matches!(self, Self::Left | Self::Ended)
    }
}

impl Run<'_> {
    /// Watches until the crashed kernel is left, or is not going to be because one of `suspects`
    /// waits. `held` are the processors that stay where they are.
    pub(super) fn watch(&mut self, suspects: &[Thread], held: &[Thread]) -> Result<Verdict> {
        let limit = match self.hold.fate {
            Fate::Frozen => CRASH_LIMIT,
            Fate::Gone => GONE_LIMIT,
        };
        let limit = Instant::now() + limit;
        let mut samples: Vec<(Thread, Vec<Instant>)> = suspects
            .iter()
            .map(|thread| (*thread, Vec::new()))
            .collect();
        loop {
            match self
                .session
                .wait_until(&LEFT, Instant::now() + SAMPLE_INTERVAL)
            {
                Seen::Wanted(..) => return Ok(Verdict::Left),
                Seen::End => return Ok(Verdict::Ended),
                Seen::Forbidden(line) => bail!("the console shows: {line}"),
                Seen::Deadline => (),
            }
            self.gdb.interrupt()?;
            let now = Instant::now();
            for (thread, seen) in &mut samples {
                if Backtrace::take(self.gdb, *thread, self.symbols)?.is_inside("rtas_call") {
                    seen.push(now);
                } else {
                    seen.clear();
                }
            }
            if let Some((thread, _)) = samples.iter().find(|(_, seen)| is_hang(seen)) {
                let processor = thread.saturating_sub(1);
                self.mark("hang");
                return Ok(Verdict::Lock(processor));
            }
            if now > limit {
                self.mark("stuck");
                return Ok(Verdict::Stuck);
            }
            self.gdb.resume_but(held.iter().copied())?;
        }
    }
}

/// Whether looks at these times, all of which found rtas_call, make a hang.
fn is_hang(samples: &[Instant]) -> bool {
    match (samples.first(), samples.last()) {
        (Some(first), Some(last)) => samples.len() >= SAMPLES && *last - *first >= HANG,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_takes_three_looks_and_ten_seconds() {
        let start = Instant::now();
        let after = |seconds: &[u64]| -> Vec<Instant> {
            let seconds = seconds.iter();
            seconds
                .map(|&second| start + Duration::from_secs(second))
                .collect()
        };
        assert!(is_hang(&after(&[0, 5, 10])));
        assert!(!is_hang(&after(&[0, 10])), "two looks");
        assert!(!is_hang(&after(&[0, 4, 9])), "nine seconds");
        assert!(!is_hang(&[]));
    }
}
