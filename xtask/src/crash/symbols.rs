//! Names for addresses of the guest's kernel, out of its image.

use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolFlags, SymbolKind};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// A function of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Function {
    address: u64,
    /// Whether it is more than a label.
    typed: bool,
    name: String,
}

/// The symbols of a kernel that runs where it was linked, as pseries kernels do.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    /// By address.
    functions: Vec<Function>,
    /// Every name: its address and, for a function, where calls from inside the kernel enter it.
    names: HashMap<String, (u64, u64)>,
    /// The end of the code.
    end: u64,
}

impl Symbols {
    /// Reads the symbol table of the ELF file at `path`.
    pub fn read(path: &Path) -> Result<Self> {
        let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file = object::File::parse(content.as_slice())
            .with_context(|| format!("{} is no kernel image", path.display()))?;
        let mut symbols = Self::default();
        for symbol in file.symbols() {
            let Ok(name) = symbol.name() else { continue };
            if name.is_empty() || symbol.is_undefined() {
                continue;
            }
            let other = match symbol.flags() {
                SymbolFlags::Elf { st_other, .. } => st_other.0,
                _ => 0,
            };
            let address = symbol.address();
            let entry = address.wrapping_add(local_entry(other));
            symbols
                .names
                .entry(name.to_owned())
                .or_insert((address, entry));
            // Assembly has labels without a type.
            let section = symbol.section_index();
            let section = section.and_then(|index| file.section_by_index(index).ok());
            let code = section.is_some_and(|section| section.kind() == SectionKind::Text);
            if code && matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Unknown) {
                symbols.end = symbols.end.max(address.saturating_add(symbol.size()));
                symbols.functions.push(Function {
                    address,
                    typed: symbol.kind() == SymbolKind::Text,
                    name: name.to_owned(),
                });
            }
        }
        // Of several at one address the last one is found: one with a type.
        let functions = &mut symbols.functions;
        functions.sort_by_key(|function| (function.address, function.typed));
        Ok(symbols)
    }

    /// The address of `name`.
    pub fn address(&self, name: &str) -> Result<u64> {
        let found = self.names.get(name).map(|(address, _)| *address);
        found.with_context(|| format!("the kernel has no symbol {name}"))
    }

    /// The instruction of function `name` that every call passes: the local entry point, which the
    /// global one runs into (ELFv2 ABI, section 3.4.1).
    pub fn entry(&self, name: &str) -> Result<u64> {
        let found = self.names.get(name).map(|(_, entry)| *entry);
        found.with_context(|| format!("the kernel has no function {name}"))
    }

    /// The function that `address` is in, and how far.
    pub fn lookup(&self, address: u64) -> Option<(&str, u64)> {
        let after = self
            .functions
            .partition_point(|function| function.address <= address);
        let function = self.functions.get(after.checked_sub(1)?)?;
        (address < self.end).then_some((function.name.as_str(), address - function.address))
    }
}

/// Bytes from the global entry point to the local one: three bits of `st_other`.
fn local_entry(other: u8) -> u64 {
    ((1 << (other >> 5)) >> 2) << 2
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Symbols of functions of 0x100 bytes, each at its address.
    pub fn symbols(functions: &[(&str, u64)]) -> Symbols {
        let mut symbols = Symbols::default();
        for (name, address) in functions {
            let name = (*name).to_owned();
            symbols.names.insert(name.clone(), (*address, address + 8));
            symbols.end = symbols.end.max(address + 0x100);
            symbols.functions.push(Function {
                address: *address,
                typed: true,
                name,
            });
        }
        symbols
    }

    #[test]
    fn local_entries_are_where_the_abi_puts_them() {
        let bytes: Vec<u64> = [0, 1, 2, 3, 4, 5, 6]
            .map(|bits| local_entry(bits << 5))
            .to_vec();
        assert_eq!(bytes, [0, 0, 4, 8, 16, 32, 64]);
        // The other bits are the visibility.
        assert_eq!(local_entry(0x62), 8);
    }

    #[test]
    fn an_address_belongs_to_the_function_before_it() {
        let symbols = symbols(&[("first", 0x1000), ("second", 0x1100)]);
        assert_eq!(symbols.lookup(0xfff), None);
        assert_eq!(symbols.lookup(0x1000), Some(("first", 0)));
        assert_eq!(symbols.lookup(0x10ff), Some(("first", 0xff)));
        assert_eq!(symbols.lookup(0x1104), Some(("second", 4)));
        assert_eq!(symbols.lookup(0x1200), None, "behind the code");
        assert_eq!(symbols.entry("second").unwrap(), 0x1108);
        assert!(symbols.address("third").is_err());
    }
}
