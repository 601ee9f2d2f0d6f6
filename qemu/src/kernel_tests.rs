use super::*;
use crate::tests::machine::{FakeBoard, MIB};

const AT: u64 = 0x40_0000;

fn board(bytes: &[u8]) -> FakeBoard {
    let mut board = FakeBoard::new(128 * MIB);
    board.poke(AT, bytes);
    board
}

/// An ELF image: header, one program header for a note and one to load, code at 0x200.
fn elf(wide: bool, order: ByteOrder, machine: u16, entry: u64) -> Vec<u8> {
    let mut bytes = vec![0; 0x200];
    let mut put = |offset: usize, width: usize, value: u64| {
        let number = value.to_be_bytes();
        let mut number = number[8 - width..].to_vec();
        if order == ByteOrder::Little {
            number.reverse();
        }
        bytes[offset..offset + width].copy_from_slice(&number);
    };
    let (width, table, header) = if wide { (8, 64, 56) } else { (4, 52, 32) };
    put(18, 2, u64::from(machine));
    put(24, width, entry);
    put(if wide { 32 } else { 28 }, width, table as u64);
    put(if wide { 54 } else { 42 }, 2, header as u64);
    put(if wide { 56 } else { 44 }, 2, 2);
    put(table, 4, 4);
    put(table + header, 4, 1);
    let virtual_address = table + header + if wide { 16 } else { 8 };
    put(virtual_address, width, 0x1000_0000);
    let order = if order == ByteOrder::Little { 1 } else { 2 };
    bytes[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', if wide { 2 } else { 1 }, order]);
    bytes.extend([0x48, 0, 0, 0]);
    bytes
}

fn entry_of(bytes: &[u8]) -> Result<u64, NotAProgram> {
    entry(&board(bytes), &(AT..AT + 0x400))
}

#[test]
fn a_plain_image_starts_at_its_lowest_address() {
    assert_eq!(entry_of(&[0x48, 0, 0, 0]), Ok(AT));
    assert_eq!(entry_of(&[0, 0, 0, 0, 1]), Err(NotAProgram::Empty));
}

#[test]
fn zeros_are_no_program() {
    assert_eq!(entry_of(&[]), Err(NotAProgram::Empty));
}

#[test]
fn a_loaded_elf_header_says_where_the_entry_is() {
    for wide in [false, true] {
        for order in [ByteOrder::Big, ByteOrder::Little] {
            let image = elf(wide, order, if wide { 21 } else { 20 }, 0x1000_0200);
            assert_eq!(entry_of(&image), Ok(AT + 0x200), "{wide} {order:?}");
        }
    }
}

#[test]
fn an_entry_outside_the_image_or_unaligned_is_refused() {
    for entry in [0, 0x0fff_ffff, 0x1000_0400, 0x1000_0202, u64::MAX] {
        let image = elf(true, ByteOrder::Big, 21, entry);
        assert_eq!(
            entry_of(&image),
            Err(NotAProgram::EntryOutside),
            "{entry:#x}"
        );
    }
    let image = elf(true, ByteOrder::Big, 21, 0x1000_0300);
    assert_eq!(entry_of(&image), Err(NotAProgram::Empty), "zeros there");
}

#[test]
fn an_image_for_another_machine_is_refused() {
    let image = elf(true, ByteOrder::Little, 62, 0x1000_0200);
    assert_eq!(entry_of(&image), Err(NotAProgram::OtherMachine(62)));
}

#[test]
fn a_damaged_header_is_refused() {
    let good = elf(true, ByteOrder::Big, 21, 0x1000_0200);
    // Class, byte order, program headers outside, none to load, far too many.
    for (at, bytes) in [
        (4, &[3][..]),
        (5, &[0]),
        (32, &[0xff; 8]),
        (54, &[0xff; 2]),
        (64 + 56, &[9; 4]),
        (56, &[0, 0]),
    ] {
        let mut image = good.clone();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        assert_eq!(entry_of(&image), Err(NotAProgram::BadHeader), "{at}");
    }
}

#[test]
fn an_image_outside_memory_is_unreadable() {
    let board = board(&[]);
    let range = 128 * MIB..129 * MIB;
    assert_eq!(entry(&board, &range), Err(NotAProgram::Unreadable));
}
