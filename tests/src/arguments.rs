//! The boot arguments that are the guest's.
//!
//! `oxrtas.guest=WORD,WORD...`: `flat` (use the flat tree and what it says of RTAS, not the client
//! interface), `bench` (measure instead of checking), `points` (serve the driver of
//! the crash points), `calls=N` (how many calls `stress` makes),
//! `plug` (somebody adds and removes a PCI device meanwhile), and names of groups of checks. No group:
//! all of them but those that have to be asked for. `oxrtas.NAME=NUMBER,NUMBER...` are numbers that
//! a group wants to be told.

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
    /// Numbers by name.
    pub numbers: Vec<(String, Vec<u64>)>,
}

impl Arguments {
    /// Reads the boot arguments; words of others are passed over.
    pub fn parse(text: &str) -> Arguments {
        let mut arguments = Arguments::default();
        for word in text.split_whitespace() {
            let Some(list) = word.strip_prefix("oxrtas.guest=") else {
                arguments.numbers.extend(numbers(word));
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

    /// Whether the group was asked for by name, for some width or for all.
    pub fn asks_part(&self, group: &str) -> bool {
        let part = |wanted: &String| wanted.split('/').next() == Some(group);
        self.groups.iter().any(part)
    }

    /// Whether nothing but the moment of the guest's entry is to be measured: the tree need not be
    /// read, which takes long where it is large.
    pub fn entry_only(&self) -> bool {
        self.bench && self.asks("bench-entry")
    }

    /// The numbers called `name`.
    pub fn numbers(&self, name: &str) -> Option<&[u64]> {
        let (_, numbers) = self.numbers.iter().find(|(own, _)| own == name)?;
        Some(numbers)
    }

    /// Whether the group is to run.
    pub fn wants(&self, group: &str) -> bool {
        (self.groups.is_empty() && !self.bench) || self.asks(group)
    }
}

/// The name and the numbers of `oxrtas.NAME=NUMBER,NUMBER...`.
fn numbers(word: &str) -> Option<(String, Vec<u64>)> {
    let (name, list) = word.strip_prefix("oxrtas.")?.split_once('=')?;
    let numbers: Result<Vec<u64>, _> = list.split(',').map(str::parse).collect();
    Some((name.to_string(), numbers.ok()?))
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

    #[test]
    fn a_group_may_be_asked_for_in_one_width() {
        let arguments = Arguments::parse("oxrtas.guest=fuzz/32");
        assert!(arguments.asks("fuzz/32") && !arguments.asks("fuzz/64"));
        assert!(arguments.asks_part("fuzz") && !arguments.asks_part("fuz"));
        assert!(!arguments.asks("fuzz") && !arguments.wants("calls"));
    }

    #[test]
    fn numbers_are_found_by_their_name() {
        let arguments = Arguments::parse("oxrtas.a=1 oxrtas.b=2,30 oxrtas.c=x oxrtas.guest=calls");
        assert_eq!(arguments.numbers("a"), Some(&[1][..]));
        assert_eq!(arguments.numbers("b"), Some(&[2, 30][..]));
        assert_eq!(arguments.numbers("c"), None);
        assert_eq!(arguments.groups, ["calls"]);
    }
}
