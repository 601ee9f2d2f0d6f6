//! Every way in which a flat tree can be damaged, found where it is.

use crate::common::{STRUCTURE, blob, with_word, words};
use fdt_gen::{
    Damage, MAX_DEPTH, MAX_NAME_BYTES, MAX_NAMES, MAX_NODE_PROPERTIES, MAX_NODES, MAX_PROPERTIES,
    MAX_VALUE_BYTES, ParseError, Tree,
};

/// Number of variants of [`Damage`]: each has a case.
const VARIANTS: usize = 31;

/// A root with one property "p" and one child "c".
fn good() -> Vec<u8> {
    blob(&words(&[1, 0, 3, 4, 0, 7, 1, 0x6300_0000, 2, 2, 9]), b"p\0")
}

fn structure(tokens: &[u32]) -> Vec<u8> {
    blob(&words(tokens), b"p\0q\0")
}

/// A root that holds what `fill` adds.
fn root_with(fill: impl FnOnce(&mut Vec<u8>), strings: &[u8]) -> Vec<u8> {
    let mut structure = words(&[1, 0]);
    fill(&mut structure);
    structure.extend(words(&[2, 9]));
    blob(&structure, strings)
}

fn named(name: &[u8]) -> Vec<u8> {
    let fill = |structure: &mut Vec<u8>| {
        structure.extend(words(&[1]));
        structure.extend_from_slice(name);
        structure.push(0);
        structure.resize(structure.len().next_multiple_of(4), 0);
        structure.extend(words(&[2]));
    };
    root_with(fill, b"")
}

fn reserved(pairs: &[u64]) -> Vec<u8> {
    // The reservations move behind all else.
    let mut bytes = good();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let at = bytes.len() as u32;
    bytes.extend(pairs.iter().flat_map(|word| word.to_be_bytes()));
    let total = bytes.len() as u32;
    with_word(with_word(bytes, 0x10, at), 0x04, total)
}

fn deep(levels: usize) -> Vec<u8> {
    let mut structure = words(&[1, 0]);
    for _ in 1..levels {
        structure.extend(words(&[1, 0x6300_0000]));
    }
    structure.extend(words(&vec![2; levels]));
    structure.extend(words(&[9]));
    blob(&structure, b"")
}

fn many_nodes(count: usize) -> Vec<u8> {
    let fill = |structure: &mut Vec<u8>| {
        for _ in 1..count {
            structure.extend(words(&[1, 0x6300_0000, 2]));
        }
    };
    root_with(fill, b"")
}

/// `total` properties, at most 64 in a node, of 64 names.
fn many_properties(total: usize) -> Vec<u8> {
    let strings: Vec<u8> = (0..64).flat_map(|name| [b'0' + name, 0]).collect();
    let fill = |structure: &mut Vec<u8>| {
        for property in 0..total {
            if property % 64 == 0 {
                structure.extend(words(&[1, 0x6300_0000]));
            }
            structure.extend(words(&[3, 0, 2 * (property % 64) as u32]));
            if property % 64 == 63 || property + 1 == total {
                structure.extend(words(&[2]));
            }
        }
    };
    root_with(fill, &strings)
}

/// `total` properties with a name each, at most `share` in a node.
fn many_names(total: usize, share: usize) -> Vec<u8> {
    let strings: String = (0..total).map(|name| format!("{name:05}\0")).collect();
    let fill = |structure: &mut Vec<u8>| {
        for property in 0..total {
            if property % share == 0 {
                structure.extend(words(&[1, 0x6300_0000]));
            }
            structure.extend(words(&[3, 0, 6 * property as u32]));
            if property % share == share - 1 || property + 1 == total {
                structure.extend(words(&[2]));
            }
        }
    };
    root_with(fill, strings.as_bytes())
}

/// A root with one property of `length` bytes.
fn long_value(length: usize) -> Vec<u8> {
    let fill = |structure: &mut Vec<u8>| {
        structure.extend(words(&[3, length as u32, 0]));
        structure.resize(structure.len() + length, 0);
    };
    root_with(fill, b"p\0")
}

fn cases() -> Vec<(Damage, usize, Vec<u8>)> {
    use Damage::*;
    let long = vec![b'n'; MAX_NAME_BYTES + 1];
    let strings_at = |bytes: &[u8]| u32::from_be_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let long_property = [&long[..], b"\0"].concat();
    let long_property = blob(&words(&[1, 0, 3, 0, 0, 2, 9]), &long_property);
    let bad_property = blob(&words(&[1, 0, 3, 0, 0, 2, 9]), b"a\x07b\0");
    let empty_property = blob(&words(&[1, 0, 3, 0, 1, 2, 9]), b"p\0");
    let open_property = blob(&words(&[1, 0, 3, 0, 0, 2, 9]), b"p");
    let too_many_names = many_names(MAX_NAMES + 1, 64);
    let last_name = strings_at(&too_many_names) + 6 * MAX_NAMES;
    vec![
        (TooShort, 0, vec![]),
        (TooShort, 3, good()[..3].to_vec()),
        (Truncated, 4, good()[..0x27].to_vec()),
        (BadMagic, 0, with_word(good(), 0, 0xedfe_0dd0)),
        (TotalSizeTooSmall, 4, with_word(good(), 4, 39)),
        (Truncated, 4, good()[..good().len() - 1].to_vec()),
        (Truncated, 4, with_word(good(), 4, u32::MAX)),
        (VersionTooOld, 0x14, with_word(good(), 0x14, 15)),
        (
            VersionTooNew,
            0x18,
            with_word(with_word(good(), 0x14, 18), 0x18, 18),
        ),
        (
            VersionTooNew,
            0x18,
            with_word(with_word(good(), 0x14, 16), 0x18, 17),
        ),
        (UnalignedBlock, 0x10, with_word(good(), 0x10, 0x2c)),
        (UnalignedBlock, 0x08, with_word(good(), 0x08, 0x3a)),
        (BlockOutside, 0x10, with_word(good(), 0x10, 0x20)),
        (BlockOutside, 0x10, with_word(good(), 0x10, 0x1000)),
        (BlockOutside, 0x08, with_word(good(), 0x24, 0x1000)),
        (BlockOutside, 0x08, with_word(good(), 0x24, u32::MAX)),
        (BlockOutside, 0x0c, with_word(good(), 0x20, 3)),
        (BlockOutside, 0x0c, with_word(good(), 0x0c, 0x24)),
        (UnterminatedReservations, 0x78, reserved(&[1, 1])),
        (UnterminatedReservations, 0x78, reserved(&[1, 1, 0])),
        (BadReservation, 0x68, reserved(&[1, 0, 0, 0])),
        (BadReservation, 0x68, reserved(&[u64::MAX, 2, 0, 0])),
        (
            TooManyReservations,
            0x68 + 16 * 1024,
            reserved(&[1; 2 * 1025]),
        ),
        (NoEnd, STRUCTURE + 12, structure(&[1, 0, 2])),
        (NoEnd, STRUCTURE + 8, structure(&[1, 0, 3, 0])),
        (NoEnd, STRUCTURE, structure(&[])),
        (UnknownToken, STRUCTURE + 8, structure(&[1, 0, 5, 2, 9])),
        (NoRoot, STRUCTURE, structure(&[9])),
        (
            SecondRoot,
            STRUCTURE + 12,
            structure(&[1, 0, 2, 1, 0, 2, 9]),
        ),
        (RootName, STRUCTURE + 4, structure(&[1, 0x6300_0000, 2, 9])),
        (UnbalancedEnd, STRUCTURE, structure(&[2, 9])),
        (UnbalancedEnd, STRUCTURE + 12, structure(&[1, 0, 2, 2, 9])),
        (OpenNode, STRUCTURE + 8, structure(&[1, 0, 9])),
        (TooDeep, STRUCTURE + 8 * MAX_DEPTH, deep(MAX_DEPTH + 1)),
        (
            TooManyNodes,
            STRUCTURE + 8 + 12 * (MAX_NODES - 1),
            many_nodes(MAX_NODES + 1),
        ),
        (
            UnterminatedName,
            STRUCTURE + 12,
            structure(&[1, 0, 1, 0x6363_6363]),
        ),
        (UnterminatedName, strings_at(&open_property), open_property),
        (NameTooLong, STRUCTURE + 12, named(&long)),
        (NameTooLong, strings_at(&long_property), long_property),
        (BadNodeName, STRUCTURE + 12, named(b"")),
        (BadNodeName, STRUCTURE + 12, named(b"a/b")),
        (BadNodeName, STRUCTURE + 12, named(b"a b")),
        (BadNodeName, STRUCTURE + 12, named(b"a\xff")),
        (BadPropertyName, strings_at(&bad_property), bad_property),
        (
            BadPropertyName,
            strings_at(&empty_property) + 1,
            empty_property,
        ),
        (PropertyOutsideNode, STRUCTURE, structure(&[3, 0, 0, 9])),
        (
            PropertyOutsideNode,
            STRUCTURE + 12,
            structure(&[1, 0, 2, 3, 0, 0, 9]),
        ),
        (
            PropertyAfterChild,
            STRUCTURE + 20,
            structure(&[1, 0, 1, 0x6300_0000, 2, 3, 0, 0, 2, 9]),
        ),
        (
            ValueOutside,
            STRUCTURE + 12,
            structure(&[1, 0, 3, 9, 0, 2, 9]),
        ),
        (
            ValueOutside,
            STRUCTURE + 12,
            structure(&[1, 0, 3, u32::MAX, 0, 2, 9]),
        ),
        (
            ValueOutside,
            STRUCTURE + 12,
            long_value(MAX_VALUE_BYTES + 4),
        ),
        (
            NameOutside,
            STRUCTURE + 16,
            structure(&[1, 0, 3, 0, 4, 2, 9]),
        ),
        (
            NameOutside,
            STRUCTURE + 16,
            structure(&[1, 0, 3, 0, u32::MAX, 2, 9]),
        ),
        (
            DuplicateProperty,
            STRUCTURE + 32,
            structure(&[1, 0, 3, 0, 0, 3, 0, 2, 3, 0, 0, 2, 9]),
        ),
        (
            TooManyProperties,
            STRUCTURE + 16 + 12 * MAX_NODE_PROPERTIES,
            many_names(MAX_NODE_PROPERTIES + 1, MAX_NODE_PROPERTIES + 1),
        ),
        (
            TooManyProperties,
            // Each 64 properties have a node's begin, name and end around them.
            STRUCTURE + 8 + MAX_PROPERTIES / 64 * (64 * 12 + 12) + 8,
            many_properties(MAX_PROPERTIES + 1),
        ),
        (TooManyNames, last_name, too_many_names),
    ]
}

#[test]
fn each_damage_is_found_at_its_place() {
    assert!(Tree::parse(&good()).is_ok());
    let mut seen = Vec::new();
    for (index, (damage, offset, bytes)) in cases().into_iter().enumerate() {
        let expected = ParseError { damage, offset };
        assert_eq!(Tree::parse(&bytes).err(), Some(expected), "case {index}");
        if !seen.contains(&damage) {
            seen.push(damage);
        }
    }
    assert_eq!(seen.len(), VARIANTS, "{seen:?}");
}

#[test]
fn what_is_just_within_the_limits_is_read() {
    for bytes in [
        deep(MAX_DEPTH),
        many_nodes(MAX_NODES),
        many_properties(MAX_PROPERTIES),
        many_names(MAX_NAMES, 64),
        long_value(MAX_VALUE_BYTES),
        many_names(MAX_NODE_PROPERTIES, MAX_NODE_PROPERTIES),
        named(&vec![b'n'; MAX_NAME_BYTES]),
        named(b"ibm,dynamic-reconfiguration-memory"),
        reserved(&[[1; 2048].as_slice(), &[0, 0]].concat()),
        reserved(&[u64::MAX, 1, 0, 0]),
        reserved(&[0, u64::MAX, 0, 0]),
    ] {
        let tree = Tree::parse(&bytes).expect("within the limits");
        assert_eq!(Tree::parse(&tree.flatten().unwrap()), Ok(tree));
    }
}

#[test]
fn a_header_cut_short_anywhere_is_an_error() {
    let good = good();
    for length in 0..good.len() {
        let error = Tree::parse(&good[..length]).expect_err("cut short");
        let expected = match length {
            0..8 => (Damage::TooShort, length),
            _ => (Damage::Truncated, 4),
        };
        assert_eq!((error.damage, error.offset), expected, "{length} bytes");
    }
}

#[test]
fn the_console_line_says_what_where_and_what_to_do() {
    let damaged = Damage::UnknownToken;
    let line = |damage| {
        let offset = 0x40;
        ParseError { damage, offset }.to_string()
    };
    assert_eq!(
        line(damaged),
        "the flat device tree cannot be read: a token is unknown (at byte 0x40); start the \
         machine again, and if it stays, look at the tree that QEMU makes with -machine \
         dumpdtb=FILE"
    );
    assert_eq!(
        line(Damage::TooManyNodes),
        "the flat device tree cannot be read: there are too many nodes (at byte 0x40); start \
         the machine with fewer processors and devices"
    );
}
