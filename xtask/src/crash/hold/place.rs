//! Bringing a processor to the place where it is held.

use super::super::memory;
use super::{Run, STEP_LIMIT, name};
use crate::gdb::{Gdb, Thread};
use anyhow::{Context, Result, bail};
use std::time::Instant;

/// Instructions of a call, up to its hypercall or its end: at most this many.
const STEPS: usize = 4000;
/// `sc 1`, the hypercall instruction.
const HYPERCALL: u32 = 0x4400_0022;

impl Run<'_> {
    /// Lets all but `stopped` run until `victim` is at `address` and `wanted` says that it is the
    /// right time.
    pub(super) fn run_to(
        &mut self,
        victim: Thread,
        stopped: &[Thread],
        address: u64,
        wanted: impl Fn(&mut Gdb) -> Result<bool>,
    ) -> Result<()> {
        self.gdb.set_breakpoint(address)?;
        let limit = Instant::now() + STEP_LIMIT;
        loop {
            self.gdb.resume_but(stopped.iter().copied())?;
            let Some(who) = self.gdb.wait_stopped(limit)? else {
                bail!("{} did not come to {address:#x}", name(victim));
            };
            let at = self.gdb.instruction_pointer(who)?;
            if at != address {
                bail!("{} stopped at {at:#x}", name(who));
            }
            if who == victim && wanted(self.gdb)? {
                break;
            }
            // Past the breakpoint.
            self.gdb.step(who)?;
        }
        self.gdb.clear_breakpoint(address)
    }

    /// Holds `victim` inside its next call of `function`, whose token is `token`: at the hypercall,
    /// or halfway through a call that makes none.
    pub(super) fn place_in_rtas(
        &mut self,
        victim: Thread,
        stopped: &[Thread],
        function: &str,
        token: u32,
    ) -> Result<()> {
        // The kernel's `struct rtas_t` begins with the entry's real address, the base and the size
        // of RTAS (arch/powerpc/include/asm/rtas-types.h).
        let rtas = self.symbols.address("rtas")?;
        let bytes = memory::read(self.gdb, victim, rtas, 24)?;
        let (words, _) = bytes.as_chunks::<8>();
        let [entry, base, size] = words else {
            bail!("no struct rtas_t");
        };
        let [entry, base, size] = [entry, base, size].map(|word| u64::from_le_bytes(*word));
        let is_wanted = move |gdb: &mut Gdb| {
            let buffer = gdb.registers(victim)?.argument;
            let cells = gdb.real_memory(buffer, 4)?;
            Ok(cell(&cells)? == token)
        };
        self.run_to(victim, stopped, entry, is_wanted)?;
        if let Some(steps) = self.step_to_hypercall(victim)? {
            // The next one is stopped before it ends.
            self.run_to(victim, stopped, entry, is_wanted)?;
            for _ in 0..steps / 2 {
                self.gdb.step(victim)?;
            }
        }
        let at = self.gdb.instruction_pointer(victim)?;
        if !(base..base.saturating_add(size)).contains(&at) {
            bail!("{} is at {at:#x}, not inside {function}", name(victim));
        }
        Ok(())
    }

    /// Steps `victim`, which has just entered RTAS, to its hypercall. If it comes back without one:
    /// the number of steps that took.
    fn step_to_hypercall(&mut self, victim: Thread) -> Result<Option<usize>> {
        let back = self.gdb.registers(victim)?.link;
        for steps in 0..STEPS {
            let at = self.gdb.instruction_pointer(victim)?;
            if at == back {
                return Ok(Some(steps));
            }
            // Translation is off inside RTAS.
            let word = self.gdb.real_memory(at, 4)?;
            if cell(&word)? == HYPERCALL {
                return Ok(None);
            }
            self.gdb.step(victim)?;
        }
        bail!("neither a hypercall nor the end within {STEPS} instructions of RTAS")
    }
}

/// The first big-endian cell of `bytes`.
fn cell(bytes: &[u8]) -> Result<u32> {
    let cell = bytes.first_chunk().context("a cell is missing")?;
    Ok(u32::from_be_bytes(*cell))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_an_argument_buffer_are_big_endian() {
        assert_eq!(cell(&[0, 0, 0x20, 1, 9]).unwrap(), 0x2001);
        assert!(cell(&[0, 0, 0x20]).is_err());
    }
}
