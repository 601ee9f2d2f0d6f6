//! The machine's own sources of Debian packages, read from its apt configuration, so that the same
//! mirror serves what is fetched here.

use crate::error::WithHint;
use anyhow::{Context, Result, anyhow};
use std::fs;
use std::path::Path;

/// The Debian release that everything is taken from.
pub const RELEASE: &str = "bookworm";
/// Newer packages for it.
pub const BACKPORTS: &str = "bookworm-backports";
/// The distribution under development. The same archive has it, signed by the same people.
pub const UNSTABLE: &str = "unstable";

/// Distributions whose lists are fetched together. Each group has a private apt of its own, so that
/// nothing of the one under development is ever taken for the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suites {
    /// [`RELEASE`] and [`BACKPORTS`].
    Release,
    /// [`UNSTABLE`].
    Unstable,
}

impl Suites {
    /// The directory of its apt, in the cache.
    pub const fn directory(self) -> &'static str {
        match self {
            Self::Release => "apt",
            Self::Unstable => "apt-unstable",
        }
    }

    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Release => &[RELEASE, BACKPORTS],
            Self::Unstable => &[UNSTABLE],
        }
    }
}

/// One archive: where it is and the options that say whom to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Its URI.
    pub uri: String,
    /// `signed-by` and `trusted` in the one-line form, with brackets, or empty.
    pub options: String,
}

impl Archive {
    /// The lines of a `sources.list` for what is fetched here.
    pub fn source_list(&self, suites: Suites) -> String {
        let Self { uri, options } = self;
        let names = suites.names().iter();
        names
            .map(|name| format!("deb {options} {uri} {name} main\n"))
            .collect()
    }
}

/// The archive of [`RELEASE`] in the configuration below `etc` (`/etc/apt`).
pub fn archive(etc: &Path) -> Result<Archive> {
    let mut files = vec![etc.join("sources.list")];
    if let Ok(parts) = fs::read_dir(etc.join("sources.list.d")) {
        let mut parts: Vec<_> = parts.flatten().map(|entry| entry.path()).collect();
        parts.sort();
        files.extend(parts);
    }
    for file in files {
        let extension = file.extension().and_then(|text| text.to_str());
        let text = match extension {
            Some("list" | "sources") if file.exists() => fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?,
            _ => continue,
        };
        let found = if extension == Some("sources") {
            from_deb822(&text)
        } else {
            from_list(&text)
        };
        if let Some(archive) = found {
            return Ok(archive);
        }
    }
    Err(anyhow!(
        "no archive of Debian {RELEASE} in {}",
        etc.display()
    ))
    .hint("oxrtas is developed on Debian 12; on another system run it in a container of that")
}

/// The archive in the one-line format: `deb [options] uri suite components`.
fn from_list(text: &str) -> Option<Archive> {
    text.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or("").trim();
        let rest = line.strip_prefix("deb")?;
        let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let (uri, suite) = (words.next()?, words.next()?);
        if suite != RELEASE || !words.any(|component| component == "main") {
            return None;
        }
        let kept: Vec<&str> = options
            .split_whitespace()
            .filter(|option| option.starts_with("signed-by=") || option.starts_with("trusted="))
            .collect();
        Some(Archive {
            uri: uri.to_owned(),
            options: bracketed(&kept),
        })
    })
}

/// The archive in the deb822 format: stanzas of `Field: value` lines.
fn from_deb822(text: &str) -> Option<Archive> {
    stanzas(text).into_iter().find_map(|stanza| {
        let field = |name: &str| {
            let found = stanza
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.as_str())
        };
        let has = |name: &str, word: &str| {
            field(name).is_some_and(|value| value.split_whitespace().any(|part| part == word))
        };
        let enabled = field("Enabled").is_none_or(|value| value.trim() != "no");
        if !(enabled && has("Types", "deb") && has("Suites", RELEASE) && has("Components", "main"))
        {
            return None;
        }
        let mut options = Vec::new();
        // A key that is written out in the stanza has no form on one line; apt then falls back to
        // the keys that the system trusts.
        if let Some(key) = field("Signed-By").map(str::trim)
            && key.starts_with('/')
            && !key.contains(char::is_whitespace)
        {
            options.push(format!("signed-by={key}"));
        }
        if field("Trusted").is_some_and(|value| value.trim() == "yes") {
            options.push("trusted=yes".to_owned());
        }
        Some(Archive {
            uri: field("URIs")?.split_whitespace().next()?.to_owned(),
            options: bracketed(&options),
        })
    })
}

fn bracketed<S: AsRef<str>>(options: &[S]) -> String {
    let words: Vec<&str> = options.iter().map(AsRef::as_ref).collect();
    if words.is_empty() {
        String::new()
    } else {
        format!("[{}]", words.join(" "))
    }
}

/// Stanzas of `(field, value)` pairs; a line that starts with a space continues the last value.
fn stanzas(text: &str) -> Vec<Vec<(String, String)>> {
    let mut all = vec![Vec::new()];
    for line in text.lines() {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            all.push(Vec::new());
            continue;
        }
        let Some(stanza) = all.last_mut() else {
            continue;
        };
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = stanza.last_mut() {
                let value: &mut String = value;
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((key, value)) = line.split_once(':') {
            stanza.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "[signed-by=/keys/debian.gpg]";

    #[test]
    fn the_one_line_format_is_read_with_the_options_of_trust() {
        let text = "# deb http://comment/ bookworm main\n\
                    deb-src http://source/ bookworm main\n\
                    deb http://other/ stable main\n\
                    deb [arch=amd64 signed-by=/keys/debian.gpg] http://mirror/debian bookworm contrib main # note\n";
        let archive = from_list(text).unwrap();
        assert_eq!(archive.uri, "http://mirror/debian");
        assert_eq!(archive.options, KEY, "the architecture is not kept");
    }

    #[test]
    fn the_deb822_format_is_read_and_disabled_stanzas_are_not() {
        let text = "Types: deb\nEnabled: no\nURIs: http://disabled/\nSuites: bookworm\nComponents: main\n\
                    \n# comment\nTypes: deb deb-src\nURIs: http://mirror/debian\n  http://second/\n\
                    Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /keys/debian.gpg\n";
        let archive = from_deb822(text).unwrap();
        assert_eq!(archive.uri, "http://mirror/debian");
        assert_eq!(archive.options, KEY);
    }

    #[test]
    fn other_archives_are_not_taken_for_debian() {
        for line in [
            "deb http://vendor/apt tool-bookworm main",
            "deb http://security/ bookworm-security main",
            "deb http://mirror/debian bookworm contrib",
            "debian http://mirror/debian bookworm main",
        ] {
            assert_eq!(from_list(line), None, "{line}");
        }
    }

    #[test]
    fn backports_are_taken_from_the_same_mirror() {
        let archive = Archive {
            uri: "http://mirror/debian".to_owned(),
            options: KEY.to_owned(),
        };
        let list = archive.source_list(Suites::Release);
        assert!(list.contains("http://mirror/debian bookworm main"));
        assert!(list.contains("http://mirror/debian bookworm-backports main"));
        assert!(from_list(&list).is_some(), "what is written can be read");
        assert!(!list.contains("unstable"));
        let list = archive.source_list(Suites::Unstable);
        assert_eq!(
            list,
            format!("deb {KEY} http://mirror/debian unstable main\n")
        );
    }

    #[test]
    fn a_machine_without_debian_archives_is_told_so() {
        let empty = tempfile::tempdir().unwrap();
        let error = archive(empty.path()).unwrap_err();
        assert!(crate::error::describe(&error).contains("no archive of Debian bookworm"));
    }
}
