//! What the checks need to know of an ELF file.

use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind};
use object::{elf, read::File};

/// A function: where it is and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its symbol.
    pub name: String,
    /// The address of its first instruction.
    pub address: u64,
    /// Its instructions.
    pub code: Vec<u32>,
}

/// A section: name, whether it is loaded and written, size in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Whether it is part of the memory image.
    pub loaded: bool,
    /// Whether it is written at run time.
    pub writable: bool,
    /// Its content, as far as the file holds it.
    pub data: Vec<u8>,
    /// Its size in memory, in bytes.
    pub size: u64,
}

/// An ELF file.
#[derive(Clone, Debug, Default)]
pub struct Elf {
    /// Its sections.
    pub sections: Vec<Section>,
    /// Its functions in the order of their addresses.
    pub functions: Vec<Function>,
    /// The names of all symbols.
    pub symbols: Vec<String>,
    /// The names of symbols that are used and not defined.
    pub undefined: Vec<String>,
    /// How many dynamic relocations there are.
    pub relocations: usize,
}

impl Elf {
    /// Reads the file `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let file = File::parse(bytes).context("no ELF file")?;
        let mut elf = Self::default();
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
                continue;
            };
            let has = |flag: elf::SectionFlags| sh_flags.0 & flag.0 != 0;
            let name = section.name().unwrap_or_default().to_owned();
            let data = section.data().unwrap_or_default().to_vec();
            if name.starts_with(".rela") {
                // Each entry has three doublewords (Elf64_Rela).
                elf.relocations += data.len() / 24;
            }
            elf.sections.push(Section {
                name,
                loaded: has(elf::SHF_ALLOC),
                writable: has(elf::SHF_WRITE),
                size: section.size(),
                data,
            });
        }
        let text = file.section_by_name(".text").context("no .text section")?;
        let (start, code) = (text.address(), text.data().context("no code")?);
        let end = start + code.len() as u64;
        let mut starts: Vec<(u64, String)> = Vec::new();
        for symbol in file.symbols() {
            let name = symbol.name().unwrap_or_default();
            if symbol.is_undefined() && !name.is_empty() {
                elf.undefined.push(name.to_owned());
            }
            elf.symbols.push(name.to_owned());
            let kind = symbol.kind();
            let label = matches!(kind, SymbolKind::Text)
                || kind == SymbolKind::Unknown && symbol.is_global();
            if label && !name.is_empty() && (start..end).contains(&symbol.address()) {
                starts.push((symbol.address(), name.to_owned()));
            }
        }
        starts.sort();
        starts.dedup_by_key(|(address, _)| *address);
        let ends = starts.iter().skip(1).map(|(address, _)| *address);
        let ends: Vec<u64> = ends.chain([end]).collect();
        for ((address, name), end) in starts.into_iter().zip(ends) {
            let bytes = usize::try_from(address - start)?..usize::try_from(end - start)?;
            let code = words(code.get(bytes).unwrap_or_default());
            elf.functions.push(Function {
                name,
                address,
                code,
            });
        }
        Ok(elf)
    }

    /// The function called `name`.
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }
}

/// Instructions as numbers; the code is big-endian.
fn words(code: &[u8]) -> Vec<u32> {
    let (words, _) = code.as_chunks::<4>();
    words.iter().map(|word| u32::from_be_bytes(*word)).collect()
}
