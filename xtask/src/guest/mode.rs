//! What a guest does: the value of `oxrtas.mode=`, and the verdicts that each mode owes.

/// What a guest does before it powers off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Says what the kernel found and uses RTAS from user space.
    Summary,
    /// The summary, then an interactive shell on the console.
    Shell,
    /// Uses the devices that `oxrtas.devices=` names, comma separated: `virtio`, `vscsi`, `nvram`
    /// (the mark of `oxrtas.nvram=` is written), `rng`. Then the summary.
    Devices,
    /// Waits for a core to be added and removed, as often as `oxrtas.rounds=` says. The host acts on
    /// the phases `await-add` and `await-remove`. Then the summary.
    Hotplug,
    /// Boots twice; `oxrtas.boot=` is a mark of up to 32 characters, new in each run. Then the
    /// summary.
    Reboot,
    /// Loads the kdump kernel and panics as `oxrtas.crash=` says (`sysrq-c`; `host` waits for the
    /// host to do it), or crashes without one (`no-kdump` panics, `sysrq-b` resets).
    /// `oxrtas.second=` are words for the kdump kernel, comma separated; `oxrtas.again=sysrq-c` makes
    /// it panic as well. Before, the test module is loaded with the parameters of `oxrtas.hammer=`,
    /// `+` between them, and processors begin to work, the victims and others, as
    /// `oxrtas.victims=1:clock,2:hammer` and `oxrtas.others=3:msi` say (names of `work-NAME.sh`). The
    /// tokens of the functions of `oxrtas.inside=`, `+` between them, are said. With `oxrtas.unplug=1`
    /// sources are set to a processor that comes and goes: the host acts as in the hotplug mode.
    Kdump,
    /// Sends the flat tree that the kernel was started with, as the file `flat-tree`.
    Tree,
}

/// Verdicts of the summary.
const SUMMARY: [&str; 5] = [
    "rtas-instantiated",
    "rtas-clock",
    "hwclock",
    "rtas-set-clock",
    "kernel-log",
];

impl Mode {
    /// Its name on the kernel's command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Shell => "shell",
            Self::Devices => "devices",
            Self::Hotplug => "hotplug",
            Self::Reboot => "reboot",
            Self::Kdump => "kdump",
            Self::Tree => "tree",
        }
    }

    /// The word of the kernel's command line that selects it.
    pub fn parameter(self) -> String {
        format!("oxrtas.mode={}", self.name())
    }

    /// The mode that the guest names when it is done: the kdump kernel has a name of its own.
    pub fn last_word(self) -> &'static str {
        match self {
            Self::Kdump => "vmcore",
            _ => self.name(),
        }
    }

    /// The verdicts that have to come, and to be good. `devices` are those of the devices mode,
    /// `rounds` those of the hotplug mode.
    pub fn verdicts(self, devices: &[&str], rounds: usize) -> Vec<String> {
        let mut names: Vec<String> = match self {
            Self::Summary | Self::Shell => Vec::new(),
            Self::Devices => devices
                .iter()
                .flat_map(|device| device_verdicts(device))
                .map(|name| (*name).to_owned())
                .collect(),
            Self::Hotplug => (1..=rounds)
                .flat_map(|round| {
                    ["added", "runs-there", "removed"].map(|name| format!("{name}-{round}"))
                })
                .collect(),
            Self::Reboot => vec!["rebooted".to_owned()],
            // The file is what counts.
            Self::Tree => return Vec::new(),
            Self::Kdump => {
                let names = [
                    "kexec-loaded",
                    "vmcore-present",
                    "vmcore-head",
                    "makedumpfile",
                ];
                return names.map(str::to_owned).to_vec();
            }
        };
        names.extend(SUMMARY.map(str::to_owned));
        names
    }
}

/// The verdicts on one device. Disks and network say a digest besides, which the host compares.
fn device_verdicts(device: &str) -> &'static [&'static str] {
    match device {
        "virtio" => &[
            "virtio-blk-interrupts",
            "virtio-net-ping",
            "virtio-net-interrupts",
        ],
        "vscsi" => &["vscsi-interrupts"],
        "nvram" => &["nvram-write"],
        "rng" => &["rng-driver", "rng-read"],
        // The guest says so itself.
        _ => &["devices"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::initramfs::SCRIPTS;

    const ALL: [Mode; 7] = [
        Mode::Summary,
        Mode::Shell,
        Mode::Devices,
        Mode::Hotplug,
        Mode::Reboot,
        Mode::Kdump,
        Mode::Tree,
    ];

    #[test]
    fn every_mode_has_its_script() {
        for mode in ALL {
            let name = format!("oxrtas/mode-{}.sh", mode.name());
            assert!(SCRIPTS.iter().any(|(path, _)| *path == name), "{name}");
        }
    }

    #[test]
    fn every_verdict_that_is_owed_is_spoken_by_some_script() {
        let text: String = SCRIPTS.iter().map(|(_, text)| *text).collect();
        for mode in ALL {
            for name in mode.verdicts(&["virtio", "vscsi", "nvram", "rng"], 1) {
                // Scripts put names together: `$1-interrupts`, `added-$round`.
                let pattern = name
                    .replace("virtio-blk-interrupts", "more_interrupts $1")
                    .replace("vscsi-interrupts", "more_interrupts $1")
                    .replace("virtio-net-interrupts", "more_interrupts virtio-net")
                    .replace("-1", "-$round");
                let spoken = [format!("check {pattern} "), format!("verdict {pattern} ")];
                let direct = spoken.iter().any(|words| text.contains(words.as_str()));
                assert!(direct || text.contains(&format!("{pattern} \"")), "{name}");
            }
        }
    }

    #[test]
    fn hotplug_owes_three_verdicts_a_round_and_the_summary() {
        assert_eq!(Mode::Hotplug.verdicts(&[], 2).len(), 6 + SUMMARY.len());
    }
}
