//! What the log of the crashed kernel says about the crash, as makedumpfile takes it out of the
//! dump.

/// The crash as the dead kernel told it (arch/powerpc/kexec/crash.c:crash_kexec_prepare_cpus).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrashLog {
    /// The line that names the reason of the panic.
    pub panic: Option<String>,
    /// Processors that did not answer the crash NMI.
    pub silent: u64,
    /// Whether the kernel went on to the kdump kernel.
    pub switched: bool,
}

impl CrashLog {
    /// Reads the log.
    pub fn read(text: &str) -> Self {
        let mut log = Self::default();
        for line in text.lines() {
            let line = line.split_once("] ").map_or(line, |(_, rest)| rest);
            if line.starts_with("Kernel panic - not syncing") {
                log.panic.get_or_insert_with(|| line.to_owned());
            } else if let Some(rest) = line.strip_prefix("ERROR: ")
                && let Some(count) = rest.strip_suffix(" cpu(s) not responding")
            {
                log.silent = count.trim().parse().unwrap_or(u64::MAX);
            } else if line.contains("Starting switchover sequence") {
                log.switched = true;
            }
        }
        log
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_that_everybody_answered() {
        let log = CrashLog::read(
            "[    3.0] sysrq: Trigger a crash\n\
             [    3.0] Kernel panic - not syncing: sysrq triggered crash\n\
             [    3.0] Sending IPI to other CPUs\n[    3.0] IPI complete\n\
             [    3.1] kexec: Starting switchover sequence.\n",
        );
        let panic = "Kernel panic - not syncing: sysrq triggered crash";
        assert_eq!(log.panic.as_deref(), Some(panic));
        assert_eq!((log.silent, log.switched), (0, true));
    }

    #[test]
    fn processors_that_stay_silent_are_counted() {
        assert_eq!(
            CrashLog::read("[ 13.0] ERROR: 2 cpu(s) not responding").silent,
            2
        );
        assert_eq!(CrashLog::read("").silent, 0);
        assert!(!CrashLog::read("").switched);
    }
}
