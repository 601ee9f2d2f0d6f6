//! The results as one page that needs no network: firmwares side by side, with a filter.

use super::catalogue::{Catalogue, Evidence};
use super::standing::{Column, Standing, Verdict};
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
    run: &'a str,
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

/// The page.
pub fn render(catalogue: &Catalogue, columns: &[Column]) -> Result<String> {
    let heads: Vec<Head<'_>> = columns.iter().map(head).collect();
    let rows: Vec<Row<'_>> = (0..catalogue.requirements.len())
        .filter_map(|index| row(catalogue, columns, index))
        .collect();
    let requirements = catalogue.requirements.iter();
    let calls: BTreeSet<&String> = requirements.flat_map(|it| &it.functions).collect();
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("page", TEMPLATE)?;
    let (checked, proved) = (catalogue.checked()?, catalogue.proved());
    Ok(environment.get_template("page")?.render(context! {
        columns => Serde(&heads),
        requirements => Serde(&rows),
        calls => Serde(&calls),
        checked => checked.len(),
        proved => proved.len(),
    })?)
}

fn head(column: &Column) -> Head<'_> {
    Head {
        name: &column.name,
        firmware: &column.case.firmware,
        qemu: &column.case.qemu,
        run: column.case.run.name,
        counts: Verdict::ALL
            .map(|verdict| column.count(verdict, |_| true))
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
        let page = render(&catalogue, &[one, other]).unwrap();
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
}
