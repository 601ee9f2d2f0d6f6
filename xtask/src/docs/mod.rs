//! Documents that are made from the call table: `cargo xtask docs`.

mod binding;
mod calls;

use crate::cli::DocsArgs;
use crate::paths;
use anyhow::{Context, Result, bail};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value};
use rtas_abi::capability::{
    CONCURRENT_PROPERTY, CRASH_SAFE_PROPERTY, Capability, REENTRANT_PROPERTY,
};
use serde::Serialize;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// One list of functions in `/rtas`.
#[derive(Clone, Copy, Debug, Serialize)]
struct List {
    /// How the page of calls abbreviates it.
    letter: char,
    /// The property.
    property: &'static str,
    /// What is true of a function in it: lines of a paragraph.
    meaning: &'static [&'static str],
    #[serde(skip)]
    capability: Capability,
}

const LISTS: [List; 3] = [
    List {
        letter: 'R',
        property: REENTRANT_PROPERTY,
        meaning: &[
            "May run on all processors at once, with itself and with the others in this list, each call",
            "with an argument buffer of its own.",
        ],
        capability: Capability::REENTRANT,
    },
    List {
        letter: 'C',
        property: CONCURRENT_PROPERTY,
        meaning: &[
            "May start while any other function is running. Whether two calls of this one may run at",
            "once is as LoPAR says.",
        ],
        capability: Capability::CONCURRENT,
    },
    List {
        letter: 'S',
        property: CRASH_SAFE_PROPERTY,
        meaning: &[
            "May be called though any number of processors, the calling one included, entered RTAS and",
            "will never come back. It completes within a bound.",
        ],
        capability: Capability::CRASH_SAFE,
    },
];

/// A document, and what it has to hold.
#[derive(Debug)]
struct Document {
    /// Below the checkout.
    path: &'static str,
    text: String,
}

/// Where the binding is, below the checkout.
const BINDING: &str = "docs/binding/oxrtas,rtas.yaml";

/// All of them.
fn documents() -> Result<Vec<Document>> {
    Ok(vec![
        Document {
            path: "docs/calls.md",
            text: calls::page()?,
        },
        Document {
            path: BINDING,
            text: binding::schema()?,
        },
    ])
}

/// The binding: its file.
pub fn binding_file() -> PathBuf {
    paths::workspace().join(BINDING)
}

/// `cargo xtask docs`.
pub fn run(arguments: &DocsArgs) -> Result<ExitCode> {
    if arguments.check {
        println!("{}", check()?);
        return Ok(ExitCode::SUCCESS);
    }
    for document in documents()? {
        let path = paths::workspace().join(document.path);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&path, document.text)
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", document.path);
    }
    Ok(ExitCode::SUCCESS)
}

/// Fails with the documents that are not what the table makes of them.
pub fn check() -> Result<String> {
    let documents = documents()?;
    let stale: Vec<&str> = documents
        .iter()
        .filter(|document| {
            let path = paths::workspace().join(document.path);
            fs::read_to_string(path).ok().as_ref() != Some(&document.text)
        })
        .map(|document| document.path)
        .collect();
    if !stale.is_empty() {
        bail!("out of date, run `cargo xtask docs`: {}", stale.join(", "));
    }
    Ok(format!("{} documents", documents.len()))
}

fn render(template: &str, values: Value) -> Result<String> {
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()?;
    let mut environment = Environment::new();
    environment.set_syntax(syntax);
    Ok(environment.render_str(template, values)?)
}
