//! Somebody outside of the machine, who does what the guest asks for (`guest::runs`), and tells what
//! only somebody outside sees: the bytes on the console, QEMU's events, and how the machine ended.

use super::verdicts::{Outcome, Verdict};
use crate::qemu::{Ended, Qmp, Seen, Session};
use anyhow::{Result, bail};
use conformance_guest::runs::{
    ASK, AWAKE, DEVICE, HEARD, LAST_LINE, MEMORY, POWERDOWN, POWERS_OFF, QUIET, REBOOTS, REMOVAL,
    SHOWS, STILL_ON, TERMINATES, WAKE, shown,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How often a machine that may not sleep yet is woken.
const PAUSE: Duration = Duration::from_millis(20);

/// Does what the guest asks for, until its last line.
pub fn serve(session: &mut Session, qmp: &mut Qmp) -> Result<()> {
    let mut plugged = 0;
    loop {
        let (index, line) = session.wait_for(&[ASK, LAST_LINE])?;
        if index == 1 {
            return Ok(());
        }
        match line.trim().strip_prefix(ASK) {
            Some(POWERDOWN) => {
                qmp.execute("system_powerdown", json!({}))?;
            }
            Some(WAKE) => wake(session, qmp)?,
            Some(what @ (DEVICE | MEMORY)) => {
                // A name of its own: one that the guest did not give back is still there.
                plugged += 1;
                plug(qmp, what, plugged)?;
            }
            Some(REMOVAL) => {
                qmp.execute("device_del", json!({ "id": name(plugged) }))?;
            }
            _ => bail!("the guest asks for what nobody knows: {line}"),
        }
    }
}

/// A PCI device with MSIs.
const PCI_DEVICE: &str = "nec-usb-xhci";
/// A block of memory, in bytes.
const BLOCK: u64 = 256 << 20;

fn name(number: u32) -> String {
    format!("plugged{number}")
}

/// Plugs in a device, or a block of memory.
fn plug(qmp: &mut Qmp, what: &str, number: u32) -> Result<()> {
    let id = name(number);
    let device = if what == MEMORY {
        let memory = format!("memory{number}");
        let backend = json!({ "qom-type": "memory-backend-ram", "id": memory, "size": BLOCK });
        qmp.execute("object-add", backend)?;
        json!({ "driver": "pc-dimm", "id": id, "memdev": memory })
    } else {
        // Without a boot ROM, which is not installed for every device.
        json!({ "driver": PCI_DEVICE, "id": id, "romfile": "" })
    };
    qmp.execute("device_add", device)?;
    Ok(())
}

/// Wakes the machine as soon as it sleeps, unless the guest goes on without.
fn wake(session: &mut Session, qmp: &mut Qmp) -> Result<()> {
    loop {
        // Refused until it sleeps.
        if qmp.execute("system_wakeup", json!({})).is_ok() {
            return Ok(());
        }
        match session.wait_until(&[AWAKE], Instant::now() + PAUSE) {
            Seen::Wanted(..) => return Ok(()),
            Seen::Deadline if Instant::now() < session.deadline() => (),
            _ => bail!("the guest neither slept nor went on"),
        }
    }
}

/// Everything that could be seen of a machine.
struct Sight<'a> {
    /// The guest's lines.
    lines: Vec<&'a str>,
    /// The console, byte by byte.
    console: String,
    /// What QEMU said.
    errors: &'a [String],
    /// QEMU's events.
    events: &'a [Value],
}

/// The verdicts on what the guest said it would do.
pub fn verdicts(ended: &Ended, events: &[Value]) -> Vec<Verdict> {
    let sight = Sight {
        lines: ended.lines.iter().map(|line| line.text.trim()).collect(),
        console: String::from_utf8_lossy(&ended.console).into_owned(),
        errors: &ended.errors,
        events,
    };
    sight.verdicts()
}

impl Sight<'_> {
    /// What follows `start` on the lines that begin with it.
    fn told(&self, start: &str) -> Vec<&str> {
        let lines = self.lines.iter();
        lines.filter_map(|line| line.strip_prefix(start)).collect()
    }

    /// How many events of this name there were, of those with `data`'s fields.
    fn count(&self, name: &str, data: &Value) -> usize {
        let fields = || data.as_object().into_iter().flatten();
        let same = |event: &&Value| {
            event["event"] == name && fields().all(|(key, value)| event["data"][key] == *value)
        };
        self.events.iter().filter(same).count()
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        let mut check =
            |requirement: &str, name: &str, width: &str, saw: Result<String, String>| {
                let (outcome, text) = match saw {
                    Ok(text) => (Outcome::Ok, text),
                    Err(text) => (Outcome::NotOk, text),
                };
                verdicts.push(Verdict {
                    outcome,
                    requirement: requirement.to_owned(),
                    check: name.to_owned(),
                    width: width.to_owned(),
                    text,
                });
            };
        for word in self.told(SHOWS) {
            let width = word.trim_start_matches('/');
            check(
                "R1-7.3.5.3-13",
                "display-characters-shown",
                width,
                self.shown(word),
            );
            check(
                "R1-7.3.5.3-12",
                "display-cursor-moves",
                width,
                self.moved(word),
            );
        }
        for word in self.told(QUIET) {
            let width = word.trim_start_matches('/');
            check(
                "R1-7.3.5.3-14",
                "display-nothing-shown",
                width,
                self.silence(word),
            );
        }
        if !self.told(TERMINATES).is_empty() {
            check(
                "R1-7.3.9.1-1",
                "os-term-string-arrives",
                "",
                self.terminated(),
            );
        }
        let asleep = self.told(ASK).into_iter().filter(|what| *what == WAKE);
        let asleep = asleep.count();
        if asleep > 0 {
            check(
                "R1-7.3.23-2",
                "suspend-stops-the-machine",
                "",
                self.slept(asleep),
            );
        }
        if !self.told(REBOOTS).is_empty() {
            check(
                "R1-7.3.7.1-1",
                "reboot-resets-the-machine",
                "",
                self.reset(),
            );
        }
        if !self.told(POWERS_OFF).is_empty() {
            check("R1-7.3.6.3-1", "power-off-ends-the-machine", "", self.off());
        }
        verdicts
    }

    /// Whether all characters came out, in their order.
    fn shown(&self, word: &str) -> Result<String, String> {
        let text = shown(word);
        let wanted = text.trim_start().lines().next().unwrap_or_default();
        match self.console.contains(wanted) {
            true => Ok(format!("95 characters as they were sent{word}")),
            false => {
                let (start, _) = wanted.split_once(':').unwrap_or((wanted, ""));
                let saw = self.lines.iter().find(|line| line.contains(start));
                Err(format!(
                    "wanted {wanted:?}, saw {:?}",
                    saw.unwrap_or(&"nothing")
                ))
            }
        }
    }

    /// Whether nothing came out while the guest made calls that have nothing to show.
    fn silence(&self, word: &str) -> Result<String, String> {
        let between = self
            .console
            .split_once(&format!("{QUIET}{word}"))
            .and_then(|(_, rest)| rest.split_once(&format!("{HEARD}{word}")));
        match between.map(|(between, _)| between.trim_matches(['\r', '\n'])) {
            Some("") => Ok("nothing on the console between two lines of the guest".to_owned()),
            Some(saw) => Err(format!("wanted nothing, saw {saw:?}")),
            None => Err("wanted both lines of the guest, saw one".to_owned()),
        }
    }

    /// Whether carriage return and line feed came out as such.
    fn moved(&self, word: &str) -> Result<String, String> {
        let text = shown(word);
        if self.console.contains(&text) {
            return Ok("0x0d and 0x0a reach the terminal as they are".to_owned());
        }
        let start = text.trim_start().split(':').next().unwrap_or_default();
        let at = self.console.find(start).unwrap_or(self.console.len());
        let saw: String = self.console[at..].chars().take(text.len()).collect();
        Err(format!("wanted {text:?}, saw {saw:?}"))
    }

    /// Whether QEMU got every string, and knows each time that its guest came to an end.
    fn terminated(&self) -> Result<String, String> {
        let strings = self.told(TERMINATES);
        let missing = strings.iter().filter(|string| {
            let mut errors = self.errors.iter();
            !errors.any(|line| line.ends_with(&format!("OS terminated: {string}")))
        });
        let missing: Vec<&&str> = missing.collect();
        let panics = self.count("GUEST_PANICKED", &json!({}));
        if missing.is_empty() && panics == strings.len() {
            return Ok(format!("QEMU told {panics} strings and ends"));
        }
        Err(format!(
            "wanted {} strings and as many GUEST_PANICKED, saw {panics}, and none of {missing:?}",
            strings.len()
        ))
    }

    fn slept(&self, asked: usize) -> Result<String, String> {
        let [slept, woke] = ["SUSPEND", "WAKEUP"].map(|name| self.count(name, &json!({})));
        match (slept, woke) == (asked, asked) {
            true => Ok(format!("QEMU's machine slept and woke {woke} times")),
            false => Err(format!(
                "wanted {asked} times SUSPEND and WAKEUP, saw {slept} and {woke}"
            )),
        }
    }

    fn reset(&self) -> Result<String, String> {
        let resets = self.count("RESET", &json!({ "guest": true, "reason": "guest-reset" }));
        match resets {
            1 => Ok("the guest reset QEMU's machine, once".to_owned()),
            other => Err(format!("wanted one RESET by the guest, saw {other}")),
        }
    }

    fn off(&self) -> Result<String, String> {
        let ends = self.count(
            "SHUTDOWN",
            &json!({ "guest": true, "reason": "guest-shutdown" }),
        );
        match (ends, self.told(STILL_ON).first()) {
            (1, None) => Ok("the guest switched QEMU's machine off".to_owned()),
            (1, Some(_)) => Err("wanted a machine that is off, saw it go on".to_owned()),
            (other, _) => Err(format!("wanted one SHUTDOWN by the guest, saw {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight<'a>(lines: &[&'a str], errors: &'a [String], events: &'a [Value]) -> Sight<'a> {
        Sight {
            lines: lines.to_vec(),
            console: lines.join("\r\n"),
            errors,
            events,
        }
    }

    fn outcomes(sight: &Sight<'_>) -> Vec<(String, Outcome)> {
        let verdicts = sight.verdicts().into_iter();
        verdicts.map(|it| (it.check, it.outcome)).collect()
    }

    fn event(name: &str, data: &Value) -> Value {
        json!({ "event": name, "data": data })
    }

    #[test]
    fn nothing_is_judged_that_the_guest_did_not_do() {
        assert_eq!(outcomes(&sight(&["guest: done, 3 checks"], &[], &[])), []);
    }

    #[test]
    fn a_character_that_is_missing_or_moved_is_seen() {
        let judged = |text: &str| {
            let mut sight = sight(&["guest: shows /32"], &[], &[]);
            sight.console = format!("guest: shows /32\r\n{text}ok R1-1 x: y\r\n");
            let outcomes = outcomes(&sight);
            assert_eq!(outcomes.len(), 2);
            [outcomes[0].1, outcomes[1].1]
        };
        let text = shown("/32");
        assert_eq!(judged(&text), [Outcome::Ok; 2]);
        assert_eq!(judged(&text.replace('Q', "?")), [Outcome::NotOk; 2]);
        let other = text.replace("left\r", "left\r\n");
        assert_eq!(judged(&other), [Outcome::Ok, Outcome::NotOk]);
        assert_eq!(judged(""), [Outcome::NotOk; 2]);
    }

    #[test]
    fn what_comes_out_between_the_guests_lines_is_seen() {
        let judged = |between: &str| {
            let mut sight = sight(&["guest: is quiet /32"], &[], &[]);
            sight.console =
                format!("guest: is quiet /32\r\n{between}guest: was quiet /32\r\nok R1-1 x: y\r\n");
            outcomes(&sight)[0].1
        };
        assert_eq!(judged(""), Outcome::Ok);
        assert_eq!(judged("."), Outcome::NotOk);
        let mut lost = sight(&["guest: is quiet /32"], &[], &[]);
        lost.console = "guest: is quiet /32\r\n".to_owned();
        assert_eq!(outcomes(&lost)[0].1, Outcome::NotOk);
    }

    #[test]
    fn every_string_and_every_end_has_to_arrive() {
        let lines = ["guest: terminates with a/32", "guest: terminates with b/32"];
        let errors = ["qemu: OS terminated: a/32", "qemu: OS terminated: b/32"].map(str::to_owned);
        let events = [(); 2].map(|()| event("GUEST_PANICKED", &json!({ "action": "run" })));
        let judged = |errors, events| outcomes(&sight(&lines, errors, events))[0].1;
        assert_eq!(judged(&errors, &events), Outcome::Ok);
        assert_eq!(judged(&errors[..1], &events), Outcome::NotOk);
        assert_eq!(judged(&errors, &events[..1]), Outcome::NotOk);
    }

    #[test]
    fn sleep_resets_and_ends_are_counted_among_the_guests_own_events() {
        let own = |name, reason: &str| event(name, &json!({ "guest": true, "reason": reason }));
        let lines = [
            "guest: asks for a wakeup",
            "guest: reboots",
            "guest: powers off by RTAS",
        ];
        let events = [
            event("SUSPEND", &json!({})),
            event("WAKEUP", &json!({})),
            own("RESET", "guest-reset"),
            own("SHUTDOWN", "guest-shutdown"),
        ];
        let judged = |lines: &[&str], events: &[Value]| -> Vec<Outcome> {
            let outcomes = outcomes(&sight(lines, &[], events));
            outcomes.into_iter().map(|(_, outcome)| outcome).collect()
        };
        assert_eq!(judged(&lines, &events), [Outcome::Ok; 3]);
        for missing in 0..events.len() {
            let mut others = events.to_vec();
            others[missing] = event("STOP", &json!({}));
            assert_eq!(
                judged(&lines, &others)
                    .iter()
                    .filter(|it| **it == Outcome::NotOk)
                    .count(),
                1,
                "{missing}"
            );
        }
        let still = [lines[2], "guest: is still on, status 0"];
        assert_eq!(judged(&still, &events), [Outcome::NotOk]);
    }
}
