//! Every dependency that a crate names is used in its sources.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Fails with the dependencies of the workspace that nothing uses.
pub fn all_used(workspace: &Path) -> Result<String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command
        .current_dir(workspace)
        .args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&crate::process::output(&mut command)?)?;
    let mut unused = Vec::new();
    let mut count = 0;
    for package in array(&metadata, "packages") {
        let text = |key: &str| package.get(key).and_then(Value::as_str);
        let (name, manifest) = (text("name").unwrap_or("?"), text("manifest_path"));
        let directory = manifest.and_then(|path| Path::new(path).parent());
        let sources = sources(directory.context("a package without a place")?)?;
        for dependency in array(package, "dependencies") {
            let text = |key: &str| dependency.get(key).and_then(Value::as_str);
            let Some(crate_name) = text("rename").or_else(|| text("name")) else {
                continue;
            };
            count += 1;
            if !is_used(crate_name, &sources) {
                unused.push(format!("{name}: {crate_name}"));
            }
        }
    }
    if !unused.is_empty() {
        bail!("not used: {}", unused.join(", "));
    }
    Ok(format!("{count} dependencies"))
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    let items = value.get(key).and_then(Value::as_array);
    items.map_or(&[], Vec::as_slice)
}

/// All Rust sources of a package.
fn sources(directory: &Path) -> Result<String> {
    let mut all = String::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory)
            .with_context(|| format!("cannot read {}", directory.display()))?
        {
            let path = entry?.path();
            // A package inside another one has sources of its own.
            if path.is_dir() && !path.join("Cargo.toml").exists() && !path.ends_with("target") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                all.push_str(&fs::read_to_string(&path)?);
            }
        }
    }
    Ok(all)
}

/// Whether `sources` name the crate: in a path, or as an attribute or macro.
fn is_used(crate_name: &str, sources: &str) -> bool {
    let name = crate_name.replace('-', "_");
    let code = sources
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let word = |c: char| c.is_alphanumeric() || c == '_';
    code.into_iter().any(|line| {
        line.match_indices(&name).any(|(at, _)| {
            let before = line.get(..at).and_then(|text| text.chars().next_back());
            let after = line.get(at + name.len()..).unwrap_or_default();
            !before.is_some_and(word)
                && !after.starts_with(word)
                && (after.starts_with("::") || line.trim_start().contains(&format!("use {name}")))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_used_where_a_path_begins_with_it() {
        for source in [
            "use serde_json::Value;",
            "    let x = serde_json::json!(1);",
            "pub use serde_json as json;",
        ] {
            assert!(is_used("serde-json", source), "{source}");
        }
    }

    #[test]
    fn a_crate_in_a_comment_or_in_a_longer_name_is_not_used() {
        for source in [
            "// serde_json::Value",
            "use my_serde_json::Value;",
            "use serde_json5::Value;",
            "let serde_json = 1;",
        ] {
            assert!(!is_used("serde_json", source), "{source}");
        }
    }
}
