//! The live tree: handles, order, paths, values.

use crate::common::{dual, grow, text, words};
use fdt_gen::{
    EditError, MAX_DEPTH, MAX_HANDLES, MAX_NAME_BYTES, MAX_NODE_PROPERTIES, MAX_NODES,
    NextProperty, NodeId, Origin, Reservation, Tree,
};

fn names(tree: &Tree, id: NodeId) -> Vec<&str> {
    tree.children(id).filter_map(|it| tree.name(it)).collect()
}

#[test]
fn children_keep_their_order_whichever_is_removed() {
    for gone in ["a", "b", "c", "d"] {
        let mut tree = Tree::new();
        let mut left = vec!["a", "b", "c", "d"];
        for name in &left {
            grow(&mut tree, name);
        }
        assert_eq!(names(&tree, tree.root()), left);
        let id = tree.child(tree.root(), gone).unwrap();
        assert_eq!(tree.remove(id), Ok(1));
        left.retain(|name| *name != gone);
        assert_eq!(names(&tree, tree.root()), left);
        grow(&mut tree, "e");
        left.push("e");
        assert_eq!(names(&tree, tree.root()), left);
    }
}

#[test]
fn the_last_child_can_go_and_another_come() {
    let mut tree = Tree::new();
    let only = grow(&mut tree, "/a/b");
    let a = tree.parent(only).unwrap();
    tree.remove(only).unwrap();
    assert_eq!(tree.first_child(a), None);
    let next = grow(&mut tree, "/a/c");
    assert_eq!(tree.first_child(a), Some(next));
    assert_eq!(tree.next_sibling(next), None);
}

#[test]
fn a_handle_names_its_node_until_that_is_removed_and_nothing_after() {
    let mut tree = Tree::new();
    let kept = grow(&mut tree, "/kept/below");
    let gone = grow(&mut tree, "/gone/below");
    let top = tree.parent(gone).unwrap();
    tree.set(gone, "p", b"1", Origin::Board).unwrap();
    assert_eq!((tree.node_count(), tree.property_count()), (5, 1));
    assert_eq!(tree.remove(top), Ok(2));
    assert_eq!((tree.node_count(), tree.property_count()), (3, 0));
    let new = grow(&mut tree, "/new/below");
    for id in [top, gone] {
        assert_ne!(id, new);
        assert_eq!(tree.name(id), None);
        assert_eq!(tree.base_name(id), None);
        assert_eq!(tree.path(id), None);
        assert_eq!(tree.property(id, "p"), None);
        assert_eq!(tree.client_property(id, "name"), None);
        assert_eq!(tree.parent(id), None);
        assert_eq!(tree.first_child(id), None);
        assert_eq!(tree.next_sibling(id), None);
        assert_eq!(tree.descendants(id).count(), 0);
        assert_eq!(tree.node_of_cell(id.cell()), None);
        assert_eq!(tree.next_property(id, ""), NextProperty::Unknown);
        let again = tree.set(id, "p", b"", Origin::Board);
        assert_eq!(again, Err(EditError::NoSuchNode));
        let child = tree.add_child(id, "c", Origin::Board);
        assert_eq!(child, Err(EditError::NoSuchNode));
        assert_eq!(tree.remove(id), Err(EditError::NoSuchNode));
        let property = tree.remove_property(id, "p");
        assert_eq!(property, Err(EditError::NoSuchNode));
    }
    assert_eq!(tree.path(kept).as_deref(), Some("/kept/below"));
    assert_eq!(tree.path(new).as_deref(), Some("/new/below"));
}

#[test]
fn cells_are_handles_that_are_neither_zero_nor_minus_one_nor_qemus_phandles() {
    let mut tree = Tree::new();
    for path in ["/a", "/b/c", "/d"] {
        let id = grow(&mut tree, path);
        assert!((0x4000_0000..0x4010_0000).contains(&id.cell()));
        assert_eq!(tree.node_of_cell(id.cell()), Some(id));
    }
    let root = tree.root().cell();
    assert_eq!(tree.node_of_cell(root), Some(tree.root()));
    for cell in [0, u32::MAX, root - 1, root + 5, 0x1111, root | 1 << 31] {
        assert_eq!(tree.node_of_cell(cell), None, "{cell:#x}");
    }
}

#[test]
fn the_tree_is_walked_parents_first() {
    let mut tree = Tree::new();
    for path in ["/a/b/c", "/a/d", "/e/f"] {
        grow(&mut tree, path);
    }
    let all: String = tree.nodes().filter_map(|id| tree.name(id)).collect();
    assert_eq!(all, "abcdef");
    let a = tree.find("/a").unwrap();
    let below: String = tree.descendants(a).filter_map(|id| tree.name(id)).collect();
    assert_eq!(below, "abcd");
    let e = tree.find("/e/f").unwrap();
    assert_eq!(tree.descendants(e).count(), 1);
}

#[test]
fn a_path_finds_its_node() {
    let mut tree = Tree::new();
    let first = grow(&mut tree, "/memory@0");
    let second = grow(&mut tree, "/memory@40000000");
    let plain = grow(&mut tree, "/rtas");
    let vty = grow(&mut tree, "/vdevice/vty@71000000");
    let other = grow(&mut tree, "/vdevice/nvram@71000001");
    let after_unit = grow(&mut tree, "/disk@1");
    let without_unit = grow(&mut tree, "/disk");
    for (path, found) in [
        ("/", Some(tree.root())),
        ("//", Some(tree.root())),
        ("/memory@0", Some(first)),
        ("/memory@40000000", Some(second)),
        ("/memory", Some(first)),
        ("/memory@1", None),
        ("/memory@", None),
        ("/mem", None),
        ("/rtas", Some(plain)),
        ("/rtas/", Some(plain)),
        ("/rtas@0", None),
        ("/rtas/x", None),
        ("/vdevice/vty", Some(vty)),
        ("/vdevice/vty/", Some(vty)),
        ("/vdevice/vty:9600", Some(vty)),
        ("/vdevice/vty@71000000:9600,/x", Some(vty)),
        ("/vdevice/@71000001", Some(other)),
        ("/disk", Some(without_unit)),
        ("/disk@1", Some(after_unit)),
        ("", None),
        (":", None),
        ("rtas", None),
    ] {
        assert_eq!(tree.find(path), found, "{path:?}");
    }
}

#[test]
fn an_alias_finds_its_node() {
    let mut tree = Tree::new();
    let vty = grow(&mut tree, "/vdevice/vty@71000000");
    let vdevice = tree.parent(vty).unwrap();
    let aliases = grow(&mut tree, "/aliases");
    for (name, path) in [
        ("hvterm", "/vdevice/vty:9600"),
        ("bus", "/vdevice"),
        ("gone", "/vdevice/disk"),
        ("circle", "circle"),
    ] {
        tree.set_string(aliases, name, path, Origin::Firmware)
            .unwrap();
    }
    for (path, found) in [
        ("hvterm", Some(vty)),
        ("hvterm:115200", Some(vty)),
        ("bus", Some(vdevice)),
        ("bus/vty", Some(vty)),
        ("bus/", Some(vdevice)),
        ("gone", None),
        ("circle", None),
        ("none", None),
    ] {
        assert_eq!(tree.find(path), found, "{path:?}");
    }
}

#[test]
fn the_path_of_every_node_finds_it_again() {
    let tree = dual();
    for id in tree.nodes() {
        assert_eq!(tree.find(&tree.path(id).unwrap()), Some(id));
    }
}

#[test]
fn every_node_answers_its_name_without_unit_address() {
    let tree = dual();
    let name = |path| tree.client_property(tree.find(path).unwrap(), "name");
    assert_eq!(name("/").as_deref(), Some(&b"\0"[..]));
    assert_eq!(name("/memory@0").as_deref(), Some(&b"memory\0"[..]));
    assert_eq!(name("/rtas").as_deref(), Some(&b"rtas\0"[..]));
    let cpu = name("/cpus/PowerPC,POWER9@1");
    assert_eq!(cpu.as_deref(), Some(&b"PowerPC,POWER9\0"[..]));
    assert_eq!(tree.property(tree.root(), "name"), None, "not stored");
}

#[test]
fn properties_follow_each_other_in_order_and_name_is_the_first() {
    let mut tree = Tree::new();
    let id = grow(&mut tree, "/node");
    for name in ["one", "two", "three"] {
        tree.set(id, name, b"", Origin::Board).unwrap();
    }
    tree.set(id, "one", b"again", Origin::Client).unwrap();
    let mut order = Vec::new();
    let mut previous = "";
    while let NextProperty::Name(name) = tree.next_property(id, previous) {
        order.push(name);
        previous = name;
    }
    assert_eq!(order, ["name", "one", "two", "three"]);
    assert_eq!(tree.next_property(id, "three"), NextProperty::End);
    assert_eq!(tree.next_property(id, "four"), NextProperty::Unknown);
    assert_eq!(
        tree.next_property(tree.root(), "one"),
        NextProperty::Unknown
    );
    assert_eq!(tree.next_property(tree.root(), "name"), NextProperty::End);
    tree.remove_property(id, "two").unwrap();
    assert_eq!(tree.next_property(id, "one"), NextProperty::Name("three"));
    assert_eq!(tree.remove_property(id, "two"), Err(EditError::NotThere));
}

#[test]
fn values_have_exactly_the_size_of_their_type() {
    let mut tree = Tree::new();
    let id = tree.root();
    tree.set_u32(id, "cell", 0x1234_5678, Origin::Board)
        .unwrap();
    tree.set_u64(id, "double", 0x1_0000_0002, Origin::Board)
        .unwrap();
    tree.set(id, "three", &[0; 3], Origin::Board).unwrap();
    assert_eq!(
        tree.property(id, "cell"),
        Some(&[0x12, 0x34, 0x56, 0x78][..])
    );
    assert_eq!(tree.u32(id, "cell"), Some(0x1234_5678));
    assert_eq!(tree.u64(id, "cell"), None);
    assert_eq!(tree.u32(id, "double"), None);
    assert_eq!(tree.u64(id, "double"), Some(0x1_0000_0002));
    assert_eq!(tree.u32(id, "three"), None);
    let cells: Vec<u32> = tree.cells(id, "double").unwrap().collect();
    assert_eq!(cells, [1, 2]);
    assert!(tree.cells(id, "three").is_none());
    assert!(tree.cells(id, "none").is_none());
}

#[test]
fn strings_end_with_a_nul() {
    let mut tree = Tree::new();
    let id = tree.root();
    let mut check = |value: &[u8], strings: &[&str]| {
        tree.set(id, "s", value, Origin::Board).unwrap();
        assert!(tree.strings(id, "s").eq(strings.iter().copied()));
        assert_eq!(tree.string(id, "s"), strings.first().copied());
    };
    check(b"one\0two\0", &["one", "two"]);
    check(b"one\0two", &["one"]);
    check(b"one", &[]);
    check(b"", &[]);
    check(b"\0", &[""]);
    check(b"a\0\xff\0b\0", &["a"]);
    assert_eq!(tree.strings(id, "none").count(), 0);
}

#[test]
fn a_phandle_is_found_under_each_of_its_names() {
    let mut tree = Tree::new();
    for (path, name, value) in [
        ("/a", "phandle", 1),
        ("/b", "linux,phandle", 2),
        ("/c", "ibm,phandle", 3),
    ] {
        let id = grow(&mut tree, path);
        tree.set_u32(id, name, value, Origin::Board).unwrap();
        assert_eq!(tree.find_phandle(value), Some(id));
    }
    assert_eq!(tree.find_phandle(4), None);
    let qemu = dual();
    assert_eq!(
        qemu.find_phandle(0x1111),
        qemu.find("/interrupt-controller")
    );
}

#[test]
fn illegal_edits_are_refused_and_change_nothing() {
    let mut tree = Tree::new();
    let id = grow(&mut tree, "/node@1");
    let before = tree.clone();
    let long = "n".repeat(MAX_NAME_BYTES + 1);
    for name in ["", "a/b", "a b", "ä", "\x7f", long.as_str()] {
        let child = tree.add_child(id, name, Origin::Client);
        assert_eq!(child, Err(EditError::BadName), "{name:?}");
        let property = tree.set(id, name, b"", Origin::Client);
        assert_eq!(property, Err(EditError::BadName), "{name:?}");
    }
    let name = tree.set(id, "name", b"x\0", Origin::Client);
    assert_eq!(name, Err(EditError::NameIsDerived));
    let twin = tree.add_child(tree.root(), "node@1", Origin::Client);
    assert_eq!(twin, Err(EditError::Duplicate));
    assert_eq!(tree.remove(tree.root()), Err(EditError::Root));
    let long = vec![0; fdt_gen::MAX_VALUE_BYTES + 1];
    let long = tree.set(id, "long", &long, Origin::Client);
    assert_eq!(long, Err(EditError::ValueTooLong));
    for (address, size) in [(1, 0), (u64::MAX, 2)] {
        let range = tree.add_reservation(Reservation { address, size });
        assert_eq!(range, Err(EditError::BadReservation));
    }
    assert_eq!(tree, before);
}

#[test]
fn the_limits_of_the_reader_bind_the_editor_too() {
    let mut tree = Tree::new();
    let mut at = tree.root();
    for _ in 1..MAX_DEPTH {
        at = tree.add_child(at, "n", Origin::Client).unwrap();
    }
    let deeper = tree.add_child(at, "n", Origin::Client);
    assert_eq!(deeper, Err(EditError::TooDeep));
    for index in 0..MAX_NODE_PROPERTIES {
        let name = format!("p{index}");
        tree.set(at, &name, b"", Origin::Client).unwrap();
    }
    let more = tree.set(at, "more", b"", Origin::Client);
    assert_eq!(more, Err(EditError::TooManyProperties));
    assert_eq!(tree.set(at, "p0", b"other", Origin::Client), Ok(()));
    assert_eq!(Tree::parse(&tree.flatten().unwrap()), Ok(tree));
}

#[test]
fn handles_run_out_rather_than_being_used_again() {
    let mut tree = Tree::new();
    let mut last = tree.root();
    for _ in 1..MAX_HANDLES {
        let id = tree.add_child(tree.root(), "n", Origin::Client).unwrap();
        assert!(id > last);
        last = id;
        tree.remove(id).unwrap();
    }
    let more = tree.add_child(tree.root(), "n", Origin::Client);
    assert_eq!(more, Err(EditError::TooManyNodes));
    const { assert!(MAX_HANDLES > MAX_NODES) };
}

#[test]
fn reservations_are_kept_in_order_and_taken_out_exactly() {
    let mut tree = Tree::new();
    let [kernel, initrd] = [(0x40_0000, 0x100), (0x80_0000, 0x200)]
        .map(|(address, size)| Reservation { address, size });
    tree.add_reservation(kernel).unwrap();
    tree.add_reservation(initrd).unwrap();
    assert_eq!(tree.reservations(), [kernel, initrd]);
    let part = Reservation {
        size: 0x10,
        ..kernel
    };
    assert_eq!(tree.remove_reservation(part), Err(EditError::NotThere));
    assert_eq!(tree.remove_reservation(kernel), Ok(()));
    assert_eq!(tree.reservations(), [initrd]);
}

#[test]
fn what_qemu_said_last_is_remembered_under_an_edit() {
    let mut tree = Tree::new();
    let id = tree.root();
    tree.set_u32(id, "p", 1, Origin::Board).unwrap();
    assert_eq!(tree.board_property(id, "p"), Some(&words(&[1])[..]));
    tree.set_u32(id, "p", 2, Origin::Firmware).unwrap();
    tree.set_u32(id, "p", 3, Origin::Client).unwrap();
    assert_eq!(tree.u32(id, "p"), Some(3));
    assert_eq!(tree.property_origin(id, "p"), Some(Origin::Client));
    assert_eq!(tree.board_property(id, "p"), Some(&words(&[1])[..]));
    tree.set_u32(id, "p", 4, Origin::Board).unwrap();
    assert_eq!(tree.board_property(id, "p"), Some(&words(&[4])[..]));
    tree.set(id, "own", &text("x"), Origin::Firmware).unwrap();
    assert_eq!(tree.board_property(id, "own"), None);
}

#[test]
fn values_of_every_length_are_kept_as_they_are() {
    let mut tree = Tree::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(300).collect();
    for length in (0..300).chain((0..300).rev()) {
        tree.set(tree.root(), "p", &bytes[..length], Origin::Client)
            .unwrap();
        assert_eq!(tree.property(tree.root(), "p"), Some(&bytes[..length]));
    }
}
