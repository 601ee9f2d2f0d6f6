//! dt-schema's programs (Debian's package dt-schema), with our schema and no other.

use crate::docs;
use crate::error::WithHint;
use crate::process;
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::process::{Command, Stdio};

/// Checks a schema by the meta-schema.
const CHECK: &str = "/usr/bin/dt-doc-validate";
/// Checks trees by schemas.
const VALIDATE: &str = "/usr/bin/dt-validate";
/// Prints the examples of a schema as device-tree source.
pub const EXTRACT_EXAMPLE: &str = "/usr/bin/dt-extract-example";
/// The node that the schema is for.
const NODE: &str = "/rtas";

/// What dt-validate says where a property is missing.
pub const REQUIRED: &str = "is a required property";

/// What dt-validate says about a tree.
#[derive(Debug, PartialEq, Eq)]
pub struct Opinion {
    /// Each complaint, of one or more lines.
    pub complaints: Vec<String>,
}

impl Opinion {
    /// Fails with the complaints.
    pub fn accepted(self) -> Result<String> {
        if !self.complaints.is_empty() {
            bail!(
                "dt-validate refuses the tree:\n{}",
                self.complaints.join("\n")
            );
        }
        Ok(String::new())
    }

    /// Fails unless there are complaints, and all of them have `reason` in them.
    pub fn refused(self, reason: &str) -> Result<String> {
        let complaints = &self.complaints;
        ensure!(!complaints.is_empty(), "dt-validate takes the tree");
        ensure!(
            complaints
                .iter()
                .all(|complaint| complaint.contains(reason)),
            "expected {reason:?} and nothing else, and got:\n{}",
            complaints.join("\n")
        );
        Ok(String::new())
    }
}

/// Checks a schema by the meta-schema of dt-schema.
pub fn check(schema: &Path) -> Result<()> {
    let directory = schema.parent().context("a schema without a directory")?;
    let mut command = Command::new(CHECK);
    command.arg("-u").arg(directory).arg(schema);
    let said = said(&mut command)?;
    if !said.is_empty() {
        bail!("the meta-schema refuses the schema:\n{said}");
    }
    Ok(())
}

/// Validates the `/rtas` node of the flat tree in file `tree` by our schema. Schemas that are part
/// of dt-schema are for trees of another kind and stay aside.
pub fn validate(tree: &Path) -> Result<Opinion> {
    let schema = docs::binding_file();
    let directory = schema.parent().context("a schema without a directory")?;
    let name = schema.file_name().context("a schema without a name")?;
    let mut command = Command::new(VALIDATE);
    command.arg("--show-matched").arg("-s").arg(directory);
    command.arg("-l").arg(name).arg(tree);
    opinion(&said(&mut command)?)
}

/// Runs `command` and gives back what it says on standard error. dt-validate ends with success
/// whatever it finds.
fn said(command: &mut Command) -> Result<String> {
    let shown = process::show(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {shown}"))
        .hint("`cargo xtask setup` installs the programs that are needed")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!(
            "{shown} ended with {}:\n{}",
            output.status,
            process::tail(&said)
        );
    }
    Ok(said)
}

/// Reads what dt-validate says. That it says nothing does not mean that it looked: the node has
/// to be among those that it calls matched.
fn opinion(said: &str) -> Result<Opinion> {
    let mut complaints: Vec<String> = Vec::new();
    let (mut matched, mut in_match) = (0, false);
    for line in said.lines() {
        if line.starts_with(['\t', ' ']) {
            match complaints.last_mut() {
                _ if in_match => (),
                Some(complaint) => {
                    complaint.push('\n');
                    complaint.push_str(line);
                }
                None => complaints.push(line.to_owned()),
            }
            continue;
        }
        in_match = line.ends_with(": matched on schema(s)");
        if !in_match {
            complaints.push(line.to_owned());
        } else if line.contains(&format!(": {NODE}: ")) || line.contains("example-0/rtas: ") {
            matched += 1;
        }
    }
    if matched != 1 {
        bail!("the schema was used on {matched} nodes {NODE} instead of one:\n{said}");
    }
    Ok(Opinion { complaints })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATCHED: &str = "a.dtb: /rtas: matched on schema(s)\n\thttp://schema#\n";

    #[test]
    fn a_tree_without_complaints_is_accepted_only_if_the_schema_was_used() {
        assert!(opinion(MATCHED).unwrap().accepted().is_ok());
        assert!(opinion("").is_err());
        assert!(opinion("a.dtb: /other: matched on schema(s)\n\tid\n").is_err());
    }

    #[test]
    fn each_complaint_keeps_its_lines_together() {
        let said = format!("size error\n/a.dtb: rtas: one\n\tFrom schema: x\n{MATCHED}");
        let opinion = opinion(&said).unwrap();
        let expected = ["size error", "/a.dtb: rtas: one\n\tFrom schema: x"];
        assert_eq!(opinion.complaints, expected);
        assert!(opinion.accepted().is_err());
    }

    #[test]
    fn a_refusal_counts_only_if_every_complaint_has_its_reason() {
        let refused = |complaints: &[&str]| {
            let complaints = complaints.iter().map(|&one| one.to_owned()).collect();
            Opinion { complaints }.refused("is required")
        };
        assert!(refused(&["a is required", "b is required"]).is_ok());
        assert!(refused(&["a is required", "b is too long"]).is_err());
        assert!(refused(&[]).is_err());
    }
}
