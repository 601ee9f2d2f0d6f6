//! The machine whose processors die: QEMU with the guest of `tests/src/driven`, driven over gdb.
//!
//! All processors but one are held at any time, and QEMU counts instructions (`-icount`), so every
//! run is the same. Each processor waits at a breakpoint for a command in its slot of memory.

use super::calls::{self, Call, Input};
use crate::crash::symbols::Symbols;
use crate::gdb::{Gdb, Thread};
use crate::qemu::{Machine, Qmp, Session};
use anyhow::{Context, Result, bail};
use conformance_guest::points::{self, WORDS, command, word};
use serde_json::json;
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// How long a machine may run: a safety net, far beyond the longest batch.
const LIFE: Duration = Duration::from_secs(6 * 3600);
/// How long the guest may take until it is ready.
pub const BOOT: Duration = Duration::from_secs(120);
/// How long a processor may run until it stops by itself: far more than it takes, since the verdict
/// comes from counted instructions wherever there is one.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What QEMU says when the crash path calls ibm,os-term (`tests/src/driven/crash.rs`).
const TERMINATED: &str = "OS terminated: crash path";

/// The processor that goes through crashes.
pub const COMMANDER: usize = 0;

/// What is broken on purpose, to show that it is seen; nothing by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Broken {
    /// Flags of all commands.
    pub flags: u64,
    /// A source that the crash path leaves out, or 0.
    pub left_out: u64,
}

/// Where the guest says things are: real addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    slots: u64,
    stop: u64,
    restart: u64,
    fwnmi: u64,
    /// Entries of the instances for 32 and for 64 bits; 0 where there is none.
    pub entries: [u64; 2],
    /// The private areas of the instances.
    pub bases: [u64; 2],
    /// Size of each.
    pub size: u64,
    free: u64,
}

impl Places {
    /// Reads the guest's line.
    fn parse(line: &str) -> Result<Self> {
        let rest = line.split_once(points::READY);
        let (_, rest) = rest.context("the guest is not ready")?;
        let mut places = Self::default();
        for word in rest.split_whitespace() {
            let (key, value) = word.split_once('=').context("no key and value")?;
            let value =
                u64::from_str_radix(value, 16).with_context(|| format!("no number: {word}"))?;
            match key {
                "slots" => places.slots = value,
                "stop" => places.stop = value,
                "restart" => places.restart = value,
                "fwnmi" => places.fwnmi = value,
                "entry32" => places.entries[0] = value,
                "entry64" => places.entries[1] = value,
                "base32" => places.bases[0] = value,
                "base64" => places.bases[1] = value,
                "size" => places.size = value,
                "free" => places.free = value,
                _ => (),
            }
        }
        if places.slots == 0 || places.stop == 0 || places.entries[0] == 0 {
            bail!("the guest says {line}");
        }
        Ok(places)
    }
}

/// How a processor came to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// At a breakpoint.
    At(u64),
    /// It did not by itself; it was at this address.
    Not(u64),
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The vector of the exception that ended it, or 0.
    pub trap: u64,
    /// Output cells, sign-extended.
    pub outputs: Vec<u64>,
}

impl Outcome {
    /// The status word.
    pub fn status(&self) -> i64 {
        self.outputs.first().copied().unwrap_or_default() as i64
    }
}

/// The machine, stopped.
#[derive(Debug)]
pub struct Target {
    session: Session,
    gdb: Gdb,
    places: Places,
    tokens: BTreeMap<String, u32>,
    /// Bits of the width of all calls: 32 or 64.
    width: u64,
    processors: usize,
    flags: u64,
    left_out: u64,
    /// Command, flags and width in the commander's slot, where they are known.
    ordered: Option<(u64, u64, u64)>,
    /// Commands that the commander has finished, where [`Target::ordered`] is known.
    finished: u64,
    /// Of the blob, where they are known.
    symbols: Option<Symbols>,
}

impl Target {
    /// Boots `machine` and starts processors up to the last but one of the `processors` there are
    /// at the beginning.
    pub fn boot(
        machine: &Machine,
        name: &str,
        processors: usize,
        Broken { flags, left_out }: Broken,
        symbols: Option<Symbols>,
    ) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("oxrtas-").tempdir()?;
        let socket = directory.path().join("gdb");
        let mut machine = machine.clone();
        let stub = format!("unix:{},server=on,wait=off", socket.display());
        machine.extra.extend(["-gdb".to_owned(), stub]);
        let mut session = Session::start(&machine, name, LIFE)?;
        let ready = session.wait_for_within(points::READY, BOOT)?;
        let places = Places::parse(&ready)?;
        let lines = session.lines();
        let tokens = lines.iter().filter_map(|line| {
            let (_, rest) = line.text.split_once(points::TOKEN)?;
            let (name, token) = rest.trim().split_once(' ')?;
            let token = u32::from_str_radix(token.trim(), 16).ok()?;
            Some((name.to_owned(), token))
        });
        let tokens = tokens.collect();
        let mut gdb = Gdb::connect(&socket, Instant::now() + LIFE)?;
        gdb.set_breakpoint(places.stop)?;
        let mut target = Self {
            session,
            gdb,
            places,
            tokens,
            width: 32,
            processors,
            flags,
            left_out,
            ordered: None,
            finished: 0,
            symbols,
        };
        target.gdb.resume_only(stub_thread(COMMANDER))?;
        target.settle(COMMANDER)?;
        target.start_others()?;
        Ok(target)
    }

    /// Starts the other processors but the spare one, and keeps the state of the instances.
    pub fn start_others(&mut self) -> Result<()> {
        for index in 1..calls::spare(self.processors) {
            self.start(index)?;
        }
        self.set(COMMANDER, word::LEFT_OUT, &[self.left_out])?;
        self.command(COMMANDER, command::KEEP)
    }

    /// Starts processor `index`, which is stopped in RTAS's sense.
    pub fn start(&mut self, index: usize) -> Result<()> {
        self.set(COMMANDER, word::WIDTH, &[self.width])?;
        self.set(COMMANDER, word::ARGUMENTS, &[index as u64, index as u64])?;
        self.command(COMMANDER, command::START)?;
        let status = self.get(COMMANDER, word::RESULTS)?;
        if status != 0 {
            bail!("start-cpu of processor {index} says {}", status as i64);
        }
        self.gdb.resume_only(stub_thread(index))?;
        self.settle(index)
    }

    /// Adds a processor to the running machine, and starts it.
    pub fn add(&mut self, index: usize) -> Result<()> {
        let mut qmp = self.qmp()?;
        let slots = qmp.execute("query-hotpluggable-cpus", json!({}))?;
        let slots = slots.as_array().context("no list of processors")?;
        let own = slots.iter().find(|slot| slot["props"]["core-id"] == index);
        let core = own.and_then(|slot| slot["type"].as_str());
        let core = core.with_context(|| format!("there is no room for processor {index}"))?;
        let id = format!("cpu{index}");
        let device = json!({ "driver": core, "core-id": index, "id": id });
        // A breakpoint is for those that are there when it is set.
        self.gdb.clear_breakpoint(self.places.stop)?;
        qmp.execute("device_add", device)?;
        drop(qmp);
        self.gdb.set_breakpoint(self.places.stop)?;
        // A new one runs until the machine stops for the first time, and is held from then on.
        self.command(COMMANDER, command::NOTHING)?;
        self.start(index)
    }

    /// Where things are.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// How many processors wait for commands or are in the middle of one: the first ones.
    pub fn running(&self) -> usize {
        calls::spare(self.processors)
    }

    /// QEMU's control socket. It is connected while it is wanted only: QEMU would tell of every step.
    pub fn qmp(&self) -> Result<Qmp> {
        self.session.qmp()
    }

    /// How often QEMU has told of the end of a crash path, by what ibm,os-term makes it say (QEMU,
    /// hw/ppc/spapr_rtas.c:rtas_ibm_os_term). Waits for `wanted` of them, since it says so to a pipe.
    pub fn count_ends(&self, wanted: usize) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let count = self.session.count_errors(TERMINATED);
            if count >= wanted || Instant::now() > deadline {
                return count;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Makes all calls that follow calls of `width` bits.
    pub fn set_width(&mut self, width: u32) {
        self.width = width.into();
    }

    /// The range of addresses of the instance that is called.
    pub fn area(&self) -> std::ops::Range<u64> {
        let base = self.places.bases[usize::from(self.width == 64)];
        base..base.saturating_add(self.places.size)
    }

    /// The entry of the instance that is called.
    pub fn entry(&self) -> u64 {
        self.places.entries[usize::from(self.width == 64)]
    }

    /// An address and what lies there: an offset in the blob and, if there are symbols, in its
    /// functions.
    pub fn describe(&self, address: u64) -> String {
        // The second entry is 8 bytes behind the first (linker/, `rtas/blob/src/entry.rs`).
        let image = self.entry() & !0xf;
        if !self.area().contains(&address) {
            return format!("{address:#x} (outside RTAS)");
        }
        let offset = address.wrapping_sub(image);
        let symbol = self.symbols.as_ref();
        match symbol.and_then(|symbols| symbols.lookup(offset)) {
            Some((name, inside)) => {
                format!("{address:#x} (blob + {offset:#x}, {name} + {inside:#x})")
            }
            None => format!("{address:#x} (entry + {offset:#x})"),
        }
    }

    /// How a processor stopped, in words.
    pub fn tell(&self, stopped: Stopped) -> String {
        match stopped {
            Stopped::At(at) => format!("it stopped at {}", self.describe(at)),
            Stopped::Not(at) => format!("it did not stop and was at {}", self.describe(at)),
        }
    }

    fn place(&self, index: usize, word: usize) -> u64 {
        self.places.slots + 8 * (WORDS * index + word) as u64
    }

    /// Words of a processor's slot, from `word` on.
    pub fn get_all(&mut self, index: usize, word: usize, count: usize) -> Result<Vec<u64>> {
        let (place, length) = (self.place(index, word), 8 * count as u64);
        let bytes = self.gdb.memory(stub_thread(index), place, length)?;
        let (words, _) = bytes.as_chunks::<8>();
        Ok(words.iter().map(|word| u64::from_be_bytes(*word)).collect())
    }

    /// A word of a processor's slot.
    pub fn get(&mut self, index: usize, word: usize) -> Result<u64> {
        let words = self.get_all(index, word, 1)?;
        words.first().copied().context("no word")
    }

    /// Sets words of a processor's slot, from `word` on.
    pub fn set(&mut self, index: usize, word: usize, values: &[u64]) -> Result<()> {
        if index == COMMANDER {
            self.ordered = None;
        }
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_be_bytes())
            .collect();
        let place = self.place(index, word);
        self.gdb.write_memory(stub_thread(index), place, &bytes)
    }

    /// The 32-bit word at a real address.
    pub fn instruction(&mut self, address: u64) -> Result<u32> {
        let bytes = self.gdb.memory(stub_thread(COMMANDER), address, 4)?;
        let bytes = bytes.first_chunk().context("no instruction")?;
        Ok(u32::from_be_bytes(*bytes))
    }

    /// Where a stopped processor is.
    pub fn at(&mut self, index: usize) -> Result<u64> {
        self.gdb.big_endian_instruction_pointer(stub_thread(index))
    }

    /// Whether a stopped processor is where it waits for commands.
    pub fn is_waiting(&mut self, index: usize) -> Result<bool> {
        Ok(self.at(index)? == self.places.stop)
    }

    /// Lets a processor execute one instruction.
    pub fn step(&mut self, index: usize) -> Result<()> {
        self.gdb.step(stub_thread(index))
    }

    /// Lets a processor run until it stops.
    pub fn run(&mut self, index: usize) -> Result<Stopped> {
        self.gdb.resume_only(stub_thread(index))?;
        self.wait(index, PATIENCE)
    }

    fn wait(&mut self, index: usize, limit: Duration) -> Result<Stopped> {
        let deadline = Instant::now() + limit;
        let Some(stopped) = self.gdb.wait_stopped(deadline)? else {
            self.gdb.interrupt()?;
            return Ok(Stopped::Not(self.at(index)?));
        };
        if stopped != stub_thread(index) {
            bail!(
                "processor {} stopped, not {index}",
                stopped.saturating_sub(1)
            );
        }
        Ok(Stopped::At(self.at(index)?))
    }

    /// Waits for a processor that was just resumed to come to where it waits for commands.
    fn settle(&mut self, index: usize) -> Result<()> {
        match self.wait(index, PATIENCE)? {
            Stopped::At(address) if address == self.places.stop => Ok(()),
            other => bail!("processor {index} is not ready: {}", self.tell(other)),
        }
    }

    /// Has a processor that waits for commands obey what is in its slot.
    pub fn go(&mut self, index: usize) -> Result<Stopped> {
        self.pass_breakpoint(index)?;
        self.run(index)
    }

    /// The breakpoint is on an instruction that does nothing.
    fn pass_breakpoint(&mut self, index: usize) -> Result<()> {
        self.gdb.redirect(stub_thread(index), self.places.stop + 4)
    }

    /// Has the commander obey the command that it obeyed last. Whether it finished it, and the words
    /// of its slot up to [`word::MARK`].
    pub fn again(&mut self, limit: Duration) -> Result<(bool, Vec<u64>)> {
        let before = self.finished;
        self.pass_breakpoint(COMMANDER)?;
        self.gdb.resume_only(stub_thread(COMMANDER))?;
        let stopped = self.gdb.wait_stopped(Instant::now() + limit)?;
        if stopped.is_none() {
            self.gdb.interrupt()?;
        }
        let words = self.get_all(COMMANDER, 0, word::MARK + 1)?;
        self.finished = words.get(word::DONE).copied().unwrap_or_default();
        let finished = self.finished == before.wrapping_add(1);
        Ok((stopped == Some(stub_thread(COMMANDER)) && finished, words))
    }

    /// Writes the commander's command and flags, unless they are there.
    pub fn order(&mut self, command: u64, flags: u64) -> Result<()> {
        let wanted = Some((command, flags | self.flags, self.width));
        if self.ordered != wanted {
            self.set(COMMANDER, word::COMMAND, &[command, self.width])?;
            self.set_flags(COMMANDER, flags)?;
            self.finished = self.get(COMMANDER, word::DONE)?;
            self.ordered = wanted;
        }
        Ok(())
    }

    /// The same for what takes long: it may take as long as a boot.
    pub fn go_long(&mut self, index: usize) -> Result<Stopped> {
        self.pass_breakpoint(index)?;
        self.gdb.resume_only(stub_thread(index))?;
        self.wait(index, BOOT)
    }

    /// Whether this is where processors wait for commands.
    pub fn is_done(&self, stopped: Stopped) -> bool {
        stopped == Stopped::At(self.places.stop)
    }

    /// Gives a processor a command, which it must finish.
    pub fn command(&mut self, index: usize, command: u64) -> Result<()> {
        self.set(index, word::COMMAND, &[command])?;
        let stopped = self.go(index)?;
        if !self.is_done(stopped) {
            let place = self.tell(stopped);
            bail!("processor {index} did not finish command {command}: {place}");
        }
        Ok(())
    }

    /// Writes a call into a processor's slot.
    pub fn prepare(&mut self, index: usize, call: &Call) -> Result<()> {
        let token = self.tokens.get(call.function).copied();
        let token = token
            .or_else(|| calls::token_of_absent(call.function))
            .with_context(|| format!("there is no {}", call.function))?;
        let (buffer, spare) = (
            calls::buffer(self.places.free),
            calls::spare(self.processors),
        );
        let inputs = call.inputs.iter().map(|input| match input {
            Input::Value(value) => *value,
            Input::Buffer => buffer,
            Input::Spare => spare as u64,
            Input::ResetHandler => self.places.fwnmi,
        });
        let counts = [call.inputs.len() as u64, call.outputs];
        let head = [command::CALL, self.width, token.into()];
        let words: Vec<u64> = head.into_iter().chain(counts).chain(inputs).collect();
        self.set(index, word::COMMAND, &words)?;
        self.set(index, word::FLAGS, &[self.flags])
    }

    /// Flags of all commands, and these.
    pub fn set_flags(&mut self, index: usize, more: u64) -> Result<()> {
        self.set(index, word::FLAGS, &[self.flags | more])
    }

    /// What came of the last call of a processor.
    pub fn outcome(&mut self, index: usize, call: &Call) -> Result<Outcome> {
        Ok(Outcome {
            trap: self.get(index, word::TRAP)?,
            outputs: self.get_all(index, word::RESULTS, call.outputs as usize)?,
        })
    }

    /// Makes a whole call on a processor.
    pub fn call(&mut self, index: usize, call: &Call) -> Result<Outcome> {
        self.prepare(index, call)?;
        let stopped = self.go(index)?;
        if !self.is_done(stopped) {
            let place = self.tell(stopped);
            bail!("{} did not come back: {place}", call.function);
        }
        self.outcome(index, call)
    }

    /// Starts a call on a processor, which stops at the first instruction of RTAS.
    pub fn enter(&mut self, index: usize, call: &Call) -> Result<()> {
        self.prepare(index, call)?;
        let entry = self.entry();
        let stopped = self.run_to(index, entry)?;
        if stopped != Stopped::At(entry) {
            let place = self.tell(stopped);
            bail!("processor {index} did not enter RTAS: {place}");
        }
        Ok(())
    }

    /// Lets a processor go on to `address`.
    pub fn run_to(&mut self, index: usize, address: u64) -> Result<Stopped> {
        self.gdb.set_breakpoint(address)?;
        let stopped = self.go(index);
        self.gdb.clear_breakpoint(address)?;
        stopped
    }

    /// Lets a processor that is in the middle of something go on to `address`.
    pub fn run_until(&mut self, index: usize, address: u64) -> Result<Stopped> {
        self.gdb.set_breakpoint(address)?;
        let stopped = self.run(index);
        self.gdb.clear_breakpoint(address)?;
        stopped
    }

    /// Gives up whatever a processor does: it waits for commands again.
    pub fn give_up(&mut self, index: usize) -> Result<()> {
        let gate = self.get(index, word::GATE)?;
        self.gdb.set_argument(stub_thread(index), gate)?;
        self.gdb.redirect(stub_thread(index), self.places.restart)?;
        self.gdb.resume_only(stub_thread(index))?;
        self.settle(index)
    }

    /// Writes `content` to where [`Input::Buffer`] points.
    pub fn set_buffer(&mut self, content: &[u8]) -> Result<()> {
        if content.is_empty() {
            return Ok(());
        }
        let buffer = calls::buffer(self.places.free);
        self.gdb
            .write_memory(stub_thread(COMMANDER), buffer, content)
    }

    /// Has the monitor send a system reset to all processors.
    pub fn reset_all(&mut self) -> Result<()> {
        self.qmp()?.execute("inject-nmi", json!({}))?;
        Ok(())
    }
}

/// The stub's number of processor `index`.
fn stub_thread(index: usize) -> Thread {
    // Never more than the guest has slots.
    Thread::try_from(index)
        .unwrap_or(Thread::MAX)
        .saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_line_tells_where_things_are() {
        let line = "guest: points ready slots=1c36680 stop=401000 restart=401008 fwnmi=402000 entry32=1ffce000 \
                    entry64=1ff9e008 base32=1ffcd000 base64=1ff9d000 size=15000 free=1ea10000 new=1";
        let places = Places::parse(line).unwrap();
        assert_eq!(places.entries, [0x1ffc_e000, 0x1ff9_e008]);
        assert_eq!((places.stop, places.free), (0x40_1000, 0x1ea1_0000));
        assert_eq!((places.restart, places.fwnmi), (0x40_1008, 0x40_2000));
        for bad in ["", "guest: points ready", "guest: points ready slots=x"] {
            assert!(Places::parse(bad).is_err(), "{bad}");
        }
    }
}
