//! `call-method`.

use super::machine::{KERNEL, MIB, NONE, Setup};

#[test]
fn an_unknown_method_has_a_catch_code_and_is_named_once() {
    let mut guest = Setup::new().boot().unwrap();
    let root = guest.open("/");
    for _ in 0..3 {
        let values = guest.method("block-size", root, &[], 2);
        assert_eq!(values, [-21i32 as u32, 0]);
    }
    let text = guest.board().text();
    assert_eq!(text.matches("no method 'block-size'").count(), 1);
}

#[test]
fn a_method_of_what_is_not_open_has_a_catch_code() {
    let mut guest = Setup::new().boot().unwrap();
    for instance in [0, 1, NONE] {
        let values = guest.method("instantiate-rtas", instance, &[0x200_0000], 2);
        assert_ne!(values[0], 0);
    }
    let root = guest.open("/");
    let values = guest.method("instantiate-rtas", root, &[0x200_0000], 2);
    assert_ne!(values[0], 0, "a method of another node");
    let values = guest.method("ibm,client-architecture-support", root, &[], 2);
    assert_ne!(values[0], 0, "too few arguments");
}

#[test]
fn a_method_name_outside_memory_has_a_catch_code() {
    let mut guest = Setup::new().boot().unwrap();
    let root = guest.open("/");
    assert_ne!(guest.get("call-method", &[NONE, root]), 0);
}

#[test]
fn a_terminal_reads_and_writes_by_method() {
    let mut guest = Setup::new().boot().unwrap();
    let terminal = guest.open("/vdevice/vty");
    let text = guest.bytes(b"by method");
    assert_eq!(guest.method("write", terminal, &[9, text], 2), [0, 9]);
    assert!(guest.board().output.ends_with(b"by method"));
    guest.board().input.extend(b"xyz");
    let buffer = guest.buffer(8);
    assert_eq!(guest.method("read", terminal, &[8, buffer], 2), [0, 3]);
    let at = u64::from(buffer);
    assert_eq!(guest.board().bytes(at..at + 3), b"xyz");
}

#[test]
fn memory_is_claimed_and_released_by_method() {
    let mut guest = Setup::new().boot().unwrap();
    let chosen = guest.find("/chosen");
    for name in ["memory", "mmu"] {
        let instance = guest.property_cell(chosen, name).unwrap();
        let mib = MIB as u32;
        let values = guest.method("claim", instance, &[0, mib, 64 * mib], 2);
        assert_eq!(values, [0, 64 * mib]);
        let values = guest.method("claim", instance, &[0, mib, KERNEL.start as u32], 2);
        assert_ne!(values[0], 0);
        let values = guest.method("claim", instance, &[mib, mib], 2);
        assert_eq!(values[0], 0);
        assert!(values[1].is_multiple_of(mib));
        let values = guest.method("claim", instance, &[0, mib], 2);
        assert_ne!(values[0], 0, "exact without an address");
        assert_eq!(guest.method("release", instance, &[mib, 64 * mib], 1), [0]);
        assert_eq!(guest.get("claim", &[64 * mib, mib, 0]), 64 * mib);
        guest.call("release", &[64 * mib, mib], 0);
    }
}

#[test]
fn real_mode_maps_every_address_to_itself_and_to_nothing_else() {
    let mut guest = Setup::new().boot().unwrap();
    let chosen = guest.find("/chosen");
    let mmu = guest.property_cell(chosen, "mmu").unwrap();
    let address = 64 * MIB as u32;
    let values = guest.method("map", mmu, &[0, 4096, address, address], 1);
    assert_eq!(values, [0]);
    let values = guest.method("map", mmu, &[0, 4096, address, 0], 1);
    assert_ne!(values, [0]);
}

#[test]
fn a_method_is_found_in_the_node_that_has_it_and_in_no_other() {
    let mut guest = Setup::new().boot().unwrap();
    let mut test = |path: &str, method: &str| {
        let node = guest.find(path);
        let name = guest.bytes(&[method.as_bytes(), b"\0"].concat());
        guest.get("test-method", &[node, name])
    };
    for (path, method, found) in [
        ("/rtas", "instantiate-rtas", 0),
        ("/rtas", "instantiate-rtas-64", 0),
        ("/rtas", "open", 0),
        ("/rtas", "claim", NONE),
        ("/", "ibm,client-architecture-support", 0),
        ("/", "instantiate-rtas", NONE),
        ("/vdevice/vty", "write", 0),
        ("/vdevice/vty", "map", NONE),
        ("/chosen", "read", NONE),
    ] {
        assert_eq!(test(path, method), found, "{method} of {path}");
    }
    let name = guest.bytes(b"open\0");
    assert_eq!(guest.get("test-method", &[0x1234_5678, name]), NONE);
    let root = guest.find("/");
    assert_eq!(guest.get("test-method", &[root, NONE]), NONE);
}
