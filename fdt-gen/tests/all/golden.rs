//! The flat format, byte by byte, and that a second reader agrees.

use crate::common::{DUAL, XIVE, assert_second_opinion, dual, grow, text};
use fdt_gen::{FlattenError, MAX_VALUE_BYTES, NodeId, Origin, Reservation, Tree};

/// Written by hand from the Devicetree Specification 0.4, chapter 5.
#[rustfmt::skip]
const GOLDEN: &[u8] = &[
    0xd0, 0x0d, 0xfe, 0xed, // 0x00 magic
    0x00, 0x00, 0x00, 0xc0, // 0x04 totalsize
    0x00, 0x00, 0x00, 0x48, // 0x08 off_dt_struct
    0x00, 0x00, 0x00, 0xa8, // 0x0c off_dt_strings
    0x00, 0x00, 0x00, 0x28, // 0x10 off_mem_rsvmap
    0x00, 0x00, 0x00, 0x11, // 0x14 version
    0x00, 0x00, 0x00, 0x10, // 0x18 last_comp_version
    0x00, 0x00, 0x00, 0x03, // 0x1c boot_cpuid_phys
    0x00, 0x00, 0x00, 0x18, // 0x20 size_dt_strings
    0x00, 0x00, 0x00, 0x60, // 0x24 size_dt_struct
    0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, // 0x28 reserved address
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00, // 0x30 reserved size
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // 0x38 end of the reservations
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // 0x40
    0x00, 0x00, 0x00, 0x01, // 0x48 FDT_BEGIN_NODE
    0x00, 0x00, 0x00, 0x00, // 0x4c ""
    0x00, 0x00, 0x00, 0x03, // 0x50 FDT_PROP
    0x00, 0x00, 0x00, 0x02, // 0x54 length
    0x00, 0x00, 0x00, 0x00, // 0x58 name: model
    b'q', 0x00, 0x00, 0x00, // 0x5c "q", padding
    0x00, 0x00, 0x00, 0x01, // 0x60 FDT_BEGIN_NODE
    b'm', b'e', b'm', b'o', // 0x64 "memory@0"
    b'r', b'y', b'@', b'0', // 0x68
    0x00, 0x00, 0x00, 0x00, // 0x6c NUL, padding
    0x00, 0x00, 0x00, 0x03, // 0x70 FDT_PROP
    0x00, 0x00, 0x00, 0x07, // 0x74 length
    0x00, 0x00, 0x00, 0x06, // 0x78 name: device_type
    b'm', b'e', b'm', b'o', // 0x7c "memory"
    b'r', b'y', 0x00, 0x00, // 0x80 NUL, padding
    0x00, 0x00, 0x00, 0x02, // 0x84 FDT_END_NODE
    0x00, 0x00, 0x00, 0x01, // 0x88 FDT_BEGIN_NODE
    b'a', 0x00, 0x00, 0x00, // 0x8c "a"
    0x00, 0x00, 0x00, 0x03, // 0x90 FDT_PROP
    0x00, 0x00, 0x00, 0x00, // 0x94 length
    0x00, 0x00, 0x00, 0x12, // 0x98 name: empty
    0x00, 0x00, 0x00, 0x02, // 0x9c FDT_END_NODE
    0x00, 0x00, 0x00, 0x02, // 0xa0 FDT_END_NODE
    0x00, 0x00, 0x00, 0x09, // 0xa4 FDT_END
    b'm', b'o', b'd', b'e', b'l', 0x00, // 0xa8 + 0x00
    b'd', b'e', b'v', b'i', b'c', b'e', // 0xa8 + 0x06
    b'_', b't', b'y', b'p', b'e', 0x00,
    b'e', b'm', b'p', b't', b'y', 0x00, // 0xa8 + 0x12
];

fn golden_tree() -> Tree {
    let mut tree = Tree::new();
    tree.boot_cpuid = 3;
    let kernel = Reservation {
        address: 0x40_0000,
        size: 0x1000,
    };
    tree.add_reservation(kernel).unwrap();
    let memory = grow(&mut tree, "/memory@0");
    let a = grow(&mut tree, "/a");
    let set = |tree: &mut Tree, id, name, value: &[u8]| {
        tree.set(id, name, value, Origin::Board).unwrap();
    };
    set(&mut tree, NodeId::ROOT, "model", &text("q"));
    set(&mut tree, memory, "device_type", &text("memory"));
    set(&mut tree, a, "empty", &[]);
    tree
}

#[test]
fn a_tree_is_written_as_the_specification_has_it() {
    let bytes = golden_tree().flatten().unwrap();
    for (index, (written, golden)) in bytes.chunks(4).zip(GOLDEN.chunks(4)).enumerate() {
        assert_eq!(written, golden, "at {:#x}", 4 * index);
    }
    assert_eq!(bytes.len(), GOLDEN.len());
}

#[test]
fn each_block_is_aligned_to_eight_bytes() {
    let mut tree = Tree::new();
    grow(&mut tree, "/n");
    let bytes = tree.flatten().unwrap();
    let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(
        word(0x24),
        28,
        "seven words, so that the strings need padding"
    );
    for offset in [0x08, 0x0c, 0x10] {
        assert_eq!(word(offset) % 8, 0, "the block of header word {offset:#x}");
    }
    assert_eq!(bytes.len(), word(0x04) as usize);
}

#[test]
fn a_tree_is_read_as_the_specification_has_it() {
    assert_eq!(Tree::parse(GOLDEN), Ok(golden_tree()));
}

#[test]
fn bytes_behind_the_total_size_are_ignored() {
    let mut longer = GOLDEN.to_vec();
    longer.extend([0xff; 9]);
    assert_eq!(Tree::parse(&longer), Ok(golden_tree()));
}

#[test]
fn version_16_which_does_not_give_the_size_of_its_structure_is_read() {
    let mut old = GOLDEN.to_vec();
    old[0x17] = 16;
    old[0x24..0x28].fill(0xff);
    assert_eq!(Tree::parse(&old), Ok(golden_tree()));
}

#[test]
fn nops_mean_nothing() {
    use crate::common::{blob, words};
    let plain = blob(&words(&[1, 0, 3, 0, 0, 2, 9]), b"p\0");
    let padded = blob(&words(&[4, 1, 0, 4, 3, 0, 0, 4, 2, 4, 4, 9]), b"p\0");
    let tree = Tree::parse(&plain).unwrap();
    assert_eq!(tree.property(NodeId::ROOT, "p"), Some(&[][..]));
    assert_eq!(Tree::parse(&padded), Ok(tree));
}

#[test]
fn a_stored_name_is_left_out_since_every_node_answers_it() {
    use crate::common::{blob, words};
    let old = blob(&words(&[1, 0, 3, 4, 0, 0x4142_4300, 2, 9]), b"name\0");
    let tree = Tree::parse(&old).unwrap();
    assert_eq!(tree, Tree::new());
    let name = tree.client_property(NodeId::ROOT, "name");
    assert_eq!(name.as_deref(), Some(&[0][..]));
}

#[test]
fn a_second_reader_reads_the_same() {
    for qemu in [DUAL, XIVE] {
        let mut tree = Tree::parse(qemu).unwrap();
        assert_second_opinion(&tree, qemu);
        assert_second_opinion(&tree, &tree.flatten().unwrap());
        let range = Reservation {
            address: 0x2fff_0000,
            size: 0x1_0000,
        };
        tree.add_reservation(range).unwrap();
        let rtas = tree.find("/rtas").unwrap();
        tree.remove(tree.find("/vdevice").unwrap()).unwrap();
        tree.set_u32(rtas, "linux,rtas-base", 0x2fff_0000, Origin::Firmware)
            .unwrap();
        grow(&mut tree, "/cpus/PowerPC,POWER9@10/l2-cache");
        assert_second_opinion(&tree, &tree.flatten().unwrap());
    }
}

#[test]
fn a_rewritten_tree_is_hardly_larger_than_qemus() {
    // H_UPDATE_DT takes at most twice the size of QEMU's tree.
    let size = dual().flatten().unwrap().len();
    assert!(size <= DUAL.len() + 64, "{size} of {}", DUAL.len());
}

#[test]
fn a_tree_that_is_too_large_is_not_written() {
    let mut tree = Tree::new();
    let value = vec![0; MAX_VALUE_BYTES];
    for name in ["a", "b", "c"] {
        tree.set(NodeId::ROOT, name, &value, Origin::Client)
            .unwrap();
    }
    assert!(tree.flatten().is_ok());
    tree.set(NodeId::ROOT, "d", &value, Origin::Client).unwrap();
    assert_eq!(tree.flatten(), Err(FlattenError::TooLarge));
}
