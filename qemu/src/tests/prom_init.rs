//! The start of Linux, call by call (`arch/powerpc/kernel/prom_init.c`; the order of calls is that
//! of a trace of Debian's 6.1 and 6.12).

use fdt_gen::{Origin, Tree};
use rtas::config::{Config, SOURCES_ARE_NATIVE};

use super::machine::{Guest, MIB, NONE, Setup};
use crate::ClientReturn;

/// The tree that QEMU makes for H_CAS: no kernel, no arguments, and an XIVE.
pub(super) fn negotiated(setup: &Setup) -> Vec<u8> {
    let mut tree = setup.tree.clone();
    let chosen = tree.find("/chosen").unwrap();
    let names: Vec<String> = tree
        .properties(chosen)
        .map(|property| property.name.into())
        .filter(|name| name != "rng-seed" && name != "ibm,architecture-vec-5")
        .collect();
    for name in names {
        tree.remove_property(chosen, &name).unwrap();
    }
    tree.set(chosen, "ibm,architecture-vec-5", &[0; 27], Origin::Board)
        .unwrap();
    // A new value, so that it is QEMU's after the merge.
    let rtas = tree.find("/rtas").unwrap();
    tree.set_u32(rtas, "rtas-size", 0x8ac, Origin::Board)
        .unwrap();
    let old = tree.find("/interrupt-controller").unwrap();
    tree.remove(old).unwrap();
    let new = "interrupt-controller@60302031b0000";
    let new = tree.add_child(tree.root(), new, Origin::Board).unwrap();
    for (name, value) in [
        ("compatible", b"ibm,power-ivpe\0".to_vec()),
        ("phandle", 0x1111u32.to_be_bytes().to_vec()),
        (
            "ibm,xive-lisn-ranges",
            [0u32, 8].map(u32::to_be_bytes).concat(),
        ),
    ] {
        tree.set(new, name, &value, Origin::Board).unwrap();
    }
    for reservation in tree.reservations().to_vec() {
        tree.remove_reservation(reservation).unwrap();
    }
    tree.flatten().unwrap()
}

fn walk(guest: &mut Guest, node: u32, visit: &mut impl FnMut(&mut Guest, u32)) {
    visit(guest, node);
    let mut child = guest.get("child", &[node]);
    while child != 0 {
        assert_eq!(guest.get("parent", &[child]), node);
        walk(guest, child, visit);
        child = guest.get("peer", &[child]);
    }
}

/// Names of the properties of a package, as prom_init's scan_dt_build_strings walks them.
fn property_names(guest: &mut Guest, package: u32) -> Vec<String> {
    let mut names = Vec::new();
    let mut previous = guest.text("");
    loop {
        let buffer = guest.buffer(64);
        let answer = guest.get("nextprop", &[package, previous, buffer]);
        if answer != 1 {
            assert_eq!(answer, 0);
            return names;
        }
        let at = u64::from(buffer);
        let bytes = guest.board().bytes(at..at + 64);
        let end = bytes.iter().position(|byte| *byte == 0).unwrap();
        names.push(String::from_utf8(bytes[..end].to_vec()).unwrap());
        previous = buffer;
    }
}

/// prom_init up to instantiate-rtas.
fn negotiate() -> Guest {
    let mut setup = Setup::new();
    setup.board.cas = (0, negotiated(&setup));
    let mut guest = setup.boot().unwrap();
    let chosen = guest.find("/chosen");
    let root = guest.find("/");
    let stdout = guest.property_cell(chosen, "stdout").unwrap();
    let buffer = guest.buffer(256);
    assert_eq!(guest.get("instance-to-path", &[stdout, buffer, 255]), 21);
    let at = u64::from(buffer);
    let path = guest.board().bytes(at..at + 22).to_vec();
    assert_eq!(path, b"/vdevice/vty@71000000\0");
    let package = guest.get("instance-to-package", &[stdout]);
    assert_eq!(guest.find("/vdevice/vty@71000000"), package);
    guest.set_property(chosen, "linux,stdout-package", &package.to_be_bytes());
    guest.set_property(chosen, "linux,stdout-path", &path);
    let text = guest.bytes(b"Detected machine type");
    assert_eq!(guest.get("write", &[stdout, text, 21]), 21);
    let device_type = guest.property(root, "device_type");
    assert_eq!(device_type.as_deref(), Some(&b"chrp\0"[..]));
    let rtas = guest.find("/rtas");
    assert!(guest.property(rtas, "ibm,hypertas-functions").is_some());
    guest.set_property(chosen, "bootargs", b"console=hvc0 changed\0");
    guest.set_property(chosen, "linux,initrd-start", &[0, 0, 0, 0, 0, 0x90, 0, 0]);

    let instance = guest.open("/");
    assert_ne!(instance, 0);
    let vector = guest.buffer(64);
    let name = "ibm,client-architecture-support";
    assert_eq!(guest.method(name, instance, &[vector], 2), [0, 0]);
    assert_eq!(
        guest.call("close", &[instance], 0).0,
        ClientReturn::Return(0)
    );

    assert_eq!(guest.find("/chosen"), chosen, "handles stay valid");
    assert_eq!(guest.find("/"), root);
    assert_eq!(guest.get("instance-to-package", &[stdout]), package);
    let bootargs = guest.property(chosen, "bootargs");
    assert_eq!(bootargs.as_deref(), Some(&b"console=hvc0 changed\0"[..]));
    assert_eq!(guest.property_cell(chosen, "stdout"), Some(stdout));
    let vector = guest.property(chosen, "ibm,architecture-vec-5");
    assert_eq!(vector, Some(vec![0; 27]));
    guest
}

#[test]
fn linux_gets_from_its_first_call_to_quiesce() {
    let mut guest = negotiate();
    let chosen = guest.find("/chosen");
    let stdout = guest.property_cell(chosen, "stdout").unwrap();
    let rtas = guest.find("/rtas");
    let size = guest.property_cell(rtas, "rtas-size").unwrap();
    assert!(size > 0x89c + 5000, "QEMU's own size came back: {size:#x}");
    let early = guest.property_cell(rtas, "linux,rtas-base").unwrap();

    // prom_instantiate_rtas
    let base = ((128 * MIB) as u32 - size) & !0xfff;
    assert_eq!(guest.get("claim", &[base, size, 0]), base);
    assert_eq!(guest.get("claim", &[base, size, 0]), NONE);
    let instance = guest.open("/rtas");
    let [catch, entry] = guest.method("instantiate-rtas", instance, &[base], 2)[..] else {
        panic!()
    };
    assert_eq!(catch, 0);
    assert!((base + 0x89c..base + size).contains(&entry));
    guest.set_property(rtas, "linux,rtas-base", &base.to_be_bytes());
    guest.set_property(rtas, "linux,rtas-entry", &entry.to_be_bytes());
    assert_eq!(
        guest.get("claim", &[early, size, 0]),
        early,
        "the early instance was given up"
    );

    // prom_check_displays, flatten_device_tree
    let root = guest.get("peer", &[0]);
    assert_eq!(root, guest.find("/"));
    let mut nodes = 0;
    walk(&mut guest, root, &mut |guest, node| {
        nodes += 1;
        let buffer = guest.buffer(256);
        let length = guest.get("package-to-path", &[node, buffer, 255]);
        assert!(length != NONE && length >= 1);
        let names = property_names(guest, node);
        assert_eq!(names[0], "name");
        for name in &names {
            assert!(guest.property(node, name).is_some(), "{name}");
        }
    });
    assert_eq!(nodes, guest.firmware.tree.node_count());

    // prom_close_stdin, quiesce, the last line
    let stdin = guest.property_cell(chosen, "stdin").unwrap();
    assert_ne!(stdin, stdout);
    assert_eq!(guest.call("close", &[stdin], 0).0, ClientReturn::Return(0));
    let before = guest.board().updates.len();
    assert_eq!(guest.call("quiesce", &[], 0).0, ClientReturn::Return(0));
    let board = guest.board();
    assert_eq!(board.rtas_calls.last(), Some(&(0x2011, vec![])));
    assert_eq!(board.updates.len(), before + 1);
    let tree: &Tree = board.updates.last().unwrap();
    let node = tree.find("/rtas").unwrap();
    assert_eq!(tree.u32(node, "linux,rtas-base"), Some(base));
    let text = guest.bytes(b"Booting Linux via __start() @ 0x400000\r\n");
    assert_eq!(guest.get("write", &[stdout, text, 40]), 40);
    let console = guest.board().text();
    assert!(console.ends_with("Booting Linux via __start() @ 0x400000\n"));
    assert!(!console.contains("client call:"), "{console}");
}

#[test]
fn after_cas_chose_xive_the_blob_leaves_the_interrupt_calls_to_qemu() {
    let guest = negotiate();
    let mode = guest.firmware.machine.facts.interrupts;
    assert_eq!(mode.to_string(), "dual (xive active)");
    let layout = *guest.firmware.rtas.layout();
    let base = guest.firmware.rtas.instance.unwrap().base;
    let flags = base + layout.image + layout.config + Config::FLAGS_OFFSET;
    let flags = guest.firmware.board.cell(flags);
    assert_eq!(flags & SOURCES_ARE_NATIVE, 0, "in the early instance");
    assert_eq!(guest.firmware.rtas.values.flags & SOURCES_ARE_NATIVE, 0);
}

#[test]
fn before_cas_the_interrupt_calls_are_the_blobs_own() {
    let guest = Setup::new().boot().unwrap();
    let layout = *guest.firmware.rtas.layout();
    let base = guest.firmware.rtas.instance.unwrap().base;
    let flags = base + layout.image + layout.config + Config::FLAGS_OFFSET;
    let flags = guest.firmware.board.cell(flags);
    assert_eq!(flags & SOURCES_ARE_NATIVE, SOURCES_ARE_NATIVE);
}

#[test]
fn a_refused_cas_leaves_the_tree_as_it_is_and_says_so() {
    for (status, reason) in [
        (-1, "no common processor version"),
        (-4, "cannot read the option vectors"),
        (-9005, "another processor is running"),
        (-55, "unexpected status"),
    ] {
        let mut guest = Setup::new().boot().unwrap();
        guest.board().cas.0 = status;
        let before = guest.firmware.tree.clone();
        let instance = guest.open("/");
        let vector = guest.buffer(64);
        let name = "ibm,client-architecture-support";
        assert_eq!(guest.method(name, instance, &[vector], 2), [0, NONE]);
        assert_eq!(guest.firmware.tree, before);
        let console = guest.board().text();
        assert!(console.contains(reason), "{console}");
    }
}

#[test]
fn a_damaged_tree_from_cas_is_refused_and_its_buffer_given_back() {
    let mut guest = Setup::new().boot().unwrap();
    guest.board().cas = (0, vec![0x55; 100]);
    let free = |guest: &Guest| guest.firmware.map.free(&(0..256 * MIB));
    let (before, tree) = (free(&guest), guest.firmware.tree.clone());
    let instance = guest.open("/");
    let vector = guest.buffer(64);
    let name = "ibm,client-architecture-support";
    assert_eq!(guest.method(name, instance, &[vector], 2), [0, NONE]);
    assert_eq!(guest.firmware.tree, tree);
    assert_eq!(free(&guest), before);
    assert!(guest.board().text().contains("is damaged"));
}

#[test]
fn cas_twice_works() {
    let mut guest = negotiate();
    let instance = guest.open("/");
    let vector = guest.buffer(64);
    let name = "ibm,client-architecture-support";
    assert_eq!(guest.method(name, instance, &[vector], 2), [0, 0]);
}

#[test]
fn a_tree_that_qemu_will_not_take_is_reported_at_quiesce() {
    let mut guest = Setup::new().boot().unwrap();
    let chosen = guest.find("/chosen");
    guest.set_property(chosen, "large", &[7; 40_000]);
    let before = guest.board().updates.len();
    assert_eq!(guest.call("quiesce", &[], 0).0, ClientReturn::Return(0));
    assert_eq!(guest.board().updates.len(), before);
    let text = guest.board().text();
    assert!(text.contains("and QEMU takes at most"), "{text}");
    assert!(text.contains("ibm,nmi-register will fail"), "{text}");
    assert_eq!(guest.board().rtas_calls.last(), Some(&(0x2011, vec![])));
}
