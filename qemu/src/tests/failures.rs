//! Boots that must not go on: what is wrong, what to do, and a stop that QEMU sees.

use fdt_gen::Tree;

use super::machine::{FakeBoard, KERNEL, MIB, Setup};
use crate::{Firmware, stop};

/// The console of a boot from the tree at `address`.
fn boot(board: FakeBoard, address: u64) -> String {
    let stopped = Firmware::boot(board, address).map(|_| ()).unwrap_err();
    stopped.board.text()
}

fn assert_says(text: &str, wrong: &str, remedy: &str) {
    assert!(text.contains("\noxrtas stops: "), "{text}");
    assert!(text.contains(wrong), "no {wrong:?} in:\n{text}");
    assert!(text.contains(remedy), "no {remedy:?} in:\n{text}");
    assert!(!text.contains("Hand-over"), "{text}");
}

#[test]
fn a_tree_that_is_not_where_r3_says_is_reported() {
    for (address, wrong) in [
        (1, "not aligned"),
        (254 * MIB + 4, "not aligned"),
        (u64::MAX - 7, "not in memory"),
        (0x8000_0000, "not in memory"),
        (0x4000_0000, "not in memory"),
        (0, "cannot be read"),
        (64 * MIB, "cannot be read"),
    ] {
        let (board, _) = Setup::new().load();
        let text = boot(board, address);
        assert_says(&text, wrong, "-machine pseries -bios oxrtas.bin");
    }
}

#[test]
fn a_tree_address_that_cannot_be_does_not_make_memory_of_nothing() {
    for address in [0x8000_0000, 0x7ff0_0000, u64::MAX - 7] {
        let (board, _) = Setup::new().load();
        let stopped = Firmware::boot(board, address).map(|_| ()).unwrap_err();
        assert_eq!(stopped.board.end, 128 * MIB, "{address:#x}");
    }
}

#[test]
fn a_damaged_tree_is_reported_whatever_is_damaged() {
    let (good, address) = Setup::new().load();
    let size = good.cell(address + 4) as usize;
    let flat = good.bytes(address..address + size as u64).to_vec();
    let mut stopped = 0;
    for at in (0..size).step_by(97).chain(0..40) {
        let (mut board, address) = Setup::new().load();
        board.poke(address + at as u64, &[flat[at] ^ 0x80]);
        // Some damage cannot be told from another machine; none may panic.
        if let Err(failed) = Firmware::boot(board, address) {
            let text = failed.board.text();
            assert!(text.contains("\noxrtas stops: "), "{text}");
            stopped += 1;
        }
    }
    assert!(stopped > 40, "{stopped}");
}

#[test]
fn a_size_beyond_memory_is_reported() {
    let (mut board, address) = Setup::new().load();
    board.poke(address + 4, &u32::MAX.to_be_bytes());
    assert_says(&boot(board, address), "cannot be read", "-bios oxrtas.bin");
}

#[test]
fn too_little_memory_is_reported() {
    let mut setup = Setup::new();
    let reg = [0, 64 * MIB].map(u64::to_be_bytes).concat();
    setup.set("/memory@0", "reg", &reg);
    assert_says(&setup.failure(), "There are 64 MiB", "-m 512");
}

#[test]
fn no_memory_node_is_too_little_memory() {
    let mut setup = Setup::new();
    let node = setup.tree.find("/memory@0").unwrap();
    setup.tree.remove(node).unwrap();
    assert_says(&setup.failure(), "There are 0 MiB", "-m 512");
}

#[test]
fn no_kernel_is_reported_with_what_to_give() {
    let mut setup = Setup::new();
    setup.remove("/chosen", "qemu,boot-kernel");
    let text = setup.failure();
    assert_says(&text, "no kernel", "-kernel FILE");
    assert!(!text.contains("not booted from"));
    let mut setup = Setup::new();
    setup.remove("/chosen", "qemu,boot-kernel");
    setup.set("/chosen", "qemu,boot-list", b"/pci/scsi@1\0");
    assert_says(&setup.failure(), "not booted from", "-kernel FILE");
}

#[test]
fn a_kernel_that_does_not_fit_is_reported() {
    for range in [
        0x400_0000..0x1000_1000,
        0x2000_0000..0x2100_0000,
        0x400_0000..u64::MAX,
    ] {
        let mut setup = Setup::new();
        setup.set_kernel(range);
        assert_says(&setup.failure(), "memory ends at 0x10000000", "-m");
    }
}

#[test]
fn a_kernel_in_the_firmwares_place_is_reported() {
    let mut setup = Setup::new();
    setup.set_kernel(0x8_0000..0x20_0000);
    let text = setup.failure();
    assert_says(
        &text,
        "the kernel, at 0x80000 to 0x200000, overlaps",
        "-kernel",
    );
}

#[test]
fn an_initrd_in_the_way_or_outside_memory_is_reported() {
    let mut setup = Setup::new();
    setup.set_initrd(KERNEL.end - 4096..KERNEL.end + 4096);
    assert_says(&setup.failure(), "overlaps the kernel", "-initrd");
    let mut setup = Setup::new();
    setup.set_initrd(0x0fff_f000..0x1000_1000);
    assert_says(&setup.failure(), "The initrd lies at", "-initrd");
}

#[test]
fn a_kernel_that_is_no_program_is_reported() {
    let mut setup = Setup::new();
    setup.board.poke(KERNEL.start, &[0; 16]);
    assert_says(
        &setup.failure(),
        "zeros where its first instruction",
        "-kernel vmlinux",
    );
    let mut setup = Setup::new();
    let header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0";
    setup.board.poke(KERNEL.start, header);
    assert_says(
        &setup.failure(),
        "for machine 62, not PowerPC",
        "-kernel vmlinux",
    );
}

#[test]
fn a_tree_without_rtas_is_reported() {
    let mut setup = Setup::new();
    let node = setup.tree.find("/rtas").unwrap();
    setup.tree.remove(node).unwrap();
    assert_says(&setup.failure(), "no node /rtas", "QEMU's pseries machine");
}

#[test]
fn a_machine_too_large_for_rtas_is_reported() {
    let mut setup = Setup::new();
    setup.set("/rtas", "rtas-size", &0x1000_0000u32.to_be_bytes());
    assert_says(&setup.failure(), "more than 256 MiB", "maxcpus");
}

#[test]
fn a_stop_is_seen_by_qemu() {
    let mut setup = Setup::new();
    setup.remove("/chosen", "qemu,boot-kernel");
    let (board, address) = setup.load();
    let mut stopped = Firmware::boot(board, address).map(|_| ()).unwrap_err();
    stop(&mut stopped.board);
    let (token, arguments) = &stopped.board.rtas_calls[0];
    assert_eq!(*token, 0x201f);
    assert_eq!(arguments.len(), 1);
    let at = u64::from(arguments[0]);
    let text = stopped.board.bytes(at..at + 511);
    assert!(text.starts_with(b"oxrtas stopped"));
    assert!(text.contains(&0));
}

#[test]
fn the_flat_form_of_the_fixture_is_what_the_tests_believe() {
    let setup = Setup::new();
    let again = Tree::parse(&setup.tree.flatten().unwrap()).unwrap();
    assert_eq!(again, setup.tree);
}
