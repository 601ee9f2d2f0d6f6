//! A client of QEMU's gdb stub, which stops, steps, holds and looks at single processors.
//!
//! The stub (QEMU gdbstub/gdbstub.c, 7.2 and 10.0 alike) stops all processors together and names
//! the one that was the reason. `vCont` says who goes on: `gdb_handle_vcont` gives the named ones
//! an action and `gdb_continue_partial` leaves the others stopped. So **one processor is held while
//! the others run by resuming all but that one**, after every stop. A held one still takes what QEMU
//! queues for it: a system reset moves it to its vector at once (`spapr_do_system_reset_on_cpu`),
//! where it starts when it is resumed.
//!
//! While the machine runs, any byte stops it (`gdb_read_byte`), so the only one ever sent then is
//! the interrupt. A breakpoint is for all processors; one that stands on a breakpoint passes it by a
//! step. Registers come in the byte order that the processor is in at that moment
//! (target/ppc/gdbstub.c:ppc_maybe_bswap_register); [`power`] finds out which.

mod packet;
pub mod power;
mod stub;

pub use stub::Stub;

use crate::qemu::socket;
use anyhow::{Context, Result, anyhow, bail};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

/// The byte that stops a running machine.
const INTERRUPT: u8 = 3;
/// What the reply begins with when a processor stopped by itself: signal 5, SIGTRAP.
const TRAPPED: &str = "T05";
/// Bytes of memory read by one packet: QEMU's packets hold 4096 digits.
const MEMORY_CHUNK: u64 = 1024;

/// A processor as the stub counts: from 1, in the order of QEMU's cpu index.
pub type Thread = u32;

/// A connection to the stub. The machine is stopped unless a method says otherwise.
#[derive(Debug)]
pub struct Gdb {
    stream: UnixStream,
    deadline: Instant,
    threads: Vec<Thread>,
    /// The processor that requests are about, as far as that is known.
    selected: Option<Thread>,
    /// Whether processors were let go and no stop has been told since.
    running: bool,
}

impl Gdb {
    /// Connects to the socket at `path`, which stops the machine. Everything on the connection ends
    /// at `deadline`.
    pub fn connect(path: &Path, deadline: Instant) -> Result<Self> {
        let stream =
            socket::connect(path, deadline).context("cannot connect to QEMU's gdb stub")?;
        Self::over(stream, deadline)
    }

    /// Greets the stub at the other end of `stream`.
    fn over(stream: UnixStream, deadline: Instant) -> Result<Self> {
        let mut gdb = Self {
            stream,
            deadline,
            threads: Vec::new(),
            selected: None,
            running: false,
        };
        // 7.2 tells of the stop that the connection caused, 10.0 does not: that answer is nobody's.
        gdb.send("qAttached")?;
        loop {
            let answer = gdb.receive()?;
            if !answer.starts_with('T') {
                break;
            }
        }
        // 7.2 answers `p` only to a client that has asked for the description of the registers.
        let description = gdb.ask("qXfer:features:read:target.xml:0,40")?;
        if !description.starts_with(['m', 'l']) {
            bail!("the stub describes no registers: {description}");
        }
        let mut answer = gdb.ask("qfThreadInfo")?;
        while let Some(list) = answer.strip_prefix('m') {
            for digits in list.split(',') {
                gdb.threads.push(thread(digits)?);
            }
            answer = gdb.ask("qsThreadInfo")?;
        }
        if gdb.threads.is_empty() {
            bail!("the stub names no processor");
        }
        Ok(gdb)
    }

    /// Everything on the connection ends at `deadline` from now on.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// All processors that there were when the connection was made.
    pub fn threads(&self) -> &[Thread] {
        &self.threads
    }

    /// Makes the requests that follow be about `thread`.
    fn select(&mut self, thread: Thread) -> Result<()> {
        if self.selected != Some(thread) {
            self.ok(&format!("Hg{thread:x}"))?;
            self.selected = Some(thread);
        }
        Ok(())
    }

    /// The bytes of register `number`, in the order in which the processor would store them now.
    fn register(&mut self, thread: Thread, number: u32) -> Result<Vec<u8>> {
        self.select(thread)?;
        let answer = self.ask(&format!("p{number:x}"))?;
        bytes(&answer).with_context(|| format!("register {number} of processor {thread}"))
    }

    /// `length` bytes from `address` on, as processor `thread` sees them.
    pub fn memory(&mut self, thread: Thread, address: u64, length: u64) -> Result<Vec<u8>> {
        self.select(thread)?;
        self.read(address, length)
    }

    /// `length` bytes from `address` on, in pieces.
    fn read(&mut self, address: u64, length: u64) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        let mut done = 0;
        while done < length {
            let count = MEMORY_CHUNK.min(length - done);
            let from = address.wrapping_add(done);
            let answer = self.ask(&format!("m{from:x},{count:x}"))?;
            let chunk = bytes(&answer).with_context(|| format!("memory at {from:#x}"))?;
            if chunk.len() as u64 != count {
                bail!("{} bytes of {count} at {from:#x}", chunk.len());
            }
            content.extend(chunk);
            done += count;
        }
        Ok(content)
    }

    /// `length` bytes of memory from the real address `address` on, whatever any processor sees there.
    /// Where there is no memory, QEMU says nothing and gives zeros.
    pub fn real_memory(&mut self, address: u64, length: u64) -> Result<Vec<u8>> {
        // The stub keeps this mode beyond the connection, and in it would ignore what a processor sees.
        self.ok("Qqemu.PhyMemMode:1")?;
        let content = self.read(address, length);
        self.ok("Qqemu.PhyMemMode:0")?;
        content
    }

    /// Writes `bytes` from `address` on, as processor `thread` sees them.
    pub fn write_memory(&mut self, thread: Thread, address: u64, bytes: &[u8]) -> Result<()> {
        self.select(thread)?;
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.ok(&format!("M{address:x},{:x}:{digits}", bytes.len()))
    }

    /// Writes `bytes` into register `number`, in the order in which the processor would store them.
    fn write_register(&mut self, thread: Thread, number: u32, bytes: [u8; 8]) -> Result<()> {
        self.select(thread)?;
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.ok(&format!("P{number:x}={digits}"))
    }

    /// Sets a breakpoint at an effective address, for all processors.
    pub fn set_breakpoint(&mut self, address: u64) -> Result<()> {
        self.ok(&format!("Z0,{address:x},4"))
    }

    /// Takes a breakpoint away.
    pub fn clear_breakpoint(&mut self, address: u64) -> Result<()> {
        self.ok(&format!("z0,{address:x},4"))
    }

    /// Lets `thread` run one instruction while all others stay where they are.
    pub fn step(&mut self, thread: Thread) -> Result<()> {
        self.send(&format!("vCont;s:{thread:x}"))?;
        self.wait_stopped(self.deadline)?
            .map(|_| ())
            .context("a single step did not end")
    }

    /// Lets all processors run but those in `held`. The machine runs until [`Gdb::wait_stopped`] says that it
    /// stopped or [`Gdb::interrupt`] stops it.
    pub fn resume_but(&mut self, held: impl IntoIterator<Item = Thread>) -> Result<()> {
        let held: Vec<Thread> = held.into_iter().collect();
        let running = self.threads.iter().filter(|thread| !held.contains(thread));
        let actions: String = running.map(|thread| format!(";c:{thread:x}")).collect();
        self.send(&format!("vCont{actions}"))
    }

    /// Lets `thread` run alone. As for [`Gdb::resume_but`], the machine runs from then on.
    pub fn resume_only(&mut self, thread: Thread) -> Result<()> {
        self.send(&format!("vCont;c:{thread:x}"))
    }

    /// Waits for the machine to stop by itself: the processor that was the reason, or nothing if it
    /// runs on at `deadline`.
    pub fn wait_stopped(&mut self, deadline: Instant) -> Result<Option<Thread>> {
        let deadline = deadline.min(self.deadline);
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        self.stream.set_read_timeout(Some(left))?;
        let Some(data) = packet::receive(&mut self.stream)? else {
            return Ok(None);
        };
        let reply = String::from_utf8_lossy(&data);
        let thread = stop_reply(&reply)?;
        self.running = false;
        // The stub turns to a processor that stopped by itself (gdb_set_stop_cpu), and not where the
        // machine was stopped.
        self.selected = reply.starts_with(TRAPPED).then_some(thread);
        Ok(Some(thread))
    }

    /// Stops the machine.
    pub fn interrupt(&mut self) -> Result<()> {
        self.stream.write_all(&[INTERRUPT])?;
        // One that stopped by itself meanwhile tells so, once, and ignores the interrupt.
        self.wait_stopped(self.deadline)?
            .map(|_| ())
            .context("the machine does not stop")
    }

    /// Stops the machine, unless it has been.
    pub fn stop(&mut self) -> Result<()> {
        if self.running {
            self.interrupt()?;
        }
        Ok(())
    }

    fn ok(&mut self, request: &str) -> Result<()> {
        match self.ask(request)?.as_str() {
            "OK" => Ok(()),
            other => Err(anyhow!("the gdb stub answers {request} with {other:?}")),
        }
    }

    fn ask(&mut self, request: &str) -> Result<String> {
        self.send(request)?;
        self.receive()
    }

    fn send(&mut self, request: &str) -> Result<()> {
        if request.starts_with("vCont") {
            self.selected = None;
            self.running = true;
        }
        self.stream
            .write_all(&packet::encode(request.as_bytes()))
            .with_context(|| format!("cannot send {request} to the gdb stub"))
    }

    fn receive(&mut self) -> Result<String> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!("the gdb stub said nothing before the deadline");
        }
        self.stream.set_read_timeout(Some(left))?;
        let data = packet::receive(&mut self.stream)?
            .context("the gdb stub said nothing before the deadline")?;
        String::from_utf8(data).context("the gdb stub sent no text")
    }
}

/// A thread's number: hexadecimal.
fn thread(digits: &str) -> Result<Thread> {
    Thread::from_str_radix(digits, 16).with_context(|| format!("no processor: {digits:?}"))
}

/// The processor that a stop reply names: `T05thread:02;`.
fn stop_reply(text: &str) -> Result<Thread> {
    let fields = text.strip_prefix('T').and_then(|rest| rest.get(2..));
    let mut fields = fields
        .with_context(|| format!("no stop reply: {text:?}"))?
        .split(';');
    let found = fields.find_map(|field| field.strip_prefix("thread:"));
    thread(found.with_context(|| format!("a stop reply without a processor: {text:?}"))?)
}

/// The bytes that pairs of hexadecimal digits stand for; an error of the stub is `E` and a number.
fn bytes(digits: &str) -> Result<Vec<u8>> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) || digits.starts_with('E') {
        bail!("the gdb stub answers {digits:?}");
    }
    let (pairs, _) = digits.as_bytes().as_chunks::<2>();
    pairs
        .iter()
        .map(|pair| {
            let text = std::str::from_utf8(pair)?;
            Ok(u8::from_str_radix(text, 16)?)
        })
        .collect::<Result<_>>()
        .with_context(|| format!("the gdb stub answers {digits:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::time::Duration;

    /// A connection to a stub that answers each request from `script`, in order, and keeps its end
    /// open until its thread's handle is gone.
    fn stub(
        script: &'static [(&'static str, &'static str)],
    ) -> (Gdb, std::thread::JoinHandle<UnixStream>) {
        let (own, mut other) = UnixStream::pair().unwrap();
        let handle = std::thread::spawn(move || {
            let greeting = [
                ("qAttached", "T02thread:01;"),
                ("", "1"),
                ("qXfer:features:read:target.xml:0,40", "m<?xml"),
                ("qfThreadInfo", "m01,02"),
                ("qsThreadInfo", "m03"),
                ("qsThreadInfo", "l"),
            ];
            for (wanted, answer) in greeting.iter().chain(script) {
                if !wanted.is_empty() {
                    let request = packet::receive(&mut other).unwrap().unwrap();
                    let request = String::from_utf8(request).unwrap();
                    assert_eq!(request, *wanted);
                }
                other.write_all(&packet::encode(answer.as_bytes())).unwrap();
            }
            other
        });
        let gdb = Gdb::over(own, Instant::now() + Duration::from_secs(60)).unwrap();
        (gdb, handle)
    }

    #[test]
    fn the_greeting_passes_over_the_stop_that_it_caused_and_finds_all_processors() {
        let (gdb, handle) = stub(&[]);
        assert_eq!(gdb.threads(), [1, 2, 3]);
        handle.join().unwrap();
    }

    #[test]
    fn a_held_processor_is_not_named_when_the_others_go_on() {
        let script = &[
            ("vCont;c:1;c:3", "T05thread:03;"),
            ("vCont;c:3", "T05thread:03;"),
        ];
        let (mut gdb, handle) = stub(script);
        let later = Instant::now() + Duration::from_secs(60);
        for held in [&[2][..], &[1, 2]] {
            gdb.resume_but(held.iter().copied()).unwrap();
            assert_eq!(gdb.wait_stopped(later).unwrap(), Some(3));
        }
        handle.join().unwrap();
    }

    #[test]
    fn one_processor_runs_alone_and_memory_is_written_in_hexadecimal() {
        let (mut gdb, handle) = stub(&[
            ("Hg2", "OK"),
            ("Mc000,2:00ff", "OK"),
            ("P40=0000000000401008", "OK"),
            ("vCont;c:2", "T05thread:02;"),
            ("p40", "0000000000401008"),
            ("Hg1", "OK"),
            ("m0,1", "00"),
            ("vCont;c:2", "T02thread:01;"),
            ("Hg1", "OK"),
            ("m0,1", "00"),
        ]);
        gdb.write_memory(2, 0xc000, &[0, 0xff]).unwrap();
        gdb.write_register(2, 64, 0x40_1008_u64.to_be_bytes())
            .unwrap();
        gdb.resume_only(2).unwrap();
        let later = Instant::now() + Duration::from_secs(60);
        assert_eq!(gdb.wait_stopped(later).unwrap(), Some(2));
        // The stub has turned to the one that stopped by itself, and to nobody known otherwise.
        assert_eq!(gdb.register(2, 64).unwrap().len(), 8);
        assert_eq!(gdb.memory(1, 0, 1).unwrap(), [0]);
        gdb.resume_only(2).unwrap();
        assert_eq!(gdb.wait_stopped(later).unwrap(), Some(1));
        assert_eq!(gdb.memory(1, 0, 1).unwrap(), [0]);
        handle.join().unwrap();
    }

    #[test]
    fn a_machine_is_interrupted_only_while_it_runs() {
        let (mut gdb, handle) = stub(&[]);
        let mut other = handle.join().unwrap();
        gdb.stop().unwrap();
        gdb.resume_but([]).unwrap();
        other.write_all(&packet::encode(b"T02thread:01;")).unwrap();
        gdb.stop().unwrap();
        gdb.stop().unwrap();
        drop(gdb);
        let mut sent = Vec::new();
        other.read_to_end(&mut sent).unwrap();
        let interrupts = sent.iter().filter(|byte| **byte == INTERRUPT);
        assert_eq!(interrupts.count(), 1);
    }

    #[test]
    fn a_machine_that_runs_on_is_no_error() {
        let (mut gdb, handle) = stub(&[]);
        handle.join().unwrap();
        let (quiet, _other) = UnixStream::pair().unwrap();
        gdb.stream = quiet;
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(gdb.wait_stopped(soon).unwrap(), None);
    }

    #[test]
    fn memory_is_read_in_pieces_and_must_come_whole() {
        let (mut gdb, handle) = stub(&[("Hg2", "OK"), ("mc000,3", "0102ff")]);
        assert_eq!(gdb.memory(2, 0xc000, 3).unwrap(), [1, 2, 0xff]);
        handle.join().unwrap();
        let (mut gdb, _handle) = stub(&[("Hg2", "OK"), ("mc000,3", "0102")]);
        assert!(gdb.memory(2, 0xc000, 3).is_err());
        let (mut gdb, _handle) = stub(&[("Hg2", "OK"), ("m0,1", "E14")]);
        assert!(gdb.memory(2, 0, 1).is_err());
    }

    #[test]
    fn real_memory_is_asked_of_no_processor_and_the_stub_is_left_as_it_was() {
        let (mut gdb, handle) = stub(&[
            ("Qqemu.PhyMemMode:1", "OK"),
            ("mc11000,2", "2ffe"),
            ("Qqemu.PhyMemMode:0", "OK"),
            ("Qqemu.PhyMemMode:1", "OK"),
            ("m0,1", "E14"),
            ("Qqemu.PhyMemMode:0", "OK"),
            ("Hg2", "OK"),
            ("m0,1", "07"),
        ]);
        assert_eq!(gdb.real_memory(0xc1_1000, 2).unwrap(), [0x2f, 0xfe]);
        assert!(gdb.real_memory(0, 1).is_err());
        assert_eq!(gdb.memory(2, 0, 1).unwrap(), [7]);
        handle.join().unwrap();
        let (mut gdb, _handle) = stub(&[("Qqemu.PhyMemMode:1", "")]);
        assert!(gdb.real_memory(0, 1).is_err(), "a stub without that mode");
    }

    #[test]
    fn registers_that_a_system_reset_changes_meanwhile_are_read_again() {
        // Big endian inside RTAS when the machine state is read, little endian at the vector then.
        let (mut gdb, handle) = stub(&[
            ("Hg2", "OK"),
            ("p41", "0000000000001002"),
            ("p40", "0019000000000000"),
            ("p41", "0110000000000080"),
            ("p40", "0019000000000000"),
            ("p41", "0110000000000080"),
        ]);
        assert_eq!(gdb.instruction_pointer(2).unwrap(), 0x1900);
        handle.join().unwrap();
    }

    #[test]
    fn a_refused_request_is_an_error_that_names_it() {
        let (mut gdb, _handle) = stub(&[("Z0,c0,4", "E22")]);
        let error = gdb.set_breakpoint(0xc0).unwrap_err();
        assert!(format!("{error}").contains("Z0,c0,4"), "{error}");
    }

    #[test]
    fn stop_replies_name_the_processor_that_stopped() {
        assert_eq!(stop_reply("T05thread:0a;").unwrap(), 10);
        assert_eq!(stop_reply("T05watch:c0;thread:02;").unwrap(), 2);
        for bad in ["", "T", "T05", "T05thread:x;", "OK", "W00"] {
            assert!(stop_reply(bad).is_err(), "{bad}");
        }
    }
}
