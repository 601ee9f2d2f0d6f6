//! Tables of tab-separated fields with a heading.

use crate::error::WithHint;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// A line of a table.
#[derive(Debug)]
pub struct Row {
    file: String,
    line: usize,
    fields: Vec<String>,
}

impl Row {
    /// The field in column `index`, the first being 0.
    pub fn field(&self, index: usize) -> &str {
        self.fields.get(index).map_or("", String::as_str)
    }

    /// File and line.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    /// The message of a field that cannot be read.
    pub fn wrong(&self, column: &str) -> String {
        format!(
            "{}: the column {column:?} of {} is wrong",
            self.place(),
            self.field(0)
        )
    }
}

/// Reads the table in `path`. Its heading has to be `columns`, and each line has to have as many
/// fields, none of them empty.
pub fn read(path: &Path, columns: &[&str]) -> Result<Vec<Row>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    rows(&file, &text, columns).hint("tests/catalogue/README.md says what each column means")
}

fn rows(file: &str, text: &str, columns: &[&str]) -> Result<Vec<Row>> {
    let mut lines = text.lines().enumerate();
    let heading = lines.next().map_or("", |(_, line)| line);
    if heading.split('\t').ne(columns.iter().copied()) {
        bail!("{file}:1: the heading is not {}", columns.join(", "));
    }
    let mut rows = Vec::new();
    for (index, line) in lines {
        let row = Row {
            file: file.to_owned(),
            line: index + 1,
            fields: line.split('\t').map(str::to_owned).collect(),
        };
        if row.fields.len() != columns.len()
            || row.fields.iter().any(|it| it.trim() != it || it.is_empty())
        {
            bail!(
                "{}: {} fields that are neither empty nor have blanks around them are wanted, `-` for nothing",
                row.place(),
                columns.len()
            );
        }
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_as_many_fields_as_the_heading() {
        let read = |text: &str| rows("x.tsv", text, &["a", "b"]);
        let good = read("a\tb\n1\t-\n").unwrap();
        assert_eq!(
            (good.len(), good[0].field(0), good[0].field(1)),
            (1, "1", "-")
        );
        assert_eq!(good[0].place(), "x.tsv:2");
        for bad in [
            "a\n1\n",
            "a\tb\n1\n",
            "a\tb\n1\t2\t3\n",
            "a\tb\n1\t\n",
            "a\tb\n1 \t2\n",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
