//! The notes of a dump: what each processor left of itself when the kernel crashed.
//!
//! Linux keeps one NT_PRSTATUS note for each processor that saved its registers
//! (kernel/crash_core.c:crash_save_cpu) and merges them into the first program header of
//! /proc/vmcore (fs/proc/vmcore.c:merge_note_headers_elf64). One that never answered the crash NMI
//! leaves none.

use crate::gdb::power::AllRegisters;
use anyhow::{Context, Result, bail};
use object::Endianness;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader};

/// `struct elf_prstatus` of 64-bit powerpc (include/linux/elfcore.h): bytes of the whole, and the
/// offsets of `pr_pid` and of `pr_reg`.
const PRSTATUS_BYTES: usize = 504;
const PID: usize = 32;
const REGISTERS: usize = 112;
/// Double words of `pr_reg` (arch/powerpc/include/uapi/asm/ptrace.h: `struct pt_regs`, and `PT_NIP`
/// and those after it for their places): the 32 general registers are the first ones.
const GENERAL: usize = 32;
const INSTRUCTION: usize = 32;
const MACHINE_STATE: usize = 33;
const COUNT: usize = 35;
const LINK: usize = 36;
const EXCEPTION: usize = 37;
const CONDITION: usize = 38;

/// What one processor saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processor {
    /// The process that was running there; 0 is the idle one.
    pub process: u32,
    /// Its registers.
    pub registers: AllRegisters,
}

impl Processor {
    /// Register 1, the stack pointer: no two processors share it.
    fn stack(&self) -> u64 {
        let [_, stack, ..] = self.registers.general;
        stack
    }
}

/// What the notes say.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// One entry for each processor that answered.
    pub processors: Vec<Processor>,
    /// The lines of the VMCOREINFO note, which dump tools need.
    pub vmcoreinfo: String,
}

impl Notes {
    /// Reads the notes out of `head`, the first part of an ELF core file up to the end of its
    /// notes.
    pub fn read(head: &[u8]) -> Result<Self> {
        let header = FileHeader64::<Endianness>::parse(head).context("no ELF header")?;
        let endian = header.endian()?;
        if header.e_type(endian) != elf::ET_CORE {
            bail!("no core file: its type is {:?}", header.e_type(endian));
        }
        if header.e_machine(endian) != elf::EM_PPC64 {
            bail!(
                "no dump of powerpc: the machine is {:?}",
                header.e_machine(endian)
            );
        }
        let mut notes = Self::default();
        for segment in header.program_headers(endian, head)? {
            let Some(mut entries) = segment.notes(endian, head)? else {
                continue;
            };
            while let Some(note) = entries.next()? {
                match (note.name(), note.n_type(endian)) {
                    (b"CORE", elf::NT_PRSTATUS) => {
                        notes.processors.push(Processor::read(note.desc(), endian)?);
                    }
                    (b"VMCOREINFO", _) => {
                        notes.vmcoreinfo = String::from_utf8_lossy(note.desc()).into_owned();
                    }
                    _ => (),
                }
            }
        }
        Ok(notes)
    }

    /// What is wrong with the notes of a crash in which `answered` processors stopped for the crash
    /// and process `panicking` panicked, if one did.
    pub fn failures(&self, answered: u64, panicking: Option<u64>) -> Vec<String> {
        let mut failures = Vec::new();
        if self.processors.len() as u64 != answered {
            failures.push(format!(
                "{} NT_PRSTATUS notes for {answered} processors",
                self.processors.len()
            ));
        }
        for (index, one) in self.processors.iter().enumerate() {
            // Process 0 runs on several; a stack belongs to one.
            let stack = one.stack();
            let mut others = self.processors.iter().skip(index + 1);
            if others.any(|other| other.stack() == stack) {
                failures.push(format!("two notes hold the same stack pointer {stack:#x}"));
            }
            if one.registers.instruction == 0 {
                failures.push(format!("note {index} holds no instruction address"));
            }
        }
        if let Some(panicking) = panicking {
            let panicked = |one: &&Processor| u64::from(one.process) == panicking;
            if self.processors.iter().filter(panicked).count() != 1 {
                failures.push(format!("not one note of the panicking process {panicking}"));
            }
        }
        if !self
            .vmcoreinfo
            .lines()
            .any(|line| line.starts_with("OSRELEASE="))
        {
            failures.push("no OSRELEASE in VMCOREINFO".to_owned());
        }
        failures
    }
}

impl Processor {
    fn read(status: &[u8], endian: Endianness) -> Result<Self> {
        if status.len() != PRSTATUS_BYTES {
            bail!(
                "an NT_PRSTATUS of {} bytes, not {PRSTATUS_BYTES}",
                status.len()
            );
        }
        let register = |place: usize| number(status, REGISTERS + place * 8, 8, endian);
        let mut general = [0; GENERAL];
        for (place, value) in general.iter_mut().enumerate() {
            *value = register(place)?;
        }
        Ok(Self {
            process: u32::try_from(number(status, PID, 4, endian)?)?,
            registers: AllRegisters {
                general,
                instruction: register(INSTRUCTION)?,
                machine_state: register(MACHINE_STATE)?,
                condition: register(CONDITION)?,
                link: register(LINK)?,
                count: register(COUNT)?,
                exception: register(EXCEPTION)?,
            },
        })
    }
}

/// The number of `width` bytes (at most 8) at `offset`.
fn number(bytes: &[u8], offset: usize, width: usize, endian: Endianness) -> Result<u64> {
    let field = bytes
        .get(offset..offset + width)
        .context("a note is too short")?;
    let shift = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
    Ok(match endian {
        Endianness::Big => field.iter().fold(0, shift),
        Endianness::Little => field.iter().rev().fold(0, shift),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dump's head, little endian as Debian's kernels are, with these (process, stack) notes.
    fn dump(processors: &[(u32, u64)]) -> Vec<u8> {
        let mut notes = Vec::new();
        let mut note = |name: &[u8], kind: u32, content: &[u8]| {
            for word in [name.len() as u32, content.len() as u32, kind] {
                notes.extend(word.to_le_bytes());
            }
            for part in [name, content] {
                notes.extend(part);
                notes.resize(notes.len().next_multiple_of(4), 0);
            }
        };
        for (process, stack) in processors {
            let mut status = vec![0; PRSTATUS_BYTES];
            status[PID..PID + 4].copy_from_slice(&process.to_le_bytes());
            let registers = &mut status[REGISTERS..];
            registers[8..16].copy_from_slice(&stack.to_le_bytes());
            let instruction = 0xc000_0000_0000_1000_u64;
            registers[INSTRUCTION * 8..][..8].copy_from_slice(&instruction.to_le_bytes());
            note(b"CORE\0", 1, &status);
        }
        note(b"VMCOREINFO\0", 0, b"OSRELEASE=6.1.0\nPAGESIZE=65536\n");
        let mut head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        for half in [4_u16, 21] {
            head.extend(half.to_le_bytes());
        }
        head.extend(1_u32.to_le_bytes());
        for word in [0_u64, 64, 0] {
            head.extend(word.to_le_bytes());
        }
        head.extend(0_u32.to_le_bytes());
        for half in [64_u16, 56, 1, 0, 0, 0] {
            head.extend(half.to_le_bytes());
        }
        // PT_NOTE, no flags, and where the notes are.
        head.extend(4_u64.to_le_bytes());
        for word in [120, 0, 0, notes.len() as u64, notes.len() as u64, 4] {
            head.extend(word.to_le_bytes());
        }
        head.extend(notes);
        head
    }

    #[test]
    fn each_processor_that_answered_has_a_note_of_its_own() {
        let notes = Notes::read(&dump(&[(0, 0x1000), (1, 0x2000), (0, 0x3000)])).unwrap();
        assert_eq!(notes.processors.len(), 3);
        assert_eq!(notes.processors[1].process, 1);
        assert_eq!(notes.processors[2].stack(), 0x3000);
        assert_eq!(notes.failures(3, Some(1)), Vec::<String>::new());
    }

    #[test]
    fn a_missing_note_a_shared_stack_and_a_missing_panic_are_failures() {
        let notes = Notes::read(&dump(&[(0, 0x1000), (1, 0x2000)])).unwrap();
        assert!(notes.failures(3, Some(1))[0].contains("2 NT_PRSTATUS notes for 3"));
        assert!(notes.failures(2, Some(7))[0].contains("panicking process 7"));
        let shared = Notes::read(&dump(&[(0, 0x1000), (1, 0x1000)])).unwrap();
        assert!(shared.failures(2, Some(1))[0].contains("same stack pointer"));
    }

    #[test]
    fn a_damaged_head_is_an_error() {
        let good = dump(&[(1, 0x1000)]);
        assert!(Notes::read(&[]).is_err());
        assert!(Notes::read(&good[..60]).is_err());
        assert!(
            Notes::read(&good[..good.len() - 8]).is_err(),
            "notes cut off"
        );
        for (offset, what) in [(16, "type"), (18, "machine")] {
            let mut bad = good.clone();
            bad[offset] ^= 1;
            assert!(Notes::read(&bad).is_err(), "{what}");
        }
    }
}
