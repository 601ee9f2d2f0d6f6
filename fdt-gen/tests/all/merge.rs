//! Merging the tree that QEMU makes after client-architecture-support.

use crate::common::{dual, grow, words, xive};
use fdt_gen::{EditError, MAX_NODES, MergeSummary, NodeId, Origin, Reservation, Tree};

fn id(tree: &Tree, path: &str) -> NodeId {
    tree.find(path).unwrap_or_else(|| panic!("{path}"))
}

/// QEMU's tree of XIVE mode as it is after client-architecture-support: `/chosen` has two
/// properties only (`spapr.c:spapr_dt_chosen` with `reset` false).
fn after_cas() -> Tree {
    let mut tree = xive();
    let chosen = id(&tree, "/chosen");
    let names: Vec<String> = tree.properties(chosen).map(|it| it.name.into()).collect();
    for name in names {
        if !["rng-seed", "ibm,architecture-vec-5"].contains(&name.as_str()) {
            tree.remove_property(chosen, &name).unwrap();
        }
    }
    tree
}

#[test]
fn the_interrupt_controller_of_the_new_mode_replaces_the_old_one() {
    let mut live = dual();
    let old = id(&live, "/interrupt-controller");
    let summary = live.merge(&after_cas()).unwrap();
    assert!(!live.contains(old));
    let new = id(&live, "/interrupt-controller@60302031b0000");
    assert_eq!(live.string(new, "compatible"), Some("ibm,power-ivpe"));
    assert_eq!(live.property(new, "ibm,interrupt-server-ranges"), None);
    assert_eq!(live.find_phandle(0x1111), Some(new));
    let priorities = live.property(live.root(), "ibm,plat-res-int-priorities");
    assert_eq!(priorities, Some(&words(&[7, 0xf8])[..]));
    // The seed differs, the priorities are new.
    let expected = MergeSummary {
        nodes_added: 1,
        nodes_removed: 1,
        properties_added: 1,
        properties_changed: 1,
        ..MergeSummary::default()
    };
    assert_eq!(summary, expected);
}

#[test]
fn an_interrupt_controller_of_the_same_name_is_made_anew() {
    let mut live = dual();
    let controller = id(&live, "/interrupt-controller");
    live.set(controller, "stale", b"", Origin::Board).unwrap();
    let summary = live.merge(&dual()).unwrap();
    assert!(!live.contains(controller));
    let new = id(&live, "/interrupt-controller");
    assert_eq!(live.property(new, "stale"), None);
    assert_eq!((summary.nodes_added, summary.nodes_removed), (1, 1));
}

#[test]
fn properties_are_never_removed() {
    let mut live = dual();
    live.merge(&xive()).unwrap();
    // QEMU sends no tokens of the interrupt calls any more.
    assert_eq!(live.u32(id(&live, "/rtas"), "ibm,int-on"), Some(0x200d));
}

#[test]
fn handles_of_kept_nodes_stay() {
    let mut live = dual();
    let before: Vec<(NodeId, String)> = live
        .nodes()
        .filter_map(|id| Some((id, live.path(id)?)))
        .filter(|(_, path)| !path.starts_with("/interrupt-controller"))
        .collect();
    live.merge(&xive()).unwrap();
    for (id, path) in before {
        assert_eq!(live.path(id).as_deref(), Some(path.as_str()));
    }
}

#[test]
fn nodes_that_qemu_does_not_send_any_more_go_and_ours_stay() {
    let mut live = Tree::new();
    grow(&mut live, "/pci/bridge/card");
    let gone = id(&live, "/pci/bridge");
    let disk = live.add_child(gone, "disk", Origin::Firmware).unwrap();
    let root = live.root();
    let packages = live.add_child(root, "packages", Origin::Firmware).unwrap();
    let mine = live.add_child(root, "mine", Origin::Client).unwrap();
    let mut new = Tree::new();
    grow(&mut new, "/pci/card");
    let summary = live.merge(&new).unwrap();
    assert_eq!((summary.nodes_added, summary.nodes_removed), (1, 3));
    assert!(!live.contains(gone));
    assert!(!live.contains(disk), "it hung on a node that is gone");
    assert!(live.contains(packages) && live.contains(mine));
    assert_eq!(live.origin(id(&live, "/pci/card")), Some(Origin::Board));
}

#[test]
fn new_subtrees_come_with_all_their_properties() {
    let mut live = Tree::new();
    let mut new = Tree::new();
    grow(&mut new, "/memory@0");
    let leaf = grow(&mut new, "/ibm,dynamic-reconfiguration-memory/leaf");
    new.set_u32(leaf, "p", 7, Origin::Board).unwrap();
    let summary = live.merge(&new).unwrap();
    assert_eq!(summary.nodes_added, 3);
    assert_eq!(live, new);
}

#[test]
fn what_client_and_firmware_set_survives_while_qemu_has_nothing_new_to_say() {
    let mut live = dual();
    let (chosen, rtas) = (id(&live, "/chosen"), id(&live, "/rtas"));
    let own = live.u32(rtas, "rtas-size").unwrap();
    let set = |live: &mut Tree, id, name, value: &str, origin| {
        live.set_string(id, name, value, origin).unwrap();
    };
    set(&mut live, chosen, "bootargs", "quiet", Origin::Client);
    set(&mut live, chosen, "linux,stdout-path", "/x", Origin::Client);
    live.set_u64(chosen, "linux,initrd-start", 7, Origin::Client)
        .unwrap();
    live.set_u32(rtas, "rtas-size", 0x10_0000, Origin::Firmware)
        .unwrap();
    let mut new = after_cas();
    let new_chosen = id(&new, "/chosen");
    // A QEMU that sends a property which only the client had set so far.
    set(&mut new, new_chosen, "bootargs", "from QEMU", Origin::Board);
    let summary = live.merge(&new).unwrap();
    assert_eq!(summary.properties_kept, 2, "bootargs and rtas-size");
    assert_eq!(live.string(chosen, "bootargs"), Some("quiet"));
    assert_eq!(live.string(chosen, "linux,stdout-path"), Some("/x"));
    assert_eq!(live.u64(chosen, "linux,initrd-start"), Some(7));
    assert_eq!(live.u32(rtas, "rtas-size"), Some(0x10_0000));
    assert_eq!(
        live.board_property(rtas, "rtas-size"),
        Some(&words(&[own])[..])
    );
    assert_eq!(
        live.board_property(chosen, "bootargs"),
        Some(&b"from QEMU\0"[..])
    );
}

#[test]
fn a_value_that_qemu_changed_wins_over_an_older_edit() {
    let mut live = dual();
    let rtas = id(&live, "/rtas");
    live.set_u32(rtas, "rtas-size", 0x10_0000, Origin::Firmware)
        .unwrap();
    let mut new = dual();
    let new_rtas = id(&new, "/rtas");
    new.set_u32(new_rtas, "rtas-size", 0xa00, Origin::Board)
        .unwrap();
    let summary = live.merge(&new).unwrap();
    assert_eq!(
        (summary.properties_changed, summary.properties_kept),
        (1, 0)
    );
    assert_eq!(live.u32(rtas, "rtas-size"), Some(0xa00));
    assert_eq!(live.property_origin(rtas, "rtas-size"), Some(Origin::Board));
}

#[test]
fn a_property_first_sent_in_an_earlier_merge_counts_as_said_before() {
    let mut live = Tree::new();
    let root = live.root();
    live.set_u32(root, "p", 1, Origin::Client).unwrap();
    let mut new = Tree::new();
    for (sent, expected) in [(2, 1), (2, 1), (3, 3)] {
        new.set_u32(root, "p", sent, Origin::Board).unwrap();
        live.merge(&new).unwrap();
        assert_eq!(live.u32(root, "p"), Some(expected));
    }
}

#[test]
fn reservations_stay_and_the_boot_processor_is_the_new_one() {
    let mut live = Tree::new();
    let range = Reservation {
        address: 0x40_0000,
        size: 0x1000,
    };
    live.add_reservation(range).unwrap();
    let mut new = Tree::new();
    new.boot_cpuid = 8;
    live.merge(&new).unwrap();
    assert_eq!(live.reservations(), [range]);
    assert_eq!(live.boot_cpuid, 8);
}

#[test]
fn aliases_of_nodes_that_went_go_with_them() {
    let mut live = Tree::new();
    grow(&mut live, "/pci/card");
    grow(&mut live, "/vdevice");
    let root = live.root();
    let aliases = live.add_child(root, "aliases", Origin::Firmware).unwrap();
    for (name, path) in [("card", "/pci/card"), ("bus", "/vdevice"), ("odd", "/none")] {
        live.set_string(aliases, name, path, Origin::Firmware)
            .unwrap();
    }
    let mut new = Tree::new();
    grow(&mut new, "/vdevice");
    let summary = live.merge(&new).unwrap();
    assert_eq!((summary.nodes_removed, summary.aliases_removed), (2, 1));
    assert_eq!(live.property(aliases, "card"), None);
    assert_eq!(live.string(aliases, "bus"), Some("/vdevice"));
    assert_eq!(
        live.string(aliases, "odd"),
        Some("/none"),
        "it never named one"
    );
}

#[test]
fn a_merge_that_does_not_fit_changes_nothing() {
    let mut live = Tree::new();
    grow(&mut live, "/interrupt-controller");
    let mut new = Tree::new();
    for index in 2..MAX_NODES {
        // In bunches, as finding a duplicate takes the time of a bunch.
        let bunch = grow(&mut new, &format!("/{}", index / 512));
        let _ = new.add_child(bunch, &format!("{index}"), Origin::Board);
    }
    let before = live.clone();
    assert_eq!(live.merge(&new), Err(EditError::TooManyNodes));
    assert_eq!(live, before);

    let root = live.root();
    let mut new = Tree::new();
    for index in 0..512 {
        live.set(root, &format!("a{index}"), b"", Origin::Client)
            .unwrap();
        new.set(root, &format!("b{index}"), b"", Origin::Board)
            .unwrap();
    }
    assert!(live.clone().merge(&new).is_ok());
    new.set(root, "last", b"", Origin::Board).unwrap();
    let before = live.clone();
    assert_eq!(live.merge(&new), Err(EditError::TooManyProperties));
    assert_eq!(live, before);
}

#[test]
fn merging_again_changes_nothing_more() {
    let mut live = dual();
    live.merge(&xive()).unwrap();
    let once = live.clone();
    let summary = live.merge(&xive()).unwrap();
    assert_eq!(live, once);
    assert_eq!(
        (summary.properties_added, summary.properties_changed),
        (0, 0)
    );
}
