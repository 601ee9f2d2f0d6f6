//! The runs of the guest that are worth making, for whoever starts the machine.
//!
//! A run passes if its last line came, and no verdict is `not ok` that the firmware is not known
//! to fail. A guest that stops early, or whose checks are fewer than the last line says, failed.

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its name.
    pub name: &'static str,
    /// Boot arguments (QEMU's `-append`).
    pub arguments: &'static str,
    /// Processors (QEMU's `-smp`).
    pub processors: u32,
    /// A PCI device is added and removed again and again while the guest asks for it, by
    /// [`PLUG`] and [`PLUGGED`].
    pub plugs: bool,
    /// The guest asks for things that come from outside, by lines that begin with [`ASK`], and QEMU
    /// goes on after a panic of its guest (`-action panic=none`).
    pub asks: bool,
    /// A reset starts the machine again; else it ends QEMU (`-no-reboot`).
    pub reboots: bool,
    /// Memory, in MiB (QEMU's `-m`).
    pub memory_mib: u32,
    /// Memory that may be plugged in, in MiB, in pieces of 256 MiB.
    pub room_mib: u32,
    /// Interrupt mode (QEMU's `-M pseries,ic-mode=`).
    pub interrupts: &'static str,
    /// Devices (QEMU's `-device`), for the checks of functions on them.
    pub devices: &'static [&'static str],
    /// QEMU counts instructions, and time is theirs (`-icount`).
    pub counts: bool,
    /// Only for firmware whose flat tree has linux,rtas-base.
    pub needs_flat: bool,
    /// Time limit, in seconds, on an idle machine with two processors.
    pub seconds: u32,
}

/// What the last line begins with; the number of verdicts follows.
pub const LAST_LINE: &str = "guest: done, ";

/// What the line begins with that tells the names of the properties of /rtas, with blanks between.
pub const PROPERTIES_LINE: &str = "guest: /rtas has ";
/// A device may be added and removed from now on.
pub const PLUG: &str = "guest: plug";
/// No longer, until the next [`PLUG`].
pub const PLUGGED: &str = "guest: no more plugs";

/// What the lines begin with that ask for something from outside: one of the following.
pub const ASK: &str = "guest: asks for ";
/// A warning that the power goes (QMP's `system_powerdown`).
pub const POWERDOWN: &str = "a powerdown";
/// To be woken (QMP's `system_wakeup`) once the machine is suspended.
pub const WAKE: &str = "a wakeup";
/// A PCI device with MSIs, in the first free slot (QMP's `device_add`).
pub const DEVICE: &str = "a device";
/// Memory, one block of dynamic reconfiguration (QMP's `device_add`).
pub const MEMORY: &str = "memory";
/// What was plugged in last, back (QMP's `device_del`).
pub const REMOVAL: &str = "a removal";
/// The call that was to suspend the machine is over.
pub const AWAKE: &str = "guest: is awake";
/// The guest tells of its end, and goes on; the string that it gives to ibm,os-term follows.
pub const TERMINATES: &str = "guest: terminates with ";
/// Lines come by display-character: what each of them holds, after a word that differs, is
/// [`shown`].
pub const SHOWS: &str = "guest: shows ";
/// Calls follow that have nothing to show, up to [`HEARD`], with the same word behind each.
pub const QUIET: &str = "guest: is quiet ";
/// They are over.
pub const HEARD: &str = "guest: was quiet ";
/// A system-reboot follows; what comes behind it is of the machine that started again.
pub const REBOOTS: &str = "guest: reboots";
/// The run ends by power-off of the RTAS under test.
pub const POWERS_OFF: &str = "guest: powers off by RTAS";
/// It did not.
pub const STILL_ON: &str = "guest: is still on";

/// What display-character is to show after [`SHOWS`] and `word`: the 95 characters of Table 7.24; then
/// a carriage return amid a line, and a line feed without one.
pub fn shown(word: &str) -> alloc::string::String {
    let all: alloc::string::String = (' '..='~').collect();
    alloc::format!("\r\nshown {word}:{all}\r\nleft\rright\nbelow\r\n")
}

const RUN: Run = Run {
    name: "",
    arguments: "",
    processors: 1,
    plugs: false,
    asks: false,
    reboots: false,
    memory_mib: 512,
    room_mib: 0,
    interrupts: "xics",
    devices: &[],
    counts: false,
    needs_flat: false,
    seconds: 60,
};

const FUZZ: Run = Run {
    arguments: "oxrtas.guest=fuzz",
    memory_mib: 256,
    seconds: 600,
    ..RUN
};

/// A PCI function with MSI-X, several of them, and an interrupt pin; one with MSI and a pin.
const PCI_DEVICES: &[&str] = &["virtio-serial-pci", "edu"];

/// The runs.
pub const RUNS: &[Run] = &[
    Run {
        name: "one-processor",
        ..RUN
    },
    Run {
        name: "four-processors",
        processors: 4,
        devices: PCI_DEVICES,
        seconds: 180,
        ..RUN
    },
    Run {
        name: "flat",
        arguments: "oxrtas.guest=flat",
        processors: 4,
        needs_flat: true,
        seconds: 180,
        ..RUN
    },
    Run {
        name: "dual",
        arguments: "oxrtas.guest=calls,interrupts,environment",
        processors: 2,
        interrupts: "dual",
        ..RUN
    },
    // Without the four interrupt calls: their checks are skipped with that reason.
    Run {
        name: "xive",
        arguments: "oxrtas.guest=calls,interrupts,environment",
        processors: 2,
        interrupts: "xive",
        ..RUN
    },
    // The last page below 4 GiB is free: a buffer can end there. There is memory behind it: a buffer
    // can lie there, too.
    Run {
        name: "five-gibibytes",
        arguments: "oxrtas.guest=client,handover,calls,bad",
        memory_mib: 5 * 1024,
        seconds: 240,
        ..RUN
    },
    // Every call with every count, argument, pointer and place wrong; and the first of the random
    // calls of `fuzz`.
    Run {
        name: "bad-input",
        arguments: "oxrtas.guest=bad",
        memory_mib: 256,
        ..RUN
    },
    // How long calls take.
    Run {
        name: "ticks",
        arguments: "oxrtas.guest=ticks",
        devices: PCI_DEVICES,
        counts: true,
        ..RUN
    },
    // Events, suspension, the end and the display: what needs somebody outside.
    Run {
        name: "outside",
        arguments: "oxrtas.guest=outside",
        processors: 2,
        memory_mib: 256,
        room_mib: 768,
        devices: &["spapr-vscsi"],
        asks: true,
        ..RUN
    },
    // The machine starts again once.
    Run {
        name: "reboot",
        arguments: "oxrtas.guest=reboot",
        processors: 2,
        reboots: true,
        ..RUN
    },
    // A million random calls, all in one run or a third in each of three.
    Run {
        name: "fuzz",
        seconds: 1800,
        ..FUZZ
    },
    Run {
        name: "fuzz-32",
        arguments: "oxrtas.guest=fuzz/32",
        ..FUZZ
    },
    Run {
        name: "fuzz-64",
        arguments: "oxrtas.guest=fuzz/64",
        ..FUZZ
    },
    Run {
        name: "fuzz-cells64",
        arguments: "oxrtas.guest=fuzz/cells64",
        ..FUZZ
    },
    // What QEMU dies of: see docs/findings.md.
    Run {
        name: "qemu-nvram",
        arguments: "oxrtas.guest=qemu-nvram",
        ..RUN
    },
    Run {
        name: "qemu-window",
        arguments: "oxrtas.guest=qemu-window",
        ..RUN
    },
    // Processors stop themselves and are started a thousand times, and leave nothing behind.
    Run {
        name: "rounds",
        arguments: "oxrtas.guest=rounds",
        processors: 4,
        seconds: 120,
        ..RUN
    },
    // Every processor at work while a device comes and goes.
    Run {
        name: "stress",
        arguments: "oxrtas.guest=stress,plug,calls=60000",
        processors: 16,
        plugs: true,
        ..RUN
    },
    Run {
        name: "stress-64",
        arguments: "oxrtas.guest=stress,plug,calls=300000",
        processors: 64,
        plugs: true,
        seconds: 600,
        ..RUN
    },
    // Ten million calls.
    Run {
        name: "stress-long",
        arguments: "oxrtas.guest=stress,plug,calls=3400000",
        processors: 16,
        plugs: true,
        seconds: 1800,
        ..RUN
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Arguments;

    #[test]
    fn what_is_shown_has_every_character_of_the_table_once() {
        let text = shown("/32");
        assert!((b' '..=b'~').all(|letter| text.contains(char::from(letter))));
        let line = text
            .split("\r\n")
            .nth(1)
            .and_then(|line| line.split_once(':'));
        assert_eq!(line.map(|(_, all)| all.len()), Some(95));
    }

    #[test]
    fn every_run_has_a_name_of_its_own_and_asks_for_flat_only_where_it_must() {
        for (index, run) in RUNS.iter().enumerate() {
            assert!(
                RUNS.iter()
                    .skip(index + 1)
                    .all(|other| other.name != run.name)
            );
            assert_eq!(Arguments::parse(run.arguments).flat, run.needs_flat);
            assert!(run.processors > 0 && run.seconds > 0);
            assert_eq!(Arguments::parse(run.arguments).plug, run.plugs);
            assert_eq!(Arguments::parse(run.arguments).asks("outside"), run.asks);
            assert_eq!(Arguments::parse(run.arguments).asks("reboot"), run.reboots);
        }
    }
}
