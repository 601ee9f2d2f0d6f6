//! What the client finds at the hand-over.

use fdt_gen::Reservation;

use super::machine::{BLOB, CLIENT_ENTRY, INITRD, KERNEL, MIB, NONE, Setup};
use crate::HandOver;

#[test]
fn the_client_starts_at_the_lowest_load_address_with_tree_and_client_interface() {
    let guest = Setup::new().boot().unwrap();
    let HandOver {
        entry,
        tree,
        client_interface,
        stack_top,
    } = guest.hand_over;
    assert_eq!(entry, KERNEL.start);
    assert_eq!(client_interface, CLIENT_ENTRY);
    assert_eq!(stack_top, 0x10_0000);
    assert!((128 * MIB..256 * MIB).contains(&tree), "{tree:#x}");
    assert!(tree.is_multiple_of(4096));
}

#[test]
fn the_log_tells_what_boots_and_with_what() {
    let mut guest = Setup::new().boot().unwrap();
    let text = guest.board().text();
    for line in [
        "oxrtas 0.1.0\n",
        "Memory: 256 MiB, 256 MiB of it at address 0\n",
        "Processors: 2 present, 8 possible; interrupts: dual (xics active)\n",
        "RTAS: 0x",
        "Kernel: 0x400000, 4096 KiB, big endian, entered at 0x400000\n",
        "Initrd: 0x900000, 5 KiB\n",
        "Arguments: console=hvc0 quiet\n",
        "Hand-over after ",
    ] {
        assert!(text.contains(line), "no {line:?} in:\n{text}");
    }
    assert!(!text.contains("QEMU refused"), "{text}");
}

#[test]
fn a_line_feed_goes_out_behind_a_carriage_return() {
    let mut guest = Setup::new().boot().unwrap();
    let output = &guest.board().output;
    for (index, byte) in output.iter().enumerate() {
        assert_eq!(
            *byte == b'\n',
            index > 0 && output[index - 1] == b'\r',
            "at {index}"
        );
    }
}

#[test]
fn the_flat_tree_holds_rtas_below_the_kernel() {
    let mut guest = Setup::new().boot().unwrap();
    let tree = guest.flat_tree();
    let rtas = tree.find("/rtas").unwrap();
    let cell = |name| u64::from(tree.u32(rtas, name).unwrap());
    let (base, entry, size) = (
        cell("linux,rtas-base"),
        cell("linux,rtas-entry"),
        cell("rtas-size"),
    );
    assert!((0x10_0000..0x40_0000).contains(&base), "{base:#x}");
    assert!(base + size <= 0x40_0000);
    assert!(size > 0x89c + 5000);
    let board = guest.board();
    let blob = entry..entry + BLOB.len() as u64;
    assert_eq!(board.bytes(blob.clone()), BLOB);
    assert!(board.flushed.contains(&blob));
    let reservation = Reservation {
        address: base,
        size,
    };
    assert!(tree.reservations().contains(&reservation));
}

#[test]
fn the_flat_tree_keeps_what_qemu_said_of_the_kernel() {
    let mut setup = Setup::new();
    setup.set("/chosen", "qemu,boot-kernel-le", &[]);
    let mut guest = setup.boot().unwrap();
    assert!(guest.board().text().contains("little endian"));
    let tree = guest.flat_tree();
    let chosen = tree.find("/chosen").unwrap();
    assert_eq!(tree.string(chosen, "bootargs"), Some("console=hvc0 quiet"));
    let edge = |name| tree.u32(chosen, name).map(u64::from);
    assert_eq!(edge("linux,initrd-start"), Some(INITRD.start));
    assert_eq!(edge("linux,initrd-end"), Some(INITRD.end));
    for range in [KERNEL, INITRD] {
        let (address, size) = (range.start, range.end - range.start);
        assert!(tree.reservations().contains(&Reservation { address, size }));
    }
    let controller = tree.find("/interrupt-controller").unwrap();
    assert_eq!(tree.phandle(controller), Some(0x1111));
    let token = |name| tree.u32(tree.find("/rtas").unwrap(), name);
    assert_eq!(token("ibm,int-off"), Some(0x200c));
    assert_eq!(token("ibm,nmi-interlock"), Some(0x202c));
}

#[test]
fn the_partition_has_the_number_that_qemu_gives_or_the_first_one() {
    let number = |setup: Setup| {
        let tree = setup.boot().unwrap().flat_tree();
        tree.u32(tree.root(), "ibm,partition-no")
    };
    assert_eq!(number(Setup::new()), Some(1));
    let mut setup = Setup::new();
    setup.set("/", "ibm,partition-no", &[0, 0, 0, 7]);
    assert_eq!(number(setup), Some(7));
}

#[test]
fn qemu_gets_the_tree_of_the_hand_over() {
    let mut guest = Setup::new().boot().unwrap();
    let tree = guest.flat_tree();
    assert_eq!(guest.board().updates, [tree]);
}

#[test]
fn available_memory_leaves_out_everything_that_is_taken() {
    let mut guest = Setup::new().boot().unwrap();
    let tree = guest.flat_tree();
    let memory = tree.find("/memory").unwrap();
    let value = tree.property(memory, "available").unwrap();
    let ranges: Vec<_> = value
        .as_chunks::<16>()
        .0
        .iter()
        .map(|pair| {
            let both = u128::from_be_bytes(*pair);
            let start = (both >> 64) as u64;
            start..start + both as u64
        })
        .collect();
    assert!(!ranges.is_empty());
    let rtas = u64::from(
        tree.u32(tree.find("/rtas").unwrap(), "linux,rtas-base")
            .unwrap(),
    );
    for address in [0, 0xf_ffff, rtas, KERNEL.start, INITRD.start] {
        assert!(!ranges.iter().any(|range| range.contains(&address)));
    }
    let tree_at = guest.hand_over.tree;
    assert!(!ranges.iter().any(|range| range.contains(&tree_at)));
    assert!(ranges.iter().any(|range| range.contains(&0x200_0000)));
}

#[test]
fn room_is_left_behind_a_kernel_whose_segments_have_holes() {
    let mut setup = Setup::new();
    setup.set_kernel(KERNEL.start..KERNEL.end - 0x1234);
    let mut guest = setup.boot().unwrap();
    let last = KERNEL.end as u32 + 0xf000;
    assert_eq!(guest.get("claim", &[last, 0x1000, 0]), NONE);
    let behind = KERNEL.end as u32 + 0x1_0000;
    assert_eq!(guest.get("claim", &[behind, 0x1000, 0]), behind);
}

#[test]
fn an_area_that_is_too_large_for_low_memory_lies_elsewhere() {
    let mut setup = Setup::new();
    // QEMU's formula for 600 processors.
    let size = 20u32 + 2048 + 8 + 16 * 600;
    setup.set("/rtas", "rtas-size", &size.to_be_bytes());
    let mut guest = setup.boot().unwrap();
    let tree = guest.flat_tree();
    let rtas = tree.find("/rtas").unwrap();
    assert!(tree.u32(rtas, "rtas-size").unwrap() > 4 << 20);
    assert!(tree.u32(rtas, "linux,rtas-base").unwrap() > 0x80_0000);
}

#[test]
fn memory_beyond_the_first_node_is_used_by_the_client_only() {
    let mut setup = Setup::with_memory(512 * MIB);
    let node = setup.tree.root();
    let reg = |start: u64, size: u64| [start, size].map(u64::to_be_bytes).concat();
    setup.set("/memory@0", "reg", &reg(0, 256 * MIB));
    let other = setup
        .tree
        .add_child(node, "memory@10000000", fdt_gen::Origin::Board)
        .unwrap();
    for (name, value) in [
        ("device_type", b"memory\0".to_vec()),
        ("reg", reg(256 * MIB, 256 * MIB)),
    ] {
        let board = fdt_gen::Origin::Board;
        setup.tree.set(other, name, &value, board).unwrap();
    }
    // The real-mode area is the first node, and QEMU's tree at its end.
    setup.board.memory.truncate(256 * MIB as usize);
    let (mut board, address) = setup.load();
    board.memory.resize(512 * MIB as usize, 0);
    let (firmware, hand_over) = crate::Firmware::boot(board, address).unwrap();
    assert!(hand_over.tree < 256 * MIB);
    assert!(firmware.scratch < 256 * MIB);
    assert_eq!(firmware.map.end(), 512 * MIB);
    assert!(
        firmware
            .board
            .text()
            .contains("Memory: 512 MiB, 256 MiB of it")
    );
}

#[test]
fn an_nvram_without_partitions_gets_them_and_one_with_them_is_left_alone() {
    let guest = Setup::new().boot().unwrap();
    assert!(
        guest
            .firmware
            .board
            .text()
            .contains("NVRAM: no partitions, made new ones")
    );
    let made = guest.firmware.board.nvram.clone();
    assert_eq!((made[0], made[0x1000]), (0x70, 0x7f));

    let mut setup = Setup::new();
    setup.board.nvram = made.clone();
    let guest = setup.boot().unwrap();
    assert!(!guest.firmware.board.text().contains("NVRAM"));
    assert_eq!(guest.firmware.board.nvram, made);

    let mut setup = Setup::new();
    setup.board.nvram = made;
    setup.board.nvram[0x1001] ^= 1;
    let text = setup.boot().unwrap().firmware.board.text();
    assert!(text.contains("NVRAM: damaged at 0x1000"), "{text}");
}

#[test]
fn an_nvram_that_the_hypervisor_refuses_is_reported_and_the_boot_goes_on() {
    let mut setup = Setup::new();
    setup.board.nvram.truncate(0x1000);
    let text = setup.boot().unwrap().firmware.board.text();
    assert!(
        text.contains("NVRAM: left as it is: the hypervisor refuses access at 0x1000"),
        "{text}"
    );
}
