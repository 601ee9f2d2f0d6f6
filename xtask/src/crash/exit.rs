//! How a machine ended, as QEMU tells it on its control socket (qapi/run-state.json of QEMU).
//!
//! `-no-reboot` makes the end of QEMU of a reset, and `-action panic=shutdown`, the default, one of
//! ibm,os-term (hw/ppc/spapr_rtas.c:rtas_ibm_os_term, softmmu/runstate.c of QEMU 7.2); with
//! `panic=none` the call returns.

use super::scenario::Outcome;
use crate::guest::Transcript;
use serde_json::Value;

/// An event that tells of an end, as this module writes it: its name, and the reason of a shutdown or
/// the action taken for a panic.
const POWER_OFF: &str = "SHUTDOWN guest-shutdown";
const RESET: &str = "SHUTDOWN guest-reset";
const PANICKED: &str = "GUEST_PANICKED poweroff";
const PANICKED_ON: &str = "GUEST_PANICKED run";
const PANIC_SHUTDOWN: &str = "SHUTDOWN guest-panic";

/// The events among `all` that tell how the machine ended, in order.
pub fn events(all: &[Value]) -> Vec<String> {
    let field = |event: &Value, path: &str| {
        let value = event.pointer(path).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    all.iter()
        .filter_map(|event| {
            let name = field(event, "/event");
            let detail = match name.as_str() {
                "SHUTDOWN" | "RESET" => field(event, "/data/reason"),
                "GUEST_PANICKED" => field(event, "/data/action"),
                _ => return None,
            };
            Some(format!("{name} {detail}"))
        })
        .collect()
}

/// The events that `outcome` has, all of them; nothing for a machine that does not end.
fn wanted(outcome: Outcome) -> &'static [&'static str] {
    match outcome {
        Outcome::Dump | Outcome::DumpOrHang => &[POWER_OFF],
        Outcome::Hang => &[],
        Outcome::Reset => &[RESET],
        Outcome::Restart => &[PANICKED_ON, RESET],
        Outcome::OsTerm | Outcome::Twice => &[PANICKED, PANIC_SHUTDOWN],
    }
}

/// The outcome that these events are of, all of them. `dumped` says whether a kdump kernel came.
pub fn came(events: &[String], dumped: bool) -> Option<Outcome> {
    let outcomes: &[Outcome] = if dumped {
        &[Outcome::Dump, Outcome::Twice]
    } else {
        &[Outcome::Reset, Outcome::OsTerm, Outcome::Restart]
    };
    outcomes
        .iter()
        .copied()
        .find(|outcome| wanted(*outcome) == events)
}

/// What is wrong with the events of a machine that ended.
pub fn failures(outcome: Outcome, events: &[String]) -> Vec<String> {
    let wanted = wanted(outcome);
    if events == wanted {
        return Vec::new();
    }
    let words = match events {
        [] => "without a word".to_owned(),
        events => format!("with {}", events.join(", ")),
    };
    let wanted = wanted.join(", ");
    vec![format!("QEMU ended {words}, expected {wanted}")]
}

/// What is wrong with what the guest said, where a crash must not come to a kdump kernel.
pub fn no_dump(transcript: &Transcript) -> Vec<String> {
    let reached = |name: &str| transcript.phases.iter().any(|phase| phase.name == name);
    let mut failures = Vec::new();
    if !reached("crash") {
        failures.push("the guest did not come to its crash".to_owned());
    }
    if reached("second-kernel") {
        failures.push("a kdump kernel came".to_owned());
    }
    let bad = transcript.verdicts.iter().filter(|verdict| !verdict.passed);
    failures.extend(bad.map(|verdict| format!("{}: {}", verdict.name, verdict.detail)));
    failures
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(name: &str, key: &str, value: &str) -> Value {
        json!({ "event": name, "data": { key: value, "guest": true } })
    }

    #[test]
    fn each_end_is_told_from_the_others_by_its_events() {
        let reset = events(&[
            told("RTC_CHANGE", "offset", "1"),
            told("SHUTDOWN", "reason", "guest-reset"),
        ]);
        let panicked = events(&[
            told("GUEST_PANICKED", "action", "poweroff"),
            told("SHUTDOWN", "reason", "guest-panic"),
        ]);
        let restarted = events(&[
            told("GUEST_PANICKED", "action", "run"),
            told("SHUTDOWN", "reason", "guest-reset"),
        ]);
        let power_off = events(&[told("SHUTDOWN", "reason", "guest-shutdown")]);
        let ends = [
            (Outcome::Reset, reset),
            (Outcome::OsTerm, panicked),
            (Outcome::Restart, restarted),
            (Outcome::Dump, power_off),
        ];
        for (outcome, _) in &ends {
            for (other, events) in &ends {
                let good = failures(*outcome, events).is_empty();
                assert_eq!(good, outcome == other, "{outcome} with {events:?}");
            }
            let (_, own) = ends.iter().find(|(other, _)| other == outcome).unwrap();
            let dumped = *outcome == Outcome::Dump;
            assert_eq!(came(own, dumped), Some(*outcome));
            assert_ne!(came(own, !dumped), Some(*outcome));
            assert_eq!(failures(*outcome, &[]).len(), 1, "{outcome} without events");
        }
    }

    #[test]
    fn a_kdump_kernel_where_none_may_come_is_a_failure() {
        let crash = "OXRTAS-PHASE init 1.0\nOXRTAS-PHASE crash 2.0\n";
        assert!(no_dump(&Transcript::of(crash)).is_empty());
        let failures = |more: &str| no_dump(&Transcript::of(&format!("{crash}{more}"))).len();
        assert_eq!(failures("OXRTAS-PHASE second-kernel 3.0\n"), 1);
        assert_eq!(failures("OXRTAS-VERDICT crash fail it went on\n"), 1);
        assert_eq!(no_dump(&Transcript::default()).len(), 1);
    }
}
