//! The sensor of environmental and power warnings, EPOW (LoPAR 7.3.5.5, Table 7.28).
//!
//! QEMU has the node `/event-sources/epow-events`, so there has to be the sensor (R1-10.2.2-1), and
//! has none (`hw/ppc/spapr_drc.c:rtas_get_sensor_state`). What it would tell is in the event log that
//! it gives to `check-exception`.

use crate::atomic::{AtomicU64, Ordering};

/// The sensor's token; it has one index, 0.
pub const SENSOR: u32 = 9;

/// What the last warning asks for.
///
/// Protects:    the action code of the last EPOW log that `check-exception` got; 0, that nothing is
///              pending, at reset.
/// Holder:      nobody: `check-exception` stores it, `get-sensor-state` loads it, each in one step.
/// Order:       none: the word stands for itself.
/// Holder dies: before its step, the word is as if the log had not come, which died with the
///              processor; after it, it is told.
#[derive(Debug)]
#[repr(transparent)]
pub struct Epow(AtomicU64);

impl Epow {
    /// A word that holds `action`.
    pub fn new(action: u64) -> Self {
        Self(AtomicU64::new(action))
    }

    /// Keeps what `log` asks for, if it is one of a warning.
    pub fn keep(&self, log: &[u8]) {
        if let Some(action) = action(log) {
            self.0.store(action.into(), Ordering::Relaxed);
        }
    }

    /// The sensor's state: an action code (Table 10.3).
    pub fn state(&self) -> u32 {
        self.0.load(Ordering::Relaxed) as u32
    }
}

/// The action code in an event log of version 6 with an EPOW section (LoPAR 10.3.2.2, Tables 10.6
/// and 10.13).
fn action(log: &[u8]) -> Option<u8> {
    /// What the fixed part says, the header of the platform's log, and the head of a section.
    const SECTIONS: usize = 8 + 16;
    const MOST_SECTIONS: usize = 16;
    let mut rest = log.get(SECTIONS..)?;
    for _ in 0..MOST_SECTIONS {
        let [first, second, high, low, _, _, _, _, sensor, ..] = rest else {
            return None;
        };
        if [*first, *second] == *b"EP" {
            return Some(sensor & 0xf);
        }
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        // A length of nothing is none.
        if length == 0 {
            return None;
        }
        rest = rest.get(length..)?;
    }
    None
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A log with these sections, as QEMU lays it out (`hw/ppc/spapr_events.c`).
    fn log(sections: &[(&[u8; 2], u8)]) -> Vec<u8> {
        let mut log = vec![6, 0x4c, 0, 0x40, 0, 0, 0, 0];
        log.extend([0; 16]);
        for (id, value) in sections {
            log.extend(*id);
            log.extend([0, 12, 2, 0, 0, 0, *value, 0, 0, 0]);
        }
        log.resize(512, 0);
        log
    }

    #[test]
    fn the_action_is_that_of_the_epow_section_wherever_it_is() {
        assert_eq!(action(&log(&[(b"EP", 3)])), Some(3));
        assert_eq!(
            action(&log(&[(b"PH", 7), (b"UH", 9), (b"EP", 0xf5)])),
            Some(5)
        );
        assert_eq!(action(&log(&[(b"PH", 7), (b"HP", 1)])), None);
        assert_eq!(action(&log(&[])), None);
        assert_eq!(action(&[]), None, "no log at all");
    }

    #[test]
    fn damaged_lengths_lead_nowhere() {
        let mut long = log(&[(b"PH", 0), (b"EP", 3)]);
        long[26..28].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(action(&long), None);
        let mut none = log(&[(b"PH", 0), (b"EP", 3)]);
        none[26..28].copy_from_slice(&[0, 0]);
        assert_eq!(action(&none), None);
        for cut in 0..40 {
            let _ = action(&log(&[(b"PH", 0), (b"EP", 3)])[..cut]);
        }
        let mut many = vec![0; 24];
        many.extend([b'P', b'H', 0, 1].repeat(128));
        assert_eq!(action(&many), None, "a bound on their number");
    }

    #[test]
    fn a_log_of_something_else_leaves_the_state() {
        let epow = Epow::new(0);
        epow.keep(&log(&[(b"EP", 3)]));
        epow.keep(&log(&[(b"HP", 1)]));
        assert_eq!(epow.state(), 3);
        epow.keep(&log(&[(b"EP", 0)]));
        assert_eq!(epow.state(), 0, "the condition is over");
    }
}
