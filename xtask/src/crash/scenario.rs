//! What a crash scenario is made of. All of them are in [`super::catalogue`].

pub use super::outcome::{Expected, Outcome, Regime};

use crate::cli::IcMode;
use crate::qemu::Stay;
use std::iter::successors;

/// How the kernel is made to crash: the guest's `oxrtas.crash=`, and what the host does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// `echo c > /proc/sysrq-trigger` in the guest.
    SysrqC,
    /// The same without a kdump kernel: the kernel says so to the host, by ibm,os-term.
    NoKdump,
    /// The same, and the host lets the kernel go on, which resets the machine after a second.
    Restart,
    /// `echo b`: the emergency reboot, without a panic.
    SysrqB,
    /// A system reset of every processor by the host, as the monitor's `nmi` gives it: Linux goes to
    /// its kdump kernel from the handler, without a panic, on whichever processor is first.
    Nmi,
}

impl Crash {
    /// The value of `oxrtas.crash=`.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::SysrqC => "sysrq-c",
            Self::NoKdump | Self::Restart => "no-kdump",
            Self::SysrqB => "sysrq-b",
            Self::Nmi => "host",
        }
    }

    /// QEMU's arguments for it. Of a guest that says that it panicked QEMU makes an end, unless it is
    /// told otherwise.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Restart => &["-action", "panic=none"],
            Self::SysrqC | Self::NoKdump | Self::SysrqB | Self::Nmi => &[],
        }
    }

    /// Whether the guest loads a kdump kernel before.
    pub fn wants_kdump(self) -> bool {
        matches!(self, Self::SysrqC | Self::Nmi)
    }

    /// The function of the kernel at which the crashing processor is stopped while victims are placed,
    /// before it calls RTAS; nothing where the host crashes it.
    ///
    /// In a panic this is the first one after interrupts are off and `panic_cpu` is set, called once
    /// (kernel/panic.c: `panic()`, in 7.2 `vpanic()`; an oops calls it, too, but sysrq-c makes none).
    /// At `panic()` itself an interrupt may still come, and that of PCI hot plug waits in `rtas_call()`
    /// for a victim that is not let go before the panic gets on: a deadlock that the placing makes, and
    /// no crash. `machine_restart()` runs with interrupts on (drivers/tty/sysrq.c:
    /// `sysrq_handle_reboot()`), so nothing may be plugged in its scenarios.
    pub fn function(self) -> Option<&'static str> {
        match self {
            Self::SysrqC | Self::NoKdump | Self::Restart => Some("bust_spinlocks"),
            Self::SysrqB => Some("machine_restart"),
            Self::Nmi => None,
        }
    }

    /// What the panic line of the dead kernel has to contain; nothing where none is printed.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::SysrqC | Self::NoKdump | Self::Restart => Some("sysrq triggered crash"),
            Self::SysrqB | Self::Nmi => None,
        }
    }
}

/// What processors do in a loop until others crash: the guest's `work-NAME.sh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// They read the clock: get-time-of-day, under the kernel's RTAS lock.
    Clock,
    /// They open and close a second console, whose interrupt is unmasked, given to a processor, and
    /// masked each time: all four interrupt calls, under the kernel's RTAS lock.
    Console,
    /// They remove and add the last core by DLPAR: ibm,configure-connector among others, under the
    /// kernel's RTAS lock.
    Cores,
    /// They take the driver of a PCI device away and give it back: ibm,change-msi and configuration
    /// space, under the kernel's RTAS lock.
    Msi,
    /// They take in a PCI device that the host plugs and unplugs, and give it back: set-indicator,
    /// ibm,configure-connector and ibm,change-msi among others, under the kernel's RTAS lock. Kernels
    /// from 6.12 on (`dt` in `/sys/kernel/dlpar`).
    Slots,
    /// The same as Debian's `rtas_errd` does it: the kernel hands it the event, and it starts
    /// `drmgr`, which makes the calls from user space (`sys_rtas`, arch/powerpc/kernel/rtas.c), also
    /// under the kernel's lock.
    Errd,
    /// What the test module does: the interrupt calls, without a lock ([`Scenario::hammer`]).
    Hammer,
}

impl Work {
    /// The name that the guest knows it by.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Console => "console",
            Self::Cores => "cpus",
            Self::Msi => "msi",
            Self::Slots => "slots",
            Self::Errd => "errd",
            Self::Hammer => "hammer",
        }
    }

    /// How long the device stays that the host plugs and unplugs for the work; nothing where it does
    /// not.
    pub fn stay(self) -> Option<Stay> {
        match self {
            Self::Slots => Some(Stay::Short),
            Self::Errd => Some(Stay::UntilTakenIn),
            Self::Clock | Self::Console | Self::Cores | Self::Msi | Self::Hammer => None,
        }
    }

    /// QEMU's arguments for what the work needs.
    pub fn devices(self) -> &'static [&'static str] {
        match self {
            Self::Clock | Self::Cores | Self::Slots | Self::Errd | Self::Hammer => &[],
            Self::Msi => &[
                "-netdev",
                "user,id=network",
                "-device",
                "virtio-net-pci,netdev=network,romfile=",
            ],
            Self::Console => &[
                "-chardev",
                "null,id=second",
                "-device",
                "spapr-vty,chardev=second",
            ],
        }
    }
}

/// Where a processor is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Inside an RTAS call of this name: at the instruction that asks the hypervisor, which for the
    /// interrupt calls is between their commit and its effect, or halfway through a call that does
    /// not ask.
    Inside(&'static str),
    /// At the first instruction of the kernel's rtas_call: the lock is not taken yet.
    Outside,
}

/// What becomes of a processor that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is released once the crash's system reset is pending on it. It parks in the kernel's
    /// handler, answers the crash, and never comes back to where it was.
    Frozen,
    /// It is held to the end and answers nobody.
    Gone,
}

/// Processors that are held while another one panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Which, as Linux counts.
    pub processors: &'static [u32],
    /// What they do until then.
    pub work: Work,
    /// Where.
    pub place: Place,
    /// And then.
    pub fate: Fate,
    /// More of them, at another place and with the same fate.
    pub and: Option<&'static Self>,
}

impl Hold {
    /// Nobody.
    pub const NONE: Self = Self {
        processors: &[],
        work: Work::Clock,
        place: Place::Outside,
        fate: Fate::Frozen,
        and: None,
    };

    /// This and the others that belong to it.
    pub fn parts(self) -> impl Iterator<Item = Self> {
        successors(Some(self), |part| part.and.copied())
    }

    /// The parts in the order in which they are placed. Who hammers comes by all the time, and comes first:
    /// at each call of his that is not the wanted one all processors stop.
    pub fn placing(self) -> Vec<Self> {
        let mut parts: Vec<Self> = self.parts().collect();
        parts.sort_by_key(|part| part.work != Work::Hammer);
        parts
    }

    /// The same, held outside RTAS: shows that holding as such does no harm. Those of [`Hold::and`]
    /// stay where they are.
    pub fn control(self) -> Self {
        Self {
            place: Place::Outside,
            ..self
        }
    }
}

/// One way to crash one machine.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name: `sysrq-c/xics-4-2G`.
    pub name: &'static str,
    /// What it shows, in one line.
    pub description: &'static str,
    /// How the kernel crashes.
    pub crash: Crash,
    /// Interrupt controller mode.
    pub ic_mode: IcMode,
    /// Processors; all of them are online and have to leave a note.
    pub processors: u32,
    /// QEMU's `-m`.
    pub memory: &'static str,
    /// `crashkernel=` of the first kernel.
    pub crashkernel: &'static str,
    /// More words for the first kernel.
    pub append: &'static str,
    /// The processors that are held over gdb, if some are.
    pub hold: Option<Hold>,
    /// Whether the machine is migrated to a file, and continues in another QEMU, while the processors
    /// are held.
    pub migrates: bool,
    /// Whether the host adds a processor before the crash and takes it away again, while sources are
    /// set to it.
    pub unplugs: bool,
    /// Processors that work on undisturbed until the crash.
    pub others: &'static [(u32, Work)],
    /// Parameters of the test module (`tests/linux/module`), with `+` between them, if it is loaded
    /// before the crash.
    pub hammer: Option<&'static str>,
    /// The RTAS functions that the crash calls: where they are listed as crash-safe, a patched
    /// kernel takes no lock.
    pub calls: &'static [&'static str],
    /// What has to come of it.
    pub expected: Expected,
    /// Seconds that it may take.
    pub limit_seconds: u64,
}

impl Scenario {
    /// Whether the result depends on what firmware lists.
    pub fn depends_on_lists(&self) -> bool {
        self.expected.locking != self.expected.lockless
    }

    /// All that processors work at until the crash.
    pub fn works(&self) -> impl Iterator<Item = Work> {
        let others = self.others.iter().map(|(_, work)| *work);
        let parts = self.hold.into_iter().flat_map(Hold::parts);
        parts.map(|part| part.work).chain(others)
    }

    /// Whether the guest needs the test module.
    pub fn needs_module(&self) -> bool {
        self.hammer.is_some() || self.visits().is_some() || self.unplugs
    }

    /// How long the device stays that the host plugs and unplugs, if it does.
    pub fn visits(&self) -> Option<Stay> {
        self.works().find_map(Work::stay)
    }

    /// Whether the guest needs `rtas_errd` and `drmgr`.
    pub fn needs_daemon(&self) -> bool {
        self.works().any(|work| work == Work::Errd)
    }

    /// QEMU's `-smp`, with room for the processor that comes and goes.
    pub fn smp(&self) -> String {
        match self.processors {
            count if self.unplugs => format!("{count},maxcpus={}", count.saturating_add(1)),
            count => count.to_string(),
        }
    }

    /// Processors that may be off at the crash, at most.
    pub fn absent(&self) -> u64 {
        u64::from(self.works().any(|work| work == Work::Cores))
    }

    /// Whether the test module compares what it is answered with what it said.
    pub fn compares(&self) -> bool {
        self.hammer
            .is_some_and(|parameters| !parameters.contains("only="))
    }

    /// Whether `other` is this one with its processors held outside RTAS.
    pub fn is_controlled_by(&self, other: &Self) -> bool {
        let machine = |scenario: &Self| {
            (
                scenario.crash,
                scenario.ic_mode,
                scenario.processors,
                scenario.memory,
                scenario.append,
                scenario.migrates,
                scenario.unplugs,
                scenario.others,
                scenario.hammer,
            )
        };
        self.hold != other.hold
            && self.hold.map(Hold::control) == other.hold
            && machine(self) == machine(other)
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::ALL;
    use super::*;

    #[test]
    fn nothing_is_plugged_where_the_processor_that_crashes_takes_interrupts_while_it_is_stopped() {
        for scenario in ALL.iter().filter(|one| one.crash == Crash::SysrqB) {
            assert!(scenario.visits().is_none(), "{}", scenario.name);
        }
    }
}
