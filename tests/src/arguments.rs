//! The boot arguments that are the guest's.
//!
//! `oxrtas.guest=WORD,WORD...`: `flat` (use the flat tree and what it says of RTAS, not the client
//! interface), `stress` (make many more calls where a check repeats them), `bench` (measure instead
//! of checking), `points` (serve the driver of the crash points), and names of groups of checks. No group: all of them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What the guest was told to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Use the flat tree alone.
    pub flat: bool,
    /// Make many more calls where a check repeats them.
    pub stress: bool,
    /// Measure calls; only what prepares them is checked.
    pub bench: bool,
    /// Serve the driver of the crash points ([`crate::points`]) instead of checking.
    pub points: bool,
    /// Groups to run; empty for all.
    pub groups: Vec<String>,
}

impl Arguments {
    /// Reads the boot arguments; words of others are passed over.
    pub fn parse(text: &str) -> Arguments {
        let mut arguments = Arguments::default();
        for word in text.split_whitespace() {
            let Some(list) = word.strip_prefix("oxrtas.guest=") else {
                continue;
            };
            for name in list.split(',').filter(|name| !name.is_empty()) {
                match name {
                    "flat" => arguments.flat = true,
                    "stress" => arguments.stress = true,
                    "bench" => arguments.bench = true,
                    crate::points::ARGUMENT => arguments.points = true,
                    group => arguments.groups.push(group.to_string()),
                }
            }
        }
        arguments
    }

    /// Whether the group was asked for by name: for groups that are too long for every run.
    pub fn asks(&self, group: &str) -> bool {
        self.groups.iter().any(|wanted| wanted == group)
    }

    /// Whether the group is to run.
    pub fn wants(&self, group: &str) -> bool {
        (self.groups.is_empty() && !self.bench) || self.asks(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_passed_over() {
        let arguments = Arguments::parse("console=hvc0 oxrtas.guest=flat,calls quiet stress");
        assert!(
            arguments.flat
                && !arguments.stress
                && arguments.wants("calls")
                && !arguments.wants("client")
        );
    }

    #[test]
    fn measuring_makes_no_check_that_is_not_asked_for() {
        let bench = Arguments::parse("oxrtas.guest=bench");
        assert!(bench.bench && !bench.wants("client") && !bench.wants("calls"));
        assert!(Arguments::parse("oxrtas.guest=bench,calls").wants("calls"));
    }

    #[test]
    fn without_a_group_all_are_wanted() {
        let arguments = Arguments::parse("");
        assert!(!arguments.flat && arguments.wants("client"));
        let flat = Arguments::parse("oxrtas.guest=flat,stress");
        assert!(flat.flat && flat.stress && flat.wants("client"));
    }
}
