//! Runs in which QEMU takes a processor away. QEMU 7.2 may spoil its heap by it, most of all on a busy
//! host, and ends by a signal then or soon after, on every firmware (docs/findings.md): such a run
//! says nothing about the firmware and is made again.

use super::session::Ended;
use anyhow::Result;
use std::os::unix::process::ExitStatusExt;

/// How many runs are made at most. On a host with two cores and three busy loops beside it, 8 of 57
/// ended so.
const RUNS: u32 = 5;
/// SIGABRT, by which the C library ends a program with a spoilt heap, and SIGSEGV.
const SIGNALS: [i32; 2] = [6, 11];

/// Makes `run`, in which the guest says `phase` before a processor leaves, and makes it again each time
/// that QEMU dies after that. The last run, and what the report has to say of those before.
pub fn outlive(phase: &str, mut run: impl FnMut() -> Result<Ended>) -> Result<(Ended, String)> {
    let mut died = Vec::new();
    loop {
        let ended = run()?;
        let made = died.len() as u32 + 1;
        match signal(&ended, phase) {
            Some(signal) if made < RUNS => died.push(signal.to_string()),
            _ if died.is_empty() => return Ok((ended, String::new())),
            _ => {
                let remark = format!(
                    "QEMU died of signal {} as it removed a processor (docs/findings.md); run {made}",
                    died.join(", ")
                );
                return Ok((ended, remark));
            }
        }
    }
}

/// The signal by which QEMU died in `phase` or later.
fn signal(ended: &Ended, phase: &str) -> Option<i32> {
    let signal = ended.status.signal()?;
    let phases = ended.transcript().phases;
    let reached = phases.iter().any(|reached| reached.name == phase);
    (reached && SIGNALS.contains(&signal)).then_some(signal)
}

#[cfg(test)]
mod tests {
    use super::super::console::Line;
    use super::*;
    use std::process::ExitStatus;
    use std::time::Duration;

    /// A run that said `phase` and ended with `status`, as wait(2) has it.
    fn ended(phase: &str, status: i32) -> Ended {
        Ended {
            status: ExitStatus::from_raw(status),
            lines: vec![Line {
                at: Duration::ZERO,
                text: format!("OXRTAS-PHASE {phase} 1.00"),
            }],
            console: Vec::new(),
            errors: Vec::new(),
            duration: Duration::ZERO,
            log: "log".into(),
        }
    }

    /// The runs that are made where they end with the statuses `each`, and the last one's outcome.
    fn outlived(phase: &str, each: &[i32]) -> (usize, i32, String) {
        let mut made = 0;
        let (last, remark) = outlive("leave", || {
            let status = each.get(made).copied().unwrap_or(0);
            made += 1;
            Ok(ended(phase, status))
        })
        .unwrap();
        (made, last.status.into_raw(), remark)
    }

    #[test]
    fn a_run_that_ends_well_is_made_once_and_needs_no_remark() {
        assert_eq!(outlived("leave", &[0]), (1, 0, String::new()));
    }

    #[test]
    fn a_run_in_which_qemu_died_of_the_removal_is_made_again_and_said() {
        let (made, status, remark) = outlived("leave", &[6, 11, 0]);
        assert_eq!((made, status), (3, 0));
        assert!(remark.contains("signal 6, 11"), "{remark}");
    }

    #[test]
    fn a_death_before_the_removal_stays_one() {
        assert_eq!(outlived("boot", &[6, 0]), (1, 6, String::new()));
    }

    #[test]
    fn another_end_than_by_those_signals_is_not_forgiven() {
        // Exit with 1; killed by signal 9.
        assert_eq!(outlived("leave", &[0x100, 0]).0, 1);
        assert_eq!(outlived("leave", &[9, 0]).0, 1);
    }

    #[test]
    fn a_qemu_that_always_dies_is_a_failure_in_the_end() {
        let (made, status, _) = outlived("leave", &[6; 9]);
        assert_eq!((made, status), (5, 6));
    }
}
