//! What has to come of a crash, and what that depends on.

use std::fmt;

/// What has to come of a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The kdump kernel finds a whole dump.
    Dump,
    /// The crashing processor waits for the kernel's RTAS lock for ever.
    Hang,
    /// One of the two: whether a processor owned the lock when it died is chance.
    DumpOrHang,
    /// A dump, and then the kdump kernel panics, which tells the host.
    Twice,
    /// The machine is reset, and there is no dump.
    Reset,
    /// The host is told that the kernel panicked, and there is no dump.
    OsTerm,
    /// The host is told that the kernel panicked, then the machine is reset, and there is no dump.
    Restart,
}

impl Outcome {
    /// Whether a hang in rtas_call is right.
    pub fn may_hang(self) -> bool {
        matches!(self, Self::Hang | Self::DumpOrHang)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dump => formatter.write_str("a dump"),
            Self::Hang => formatter.write_str("a hang in rtas_call"),
            Self::DumpOrHang => formatter.write_str("a dump or a hang in rtas_call"),
            Self::Twice => formatter.write_str("a dump, then ibm,os-term"),
            Self::Reset => formatter.write_str("a reset"),
            Self::OsTerm => formatter.write_str("ibm,os-term"),
            Self::Restart => formatter.write_str("ibm,os-term, then a reset"),
        }
    }
}

/// How a crashing kernel calls RTAS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    /// Under its lock: Debian's kernels on any firmware, and patched ones where the firmware does
    /// not list what the crash calls.
    Locking,
    /// Without: a patched kernel on firmware that lists it.
    Lockless,
}

/// What has to come of a scenario. The lock is the kernel's: which firmware does not list its
/// functions makes no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Where the kernel takes its lock.
    pub locking: Outcome,
    /// Where it does not.
    pub lockless: Outcome,
}

impl Expected {
    /// The same, whether the kernel takes its lock or not.
    pub const fn always(outcome: Outcome) -> Self {
        Self {
            locking: outcome,
            lockless: outcome,
        }
    }

    /// A dead processor owns the lock: `outcome` is for those who do without it.
    pub const fn without_lock(outcome: Outcome) -> Self {
        Self {
            locking: Outcome::Hang,
            lockless: outcome,
        }
    }

    /// Processors that go on until the crash may own the lock when they die.
    pub const BY_CHANCE: Self = Self {
        locking: Outcome::DumpOrHang,
        lockless: Outcome::Dump,
    };

    /// In one of the regimes.
    pub fn under(self, regime: Regime) -> Outcome {
        match regime {
            Regime::Locking => self.locking,
            Regime::Lockless => self.lockless,
        }
    }
}
