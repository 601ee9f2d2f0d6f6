//! What the catalogue keeps of a run: `tests/catalogue/proved.tsv`.

use super::entry::Entry;
use super::judge::Caught;
use crate::conformance::catalogue::Mutant;
use std::collections::BTreeMap;

/// Where it is, in the checkout.
pub const PATH: &str = "tests/catalogue/proved.tsv";

/// The table: what `caught` says of the mutants that were run (nothing of those that were not
/// caught), what `before` said of the others, in the order of the list.
pub fn table(
    entries: &[Entry],
    before: &[Mutant],
    caught: &BTreeMap<&str, Option<Caught>>,
) -> String {
    let mut text = "requirement\tmutant\tcaught by\n".to_owned();
    let mut put = |id: &str, name: &str, by: &[String]| {
        text.push_str(&format!("{id}\t{name}\t{}\n", by.join(" ")));
    };
    for entry in entries {
        match caught.get(entry.name.as_str()) {
            Some(Some(caught)) => {
                for id in &entry.breaks {
                    put(id, &entry.name, &caught.by);
                }
            }
            Some(None) => (),
            None => {
                for row in before.iter().filter(|row| row.name == entry.name) {
                    if entry.breaks.contains(&row.requirement) {
                        put(&row.requirement, &row.name, &row.caught_by);
                    }
                }
            }
        }
    }
    text
}

/// Where the table and the list differ, one line each.
pub fn differences(entries: &[Entry], table: &[Mutant]) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in entries {
        for id in &entry.breaks {
            let mut rows = table.iter();
            if !rows.any(|row| row.name == entry.name && row.requirement == *id) {
                lines.push(format!(
                    "proved.tsv: the mutant {} of {id} is not there: run `cargo xtask mutants \
                     --only {} --record`",
                    entry.name, entry.name
                ));
            }
        }
    }
    for (index, row) in table.iter().enumerate() {
        let listed = |entry: &&Entry| entry.name == row.name;
        let breaks = |entry: &Entry| entry.breaks.contains(&row.requirement);
        if !entries.iter().find(listed).is_some_and(breaks) {
            lines.push(format!(
                "proved.tsv: no mutant {} breaks {}",
                row.name, row.requirement
            ));
        }
        let same = |other: &Mutant| other.name == row.name && other.requirement == row.requirement;
        if table.iter().skip(index + 1).any(same) {
            lines.push(format!(
                "proved.tsv: {} of {} is there twice",
                row.name, row.requirement
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, breaks: &[&str]) -> Entry {
        Entry {
            name: name.to_owned(),
            breaks: breaks.iter().map(|it| (*it).to_owned()).collect(),
            file: String::new(),
            old: String::new(),
            new: String::new(),
            groups: String::new(),
            run: String::new(),
        }
    }

    fn row(requirement: &str, name: &str, by: &str) -> Mutant {
        Mutant {
            requirement: requirement.to_owned(),
            name: name.to_owned(),
            caught_by: vec![by.to_owned()],
        }
    }

    #[test]
    fn what_was_not_run_stays_and_what_was_not_caught_goes() {
        let entries = [
            entry("a", &["1", "2"]),
            entry("b", &["3"]),
            entry("c", &["4"]),
        ];
        let before = [
            row("3", "b", "old"),
            row("4", "c", "old"),
            row("5", "d", "gone"),
        ];
        let by = Caught {
            by: vec!["x".to_owned(), "y".to_owned()],
            others: Default::default(),
        };
        let caught = BTreeMap::from([("a", Some(by)), ("c", None)]);
        let text = table(&entries, &before, &caught);
        let rows: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(rows, ["1\ta\tx y", "2\ta\tx y", "3\tb\told"]);
    }

    #[test]
    fn table_and_list_have_the_same_mutants_of_the_same_requirements() {
        let entries = [entry("a", &["1", "2"])];
        let good = [row("1", "a", "x"), row("2", "a", "x")];
        assert_eq!(differences(&entries, &good), Vec::<String>::new());
        for (table, text) in [
            (&good[..1], "a of 2 is not there"),
            (
                &[row("1", "a", "x"), row("2", "a", "x"), row("3", "a", "x")],
                "no mutant a breaks 3",
            ),
            (
                &[row("1", "a", "x"), row("2", "a", "x"), row("1", "z", "x")],
                "no mutant z breaks 1",
            ),
            (
                &[row("1", "a", "x"), row("2", "a", "x"), row("1", "a", "x")],
                "there twice",
            ),
        ] {
            let lines = differences(&entries, table);
            assert!(lines.len() == 1 && lines[0].contains(text), "{lines:?}");
        }
    }
}
