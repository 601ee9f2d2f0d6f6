//! The axes of the QEMU matrix, and the choice of points on them.

use crate::cli::{Device, IcMode};
use crate::debian::KernelVersion;
use std::collections::BTreeSet;
use std::fmt;

/// What a guest is for, beside booting and its summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    /// The summary only.
    Summary,
    /// Uses a device.
    Device(Device),
    /// A processor is added, used and removed.
    Hotplug,
    /// Boots a second time by `reboot -f`.
    Reboot,
}

impl Task {
    const ALL: [Self; 7] = [
        Self::Summary,
        Self::Device(Device::Virtio),
        Self::Device(Device::Vscsi),
        Self::Device(Device::Nvram),
        Self::Device(Device::Rng),
        Self::Hotplug,
        Self::Reboot,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Device(device) => device.name(),
            Self::Hotplug => "hotplug",
            Self::Reboot => "reboot",
        }
    }
}

/// QEMU versions.
const QEMUS: [&str; 2] = ["7.2", "10.0"];
/// Processor models.
const CPUS: [&str; 3] = ["power8", "power9", "power10"];
/// Interrupt modes.
const IC_MODES: [IcMode; 3] = [IcMode::Xics, IcMode::Xive, IcMode::Dual];
/// Processors: the argument of `-smp` and how many are there at the start.
const SMPS: [(&str, usize); 4] = [("1", 1), ("4", 4), ("16", 16), (HOTPLUG_SMP, 2)];
/// The one that has room for another processor.
const HOTPLUG_SMP: &str = "2,maxcpus=8";
/// Memory.
const MEMORIES: [&str; 3] = ["512M", "2G", "8G"];

/// One combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The kernel.
    pub kernel: KernelVersion,
    /// QEMU.
    pub qemu: &'static str,
    /// Processor model.
    pub cpu: &'static str,
    /// Interrupt mode.
    pub ic_mode: IcMode,
    /// `-smp`, and the processors that are there at the start.
    pub smp: (&'static str, usize),
    /// `-m`.
    pub memory: &'static str,
    /// What the guest does.
    pub task: Task,
}

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words().join(" ");
        formatter.write_str(&words)
    }
}

impl Point {
    /// Its place on each axis.
    pub fn words(&self) -> [&'static str; 7] {
        [
            self.kernel.name(),
            self.qemu,
            self.cpu,
            self.ic_mode.name(),
            self.smp.0,
            self.memory,
            self.task.name(),
        ]
    }

    /// Whether QEMU refuses it: POWER8 has no XIVE (`hw/ppc/spapr_irq.c:spapr_irq_check`).
    pub fn is_refused(&self) -> bool {
        self.cpu == "power8" && self.ic_mode == IcMode::Xive
    }

    /// Whether the combination makes sense at all: a processor is added where there is room.
    fn exists(&self) -> bool {
        self.task != Task::Hotplug || self.smp.0 == HOTPLUG_SMP
    }

    /// The interrupt controller that Linux ends up with.
    pub fn controller(&self) -> &'static str {
        match (self.ic_mode, self.cpu) {
            (IcMode::Xics, _) | (IcMode::Dual, "power8") => "xics",
            _ => "xive",
        }
    }

    /// Two places on two axes: what a pairwise selection covers.
    fn pairs(&self) -> impl Iterator<Item = (usize, &'static str, usize, &'static str)> {
        let words = self.words();
        (0..words.len()).flat_map(move |a| {
            (a + 1..words.len()).filter_map(move |b| Some((a, *words.get(a)?, b, *words.get(b)?)))
        })
    }
}

/// The names of the axes, in the order of [`Point::words`].
pub const AXES: [&str; 7] = ["kernel", "qemu", "cpu", "ic-mode", "smp", "memory", "task"];

/// Every combination.
pub fn all() -> Vec<Point> {
    let mut points = Vec::new();
    for kernel in KernelVersion::RELEASED {
        for qemu in QEMUS {
            for cpu in CPUS {
                for ic_mode in IC_MODES {
                    for smp in SMPS {
                        for memory in MEMORIES {
                            points.extend(Task::ALL.map(|task| Point {
                                kernel,
                                qemu,
                                cpu,
                                ic_mode,
                                smp,
                                memory,
                                task,
                            }));
                        }
                    }
                }
            }
        }
    }
    points.retain(Point::exists);
    points
}

/// A selection in which every two values of two axes that occur together at all, and that QEMU
/// takes, occur together; and one point of each kind that QEMU refuses. The same on every run.
pub fn pairwise() -> Vec<Point> {
    let (refused, mut candidates): (Vec<_>, Vec<_>) =
        all().into_iter().partition(Point::is_refused);
    let mut open: BTreeSet<_> = candidates.iter().flat_map(Point::pairs).collect();
    let mut chosen = Vec::new();
    while !open.is_empty() {
        let gain = |point: &Point| point.pairs().filter(|pair| open.contains(pair)).count();
        // The first of the best, so that the choice does not depend on anything else.
        let mut best: Option<(usize, usize)> = None;
        for (index, point) in candidates.iter().enumerate() {
            let gain = gain(point);
            if best.is_none_or(|(seen, _)| gain > seen) {
                best = Some((gain, index));
            }
        }
        let Some((1.., index)) = best else {
            break;
        };
        let point = candidates.swap_remove(index);
        for pair in point.pairs() {
            open.remove(&pair);
        }
        chosen.push(point);
    }
    for qemu in QEMUS {
        chosen.extend(refused.iter().find(|point| point.qemu == qemu));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selection_covers_every_pair_that_qemu_takes() {
        let chosen: BTreeSet<_> = pairwise().iter().flat_map(Point::pairs).collect();
        for point in all().iter().filter(|point| !point.is_refused()) {
            for pair in point.pairs() {
                assert!(chosen.contains(&pair), "{pair:?}");
            }
        }
    }

    #[test]
    fn the_selection_is_small_and_always_the_same() {
        let points = pairwise();
        assert!(points.len() <= 40, "{} points", points.len());
        assert_eq!(points, pairwise());
    }

    #[test]
    fn every_kind_of_refusal_is_shown() {
        for qemu in QEMUS {
            let shown = |point: &Point| point.qemu == qemu && point.is_refused();
            assert!(pairwise().iter().any(shown), "{qemu}");
        }
    }

    #[test]
    fn a_processor_is_added_only_where_there_is_room() {
        assert!(
            all()
                .iter()
                .all(|point| point.task != Task::Hotplug || point.smp.1 == 2)
        );
        assert!(all().iter().any(|point| point.task == Task::Hotplug));
    }
}
