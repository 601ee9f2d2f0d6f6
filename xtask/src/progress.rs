//! Progress of what takes longer than a moment: a bar on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// One step under way. Says how long it took when it is finished.
#[derive(Debug)]
pub struct Step {
    text: String,
    started: Instant,
    bar: Option<ProgressBar>,
}

impl Step {
    /// Starts a step of unknown length.
    pub fn start(text: impl Into<String>) -> Self {
        Self::new(text.into(), None)
    }

    /// Starts a step that handles `bytes` bytes.
    pub fn start_bytes(text: impl Into<String>, bytes: u64) -> Self {
        Self::new(text.into(), Some(bytes))
    }

    fn new(text: String, bytes: Option<u64>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let (bar, template) = match bytes {
                Some(bytes) => (
                    ProgressBar::new(bytes),
                    "{spinner} {msg} [{bar:30}] {bytes}/{total_bytes} {eta}",
                ),
                None => (ProgressBar::new_spinner(), "{spinner} {msg} {elapsed}"),
            };
            // A template that does not parse costs the looks of the bar, not the step.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(text.clone());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        if bar.is_none() {
            eprintln!("{text} ...");
        }
        Self {
            text,
            started: Instant::now(),
            bar,
        }
    }

    /// Says how many bytes are done.
    pub fn set(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        }
    }

    /// Says what is being done now.
    pub fn detail(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {text}", self.text));
        }
    }

    /// Ends the step.
    pub fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.started.elapsed().as_secs_f64();
        eprintln!("{} ({seconds:.1} s)", self.text);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
