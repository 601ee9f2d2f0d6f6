//! What the dump says of processors that were held.

use super::hold::Victim;
use super::notes::{Notes, Processor};
use super::scenario::Fate;
use crate::gdb::power::AllRegisters;

/// Bits of the machine state that a system reset does not save: SRR1 holds its cause there (Power
/// ISA 3.1, book III, 7.5.1; QEMU target/ppc/excp_helper.c:powerpc_excp_books).
const NOT_SAVED: u64 = 0x783f_0000;

/// Compares the notes with what gdb saw of `victim`: what was found, or what is wrong.
pub fn compare(victim: &Victim, fate: Fate, notes: &Notes) -> Result<String, String> {
    let Victim {
        processor,
        registers,
    } = victim;
    let at = registers.instruction;
    match (note_of(registers, notes), fate) {
        (None, Fate::Gone) => Ok(format!(
            "processor {processor} is gone at {at:#x}: it has no note"
        )),
        (None, Fate::Frozen) => Err(format!("processor {processor} has no note")),
        (Some(_), Fate::Gone) => Err(format!("processor {processor}, which is gone, has a note")),
        (Some(note), Fate::Frozen) => {
            let different = differences(registers, &note.registers);
            if different.is_empty() {
                let count = named(registers).count();
                Ok(format!(
                    "processor {processor} froze at {at:#x}: the {count} registers of its note are \
                     what gdb saw"
                ))
            } else {
                Err(format!(
                    "the note of processor {processor}: {}",
                    different.join(", ")
                ))
            }
        }
    }
}

/// The note of the processor that had `registers`: nobody else has its stack.
fn note_of<'a>(registers: &AllRegisters, notes: &'a Notes) -> Option<&'a Processor> {
    let [_, stack, ..] = registers.general;
    let mut notes = notes.processors.iter();
    notes.find(|note| {
        let [_, noted, ..] = note.registers.general;
        noted == stack
    })
}

/// All registers that both sides have, by name.
fn named(registers: &AllRegisters) -> impl Iterator<Item = (String, u64)> {
    let general = registers.general.into_iter().enumerate();
    let general = general.map(|(number, value)| (format!("r{number}"), value));
    let others = [
        ("nip", registers.instruction),
        ("msr", registers.machine_state & !NOT_SAVED),
        ("cr", registers.condition),
        ("lr", registers.link),
        ("ctr", registers.count),
        ("xer", registers.exception),
    ];
    general.chain(others.map(|(name, value)| (name.to_owned(), value)))
}

/// The registers that `noted` has otherwise than gdb has `seen` them, with both values.
pub fn differences(seen: &AllRegisters, noted: &AllRegisters) -> Vec<String> {
    named(seen)
        .zip(named(noted))
        .filter(|((_, seen), (_, noted))| seen != noted)
        .map(|((name, seen), (_, noted))| format!("{name} is {noted:#x}, gdb saw {seen:#x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers() -> AllRegisters {
        AllRegisters {
            general: std::array::from_fn(|number| 0x100 + number as u64),
            instruction: 0x2fff_4abc,
            machine_state: 0x8000_0000_0000_1002,
            condition: 0x2400_0482,
            link: 0x2fff_4000,
            count: 7,
            exception: 0x2000_0000,
        }
    }

    fn victim() -> Victim {
        Victim {
            processor: 2,
            registers: registers(),
        }
    }

    fn notes(registers: &[AllRegisters]) -> Notes {
        let note = |registers: &AllRegisters| Processor {
            process: 0,
            registers: registers.clone(),
        };
        Notes {
            processors: registers.iter().map(note).collect(),
            vmcoreinfo: String::new(),
        }
    }

    #[test]
    fn a_frozen_processor_has_a_note_with_the_registers_that_gdb_saw() {
        let mut noted = registers();
        // What a system reset puts there is nobody's.
        noted.machine_state |= 0x10_0000;
        let found = compare(&victim(), Fate::Frozen, &notes(&[noted])).unwrap();
        assert!(found.contains("38 registers"), "{found}");
        assert!(compare(&victim(), Fate::Frozen, &notes(&[])).is_err());
    }

    #[test]
    fn every_register_that_differs_is_named() {
        type Change = fn(&mut AllRegisters);
        let changes: [(&str, Change); 8] = [
            ("r0", |r| r.general[0] += 1),
            ("r31", |r| r.general[31] += 1),
            ("nip", |r| r.instruction += 4),
            ("msr", |r| r.machine_state ^= 1),
            ("cr", |r| r.condition ^= 1),
            ("lr", |r| r.link += 4),
            ("ctr", |r| r.count += 1),
            ("xer", |r| r.exception ^= 1 << 31),
        ];
        for (name, change) in changes {
            let mut noted = registers();
            change(&mut noted);
            let error = compare(&victim(), Fate::Frozen, &notes(&[noted])).unwrap_err();
            assert!(error.contains(&format!(": {name} is ")), "{error}");
        }
    }

    #[test]
    fn a_processor_that_is_gone_must_have_no_note() {
        assert!(compare(&victim(), Fate::Gone, &notes(&[])).is_ok());
        assert!(compare(&victim(), Fate::Gone, &notes(&[registers()])).is_err());
    }
}
