//! Holding a processor over gdb while another one panics, and watching what comes of it.
//!
//! The processor that panics is stopped at panic() first (at the restart, if it does not panic) and the victim is placed then: held a
//! second earlier, the victim would stall the guest before it panics. A hang counts as that of the
//! kernel's RTAS lock only if the panicking processor has rtas_call on its stack in every one of
//! [`SAMPLES`] looks over [`HANG`], while no line of a kdump kernel comes.

use super::backtrace::Backtrace;
use super::scenario::{self, Fate, Hold, Place};
use super::symbols::Symbols;
use crate::gdb::{Gdb, Thread};
use crate::qemu::{Seen, Session};
use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant};

/// Looks at the panicking processor that make a hang, and the time from the first to the last.
const SAMPLES: usize = 3;
const HANG: Duration = Duration::from_secs(10);
/// Time between two looks.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(3500);
/// Time between two looks at whether the system reset has come.
const RESET_INTERVAL: Duration = Duration::from_millis(200);
/// How long the panic, the victim's next call and the system reset may each take. Linux gives a
/// processor 10 s to answer the reset; the guest's clock stands still at every look.
const STEP_LIMIT: Duration = Duration::from_secs(30);
/// How long a crash may take that neither hangs in RTAS nor gets to its kdump kernel.
const CRASH_LIMIT: Duration = Duration::from_secs(90);
/// The same where a processor is gone. Linux waits for it in 10,000 delays of a millisecond, each of
/// which takes longer where the host's processors are shared.
const GONE_LIMIT: Duration = Duration::from_secs(300);
/// Instructions from the entry of RTAS to the hypercall: at most this many.
const STEPS: usize = 4000;
/// `sc 1`, the hypercall instruction.
const HYPERCALL: u32 = 0x4400_0022;
/// Numbers of inputs and outputs by which get-time-of-day is known; the token is the firmware's.
const GET_TIME_OF_DAY: (u32, u32) = (0, 8);
/// Where the kernel maps all memory.
const LINEAR_MAP: u64 = 0xc000_0000_0000_0000;
/// Lines that say that the crashed kernel is left.
const KDUMP: [&str; 2] = ["I'm in purgatory", "] Linux version"];

/// What came of a crash with a processor held.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The crashed kernel was left.
    Left,
    /// QEMU ended.
    Ended,
    /// The panicking processor waits in rtas_call for good.
    Lock,
    /// It does not get on, and not for that reason.
    Stuck,
}

/// What was seen of a crash with a processor held.
#[derive(Clone, Debug)]
pub struct Observed {
    /// What came of it.
    pub verdict: Verdict,
    /// The address at which the victim was held.
    pub held_at: u64,
    /// Points for the timeline, since the machine was started.
    pub points: Vec<(&'static str, Duration)>,
    /// Where all processors were in the end, if the crashed kernel was not left.
    pub backtraces: Vec<Backtrace>,
}

/// The two processors, and what they run in.
pub struct Crash<'a> {
    session: &'a mut Session,
    gdb: &'a mut Gdb,
    symbols: &'a Symbols,
    hold: Hold,
    /// The function at which the panicking processor is stopped.
    function: &'static str,
    victim: Thread,
    points: Vec<(&'static str, Duration)>,
}

impl<'a> Crash<'a> {
    /// Takes over a machine that has just been started, whose guest makes `hold.processor` read the
    /// clock, says phase crash and crashes on another processor, as `crash` says.
    pub fn new(
        session: &'a mut Session,
        gdb: &'a mut Gdb,
        symbols: &'a Symbols,
        hold: Hold,
        crash: scenario::Crash,
    ) -> Self {
        Self {
            session,
            gdb,
            symbols,
            hold,
            function: crash.function(),
            // QEMU counts threads from 1, in the order of the cores.
            victim: hold.processor.saturating_add(1),
            points: Vec::new(),
        }
    }

    /// Runs the machine through its crash. It runs on if the crashed kernel was left, and is stopped
    /// otherwise.
    pub fn run(mut self) -> Result<Observed> {
        let panicking = self.wait_for_panic()?;
        let held_at = match self.hold.place {
            Place::GetTimeOfDay => self.place_in_rtas(panicking)?,
            Place::Outside => {
                let entry = self.symbols.entry("rtas_call")?;
                self.run_victim_to(entry, panicking, |_| Ok(true))?;
                entry
            }
        };
        self.mark("victim held");
        self.gdb.resume_but(Some(self.victim))?;
        if self.hold.fate == Fate::Frozen {
            self.release(held_at)?;
        }
        let verdict = self.watch(panicking)?;
        let mut backtraces = Vec::new();
        if matches!(verdict, Verdict::Lock | Verdict::Stuck) {
            for thread in self.gdb.threads().to_vec() {
                backtraces.push(Backtrace::take(self.gdb, thread, self.symbols)?);
            }
        }
        Ok(Observed {
            verdict,
            held_at,
            points: self.points,
            backtraces,
        })
    }

    fn mark(&mut self, name: &'static str) {
        self.points.push((name, self.session.elapsed()));
    }

    /// Stops at the panic: the processor that panics.
    fn wait_for_panic(&mut self) -> Result<Thread> {
        let panic = self.symbols.entry(self.function)?;
        self.gdb.set_breakpoint(panic)?;
        self.gdb.resume_but(None)?;
        self.session.wait_for(&["OXRTAS-PHASE crash"])?;
        let stopped = self.gdb.wait_stopped(Instant::now() + STEP_LIMIT)?;
        let panicking =
            stopped.with_context(|| format!("the guest did not come to {}", self.function))?;
        let at = self.gdb.instruction_pointer(panicking)?;
        if at != panic || panicking == self.victim {
            bail!(
                "processor {} stopped at {at:#x}",
                panicking.saturating_sub(1)
            );
        }
        self.gdb.clear_breakpoint(panic)?;
        self.mark(self.function);
        Ok(panicking)
    }

    /// Lets all but the panicking processor run until the victim is at `address` and `wanted` says
    /// that it is the right time.
    fn run_victim_to(
        &mut self,
        address: u64,
        panicking: Thread,
        wanted: impl Fn(&mut Gdb) -> Result<bool>,
    ) -> Result<()> {
        self.gdb.set_breakpoint(address)?;
        let limit = Instant::now() + STEP_LIMIT;
        loop {
            self.gdb.resume_but(Some(panicking))?;
            let Some(stopped) = self.gdb.wait_stopped(limit)? else {
                bail!("the victim did not come to {address:#x}");
            };
            let at = self.gdb.instruction_pointer(stopped)?;
            if at != address {
                bail!("processor {} stopped at {at:#x}", stopped.saturating_sub(1));
            }
            if stopped == self.victim && wanted(self.gdb)? {
                break;
            }
            // Past the breakpoint.
            self.gdb.step(stopped)?;
        }
        self.gdb.clear_breakpoint(address)
    }

    /// Holds the victim at the hypercall inside its next get-time-of-day. Gives back the address.
    fn place_in_rtas(&mut self, panicking: Thread) -> Result<u64> {
        // The kernel's `struct rtas_t` begins with the entry's real address
        // (arch/powerpc/include/asm/rtas.h).
        let rtas = self.symbols.address("rtas")?;
        let bytes = self.gdb.memory(panicking, rtas, 8)?;
        let entry = bytes.first_chunk().context("no address of RTAS")?;
        let entry = u64::from_le_bytes(*entry);
        let victim = self.victim;
        self.run_victim_to(entry, panicking, |gdb| {
            let buffer = gdb.registers(victim)?.argument;
            let cells = gdb.memory(victim, LINEAR_MAP | buffer, 12)?;
            Ok((cell(&cells, 1)?, cell(&cells, 2)?) == GET_TIME_OF_DAY)
        })?;
        for _ in 0..STEPS {
            let at = self.gdb.instruction_pointer(victim)?;
            let word = self.gdb.memory(victim, at, 4)?;
            if cell(&word, 0)? == HYPERCALL {
                return Ok(at);
            }
            self.gdb.step(victim)?;
        }
        bail!("no hypercall within {STEPS} instructions of get-time-of-day")
    }

    /// Releases the victim when the crash's system reset has moved it from `held_at` to its vector.
    fn release(&mut self, held_at: u64) -> Result<()> {
        let vector = self.symbols.address("system_reset_fwnmi")? & !LINEAR_MAP;
        let limit = Instant::now() + STEP_LIMIT;
        loop {
            let soon = Instant::now() + RESET_INTERVAL;
            if let Seen::End = self.session.wait_until(&[], soon) {
                bail!("QEMU ended while the victim was held");
            }
            self.gdb.interrupt()?;
            let at = self.gdb.instruction_pointer(self.victim)?;
            if at == vector {
                break;
            }
            if at != held_at {
                bail!("the victim, held at {held_at:#x}, is at {at:#x}");
            }
            if Instant::now() > limit {
                bail!("no system reset came to the victim");
            }
            self.gdb.resume_but(Some(self.victim))?;
        }
        self.mark("victim released");
        self.gdb.resume_but(None)
    }

    /// Watches until the crashed kernel is left, or is not going to be.
    fn watch(&mut self, panicking: Thread) -> Result<Verdict> {
        let held = (self.hold.fate == Fate::Gone).then_some(self.victim);
        let limit = match self.hold.fate {
            Fate::Frozen => CRASH_LIMIT,
            Fate::Gone => GONE_LIMIT,
        };
        let limit = Instant::now() + limit;
        let mut samples: Vec<Instant> = Vec::new();
        loop {
            match self
                .session
                .wait_until(&KDUMP, Instant::now() + SAMPLE_INTERVAL)
            {
                Seen::Wanted(..) => return Ok(Verdict::Left),
                Seen::End => return Ok(Verdict::Ended),
                Seen::Forbidden(line) => bail!("the console shows: {line}"),
                Seen::Deadline => (),
            }
            self.gdb.interrupt()?;
            let now = Instant::now();
            if Backtrace::take(self.gdb, panicking, self.symbols)?.holds("rtas_call") {
                samples.push(now);
            } else {
                samples.clear();
            }
            if is_hang(&samples) {
                self.mark("hang");
                return Ok(Verdict::Lock);
            }
            if now > limit {
                self.mark("stuck");
                return Ok(Verdict::Stuck);
            }
            self.gdb.resume_but(held)?;
        }
    }
}

/// Whether looks at these times, all of which found rtas_call, make a hang.
fn is_hang(samples: &[Instant]) -> bool {
    match (samples.first(), samples.last()) {
        (Some(first), Some(last)) => samples.len() >= SAMPLES && *last - *first >= HANG,
        _ => false,
    }
}

/// The `index`th big-endian cell of `bytes`.
fn cell(bytes: &[u8], index: usize) -> Result<u32> {
    let (cells, _) = bytes.as_chunks::<4>();
    let cell = cells.get(index).context("a cell is missing")?;
    Ok(u32::from_be_bytes(*cell))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_takes_three_looks_and_ten_seconds() {
        let start = Instant::now();
        let after = |seconds: &[u64]| -> Vec<Instant> {
            let seconds = seconds.iter();
            seconds
                .map(|&second| start + Duration::from_secs(second))
                .collect()
        };
        assert!(is_hang(&after(&[0, 5, 10])));
        assert!(!is_hang(&after(&[0, 10])), "two looks");
        assert!(!is_hang(&after(&[0, 4, 9])), "nine seconds");
        assert!(!is_hang(&[]));
    }

    #[test]
    fn cells_of_an_argument_buffer_are_big_endian() {
        let bytes = [0, 0, 0x20, 1, 0, 0, 0, 0, 0, 0, 0, 8];
        assert_eq!(
            (cell(&bytes, 0).unwrap(), cell(&bytes, 2).unwrap()),
            (0x2001, 8)
        );
        assert!(cell(&bytes, 3).is_err());
    }
}
