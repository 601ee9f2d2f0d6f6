//! What a machine printed so far, line by line, shared between the thread that reads it and the
//! one that waits for something in it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A line of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When its end came, since the machine was started.
    pub at: Duration,
    /// The text, without the line end.
    pub text: String,
}

/// What has been printed, and whether more can come.
#[derive(Debug)]
struct State {
    started: Instant,
    lines: Vec<Line>,
    /// Text after the last line end.
    partial: Vec<u8>,
    /// Every byte.
    bytes: Vec<u8>,
    ended: bool,
}

impl State {
    fn end_line(&mut self) {
        let line = Line {
            at: self.started.elapsed(),
            text: String::from_utf8_lossy(&self.partial).into_owned(),
        };
        self.lines.push(line);
        self.partial.clear();
    }
}

/// The console's output.
///
/// Protects:    the lines read so far; lines are only added.
/// Holder:      the reading thread for one push, a waiting thread for one look.
/// Order:       no other lock is taken while it is held.
/// Holder dies: nothing panics while it is held; if it did, what is there is still true, so a
///              poisoned lock is used.
#[derive(Clone, Debug)]
pub struct Console {
    shared: Arc<(Mutex<State>, Condvar)>,
}

/// Why waiting came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A line holds a wanted pattern: its index among the patterns, and the line.
    Wanted(usize, String),
    /// A line holds a forbidden pattern.
    Forbidden(String),
    /// Nothing more will be printed.
    End,
    /// The time is over.
    Deadline,
}

impl Console {
    /// An empty console; the times of its lines count from `started`.
    pub fn new(started: Instant) -> Self {
        let state = State {
            started,
            lines: Vec::new(),
            partial: Vec::new(),
            bytes: Vec::new(),
            ended: false,
        };
        Self {
            shared: Arc::new((Mutex::new(state), Condvar::new())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let (state, _) = &*self.shared;
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds bytes as they come.
    pub fn push(&self, bytes: &[u8]) {
        let mut state = self.lock();
        state.bytes.extend_from_slice(bytes);
        for &byte in bytes {
            match byte {
                b'\n' => state.end_line(),
                b'\r' => (),
                _ => state.partial.push(byte),
            }
        }
        drop(state);
        self.shared.1.notify_all();
    }

    /// Says that nothing more comes.
    pub fn end(&self) {
        let mut state = self.lock();
        if !state.partial.is_empty() {
            state.end_line();
        }
        state.ended = true;
        drop(state);
        self.shared.1.notify_all();
    }

    /// Every byte, line ends as they came.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// All complete lines.
    pub fn lines(&self) -> Vec<Line> {
        self.lock().lines.clone()
    }

    /// Waits until a line from `*cursor` on holds one of `wanted` or of `forbidden`, and moves
    /// `*cursor` behind it. A line is looked at when it is complete.
    pub fn wait(
        &self,
        cursor: &mut usize,
        wanted: &[&str],
        forbidden: &[&str],
        deadline: Instant,
    ) -> Seen {
        let mut state = self.lock();
        loop {
            while let Some(Line { text: line, .. }) = state.lines.get(*cursor) {
                *cursor += 1;
                if forbidden.iter().any(|pattern| line.contains(pattern)) {
                    return Seen::Forbidden(line.clone());
                }
                if let Some(index) = wanted.iter().position(|pattern| line.contains(pattern)) {
                    return Seen::Wanted(index, line.clone());
                }
            }
            if state.ended {
                return Seen::End;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Seen::Deadline;
            }
            let (next, _) = self
                .shared
                .1
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
            state = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn patterns_are_found_in_order_and_a_line_is_looked_at_once() {
        let console = Console::new(Instant::now());
        console.push(b"one\r\ntwo thr");
        console.push(b"ee\nfour");
        let mut cursor = 0;
        let two = console.wait(&mut cursor, &["missing", "two"], &[], later());
        assert_eq!(two, Seen::Wanted(1, "two three".to_owned()));
        console.end();
        assert_eq!(console.wait(&mut cursor, &["one"], &[], later()), Seen::End);
        let lines: Vec<String> = console.lines().into_iter().map(|line| line.text).collect();
        assert_eq!(lines, ["one", "two three", "four"]);
    }

    #[test]
    fn a_forbidden_line_ends_the_wait_even_before_a_wanted_one() {
        let console = Console::new(Instant::now());
        console.push(b"Oops: here\nwanted\n");
        let mut cursor = 0;
        let seen = console.wait(&mut cursor, &["wanted"], &["Oops"], later());
        assert_eq!(seen, Seen::Forbidden("Oops: here".to_owned()));
    }

    #[test]
    fn waiting_ends_at_the_deadline() {
        let console = Console::new(Instant::now());
        console.push(b"no line end");
        let seen = console.wait(&mut 0, &["no"], &[], Instant::now());
        assert_eq!(seen, Seen::Deadline);
    }

    #[test]
    fn bytes_are_kept_as_they_came() {
        let console = Console::new(Instant::now());
        console.push(b"a\rb\n");
        console.push(b"c");
        assert_eq!(console.bytes(), b"a\rb\nc");
    }

    #[test]
    fn a_line_that_comes_while_waiting_is_seen() {
        let console = Console::new(Instant::now());
        let writer = console.clone();
        let thread = std::thread::spawn(move || writer.push(b"late\n"));
        let seen = console.wait(&mut 0, &["late"], &[], later());
        assert_eq!(seen, Seen::Wanted(0, "late".to_owned()));
        thread.join().unwrap();
    }
}
