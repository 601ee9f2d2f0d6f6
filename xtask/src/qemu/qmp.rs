//! QEMU's control socket (docs/interop/qmp-spec.rst of QEMU): JSON objects, one a line.
//!
//! They are read as they come, by a thread: a machine that gdb steps tells of every stop, and what
//! QEMU cannot send at once is lost when it ends.

use super::socket;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Instant;

/// A connection, past its greeting.
#[derive(Debug)]
pub struct Qmp {
    stream: UnixStream,
    /// What came, line by line; closed at the end.
    lines: Receiver<String>,
    deadline: Instant,
    events: VecDeque<Value>,
}

impl Qmp {
    /// Connects to the socket at `path`. Everything on the connection ends at `deadline`.
    pub fn connect(path: &Path, deadline: Instant) -> Result<Self> {
        let stream =
            socket::connect(path, deadline).context("cannot connect to QEMU's control socket")?;
        let mut qmp = Self::over(stream, deadline)?;
        let greeting = qmp.receive()?;
        if greeting.get("QMP").is_none() {
            bail!("QEMU's control socket greets with {greeting}");
        }
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Reads what comes over `stream`.
    fn over(stream: UnixStream, deadline: Instant) -> Result<Self> {
        let reader = BufReader::new(stream.try_clone()?);
        let (sender, lines) = mpsc::channel();
        // It ends with the connection, which ends when this is dropped.
        thread::spawn(move || {
            for line in reader.lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            stream,
            lines,
            deadline,
            events: VecDeque::new(),
        })
    }

    /// Runs a command and gives back what it returns.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let mut line = json!({ "execute": command, "arguments": arguments }).to_string();
        line.push('\n');
        self.stream
            .write_all(line.as_bytes())
            .with_context(|| format!("cannot send {command} to QEMU"))?;
        loop {
            let mut answer = self.receive()?;
            if answer.get("event").is_some() {
                self.events.push_back(answer);
            } else if let Some(error) = answer.get("error") {
                let text = error.get("desc").and_then(Value::as_str);
                bail!("QEMU refuses {command}: {}", text.unwrap_or("no reason"));
            } else if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            } else {
                bail!("QEMU answers {command} with {answer}");
            }
        }
    }

    /// Every event that comes until QEMU closes the socket, those kept until now included. One that
    /// [`Qmp::wait_event`] has given back or dropped is not among them.
    pub fn rest(mut self) -> Vec<Value> {
        // The end of the socket is what is waited for.
        while let Ok(message) = self.receive() {
            if message.get("event").is_some() {
                self.events.push_back(message);
            }
        }
        std::mem::take(&mut self.events).into()
    }

    /// Waits for the event `name`. Events before it are dropped.
    pub fn wait_event(&mut self, name: &str) -> Result<Value> {
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => self.receive()?,
            };
            if event.get("event").and_then(Value::as_str) == Some(name) {
                return Ok(event);
            }
        }
    }

    /// How many events `name` came since the last time events were asked for. All others are dropped.
    pub fn count_events(&mut self, name: &str) -> Result<usize> {
        // Its answer comes behind the events so far.
        self.execute("query-status", json!({}))?;
        let is_wanted = |event: &Value| event.get("event").and_then(Value::as_str) == Some(name);
        let count = self.events.iter().filter(|event| is_wanted(event)).count();
        self.events.clear();
        Ok(count)
    }

    fn receive(&mut self) -> Result<Value> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let line = match self.lines.recv_timeout(left) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                bail!("QEMU's control socket said nothing before the deadline")
            }
            Err(RecvTimeoutError::Disconnected) => bail!("QEMU closed its control socket"),
        };
        serde_json::from_str(&line).with_context(|| format!("QEMU sent no JSON: {line}"))
    }
}

impl Drop for Qmp {
    fn drop(&mut self) {
        // The reading thread ends by it. One that QEMU has closed already is as good.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::time::Duration;

    const GREETING: &str = r#"{"QMP": {"version": {}}}"#;
    const OK: &str = r#"{"return": {}}"#;

    /// A server that sends the greeting, and then one of `answers` for each line it reads.
    fn serve(answers: Vec<&'static str>) -> (tempfile::TempDir, Result<Qmp>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("qmp");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let say = |stream: &mut UnixStream, text: &str| writeln!(stream, "{text}");
            say(reader.get_mut(), GREETING).unwrap();
            for answer in answers {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                say(reader.get_mut(), answer).unwrap();
            }
        });
        let qmp = Qmp::connect(&path, Instant::now() + Duration::from_secs(60));
        (directory, qmp)
    }

    #[test]
    fn a_command_gives_what_it_returns_and_keeps_events_for_later() {
        let answers = vec![OK, "{\"event\": \"RESET\"}\n{\"return\": {\"n\": 3}}"];
        let (_kept, qmp) = serve(answers);
        let mut qmp = qmp.unwrap();
        let value = qmp.execute("query", json!({})).unwrap();
        assert_eq!(value, json!({ "n": 3 }));
        assert!(qmp.wait_event("RESET").is_ok());
    }

    #[test]
    fn events_so_far_are_counted_once() {
        let said = "{\"event\": \"A\"}\n{\"event\": \"B\"}\n{\"event\": \"A\"}\n{\"return\": {}}";
        let (_kept, qmp) = serve(vec![OK, said, OK]);
        let mut qmp = qmp.unwrap();
        assert_eq!(qmp.count_events("A").unwrap(), 2);
        assert_eq!(qmp.count_events("B").unwrap(), 0);
    }

    #[test]
    fn a_refused_command_is_an_error_with_qemus_reason() {
        let answers = vec![
            OK,
            r#"{"error": {"class": "GenericError", "desc": "no slot"}}"#,
        ];
        let (_kept, qmp) = serve(answers);
        let error = qmp.unwrap().execute("device_add", json!({})).unwrap_err();
        assert!(format!("{error}").contains("no slot"));
    }

    #[test]
    fn the_rest_are_all_events_up_to_the_end() {
        let kept = "{\"event\": \"RESET\"}\n{\"return\": {}}\n{\"event\": \"SHUTDOWN\"}";
        let (_kept, qmp) = serve(vec![OK, kept]);
        let mut qmp = qmp.unwrap();
        qmp.execute("query", json!({})).unwrap();
        let names = qmp.rest();
        let names: Vec<&str> = names.iter().filter_map(|e| e["event"].as_str()).collect();
        assert_eq!(names, ["RESET", "SHUTDOWN"]);
    }

    #[test]
    fn events_that_nobody_asks_for_keep_qemu_from_nothing() {
        let (own, mut other) = UnixStream::pair().unwrap();
        let (done, wait) = mpsc::channel();
        thread::spawn(move || {
            // Far more than a socket holds.
            for _ in 0..20_000 {
                writeln!(other, "{{\"event\": \"STOP\", \"data\": \"{:80}\"}}", "").unwrap();
            }
            done.send(()).unwrap();
        });
        let qmp = Qmp::over(own, Instant::now() + Duration::from_secs(60)).unwrap();
        wait.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(qmp.rest().len(), 20_000);
    }

    #[test]
    fn a_closed_socket_is_an_error_and_not_an_endless_wait() {
        let (_kept, qmp) = serve(vec![OK]);
        assert!(qmp.unwrap().wait_event("SHUTDOWN").is_err());
    }
}
