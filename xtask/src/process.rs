//! Running programs: those whose output is wanted as a whole, and those that take long and must not
//! outlive this one.

use crate::error::WithHint;
use anyhow::{Context, Result, bail};
use std::io::{self, Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

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

/// Runs `command`, like [`output`], in a [`Group`]: it does not write on when this process is ended,
/// into what the next one has begun anew.
pub fn run_in_group(command: &Command) -> Result<()> {
    let shown = show(command);
    let mut errors = tempfile::tempfile()?;
    let mut group = Group::spawn(command, errors.try_clone()?.into())
        .with_context(|| format!("cannot run {shown}"))?;
    let mut text = Vec::new();
    if let Some(mut output) = group.output() {
        output.read_to_end(&mut text)?;
    }
    let status = group.wait()?;
    if !status.success() {
        // Written through the same file: its place is the end.
        errors.rewind()?;
        errors.read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        bail!("{shown} ended with {status}:\n{}", tail(&text));
    }
    Ok(())
}

/// Runs the program of its arguments, and ends it and all that it started when standard input ends:
/// whoever has the other end closed it, or is there no more, however it was ended.
const WATCHED: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
(read -r _ <&3; kill -TERM 0) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$program"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"#;

/// A program with all that it starts, a process group of its own. It ends when this is dropped, and
/// when this process ends, by a signal too.
#[derive(Debug)]
pub struct Group {
    child: Child,
    alive: Option<ChildStdin>,
}

impl Group {
    /// Starts `command`, of which the program, its arguments, its environment and its directory
    /// count, with standard output piped.
    pub fn spawn(command: &Command, errors: Stdio) -> io::Result<Self> {
        let mut watched = Command::new("sh");
        watched.args(["-c", WATCHED, "sh"]);
        watched.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => watched.env(name, value),
                None => watched.env_remove(name),
            };
        }
        if let Some(directory) = command.get_current_dir() {
            watched.current_dir(directory);
        }
        let mut child = watched
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .process_group(0)
            .spawn()?;
        let alive = child.stdin.take();
        Ok(Self { child, alive })
    }

    /// Its standard output, the first time.
    pub fn output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Waits until the program has ended.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(self.alive.take());
        // It has ended, or will without this.
        let _ = self.child.wait();
    }
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
    use std::io::BufRead;

    #[test]
    fn a_quoted_word_comes_through_a_shell_unchanged() {
        for word in ["plain", "two words", "it's", "", "$HOME", "a\"b"] {
            let script = format!("printf %s {}", quote(word));
            let seen = output(Command::new("sh").args(["-c", &script])).unwrap();
            assert_eq!(seen, word);
        }
    }

    /// A shell script in a group, and its output.
    fn group(script: &str) -> (Group, ChildStdout) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut group = Group::spawn(&command, Stdio::inherit()).unwrap();
        let output = group.output().unwrap();
        (group, output)
    }

    #[test]
    fn all_that_a_program_started_ends_with_whoever_started_it() {
        let (group, output) =
            group("(sleep 20; echo survived) & echo started; sleep 20; echo survived");
        let mut lines = io::BufReader::new(output).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "started");
        drop(group);
        // Whoever could still write is gone.
        assert!(lines.next().is_none());
    }

    #[test]
    fn a_group_gives_the_output_and_the_status_of_its_program() {
        let (mut group, mut output) = group("read none || echo \"$OXRTAS_NONE at end\"; exit 7");
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        assert_eq!(text, " at end\n");
        assert_eq!(group.wait().unwrap().code(), Some(7));
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
    fn a_failed_program_in_a_group_is_an_error_that_shows_what_it_printed() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo reason >&2; exit 7"]);
        let text = format!("{:#}", run_in_group(&command).unwrap_err());
        assert!(text.contains("exit status: 7"), "{text}");
        assert!(text.contains("| out"), "{text}");
        assert!(text.contains("| reason"), "{text}");
        run_in_group(&Command::new("true")).unwrap();
    }

    #[test]
    fn a_program_that_is_not_there_gets_a_hint() {
        let error = output(&mut Command::new("oxrtas-no-such-program")).unwrap_err();
        assert!(crate::error::describe(&error).contains("hint: "));
    }
}
