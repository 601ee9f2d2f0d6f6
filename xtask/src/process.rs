//! Running programs whose output is wanted as a whole.

use crate::error::WithHint;
use anyhow::{Context, Result, bail};
use std::process::{Command, Stdio};

/// Lines of a failed program's output that an error shows.
const TAIL_LINES: usize = 25;

/// Runs `command` to its end and gives back its standard output. An error tells the command, how
/// it ended and the last lines that it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {shown}"))
        .hint("`cargo xtask setup` installs the programs that are needed")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let all = format!("{text}{errors}");
        bail!("{shown} ended with {}:\n{}", output.status, tail(&all));
    }
    Ok(text)
}

/// The command as it could be typed.
pub fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| quote(&word.to_string_lossy())).collect();
    words.join(" ")
}

/// `word` as a POSIX shell takes it.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The last lines of `text`, indented.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(TAIL_LINES);
    let shown: Vec<String> = lines
        .iter()
        .skip(first)
        .map(|line| format!("  | {line}"))
        .collect();
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_comes_through_a_shell_unchanged() {
        for word in ["plain", "two words", "it's", "", "$HOME", "a\"b"] {
            let script = format!("printf %s {}", quote(word));
            let seen = output(Command::new("sh").args(["-c", &script])).unwrap();
            assert_eq!(seen, word);
        }
    }

    #[test]
    fn a_failed_program_is_an_error_that_shows_what_it_printed() {
        let script = "echo out; echo reason >&2; exit 7";
        let error = output(Command::new("sh").args(["-c", script])).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("exit status: 7"), "{text}");
        assert!(text.contains("| reason"), "{text}");
    }

    #[test]
    fn a_program_that_is_not_there_gets_a_hint() {
        let error = output(&mut Command::new("oxrtas-no-such-program")).unwrap_err();
        assert!(crate::error::describe(&error).contains("hint: "));
    }
}
