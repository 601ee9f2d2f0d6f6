//! From reset to the kernel, through the client interface, to user space.

use super::figure::{Record, Unit};
use super::heard::Heard;
use super::lab::{GuestRun, Lab};
use crate::cli::BenchGroup;
use anyhow::Result;

/// Instructions from reset to the hand-over, by the number of processors.
pub const BY_PROCESSORS: &str = "reset to hand-over, by processors";
/// The same by the number of PCI devices.
pub const BY_DEVICES: &str = "reset to hand-over, by PCI devices";
/// Both at once, against a cost that is a product of the two.
pub const BOTH: &str = "reset to hand-over, with 256 processors and 64 PCI devices";
/// Instructions of calls of the client interface.
pub const CLIENT: &str = "client interface, instructions of one call";
/// Instructions of all of them that a kernel makes.
pub const CLIENT_BOOT: &str = "client interface, instructions of a whole boot until quiesce";
/// Seconds of Linux's boot.
pub const LINUX: &str = "reset to a line of Linux's console";
/// Its phases.
pub const FIRST_LINE: &str = "first line";
/// See [`FIRST_LINE`].
pub const QUIESCE: &str = "quiesce";
/// See [`FIRST_LINE`].
pub const USER_SPACE: &str = "user space";
/// Seconds in the client interface.
pub const CLIENT_SECONDS: &str = "client interface, seconds of Linux's boot";

/// Numbers of processors.
pub const PROCESSORS: [u32; 3] = [1, 16, 256];
/// Numbers of PCI devices.
pub const DEVICES: [u32; 3] = [0, 16, 64];
/// The single services.
pub const SERVICES: [&str; 4] = ["finddevice", "getprop", "getproplen", "nextprop"];

/// Nanoseconds in a tick of the timebase (QEMU, include/hw/ppc/spapr.h, SPAPR_TIMEBASE_FREQ); under
/// -icount, instructions.
pub const PER_TICK: f64 = 1000.0 / 512.0;

const fn chart(name: &str) -> (BenchGroup, &str) {
    (BenchGroup::Boot, name)
}

/// Counts the instructions to the hand-over on machines of growing size.
pub fn count(lab: &Lab, firmware: &str, record: &mut Record) -> Result<()> {
    let most = (PROCESSORS[2], DEVICES[2]);
    let mut machines: Vec<(u32, u32)> = PROCESSORS.map(|count| (count, 0)).into();
    machines.extend(DEVICES.iter().skip(1).map(|&count| (1, count)));
    machines.push(most);
    for (processors, devices) in machines {
        let run = GuestRun::entry(true, &processors.to_string(), devices as usize);
        let ticks = lab.guest(firmware, &run, record)?.number(&["entry"])?;
        let mut add = |name, point: u32| {
            let value = ticks * PER_TICK;
            record.add(chart(name), point, firmware, Unit::Instructions, value);
        };
        if (processors, devices) == most {
            add(BOTH, processors * devices);
            continue;
        }
        if devices == 0 {
            add(BY_PROCESSORS, processors);
        }
        if processors == 1 {
            add(BY_DEVICES, devices);
        }
    }
    Ok(())
}

/// What the guest counted in the client interface.
pub fn add_client(heard: &Heard, firmware: &str, record: &mut Record) {
    let Some(nothing) = heard.ticks(&["client", "nothing"]) else {
        return;
    };
    for service in SERVICES {
        if let Some(ticks) = heard.ticks(&["client", service]) {
            let value = (ticks - nothing) * PER_TICK;
            record.add(chart(CLIENT), service, firmware, Unit::Instructions, value);
        }
    }
    if let Some([calls, ticks]) = heard.words(&["client", "boot"]).next()
        && let (Ok(calls), Ok(ticks)) = (calls.parse::<f64>(), ticks.parse::<f64>())
    {
        let value = (ticks - calls * nothing) * PER_TICK;
        let point = "all calls";
        record.add(
            chart(CLIENT_BOOT),
            point,
            firmware,
            Unit::Instructions,
            value,
        );
    }
}

/// Times a boot of Linux.
pub fn time(lab: &Lab, firmware: &str, record: &mut Record) -> Result<()> {
    let phases = lab.linux(firmware)?;
    let inside = phases
        .first_line
        .zip(phases.quiesce)
        .map(|(first, last)| last - first);
    for (name, point, seconds) in [
        (LINUX, FIRST_LINE, phases.first_line),
        (LINUX, QUIESCE, phases.quiesce),
        (LINUX, USER_SPACE, Some(phases.user_space)),
        (CLIENT_SECONDS, "first line to quiesce", inside),
    ] {
        if let Some(seconds) = seconds {
            record.add(chart(name), point, firmware, Unit::Seconds, seconds);
        }
    }
    Ok(())
}
