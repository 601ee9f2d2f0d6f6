//! Whether what a guest said is a success.

use super::{Mode, Transcript};

/// What a guest has to say.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The mode that it was told to run.
    pub mode: Mode,
    /// The verdicts that have to come.
    verdicts: Vec<String>,
    /// Facts and their values.
    facts: Vec<(String, String)>,
}

impl Expectation {
    /// Everything that `mode` owes. `devices` are the names of the devices mode, `rounds` the
    /// rounds of the hotplug mode.
    pub fn new(mode: Mode, devices: &[&str], rounds: usize) -> Self {
        Self {
            mode,
            verdicts: mode.verdicts(devices, rounds),
            facts: Vec::new(),
        }
    }

    /// Adds a fact: the guest has to say `key` with exactly this `value`.
    pub fn fact(mut self, key: &str, value: impl ToString) -> Self {
        self.facts.push((key.to_owned(), value.to_string()));
        self
    }

    /// What is wrong with `transcript`, one line each; nothing if it is a success. A bad verdict
    /// counts even if nobody asked for it.
    pub fn failures(&self, transcript: &Transcript) -> Vec<String> {
        let mut failures = Vec::new();
        for verdict in transcript.verdicts.iter().filter(|verdict| !verdict.passed) {
            failures.push(format!("{}: {}", verdict.name, verdict.detail));
        }
        for name in &self.verdicts {
            if transcript.verdict(name).is_none() {
                failures.push(format!("{name}: no verdict"));
            }
        }
        for (key, expected) in &self.facts {
            match transcript.facts.get(key) {
                Some(seen) if seen == expected => (),
                Some(seen) => failures.push(format!("{key} is {seen}, expected {expected}")),
                None => failures.push(format!("{key} was not said, expected {expected}")),
            }
        }
        for (name, file) in &transcript.files {
            if let Err(error) = file {
                failures.push(format!("{name}: {error}"));
            }
        }
        let wanted = self.mode.last_word();
        if transcript.done.as_deref() != Some(wanted) {
            let last = transcript.phases.last();
            let last = last.map_or("nothing", |phase| phase.name.as_str());
            failures.push(format!(
                "the guest did not finish: its last phase is {last}"
            ));
        }
        failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "OXRTAS-PHASE init 1.0\n\
        OXRTAS-VERDICT rtas-instantiated pass a\nOXRTAS-VERDICT rtas-clock pass b\n\
        OXRTAS-VERDICT hwclock pass c\nOXRTAS-VERDICT rtas-set-clock pass d\n\
        OXRTAS-VERDICT kernel-log pass e\nOXRTAS-FACT cpus.count 4\nOXRTAS-DONE summary\n";

    fn failures(log: &str) -> Vec<String> {
        Expectation::new(Mode::Summary, &[], 0)
            .fact("cpus.count", 4)
            .failures(&Transcript::of(log))
    }

    #[test]
    fn all_verdicts_good_and_all_facts_right_is_a_success() {
        assert_eq!(failures(GOOD), Vec::<String>::new());
    }

    #[test]
    fn each_missing_line_is_a_failure() {
        for (index, line) in GOOD.lines().enumerate().skip(1) {
            let rest: Vec<&str> = GOOD
                .lines()
                .enumerate()
                .filter(|(at, _)| *at != index)
                .map(|(_, line)| line)
                .collect();
            assert_eq!(failures(&rest.join("\n")).len(), 1, "without {line}");
        }
        assert!(!failures("").is_empty());
    }

    #[test]
    fn a_bad_verdict_or_a_wrong_fact_is_a_failure() {
        assert_eq!(
            failures(&GOOD.replace("hwclock pass", "hwclock fail")).len(),
            1
        );
        assert_eq!(failures(&GOOD.replace("count 4", "count 3")).len(), 1);
        assert_eq!(
            failures(&format!("{GOOD}OXRTAS-VERDICT more fail x")).len(),
            1
        );
        assert_eq!(
            failures(&GOOD.replace("DONE summary", "DONE devices")).len(),
            1
        );
    }
}
