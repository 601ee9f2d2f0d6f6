//! What programs printed on two firmwares, side by side.

use super::{User, known};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What stands before the name of a section (`guest/files/user/common.sh`).
const HEAD: &str = "## ";
/// Lines of one side of a difference that are shown.
const SHOWN: usize = 12;

/// The lines of each section, by its name.
pub type Sections = BTreeMap<String, Vec<String>>;

/// A section that is not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub section: String,
    /// Lines that only the first has.
    pub first: Vec<String>,
    /// Lines that only the second has.
    pub second: Vec<String>,
}

/// Reads the sections of a run.
pub fn read(text: &str) -> Sections {
    let mut sections = Sections::new();
    let mut name = None;
    for line in text.lines() {
        if let Some(next) = line.strip_prefix(HEAD) {
            sections.entry(next.to_owned()).or_default();
            name = Some(next.to_owned());
        } else if let Some(lines) = name.as_ref().and_then(|name| sections.get_mut(name)) {
            lines.push(line.trim_end().to_owned());
        }
    }
    sections
}

/// The sections that differ, those that one side has not included.
pub fn differences(first: &Sections, second: &Sections) -> Vec<Difference> {
    let mut names: Vec<&String> = first.keys().chain(second.keys()).collect();
    names.sort();
    names.dedup();
    let mut differences = Vec::new();
    for name in names {
        let (a, b) = (first.get(name), second.get(name));
        if a == b {
            continue;
        }
        let lines = |side: Option<&Vec<String>>| match side {
            Some(lines) => lines.clone(),
            None => vec!["(there is no such section)".to_owned()],
        };
        let (a, b) = (lines(a), lines(b));
        let mut difference = Difference {
            section: name.clone(),
            first: without(&a, &b),
            second: without(&b, &a),
        };
        if difference.first.is_empty() && difference.second.is_empty() {
            difference
                .first
                .push("(the same lines in another order)".to_owned());
        }
        differences.push(difference);
    }
    differences
}

/// The lines of `lines` but those that `others` has too, as often as it has them.
fn without(lines: &[String], others: &[String]) -> Vec<String> {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for line in others {
        *left.entry(line).or_default() += 1;
    }
    let mut only = Vec::new();
    for line in lines {
        match left.get_mut(line.as_str()) {
            Some(count) if *count > 0 => *count -= 1,
            _ => only.push(line.clone()),
        }
    }
    only
}

/// The differences as text, each with its judgement.
pub fn show(user: &User, first: &str, second: &str, differences: &[Difference]) -> String {
    let mut text = String::new();
    for difference in differences {
        let judgement = known::difference(user.name, &difference.section)
            .map_or("NOT JUDGED".to_owned(), |known| {
                format!("{}: {}", known.whose, known.reason)
            });
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {}: {judgement}", user.name, difference.section);
        for (name, lines) in [(first, &difference.first), (second, &difference.second)] {
            for line in lines.iter().take(SHOWN) {
                let _ = writeln!(text, "  {name}: {line}");
            }
            if lines.len() > SHOWN {
                let _ = writeln!(text, "  {name}: ... {} more lines", lines.len() - SHOWN);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_compared_by_name_and_line() {
        let first = read("## a\n1\n2\n2\n## b\nsame\n## c\nx\n");
        let second = read("## b\nsame\n## a\n2\n3\n");
        let found = differences(&first, &second);
        let names: Vec<_> = found.iter().map(|d| d.section.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
        assert_eq!(found[0].first, ["1", "2"]);
        assert_eq!(found[0].second, ["3"]);
        assert!(found[1].second[0].contains("no such section"));
    }

    #[test]
    fn another_order_is_a_difference() {
        let found = differences(&read("## a\n1\n2\n"), &read("## a\n2\n1\n"));
        assert!(found[0].first[0].contains("order"), "{found:?}");
        assert!(differences(&read("## a\n1\n"), &read("## a\n1\n")).is_empty());
    }
}
