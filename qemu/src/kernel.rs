//! The client as QEMU loaded it with `-kernel`, and where it starts.

use core::ops::Range;

use crate::board::Board;

/// Length of an ELF64 header, the longer one, in bytes (System V ABI, chapter 4).
const HEADER: usize = 64;

/// The byte order of an ELF image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// Most significant byte first.
    Big,
    /// Least significant byte first.
    Little,
}

impl ByteOrder {
    /// What to call it in a message.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Big => "big endian",
            Self::Little => "little endian",
        }
    }
}

/// Why what `-kernel` loaded cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAProgram {
    /// It is not in memory.
    Unreadable,
    /// It begins with zeros.
    Empty,
    /// It begins with an ELF header that is for another machine.
    OtherMachine(u16),
    /// It begins with an ELF header that is cut or contradicts itself.
    BadHeader,
    /// The entry of its ELF header is not within what was loaded.
    EntryOutside,
}

/// The entry of the client loaded at `loaded`: QEMU's `qemu,boot-kernel` gives the lowest load
/// address, and enters SLOF's clients there (`hw/ppc/spapr.c:spapr_machine_init`). Where that
/// address holds the ELF header itself, because a segment includes it, the header says how far
/// from the lowest segment the entry is.
pub fn entry(board: &impl Board, loaded: &Range<u64>) -> Result<u64, NotAProgram> {
    let mut head = [0; 16];
    board
        .read(loaded.start, &mut head)
        .map_err(|_| NotAProgram::Unreadable)?;
    if head.iter().all(|byte| *byte == 0) {
        return Err(NotAProgram::Empty);
    }
    let offset = match head {
        [0x7f, b'E', b'L', b'F', class, order, ..] => entry_offset(board, loaded, class, order)?,
        _ => 0,
    };
    let entry = loaded
        .start
        .checked_add(offset)
        .filter(|entry| entry.is_multiple_of(4) && loaded.contains(entry))
        .ok_or(NotAProgram::EntryOutside)?;
    let mut first = [0; 4];
    board
        .read(entry, &mut first)
        .map_err(|_| NotAProgram::EntryOutside)?;
    if first == [0; 4] {
        return Err(NotAProgram::Empty);
    }
    Ok(entry)
}

/// How far the entry of the ELF image whose header is at the start of `loaded` is from the lowest
/// address of its segments.
fn entry_offset(
    board: &impl Board,
    loaded: &Range<u64>,
    class: u8,
    order: u8,
) -> Result<u64, NotAProgram> {
    const PT_LOAD: u64 = 1;
    const EM_PPC: u64 = 20;
    const EM_PPC64: u64 = 21;
    let order = match order {
        1 => ByteOrder::Little,
        2 => ByteOrder::Big,
        _ => return Err(NotAProgram::BadHeader),
    };
    let wide = match class {
        1 => false,
        2 => true,
        _ => return Err(NotAProgram::BadHeader),
    };
    let mut header = [0; HEADER];
    board
        .read(loaded.start, &mut header)
        .map_err(|_| NotAProgram::BadHeader)?;
    let header = Fields {
        bytes: &header,
        order,
    };
    let machine = header.get(18, 2)?;
    if machine != EM_PPC && machine != EM_PPC64 {
        return Err(NotAProgram::OtherMachine(machine as u16));
    }
    // Offsets of e_entry, e_phoff, e_phentsize, e_phnum; of p_vaddr; and the width of an address.
    let (entry, table, entry_size, count, virtual_address, width) = if wide {
        (24, 32, 54, 56, 16, 8)
    } else {
        (24, 28, 42, 44, 8, 4)
    };
    let entry = header.get(entry, width)?;
    let table = header.get(table, width)?;
    let entry_size = header.get(entry_size, 2)?;
    let count = header.get(count, 2)?;
    let mut lowest: Option<u64> = None;
    for index in 0..count {
        // The program headers follow the header within the same segment, or are not there.
        let address = index
            .checked_mul(entry_size)
            .and_then(|offset| offset.checked_add(table))
            .and_then(|offset| offset.checked_add(loaded.start))
            .filter(|address| loaded.contains(address))
            .ok_or(NotAProgram::BadHeader)?;
        let mut bytes = [0; 32];
        board
            .read(address, &mut bytes)
            .map_err(|_| NotAProgram::BadHeader)?;
        let fields = Fields {
            bytes: &bytes,
            order,
        };
        if fields.get(0, 4)? == PT_LOAD {
            let start = fields.get(virtual_address, width)?;
            lowest = Some(lowest.map_or(start, |lowest| lowest.min(start)));
        }
    }
    let lowest = lowest.ok_or(NotAProgram::BadHeader)?;
    entry.checked_sub(lowest).ok_or(NotAProgram::EntryOutside)
}

/// Numbers in a header.
struct Fields<'a> {
    bytes: &'a [u8],
    order: ByteOrder,
}

impl Fields<'_> {
    fn get(&self, offset: usize, width: usize) -> Result<u64, NotAProgram> {
        let bytes = self
            .bytes
            .get(offset..offset + width)
            .ok_or(NotAProgram::BadHeader)?;
        let fold = |value: u64, byte: &u8| (value << 8) | u64::from(*byte);
        Ok(match self.order {
            ByteOrder::Big => bytes.iter().fold(0, fold),
            ByteOrder::Little => bytes.iter().rev().fold(0, fold),
        })
    }
}

#[cfg(test)]
#[path = "kernel_tests.rs"]
mod tests;
