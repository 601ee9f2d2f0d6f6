//! SHA-256 as text: what identifies a file, and names in caches that differ wherever their inputs do.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

/// Digits of a [`Name`].
const NAME_DIGITS: usize = 12;

/// The digest of `bytes`: 64 lower-case hexadecimal digits.
pub fn of(bytes: &[u8]) -> String {
    text(&Sha256::digest(bytes))
}

/// The digest of a file's content, as [`of`].
pub fn of_file(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(of(&bytes))
}

fn text(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name for what comes of some inputs.
#[derive(Clone, Debug, Default)]
pub struct Name(Sha256);

impl Name {
    /// One without inputs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an input. Its length counts too, so that no two inputs run together.
    pub fn add(&mut self, input: impl AsRef<[u8]>) -> &mut Self {
        let input = input.as_ref();
        self.0.update(input.len().to_le_bytes());
        self.0.update(input);
        self
    }

    /// Adds a path, which may hold a version.
    pub fn add_path(&mut self, path: &Path) -> &mut Self {
        self.add(path.as_os_str().as_encoded_bytes())
    }

    /// The name: 12 lower-case hexadecimal digits.
    pub fn finish(&self) -> String {
        let mut name = text(&self.0.clone().finalize());
        name.truncate(NAME_DIGITS);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_sha_256_in_lower_case() {
        // FIPS 180-4's example "abc".
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of(b"abc"), expected);
    }

    #[test]
    fn inputs_of_a_name_do_not_run_together() {
        let name = |inputs: [&str; 2]| Name::new().add(inputs[0]).add(inputs[1]).finish();
        assert_ne!(name(["ab", "c"]), name(["a", "bc"]));
        assert_eq!(name(["ab", "c"]).len(), NAME_DIGITS);
    }
}
