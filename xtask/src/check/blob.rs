//! The blob is shared by all instances and runs at any address: constant content, integer
//! instructions, nothing that is missing.

use super::Finding;
use super::elf::{Elf, Function};
use super::instruction::{Instruction, Kind, Target, decode};

/// Bytes at the start of the global offset table that are not an entry: the linker puts the link-time
/// value of `.TOC.` there (ELFv2 3.3), for a loader that the blob does not have.
const TABLE_HEADER: usize = 8;

/// No relocation is left, and no entry in the global offset table that would need one.
pub fn needs_no_relocation(elf: &Elf) -> Finding {
    if elf.relocations != 0 {
        return Err(format!("{} relocations", elf.relocations));
    }
    let table = elf
        .sections
        .iter()
        .find(|section| section.loaded && section.name == ".got");
    match table {
        Some(table) if table.data.len() > TABLE_HEADER => Err(format!(
            "the global offset table has entries: {} bytes",
            table.data.len()
        )),
        _ => Ok(()),
    }
}

/// Nothing is written inside the image: it has no data and no zeroed data.
pub fn has_no_writable_data(elf: &Elf) -> Finding {
    let data = elf.sections.iter().find(|section| {
        // The linker marks the table of addresses writable; that it holds none is checked above.
        section.loaded && section.writable && section.size != 0 && !is_table(&section.name)
    });
    match data {
        Some(section) => Err(format!("{}: {} bytes", section.name, section.size)),
        None => Ok(()),
    }
}

fn is_table(name: &str) -> bool {
    matches!(name, ".got" | ".dynamic")
}

/// Everything that is used is there.
pub fn has_no_undefined_symbol(elf: &Elf) -> Finding {
    if elf.functions.is_empty() {
        return Err("no functions: the symbols are gone".to_owned());
    }
    if elf.undefined.is_empty() {
        Ok(())
    } else {
        Err(elf.undefined.join(", "))
    }
}

/// Nothing of the crate `spin` got in: a lock is what a dead processor can hold.
pub fn has_no_lock(elf: &Elf) -> Finding {
    // Its symbols are mangled, old (`_ZN4spin`) or new (`Cs...4spin`).
    let lock = elf.symbols.iter().find(|name| name.contains("4spin"));
    match lock {
        Some(name) => Err(name.clone()),
        None => Ok(()),
    }
}

/// Every instruction is one that the table of [`decode`] knows, and none is floating point, vector
/// or an indirect call.
pub fn has_integer_instructions_only(elf: &Elf) -> Finding {
    each(elf, |instruction| match instruction.kind {
        Kind::FloatOrVector => Some("a floating-point or vector instruction"),
        Kind::Unknown => Some("an instruction that the check does not know"),
        Kind::Branch {
            target: Target::Count,
            link: true,
        } => Some("an indirect call"),
        _ => None,
    })
}

/// No instruction traps: a trap would be an exception for the operating system.
pub fn cannot_trap(elf: &Elf) -> Finding {
    each(elf, |instruction| {
        (instruction.kind == Kind::Trap).then_some("a trap")
    })
}

/// Applies `judge` to every instruction.
fn each(elf: &Elf, judge: impl Fn(&Instruction) -> Option<&'static str>) -> Finding {
    for function in &elf.functions {
        for (index, &word) in function.code.iter().enumerate() {
            if let Some(what) = judge(&decode(word)) {
                return Err(format!("{what}: {}", place(function, index, word)));
            }
        }
    }
    Ok(())
}

/// Where an instruction is, for a message.
pub fn place(function: &Function, index: usize, word: u32) -> String {
    format!("{word:#010x} at {}+{:#x}", function.name, index * 4)
}

#[cfg(test)]
pub mod tests {
    use super::super::elf::Section;
    use super::*;

    /// An ELF file with these functions, one behind the other from address 0x1000.
    pub fn program(functions: &[(&str, &[u32])]) -> Elf {
        let mut address = 0x1000;
        let mut elf = Elf::default();
        for (name, code) in functions {
            elf.functions.push(Function {
                name: (*name).to_owned(),
                address,
                code: code.to_vec(),
            });
            address += 4 * code.len() as u64;
        }
        elf
    }

    fn section(name: &str, writable: bool, data: &[u8]) -> Section {
        Section {
            name: name.to_owned(),
            loaded: true,
            writable,
            data: data.to_vec(),
            size: data.len() as u64,
        }
    }

    const BLR: u32 = 0x4e80_0020;

    #[test]
    fn a_relocation_or_an_address_in_the_table_is_found() {
        let mut elf = program(&[("f", &[BLR])]);
        elf.sections.push(section(".got", true, &[0; 8]));
        assert_eq!(needs_no_relocation(&elf), Ok(()));
        elf.relocations = 1;
        assert!(needs_no_relocation(&elf).is_err());
        elf.relocations = 0;
        elf.sections.push(section(".got", true, &[0; 16]));
        elf.sections.remove(0);
        assert!(needs_no_relocation(&elf).is_err());
    }

    #[test]
    fn writable_content_is_found() {
        let mut elf = program(&[("f", &[BLR])]);
        elf.sections.push(section(".rodata", false, b"text"));
        elf.sections.push(section(".bss", true, b""));
        assert_eq!(has_no_writable_data(&elf), Ok(()));
        elf.sections.push(section(".data", true, b"x"));
        assert!(has_no_writable_data(&elf).is_err());
    }

    #[test]
    fn a_missing_symbol_or_missing_symbols_are_found() {
        let mut elf = program(&[("f", &[BLR])]);
        assert_eq!(has_no_undefined_symbol(&elf), Ok(()));
        elf.undefined.push("memcpy".to_owned());
        assert!(has_no_undefined_symbol(&elf).is_err());
        assert!(has_no_undefined_symbol(&Elf::default()).is_err());
    }

    #[test]
    fn a_lock_is_found_in_either_mangling() {
        let mut elf = program(&[("f", &[BLR])]);
        elf.symbols.push("_RNvNtCs9_4core5spine".to_owned());
        assert_eq!(has_no_lock(&elf), Ok(()));
        elf.symbols
            .push("_RNvMNtCsdlw_4spin5mutexE4lock".to_owned());
        assert!(has_no_lock(&elf).is_err());
        elf.symbols = vec!["_ZN4spin5mutex4lockE".to_owned()];
        assert!(has_no_lock(&elf).is_err());
    }

    #[test]
    fn floats_vectors_unknown_instructions_and_indirect_calls_are_found() {
        assert_eq!(
            has_integer_instructions_only(&program(&[("f", &[0x6000_0000, 0, BLR])])),
            Ok(())
        );
        // lfd; lxvd2x; rfid; bctrl
        for word in [0xc803_0000, 0x7c00_1e98, 0x4c00_0024, 0x4e80_0421] {
            let found = has_integer_instructions_only(&program(&[("f", &[BLR, word])]));
            assert!(found.unwrap_err().contains("f+0x4"), "{word:#x}");
        }
    }

    #[test]
    fn a_trap_is_found() {
        assert_eq!(cannot_trap(&program(&[("f", &[BLR])])), Ok(()));
        assert!(cannot_trap(&program(&[("f", &[0x7fe0_0008, BLR])])).is_err());
    }
}
