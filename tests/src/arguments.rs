//! The boot arguments that are the guest's.
//!
//! `oxrtas.guest=WORD,WORD...`: `flat` (use the flat tree and what it says of RTAS, not the client
//! interface), `bench` (measure instead of checking), `points` (serve the driver of
//! the crash points), `calls=N` (how many calls `stress` makes),
//! `plug` (somebody adds and removes a PCI device meanwhile), and names of groups of checks. No group:
//! all of them but those that have to be asked for.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What the guest was told to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Use the flat tree alone.
    pub flat: bool,
    /// How many calls `stress` makes.
    pub calls: Option<u64>,
    /// Somebody adds and removes a PCI device while `stress` runs.
    pub plug: bool,
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
                    "plug" => arguments.plug = true,
                    "bench" => arguments.bench = true,
                    crate::points::ARGUMENT => arguments.points = true,
                    other => match other.strip_prefix("calls=") {
                        Some(number) => arguments.calls = number.parse().ok(),
                        None => arguments.groups.push(other.to_string()),
                    },
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
                && !arguments.plug
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
        let flat = Arguments::parse("oxrtas.guest=flat,calls=7,plug");
        assert!(flat.flat && flat.plug && flat.wants("client"));
        assert_eq!(flat.calls, Some(7));
        assert!(!flat.asks("stress") && Arguments::parse("oxrtas.guest=stress").asks("stress"));
    }
}
