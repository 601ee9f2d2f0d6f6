//! The tests of the device-tree binding: the schema by the meta-schema of dt-schema, and trees by
//! the schema. Trees are QEMU's with what fdt-gen adds, the same broken in one place each, and what
//! a kernel in a machine was started with.

mod broken;
mod machine;
mod schema;
mod tree;

use crate::debian::KernelVersion;
use crate::docs;
use crate::paths;
use crate::process;
use anyhow::{Context, Result, bail, ensure};
use broken::BROKEN;
use std::fs;
use std::process::Command;

/// One test of the binding.
#[derive(Clone, Copy, Debug)]
pub enum Case {
    /// The generated documents are what the table makes of them.
    UpToDate,
    /// The meta-schema takes the schema, and refuses a damaged one.
    MetaSchema,
    /// The schema takes its own example.
    Example,
    /// The schema takes QEMU's trees with every list that the table can fill, and refuses them as they
    /// are.
    EveryList,
    /// The schema refuses a tree that is broken in one place, for the right reason.
    Broken(&'static broken::Broken),
    /// The schema takes the tree of a real run, which promises what the documents say.
    Machine(KernelVersion, &'static str),
}

/// All of them, named.
pub fn cases() -> Vec<(String, Case)> {
    let named = |name: &str, case| (format!("binding/{name}"), case);
    let mut cases = vec![
        named("documents-are-up-to-date", Case::UpToDate),
        named("follows-the-meta-schema", Case::MetaSchema),
        named("takes-its-example", Case::Example),
        named("takes-every-list-of-the-table", Case::EveryList),
    ];
    let refused = BROKEN.iter().map(|broken| {
        let name = format!("refuses-{}", broken.name);
        named(&name, Case::Broken(broken))
    });
    cases.extend(refused);
    for (kernel, qemu) in [(KernelVersion::V6_1, "7.2"), (KernelVersion::V6_12, "10.0")] {
        let name = format!("takes-the-tree-of-a-run {} {qemu}", kernel.name());
        cases.push(named(&name, Case::Machine(kernel, qemu)));
    }
    cases
}

impl Case {
    /// Whether it boots a machine.
    pub fn is_slow(self) -> bool {
        matches!(self, Self::Machine(..))
    }

    /// Runs it. `firmware` is for the one that boots a machine.
    pub fn run(self, firmware: &str) -> Result<String> {
        match self {
            Self::UpToDate => docs::check(),
            Self::MetaSchema => meta_schema(),
            Self::Example => example(),
            Self::EveryList => every_list(),
            Self::Broken(broken) => broken.is_refused(),
            Self::Machine(kernel, qemu) => machine::run(firmware, kernel, qemu),
        }
    }
}

fn meta_schema() -> Result<String> {
    let text = fs::read_to_string(docs::binding_file())?;
    schema::check(&docs::binding_file())?;
    // A property of a vendor needs a type: without one the checker has to complain.
    let first = text
        .lines()
        .position(|line| line.contains("$ref: /schemas/types.yaml"));
    let first = first.context("the schema gives no property a type")?;
    let damaged: Vec<&str> = text
        .lines()
        .enumerate()
        .filter(|(number, _)| *number != first)
        .map(|(_, line)| line)
        .collect();
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("oxrtas,rtas.yaml");
    fs::write(&path, damaged.join("\n"))?;
    ensure!(
        schema::check(&path).is_err(),
        "the meta-schema takes a property without a type"
    );
    Ok(String::new())
}

/// Compiles the example of the schema and validates it.
fn example() -> Result<String> {
    let directory = paths::target_directory("binding")?;
    let mut extract = Command::new(schema::EXTRACT_EXAMPLE);
    let source = process::output(extract.arg(docs::binding_file()))?;
    let (from, to) = (directory.join("example.dts"), directory.join("example.dtb"));
    fs::write(&from, source)?;
    let mut compile = Command::new("dtc");
    compile
        .args(["-I", "dts", "-O", "dtb", "-o"])
        .arg(&to)
        .arg(&from);
    process::output(&mut compile)?;
    schema::validate(&to)?.accepted()
}

fn every_list() -> Result<String> {
    let mut seen = Vec::new();
    for name in tree::QEMUS {
        let bare = tree::of_qemu(name)?;
        let full = tree::with_every_promise(&bare)?;
        schema::validate(&tree::write(&bare, name)?)?.refused(schema::REQUIRED)?;
        schema::validate(&tree::write(&full, &format!("{name}-full"))?)?.accepted()?;
        let rtas = tree::rtas(&full)?;
        let ours = full
            .properties(rtas)
            .filter(|it| it.name.starts_with("oxrtas,"));
        let names: Vec<&str> = ours.map(|it| it.name).collect();
        if names.len() != 5 {
            bail!("the table does not fill every list: {}", names.join(", "));
        }
        seen.push(name);
    }
    Ok(seen.join(", "))
}
