//! Errors as a person at a terminal reads them: what failed, why, and what to do about it.

use anyhow::Error;
use std::fmt;
use std::process::ExitCode;

/// A step that the user can take against an error; a context of [`anyhow::Error`].
#[derive(Debug)]
struct Hint(String);

impl fmt::Display for Hint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "hint: {}", self.0)
    }
}

/// Something is missing that only the user can install.
#[derive(Debug)]
pub struct SetupIncomplete;

impl fmt::Display for SetupIncomplete {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the set-up is incomplete")
    }
}

impl std::error::Error for SetupIncomplete {}

/// The exit code for [`SetupIncomplete`].
pub const EXIT_SETUP_INCOMPLETE: u8 = 3;

/// Adds a hint to an error.
pub trait WithHint<T> {
    /// Adds what the user can do about it.
    fn hint(self, text: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<Error>> WithHint<T> for Result<T, E> {
    fn hint(self, text: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| error.into().context(Hint(text.into())))
    }
}

/// The error as text: outermost first, its causes indented below, hints last.
pub fn describe(error: &Error) -> String {
    let (hints, causes): (Vec<String>, Vec<String>) = error
        .chain()
        .map(ToString::to_string)
        .partition(|line| line.starts_with("hint: "));
    let mut text = String::new();
    for (depth, cause) in causes.iter().enumerate() {
        let lead = if depth == 0 { "error: " } else { "  because: " };
        text.push_str(lead);
        text.push_str(cause);
        text.push('\n');
    }
    for hint in hints {
        text.push_str(&hint);
        text.push('\n');
    }
    text
}

/// The exit code that tells what kind of error it is.
pub fn exit_code(error: &Error) -> ExitCode {
    let incomplete = error.chain().any(|cause| cause.is::<SetupIncomplete>());
    ExitCode::from(if incomplete { EXIT_SETUP_INCOMPLETE } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn causes_follow_the_failure_and_hints_come_last() {
        let error = Err::<(), _>(anyhow!("no such file"))
            .hint("run `cargo xtask setup`")
            .context("cannot start QEMU")
            .unwrap_err();
        assert_eq!(
            describe(&error),
            "error: cannot start QEMU\n  because: no such file\nhint: run `cargo xtask setup`\n"
        );
    }

    #[test]
    fn an_incomplete_setup_has_an_exit_code_of_its_own() {
        let incomplete = Error::from(SetupIncomplete).context("gcc is missing");
        let code = |error: &Error| format!("{:?}", exit_code(error));
        assert_eq!(
            code(&incomplete),
            format!("{:?}", ExitCode::from(EXIT_SETUP_INCOMPLETE))
        );
        assert_eq!(code(&anyhow!("other")), format!("{:?}", ExitCode::from(1)));
    }
}
