//! Reading what the guest prints: the lines that start with `OXRTAS-` (`files/init.sh`).

use crate::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::time::Duration;

/// What every line of the guest's scripts starts with.
const MARKER: &str = "OXRTAS-";

/// A step that the guest began.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// When its line came, since the machine was started.
    pub at: Duration,
    /// The guest's own `/proc/uptime`, in seconds.
    pub uptime: Option<f64>,
}

/// What the guest says about one of its checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The name of the check.
    pub name: String,
    /// Whether it is good.
    pub passed: bool,
    /// What was seen.
    pub detail: String,
}

/// Everything that a guest has said so far. Lines of others (firmware, kernel) are passed over.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    /// The steps, in order. A reboot repeats them.
    pub phases: Vec<Phase>,
    /// Values that the host compares; said twice, the later one counts.
    pub facts: BTreeMap<String, String>,
    /// The verdicts, in order.
    pub verdicts: Vec<Verdict>,
    /// Remarks and lines that could not be understood.
    pub notes: Vec<String>,
    /// Files that the guest sent, or why one did not arrive whole.
    pub files: BTreeMap<String, Result<Vec<u8>, String>>,
    /// The mode that the guest called done.
    pub done: Option<String>,
    receiving: Option<Receiving>,
}

/// A file on its way.
#[derive(Clone, Debug)]
struct Receiving {
    name: String,
    bytes: usize,
    sha256: String,
    text: String,
}

impl Transcript {
    /// Reads a whole console log whose lines came at unknown times.
    #[cfg(test)]
    pub fn of(log: &str) -> Self {
        let mut transcript = Self::default();
        for line in log.lines() {
            transcript.push(Duration::ZERO, line);
        }
        transcript
    }

    /// Takes the next line of the console, which came `at` after the start. Gives back the phase
    /// that it begins, if it does.
    pub fn push(&mut self, at: Duration, line: &str) -> Option<&Phase> {
        let line = line.trim();
        // Something else may have been printed on the same line before.
        let Some((_, text)) = line.split_once(MARKER) else {
            if let Some(receiving) = &mut self.receiving
                && line.bytes().all(is_base64)
            {
                receiving.text.push_str(line);
            }
            return None;
        };
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "PHASE" => {
                self.phases.push(Phase {
                    name: first.to_owned(),
                    at,
                    uptime: second.parse().ok(),
                });
                return self.phases.last();
            }
            "FACT" => {
                self.facts.insert(first.to_owned(), second.to_owned());
            }
            "VERDICT" => {
                let (result, detail) = second.split_once(' ').unwrap_or((second, ""));
                self.verdicts.push(Verdict {
                    name: first.to_owned(),
                    passed: result == "pass",
                    detail: detail.to_owned(),
                });
            }
            "DATA-BEGIN" => {
                let (bytes, sha256) = second.split_once(' ').unwrap_or((second, ""));
                self.receiving = Some(Receiving {
                    name: first.to_owned(),
                    bytes: bytes.parse().unwrap_or(0),
                    sha256: sha256.to_owned(),
                    text: String::new(),
                });
            }
            "DATA-END" => match self.receiving.take() {
                Some(receiving) if receiving.name == first => {
                    let name = receiving.name.clone();
                    self.files.insert(name, receiving.finish());
                }
                _ => self
                    .notes
                    .push(format!("the end of {first} without its beginning")),
            },
            "DONE" => self.done = Some(rest.to_owned()),
            _ => self.notes.push(text.to_owned()),
        }
        None
    }

    /// The fact `key` as a number.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.facts.get(key)?.parse().ok()
    }

    /// The file `name`; an error says that it did not arrive, or not whole.
    pub fn file(&self, name: &str) -> Result<&[u8], String> {
        match self.files.get(name) {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(error)) => Err(format!("{name}: {error}")),
            None => Err(format!("{name} was not sent")),
        }
    }

    /// The last verdict called `name`.
    pub fn verdict(&self, name: &str) -> Option<&Verdict> {
        self.verdicts
            .iter()
            .rev()
            .find(|verdict| verdict.name == name)
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

impl Receiving {
    fn finish(self) -> Result<Vec<u8>, String> {
        let bytes = STANDARD
            .decode(&self.text)
            .map_err(|error| format!("damaged on the console: {error}"))?;
        if bytes.len() != self.bytes {
            return Err(format!("{} of {} bytes arrived", bytes.len(), self.bytes));
        }
        if digest::of(&bytes) != self.sha256 {
            return Err("damaged on the console: the digest differs".to_owned());
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn verdicts_facts_and_phases_are_found_among_other_lines() {
        let mut transcript = Transcript::default();
        let second = Duration::from_secs(1);
        transcript.push(second, "[    1.0] Run /init as init process");
        let phase = transcript.push(second, "OXRTAS-PHASE init 2.09\r").cloned();
        assert_eq!(phase.map(|phase| phase.uptime), Some(Some(2.09)));
        transcript.push(second, "[    2.1] noise OXRTAS-VERDICT clock pass 12 s");
        transcript.push(second, "OXRTAS-VERDICT log fail WARNING: at foo");
        transcript.push(second, "OXRTAS-FACT cpus.count 4");
        transcript.push(second, "OXRTAS-DONE summary");
        assert_eq!(transcript.number("cpus.count"), Some(4));
        assert!(
            transcript
                .verdict("clock")
                .is_some_and(|verdict| verdict.passed)
        );
        let log = transcript.verdict("log").unwrap();
        assert_eq!(
            (log.passed, log.detail.as_str()),
            (false, "WARNING: at foo")
        );
        assert_eq!(transcript.done.as_deref(), Some("summary"));
    }

    #[test]
    fn a_verdict_that_was_cut_off_is_not_a_pass() {
        let transcript = Transcript::of("OXRTAS-VERDICT clock\nOXRTAS-VERDICT other pas");
        assert!(transcript.verdicts.iter().all(|verdict| !verdict.passed));
    }

    #[test]
    fn a_file_arrives_in_spite_of_kernel_lines_between() {
        let log = format!(
            "OXRTAS-DATA-BEGIN a 3 {ABC}\nYW\n[    3.1] a line of the kernel\nJj\nOXRTAS-DATA-END a"
        );
        assert_eq!(Transcript::of(&log).file("a"), Ok(&b"abc"[..]));
    }

    #[test]
    fn a_file_that_is_damaged_short_or_absent_is_an_error() {
        let sent = |bytes: &str, digest: &str, text: &str| {
            let log = format!("OXRTAS-DATA-BEGIN a {bytes} {digest}\n{text}\nOXRTAS-DATA-END a");
            Transcript::of(&log).file("a").map(<[u8]>::to_vec)
        };
        assert!(sent("3", ABC, "YWJj").is_ok());
        assert!(sent("3", ABC, "YWJk").unwrap_err().contains("digest"));
        assert!(sent("4", ABC, "YWJj").unwrap_err().contains("3 of 4"));
        assert!(sent("3", ABC, "YWJ").unwrap_err().contains("damaged"));
        assert!(
            Transcript::default()
                .file("a")
                .unwrap_err()
                .contains("not sent")
        );
    }
}
