//! The kernel's configuration: nothing, and what `tests/linux/pseries.config` adds to it.

use super::make::Make;
use crate::paths;
use anyhow::{Context, Result, bail};
use std::fs;

/// The text of our part of the configuration.
pub fn fragment() -> Result<String> {
    let path = paths::workspace().join("tests/linux/pseries.config");
    fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))
}

/// Writes the configuration. An error says which lines of `fragment` the kernel did not take: an
/// option that lacks what it depends on is left out without a word by the kernel's own tools.
pub fn write(make: &Make, fragment: &str) -> Result<()> {
    make.configure(fragment)?;
    let path = make.output("")?.join(".config");
    let result = fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))?;
    let refused = refused(fragment, &result);
    if !refused.is_empty() {
        bail!("the kernel's configuration lacks:\n{}", refused.join("\n"));
    }
    Ok(())
}

/// The lines of `fragment` that `result` contradicts.
fn refused<'a>(fragment: &'a str, result: &str) -> Vec<&'a str> {
    let holds = |line: &str| match unset(line) {
        Some(option) => !result
            .lines()
            .any(|seen| seen.split_once('=').is_some_and(|(name, _)| name == option)),
        None => !line.starts_with("CONFIG_") || result.lines().any(|seen| seen == line),
    };
    fragment.lines().filter(|line| !holds(line)).collect()
}

/// The option that a line says is off.
fn unset(line: &str) -> Option<&str> {
    line.strip_prefix("# ")?
        .strip_suffix(" is not set")
        .filter(|option| option.starts_with("CONFIG_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_option_that_the_kernel_left_out_or_changed_is_refused() {
        let fragment = "# a comment is not set\nCONFIG_A=y\nCONFIG_B=64\n# CONFIG_C is not set\n";
        assert!(refused(fragment, "CONFIG_B=64\nCONFIG_A=y\n").is_empty());
        assert!(refused(fragment, "CONFIG_A=y\nCONFIG_B=64\nCONFIG_CC=y\n").is_empty());
        assert_eq!(
            refused(fragment, "CONFIG_A=m\nCONFIG_B=641\nCONFIG_C=y\n"),
            ["CONFIG_A=y", "CONFIG_B=64", "# CONFIG_C is not set"]
        );
        assert_eq!(refused(fragment, ""), ["CONFIG_A=y", "CONFIG_B=64"]);
    }

    #[test]
    fn each_option_stands_once() {
        let text = fragment().unwrap();
        let mut seen = BTreeSet::new();
        for line in text.lines() {
            let set = line.split_once('=').map(|(name, _)| name);
            if let Some(option) = unset(line).or(set) {
                assert!(seen.insert(option), "{option} stands twice");
            }
        }
        assert!(seen.len() > 50, "{} options", seen.len());
    }
}
