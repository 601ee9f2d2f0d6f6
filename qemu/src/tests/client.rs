//! The services, one rule a test.

use super::machine::{INITRD, KERNEL, MIB, NONE, Setup};
use crate::ClientReturn;
use crate::memory_map::MemoryMap;

#[test]
fn finddevice_takes_paths_without_unit_addresses_and_answers_minus_one() {
    let mut guest = Setup::new().boot().unwrap();
    let memory = guest.find("/memory@0");
    assert_eq!(guest.find("/memory"), memory);
    assert_eq!(guest.find("/nothing"), NONE);
    assert_eq!(guest.find("/openprom"), NONE);
    assert_eq!(guest.get("finddevice", &[NONE]), NONE);
    let long = "/".repeat(300);
    assert_eq!(guest.find(&long), NONE);
}

#[test]
fn a_handle_is_the_phandle_where_there_is_one() {
    let mut guest = Setup::new().boot().unwrap();
    let controller = guest.find("/interrupt-controller");
    assert_eq!(controller, 0x1111);
    assert!(guest.property(controller, "compatible").is_some());
    assert_eq!(guest.get("parent", &[controller]), guest.find("/"));
}

#[test]
fn handles_that_are_none_are_answered_with_minus_one() {
    let mut guest = Setup::new().boot().unwrap();
    let name = guest.text("name");
    let buffer = guest.buffer(64);
    for handle in [1, 0x4000_0000, 0x4fff_ffff, 0x7000_0000, NONE] {
        for service in ["child", "parent", "peer", "instance-to-package"] {
            assert_eq!(guest.get(service, &[handle]), NONE, "{service}");
        }
        assert_eq!(guest.get("getproplen", &[handle, name]), NONE);
        assert_eq!(guest.get("getprop", &[handle, name, buffer, 64]), NONE);
        assert_eq!(guest.get("setprop", &[handle, name, buffer, 4]), NONE);
        assert_eq!(guest.get("nextprop", &[handle, name, buffer]), NONE);
        assert_eq!(guest.get("package-to-path", &[handle, buffer, 64]), NONE);
        assert_eq!(guest.get("instance-to-path", &[handle, buffer, 64]), NONE);
        assert_eq!(guest.get("write", &[handle, buffer, 4]), NONE);
        assert_eq!(guest.get("read", &[handle, buffer, 4]), NONE);
        let closed = guest.call("close", &[handle], 0).0;
        assert_eq!(closed, ClientReturn::Return(0));
    }
}

#[test]
fn getprop_answers_the_whole_length_and_stores_what_fits() {
    let mut guest = Setup::new().boot().unwrap();
    let root = guest.find("/");
    let (name, buffer) = (guest.text("compatible"), guest.buffer(16));
    assert_eq!(guest.get("getprop", &[root, name, buffer, 4]), 13);
    let at = u64::from(buffer);
    assert_eq!(guest.board().bytes(at..at + 6), b"qemu\xa5\xa5");
    assert_eq!(guest.get("getprop", &[root, name, 0, 0]), 13);
    assert_eq!(guest.get("getprop", &[root, name, 0x1000, 13]), NONE);
    assert_eq!(guest.get("getprop", &[root, name, NONE, 13]), NONE);
    let name = guest.text("not-there");
    assert_eq!(guest.get("getprop", &[root, name, buffer, 4]), NONE);
}

#[test]
fn every_node_answers_its_name_without_unit_address() {
    let mut guest = Setup::new().boot().unwrap();
    let memory = guest.find("/memory@0");
    assert_eq!(
        guest.property(memory, "name").as_deref(),
        Some(&b"memory\0"[..])
    );
    let root = guest.find("/");
    assert_eq!(guest.property(root, "name").as_deref(), Some(&b"\0"[..]));
}

#[test]
fn nextprop_ends_with_an_empty_name_and_refuses_an_unknown_one() {
    let mut guest = Setup::new().boot().unwrap();
    let node = guest.find("/vdevice");
    let buffer = guest.buffer(64);
    let mut previous = 0;
    let mut names = 0;
    while guest.get("nextprop", &[node, previous, buffer]) == 1 {
        previous = buffer;
        names += 1;
    }
    assert!(names > 3);
    assert_eq!(
        guest
            .board()
            .bytes(u64::from(buffer)..u64::from(buffer) + 1),
        b"\0"
    );
    let unknown = guest.text("unknown");
    assert_eq!(guest.get("nextprop", &[node, unknown, buffer]), NONE);
}

#[test]
fn setprop_makes_and_changes_properties_within_limits() {
    let mut guest = Setup::new().boot().unwrap();
    let chosen = guest.find("/chosen");
    assert_eq!(guest.set_property(chosen, "new", b"value"), 5);
    assert_eq!(
        guest.property(chosen, "new").as_deref(),
        Some(&b"value"[..])
    );
    assert_eq!(guest.set_property(chosen, "new", b""), 0);
    assert_eq!(guest.property(chosen, "new").as_deref(), Some(&b""[..]));
    assert_eq!(guest.set_property(chosen, "name", b"other\0"), NONE);
    assert_eq!(guest.set_property(chosen, "", b"x"), NONE);
    let name = guest.text("huge");
    let start = KERNEL.start as u32;
    assert_eq!(
        guest.get("setprop", &[chosen, name, start, 0x10_0000]),
        NONE
    );
    assert_eq!(guest.get("setprop", &[chosen, name, NONE, 4]), NONE);
}

#[test]
fn a_path_is_cut_to_the_buffer_and_its_length_is_whole() {
    let mut guest = Setup::new().boot().unwrap();
    let vty = guest.find("/vdevice/vty");
    let buffer = guest.buffer(32);
    assert_eq!(guest.get("package-to-path", &[vty, buffer, 8]), 21);
    let at = u64::from(buffer);
    assert_eq!(guest.board().bytes(at..at + 9), b"/vdevice\xa5");
    assert_eq!(guest.get("package-to-path", &[vty, 0, 0]), 21);
    assert_eq!(guest.get("package-to-path", &[vty, NONE, 21]), NONE);
}

#[test]
fn an_instance_keeps_the_arguments_of_its_path() {
    let mut guest = Setup::new().boot().unwrap();
    let instance = guest.open("/vdevice/vty:115200");
    let buffer = guest.buffer(64);
    let length = guest.get("instance-to-path", &[instance, buffer, 64]);
    let at = u64::from(buffer);
    let path = guest.board().bytes(at..at + u64::from(length));
    assert_eq!(path, b"/vdevice/vty@71000000:115200");
}

#[test]
fn open_of_what_has_no_driver_or_is_not_there_is_zero() {
    let mut guest = Setup::new().boot().unwrap();
    assert_eq!(guest.open("/nothing"), 0);
    let root = guest.find("/");
    let mut pci = guest.get("child", &[root]);
    while guest.property(pci, "device_type").as_deref() != Some(b"pci\0") {
        pci = guest.get("peer", &[pci]);
        assert_ne!(pci, 0);
    }
    let disk = guest.get("child", &[pci]);
    assert_ne!(disk, 0);
    let buffer = guest.buffer(256);
    guest.get("package-to-path", &[disk, buffer, 255]);
    assert_eq!(guest.get("open", &[buffer]), 0);
    assert!(guest.board().text().contains("there is no driver"));
    assert_eq!(guest.get("open", &[NONE]), 0);
}

#[test]
fn instances_are_distinct_and_limited() {
    let mut guest = Setup::new().boot().unwrap();
    let first = guest.open("/");
    let second = guest.open("/");
    assert_ne!(first, second);
    guest.call("close", &[first], 0);
    assert_eq!(guest.get("instance-to-package", &[first]), NONE);
    let third = guest.open("/");
    assert!(![first, second].contains(&third));
    while guest.open("/") != 0 {}
    guest.call("close", &[third], 0);
    assert_ne!(guest.open("/"), 0);
}

#[test]
fn write_goes_out_as_it_is_and_counts() {
    let mut guest = Setup::new().boot().unwrap();
    let chosen = guest.find("/chosen");
    let stdout = guest.property_cell(chosen, "stdout").unwrap();
    let text: Vec<u8> = (0..600u32).map(|n| n as u8).collect();
    let buffer = guest.bytes(&text);
    assert_eq!(guest.get("write", &[stdout, buffer, 600]), 600);
    assert!(guest.board().output.ends_with(&text));
    assert_eq!(guest.get("write", &[stdout, buffer, 0]), 0);
    let end = 256 * MIB as u32 - 300;
    assert_eq!(
        guest.get("write", &[stdout, end, 600]),
        256,
        "what was readable"
    );
    assert_eq!(guest.get("write", &[stdout, NONE, 600]), NONE);
    let root = guest.open("/");
    assert_eq!(guest.get("write", &[root, buffer, 1]), NONE);
}

#[test]
fn read_gives_what_was_typed_and_never_waits() {
    let mut guest = Setup::new().boot().unwrap();
    let chosen = guest.find("/chosen");
    let stdin = guest.property_cell(chosen, "stdin").unwrap();
    let buffer = guest.buffer(64);
    assert_eq!(guest.get("read", &[stdin, buffer, 1]), -2i32 as u32);
    guest.board().input.extend(b"0123456789abcdefghij");
    assert_eq!(guest.get("read", &[stdin, buffer, 1]), 1);
    assert_eq!(guest.get("read", &[stdin, buffer + 1, 63]), 19);
    let at = u64::from(buffer);
    assert_eq!(guest.board().bytes(at..at + 20), b"0123456789abcdefghij");
    assert_eq!(guest.get("read", &[stdin, buffer, 1]), -2i32 as u32);
}

#[test]
fn claim_is_exact_without_and_a_place_with_alignment() {
    let mut guest = Setup::new().boot().unwrap();
    let mib = MIB as u32;
    assert_eq!(guest.get("claim", &[32 * mib, mib, 0]), 32 * mib);
    for (address, size) in [
        (32 * mib, 1),
        (KERNEL.start as u32, 4096),
        (INITRD.start as u32 - 1, 2),
        (0, 4096),
        (0x4000, 4096),
        (255 * mib, 2 * mib),
        (240 * mib, mib),
        (u32::MAX, 2),
        (48 * mib, 0),
    ] {
        assert_eq!(
            guest.get("claim", &[address, size, 0]),
            NONE,
            "{address:#x}"
        );
    }
    let place = guest.get("claim", &[0, 3 * mib, 2 * mib]);
    assert!(place.is_multiple_of(2 * mib) && place != 0 && place != NONE);
    assert_eq!(guest.get("claim", &[place, 4096, 0]), NONE);
    assert_eq!(guest.get("claim", &[0, mib, 3]), NONE);
    assert_eq!(guest.get("claim", &[0, 0x7000_0000, 4096]), NONE);
    guest.call("release", &[place, 3 * mib], 0);
    assert_eq!(guest.get("claim", &[place, 4096, 0]), place);
}

#[test]
fn a_claim_never_reaches_beyond_the_clients_addresses() {
    let mut guest = Setup::new().boot().unwrap();
    guest.firmware.map = MemoryMap::new(core::iter::once(0..8192 * MIB));
    assert_eq!(guest.get("claim", &[0xffff_f000, 0x2000, 0]), NONE);
    let last = guest.get("claim", &[0xffff_f000, 0x1000, 0]);
    assert_eq!(last, 0xffff_f000);
}

#[test]
fn release_of_what_is_not_the_clients_changes_nothing() {
    let mut guest = Setup::new().boot().unwrap();
    guest.call("release", &[0, 0x1000_0000], 0);
    assert_eq!(guest.get("claim", &[KERNEL.start as u32, 4096, 0]), NONE);
    assert_eq!(guest.get("claim", &[0x4000, 4096, 0]), NONE);
    assert!(guest.board().text().contains("of which the client had 0x0"));
}

#[test]
fn available_memory_follows_claim_and_release() {
    let mut guest = Setup::new().boot().unwrap();
    let memory = guest.find("/memory");
    let before = guest.property(memory, "available");
    let base = guest.get("claim", &[0x300_0000, 0x10_0000, 0]);
    let claimed = guest.property(memory, "available");
    assert_eq!(
        claimed.as_ref().unwrap().len(),
        before.as_ref().unwrap().len() + 16
    );
    guest.call("release", &[base, 0x10_0000], 0);
    assert_eq!(guest.property(memory, "available"), before);
}

#[test]
fn the_start_of_grub_works() {
    let mut guest = Setup::new().boot().unwrap();
    let chosen = guest.find("/chosen");
    for handle in ["stdin", "stdout", "cpu", "memory", "mmu"] {
        let instance = guest.property_cell(chosen, handle).unwrap();
        assert_ne!(
            guest.get("instance-to-package", &[instance]),
            NONE,
            "{handle}"
        );
    }
    for path in ["/openprom", "/rom/boot-rom"] {
        assert_eq!(guest.find(path), NONE);
    }
    let options = guest.find("/options");
    let real_mode = guest.property(options, "real-mode?");
    assert_eq!(real_mode.as_deref(), Some(&b"true\0"[..]));
    let memory = guest.find("/memory");
    let root = guest.find("/");
    assert_eq!(guest.property_cell(root, "#address-cells"), Some(2));
    let available = guest.property(memory, "available").unwrap();
    // GRUB claims its heap out of what is available, here all of it.
    for range in available.as_chunks::<16>().0 {
        let cells: Vec<u32> = range
            .as_chunks::<4>()
            .0
            .iter()
            .map(|cell| u32::from_be_bytes(*cell))
            .collect();
        let [0, start, 0, size] = cells[..] else {
            panic!("{cells:?}")
        };
        assert_eq!(guest.get("claim", &[start, size, 0]), start);
    }
    assert_eq!(
        guest.property(memory, "available").as_deref(),
        Some(&[][..])
    );
    let command = guest.text("words");
    let (answer, values) = guest.call("interpret", &[command], 1);
    assert_eq!(answer, ClientReturn::Return(0));
    assert_ne!(values[0], 0, "a catch code");
}

#[test]
fn interpret_knows_the_words_that_end_the_machine() {
    let mut guest = Setup::new().boot().unwrap();
    for (words, call) in [
        ("power-off", (0x2003, vec![NONE, NONE])),
        ("shut-down", (0x2003, vec![NONE, NONE])),
        ("reset-all", (0x2004, vec![])),
    ] {
        let command = guest.text(words);
        assert_eq!(guest.get("interpret", &[command]), 0);
        assert_eq!(guest.board().rtas_calls.last(), Some(&call));
    }
    let command = guest.text("1 2 +");
    assert_ne!(guest.get("interpret", &[command]), 0);
    assert!(guest.board().text().contains("'interpret' of '1 2 +'"));
}

#[test]
fn milliseconds_grow_with_the_timebase() {
    let mut guest = Setup::new().boot().unwrap();
    let first = guest.get("milliseconds", &[]);
    let second = guest.get("milliseconds", &[]);
    assert_eq!(second - first, 1, "the fake board's clock");
}

#[test]
fn test_tells_services_from_what_is_none() {
    let mut guest = Setup::new().boot().unwrap();
    for (name, answer) in [
        ("finddevice", 0),
        ("quiesce", 0),
        ("call-method", 0),
        ("interpret", NONE),
        ("boot", NONE),
        ("nothing", NONE),
    ] {
        let text = guest.text(name);
        assert_eq!(guest.get("test", &[text]), answer, "{name}");
    }
}

#[test]
fn start_cpu_is_the_hypervisors() {
    let mut guest = Setup::new().boot().unwrap();
    let cpu = guest.find("/cpus/PowerPC,POWER9@1");
    let answer = guest.call("start-cpu", &[cpu, 0x1234, 0x5678], 0).0;
    assert_eq!(answer, ClientReturn::Return(0));
    let last = guest.board().rtas_calls.last().cloned();
    assert_eq!(last, Some((0x2006, vec![1, 0x1234, 0x5678])));
    guest.board().rtas_status.push((0x2006, -3));
    let answer = guest.call("start-cpu", &[cpu, 0, 0], 0).0;
    assert_eq!(answer, ClientReturn::Return(-1));
    let answer = guest.call("start-cpu", &[NONE, 0, 0], 0).0;
    assert_eq!(answer, ClientReturn::Return(-1));
}

#[test]
fn exit_stops_the_machine_so_that_qemu_sees_it() {
    let mut guest = Setup::new().boot().unwrap();
    let (answer, _) = guest.call("exit", &[], 0);
    assert_eq!(answer, ClientReturn::Exit);
    let board = guest.board();
    let (token, arguments) = board.rtas_calls.last().unwrap().clone();
    assert_eq!(token, 0x201f);
    let at = u64::from(arguments[0]);
    assert!(board.bytes(at..at + 14).starts_with(b"oxrtas stopped"));
    assert!(board.text().contains("'exit'"));
}

#[test]
fn boot_and_enter_are_errors_and_no_hangs() {
    let mut guest = Setup::new().boot().unwrap();
    let path = guest.text("disk");
    assert_eq!(guest.call("boot", &[path], 0).0, ClientReturn::Return(-1));
    assert_eq!(guest.call("enter", &[], 0).0, ClientReturn::Return(0));
    assert_eq!(guest.get("seek", &[1, 2, 3]), NONE);
}
