//! The results as one page that needs no network: firmwares side by side, with a filter.

use super::catalogue::{Catalogue, Evidence};
use super::standing::{Column, Standing, Verdict};
use super::{machine, table};
use anyhow::Result;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;
use std::collections::BTreeSet;

const TEMPLATE: &str = include_str!("page.html");

/// A firmware as the template takes it.
#[derive(Serialize)]
struct Head<'a> {
    name: &'a str,
    firmware: &'a str,
    qemu: &'a str,
    runs: &'a str,
    counts: Vec<usize>,
}

/// A requirement as the template takes it.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    title: &'a str,
    words: &'a str,
    binds: &'static str,
    functions: &'a [String],
    option: Option<&'a str>,
    tests: Vec<String>,
    proved: bool,
    cells: Vec<Cell<'a>>,
}

/// A requirement on a firmware.
#[derive(Serialize)]
struct Cell<'a> {
    word: &'static str,
    #[serde(flatten)]
    standing: &'a Standing,
}

/// The page, with the requirements that `key` chooses.
pub fn render(catalogue: &Catalogue, columns: &[Column], key: &str) -> Result<String> {
    let chosen: BTreeSet<usize> = (0..catalogue.requirements.len())
        .filter(|index| is_chosen(catalogue, columns, *index, key))
        .collect();
    let heads: Vec<Head<'_>> = columns.iter().map(|it| head(it, &chosen)).collect();
    let rows: Vec<Row<'_>> = chosen
        .iter()
        .filter_map(|index| row(catalogue, columns, *index))
        .collect();
    let requirements = catalogue.requirements.iter();
    let calls: BTreeSet<&String> = requirements.flat_map(|it| &it.functions).collect();
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("page", TEMPLATE)?;
    let judged = table::judged(catalogue, columns);
    let judged: BTreeSet<&str> = rows
        .iter()
        .map(|row| row.id)
        .filter(|id| judged.contains(id))
        .collect();
    let proved = judged.iter().filter(|id| catalogue.is_proved(id));
    Ok(environment.get_template("page")?.render(context! {
        columns => Serde(&heads),
        requirements => Serde(&rows),
        calls => Serde(&calls),
        checked => judged.len(),
        proved => proved.count(),
    })?)
}

/// Whether `key` chooses a requirement, by what any of the columns says.
fn is_chosen(catalogue: &Catalogue, columns: &[Column], index: usize, key: &str) -> bool {
    let standings = columns.iter().filter_map(|it| it.standings.get(index));
    let requirement = catalogue.requirements.get(index);
    requirement.is_some_and(|requirement| {
        let mut standings = standings.into_iter();
        standings.any(|it| machine::chosen(requirement, it, key))
    })
}

fn head<'a>(column: &'a Column, chosen: &BTreeSet<usize>) -> Head<'a> {
    Head {
        name: &column.name,
        firmware: &column.firmware,
        qemu: &column.qemu,
        runs: &column.runs,
        counts: Verdict::ALL
            .map(|verdict| column.count(verdict, |index| chosen.contains(&index)))
            .into(),
    }
}

fn row<'a>(catalogue: &'a Catalogue, columns: &'a [Column], index: usize) -> Option<Row<'a>> {
    let requirement = catalogue.requirements.get(index)?;
    let guest = |evidence: &&Evidence| matches!(evidence, Evidence::Guest(_));
    let tests = requirement.also.iter().filter(|evidence| !guest(evidence));
    let standings = columns
        .iter()
        .filter_map(|column| column.standings.get(index));
    Some(Row {
        id: &requirement.id,
        title: &requirement.title,
        words: &requirement.words,
        binds: requirement.binds.word(),
        functions: &requirement.functions,
        option: catalogue
            .option(requirement)
            .map(|option| option.name.as_str()),
        tests: tests.map(ToString::to_string).collect(),
        proved: catalogue.is_proved(&requirement.id),
        cells: standings
            .map(|standing| Cell {
                word: standing.verdict.word(),
                standing,
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::standing::tests::column;
    use super::*;

    #[test]
    fn the_page_has_every_requirement_and_what_checks_saw_and_needs_no_network() {
        let log = "not ok R1-7.2.6-3 rtas-properties: wanted <b>, saw \"1\" & 2";
        let (catalogue, one) = column("slof", log);
        let (_, other) = column("vof", "");
        let columns = [one, other];
        let page = render(&catalogue, &columns, "").unwrap();
        assert_eq!(
            page.matches("<tr id=\"").count(),
            catalogue.requirements.len()
        );
        assert!(page.contains("wanted &lt;b&gt;, saw &quot;1&quot; &amp; 2"));
        assert!(page.contains("data-verdicts=\"fail not-testable\""));
        for outside in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn a_key_chooses_rows_and_is_counted_with_them() {
        let (catalogue, column) = column("slof", "ok R1-7.2.6-1 rtas-node: x");
        let page = render(&catalogue, &[column], "R1-7.2.6-1").unwrap();
        assert_eq!(page.matches("<tr id=\"").count(), 1);
        assert!(page.contains("1 of the 1 requirements"), "{page}");
    }
}
