//! Backtraces of the guest's processors, over gdb: the chain of stack frames that register 1 begins
//! (ELFv2 ABI, section 2.2.3.2: the back chain at 0 of a frame, the caller's address at 16).

use super::memory::{self, LINEAR_MAP};
use super::symbols::Symbols;
use crate::gdb::power::Registers;
use crate::gdb::{Gdb, Thread};
use anyhow::Result;
use serde::Serialize;

/// Frames at most: a chain that does not end is damaged.
const DEEPEST: usize = 40;
/// Bytes of a frame's head up to the end of the saved link register.
const HEAD: u64 = 24;
/// The frame's saved link register.
const LINK: usize = 16;
/// The function that a system reset leads to (arch/powerpc/kernel/traps.c).
const RESET_HANDLER: &str = "system_reset_exception";

/// Where a processor was.
#[derive(Clone, Debug, Serialize)]
pub struct Backtrace {
    /// The processor, as Linux counts: from 0.
    pub processor: u32,
    /// The function of each frame, innermost first, and `+` how far into it.
    pub frames: Vec<String>,
}

impl Backtrace {
    /// Looks at a stopped processor of a kernel with these symbols, little endian as Debian's are.
    pub fn take(gdb: &mut Gdb, thread: Thread, symbols: &Symbols) -> Result<Self> {
        let registers = gdb.registers(thread)?;
        let mut read = |address| memory::read(gdb, thread, address, HEAD);
        let callers = walk(&registers, &mut read);
        let mut frames = vec![show(registers.instruction, symbols)];
        if let Some(link) = leaf(&registers, &callers, symbols) {
            frames.push(show(link, symbols));
        }
        frames.extend(callers.iter().map(|&address| show(address, symbols)));
        Ok(Self {
            processor: thread.saturating_sub(1),
            frames,
        })
    }

    /// Whether the processor is inside `function`, and not only was when a system reset took it away.
    pub fn is_inside(&self, function: &str) -> bool {
        let mut names = self.frames.iter().map(|frame| {
            let (name, _) = frame.split_once('+').unwrap_or((frame, ""));
            name
        });
        // Behind the handler comes what it interrupted.
        names
            .by_ref()
            .take_while(|name| *name != RESET_HANDLER)
            .any(|name| name == function)
    }

    /// In one line, innermost first.
    pub fn line(&self) -> String {
        format!("processor {}: {}", self.processor, self.frames.join(" < "))
    }
}

/// The callers' addresses. A frame that cannot be read ends the chain: what a processor in firmware
/// has in register 1 is nobody's business.
fn walk(registers: &Registers, read: &mut impl FnMut(u64) -> Result<Vec<u8>>) -> Vec<u64> {
    let word = |head: &[u8], offset: usize| {
        let bytes = head.get(offset..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*bytes))
    };
    let mut callers = Vec::new();
    let mut frame = registers.stack;
    for depth in 0..DEEPEST {
        if frame < LINEAR_MAP || !frame.is_multiple_of(8) {
            break;
        }
        let Ok(head) = read(frame) else { break };
        // Who is called stores there; the innermost function calls nobody, or is about to.
        if depth > 0
            && let Some(link @ LINEAR_MAP..) = word(&head, LINK)
        {
            callers.push(link);
        }
        match word(&head, 0) {
            Some(next) if next != frame => frame = next,
            _ => break,
        }
    }
    callers
}

/// The caller of an innermost function that made no frame: what the link register holds, unless that
/// is of a call that is over (it is in the function itself) or is on the stack already. In a kernel that
/// runs elsewhere than it was linked, as a kdump kernel does, nobody knows whether the call is over.
fn leaf(registers: &Registers, callers: &[u64], symbols: &Symbols) -> Option<u64> {
    let name = |address| symbols.lookup(address).map(|(name, _)| name);
    let (function, caller) = (name(registers.instruction), name(registers.link));
    let is_caller = match caller {
        Some(_) => function != caller,
        None => function.is_none() && registers.link >= LINEAR_MAP,
    };
    (is_caller && callers.first() != Some(&registers.link)).then_some(registers.link)
}

fn show(address: u64, symbols: &Symbols) -> String {
    match symbols.lookup(address) {
        Some((name, offset)) => format!("{name}+{offset:#x}"),
        None => format!("{address:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::symbols::tests::symbols;
    use super::*;
    use anyhow::anyhow;
    use std::collections::BTreeMap;

    const STACK: u64 = LINEAR_MAP + 0x10_0000;

    fn registers(stack: u64) -> Registers {
        Registers {
            instruction: 0x1010,
            machine_state: 1,
            link: 0,
            stack,
            argument: 0,
        }
    }

    /// Walks over frames at these addresses: back chain and saved link register.
    fn callers(stack: u64, frames: &[(u64, u64, u64)]) -> Vec<u64> {
        let frames: BTreeMap<u64, Vec<u8>> = frames
            .iter()
            .map(|&(at, next, link)| {
                let words = [next, 0, link];
                (
                    at,
                    words.iter().flat_map(|word| word.to_le_bytes()).collect(),
                )
            })
            .collect();
        walk(&registers(stack), &mut |address| {
            frames
                .get(&address)
                .cloned()
                .ok_or_else(|| anyhow!("no memory"))
        })
    }

    #[test]
    fn callers_come_from_the_frames_above_the_innermost() {
        let link = |number| LINEAR_MAP + number;
        let frames = [
            (STACK, STACK + 0x80, link(1)),
            (STACK + 0x80, STACK + 0x100, link(2)),
            (STACK + 0x100, 0, link(3)),
        ];
        assert_eq!(callers(STACK, &frames), [link(2), link(3)]);
    }

    #[test]
    fn a_damaged_chain_ends_the_walk() {
        assert!(callers(STACK, &[(STACK, STACK, 1)]).is_empty(), "to itself");
        assert!(callers(STACK, &[]).is_empty(), "not there");
        assert!(
            callers(0x2fff_0000, &[(0x2fff_0000, 0, 1)]).is_empty(),
            "no stack of Linux"
        );
        let (one, two) = (STACK, STACK + 0x80);
        let circle = [(one, two, LINEAR_MAP), (two, one, LINEAR_MAP)];
        assert!(callers(one, &circle).len() < DEEPEST);
    }

    #[test]
    fn the_link_register_tells_the_caller_of_a_function_without_a_frame() {
        let symbols = symbols(&[("spin", 0x1000), ("lock_rtas", 0x1100)]);
        let with = |link| Registers {
            link,
            ..registers(STACK)
        };
        assert_eq!(leaf(&with(0x1104), &[], &symbols), Some(0x1104));
        assert_eq!(leaf(&with(0x1104), &[0x1104], &symbols), None, "stored");
        assert_eq!(
            leaf(&with(0x1020), &[], &symbols),
            None,
            "a call that is over"
        );
        assert_eq!(leaf(&with(0x9000), &[], &symbols), None, "no code");
        // A kernel without symbols, and what a processor in RTAS returns to.
        let elsewhere = |link| Registers {
            instruction: LINEAR_MAP + 0x800_0000,
            ..with(link)
        };
        let link = LINEAR_MAP + 0x800_1000;
        assert_eq!(leaf(&elsewhere(link), &[], &symbols), Some(link));
        assert_eq!(leaf(&elsewhere(link), &[link], &symbols), None, "stored");
        assert_eq!(leaf(&elsewhere(0x2_e000), &[], &symbols), None, "real");
    }

    #[test]
    fn a_function_is_found_by_its_whole_name() {
        let symbols = symbols(&[("rtas_call", 0x1000), ("rtas_call_unlocked", 0x1100)]);
        let trace = |address| Backtrace {
            processor: 2,
            frames: vec![show(address, &symbols), show(0x9000, &symbols)],
        };
        assert!(trace(0x1010).is_inside("rtas_call"));
        assert!(!trace(0x1110).is_inside("rtas_call"));
        assert_eq!(trace(0x1010).line(), "processor 2: rtas_call+0x10 < 0x9000");
    }

    #[test]
    fn what_a_system_reset_interrupted_is_not_where_the_processor_is() {
        let trace = |frames: &[&str]| Backtrace {
            processor: 1,
            frames: frames.iter().map(|frame| (*frame).to_owned()).collect(),
        };
        let reset = "system_reset_exception+0x1c0";
        let parked = trace(&["crash_ipi_callback+0x4", reset, "rtas_call+0x98"]);
        assert!(!parked.is_inside("rtas_call"));
        let waits = trace(&["lock_rtas+0x8", "rtas_call+0x98", reset, "cpu_idle+0x4"]);
        assert!(waits.is_inside("rtas_call"));
    }
}
