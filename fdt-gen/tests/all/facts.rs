//! The facts that size and configure RTAS.

use crate::common::{dual, grow, words, xive};
use fdt_gen::facts::{self, FactError, Facts, InterruptMode, Offered, Presentation, Problem};
use fdt_gen::{NodeId, Origin, Tree};
use rtas::table;

fn rtas(tree: &Tree) -> NodeId {
    tree.find("/rtas").unwrap()
}

fn set_cells(tree: &mut Tree, path: &str, name: &str, cells: &[u32]) {
    let id = tree.find(path).unwrap();
    tree.set(id, name, &words(cells), Origin::Board).unwrap();
}

fn remove(tree: &mut Tree, path: &str, name: &str) {
    tree.remove_property(tree.find(path).unwrap(), name)
        .unwrap();
}

fn error(node: &'static str, property: &'static str, problem: Problem) -> FactError {
    FactError {
        node,
        property,
        problem,
    }
}

#[test]
fn qemus_tree_gives_all_facts() {
    let facts = Facts::read(&dual()).unwrap();
    // -smp 2,maxcpus=8
    assert_eq!(facts.reserved_bytes, 0x89c);
    assert_eq!(facts.processors, 8);
    assert_eq!(facts.sources, 0x1000..0x2000);
    assert_eq!(facts.boot_server, 0);
    assert_eq!(facts.server_count, 8);
    assert_eq!(
        facts.interrupts,
        InterruptMode {
            offered: Offered::Dual,
            active: Presentation::Xics
        }
    );
    let place = table::index_of("ibm,nmi-interlock").unwrap();
    assert_eq!(facts.tokens.known[place], 0x202c);
}

#[test]
fn xive_mode_offers_no_interrupt_calls() {
    let facts = Facts::read(&xive()).unwrap();
    assert_eq!(facts.interrupts.to_string(), "xive");
    assert_eq!(facts.server_count, 8, "from the source numbers");
    for name in ["ibm,int-on", "ibm,int-off", "ibm,get-xive", "ibm,set-xive"] {
        let place = table::index_of(name).unwrap();
        assert_eq!(facts.tokens.known[place], 0, "{name}");
    }
}

#[test]
fn a_merge_switches_the_active_mode_of_a_dual_machine() {
    let mut live = dual();
    let mode = |tree: &Tree| facts::interrupt_mode(tree).unwrap().to_string();
    assert_eq!(mode(&live), "dual (xics active)");
    let mut new = xive();
    remove(&mut new, "/chosen", "ibm,arch-vec-5-platform-support");
    live.merge(&new).unwrap();
    assert_eq!(mode(&live), "dual (xive active)");
    assert_eq!(facts::server_count(&live), Ok(8));
}

#[test]
fn the_facts_are_qemus_after_edits_and_merges_too() {
    let mut live = dual();
    let id = rtas(&live);
    live.set_u32(id, "rtas-size", 0x20_0000, Origin::Firmware)
        .unwrap();
    live.set_u32(id, "ibm,own", 0x20f0, Origin::Firmware)
        .unwrap();
    assert_eq!(Facts::read(&live), Facts::read(&dual()));
    live.merge(&dual()).unwrap();
    assert_eq!(Facts::read(&live), Facts::read(&dual()));
}

#[test]
fn possible_processors_come_from_rtas_size_while_it_is_sane() {
    let count = |size: u32, capacity: &[u32]| {
        let mut tree = dual();
        set_cells(&mut tree, "/rtas", "rtas-size", &[size]);
        set_cells(&mut tree, "/rtas", "ibm,lrdr-capacity", capacity);
        facts::possible_processors(&tree).unwrap()
    };
    let capacity = [0, 0, 0, 0x1000_0000, 6];
    assert_eq!(count(2076 + 16 * 2, &capacity), 2);
    assert_eq!(count(2076 + 16 * 4096, &capacity), 4096);
    // Fewer than there are, more than QEMU has, not of the formula, less than the fixed part.
    assert_eq!(count(2076 + 16, &capacity), 6);
    assert_eq!(count(2076 + 16 * 4097, &capacity), 6);
    assert_eq!(count(2076 + 16 * 8 + 1, &capacity), 6);
    assert_eq!(count(0, &capacity), 6);
    assert_eq!(count(u32::MAX, &capacity), 6);
    // Neither is sane: those that are there.
    assert_eq!(count(0, &[0, 0, 0, 0x1000_0000, 1]), 2);
    assert_eq!(count(0, &[0, 0, 0, 0x1000_0000, u32::MAX]), 2);
    assert_eq!(count(0, &[]), 2);
}

#[test]
fn cores_of_the_capacity_have_as_many_threads_as_those_that_are_there() {
    let mut tree = dual();
    set_cells(&mut tree, "/rtas", "rtas-size", &[0]);
    let servers = "ibm,ppc-interrupt-server#s";
    set_cells(
        &mut tree,
        "/cpus/PowerPC,POWER9@1",
        servers,
        &[8, 9, 10, 11],
    );
    set_cells(&mut tree, "/rtas", "ibm,lrdr-capacity", &[0, 0, 0, 0, 5]);
    assert_eq!(facts::possible_processors(&tree), Ok(20));
    assert_eq!(
        facts::server_count(&tree),
        Ok(12),
        "beyond the controller's 8"
    );
}

#[test]
fn the_reserved_bytes_hold_an_area_for_each_possible_processor() {
    let mut tree = dual();
    set_cells(&mut tree, "/rtas", "rtas-size", &[0x10]);
    assert_eq!(facts::reserved_bytes(&tree), Ok(0x808 + 16 * 8));
    set_cells(&mut tree, "/rtas", "rtas-size", &[0x3000]);
    assert_eq!(facts::reserved_bytes(&tree), Ok(0x3000));
}

#[test]
fn the_boot_server_is_that_of_the_header_or_else_the_lowest() {
    let mut tree = dual();
    let servers = "ibm,ppc-interrupt-server#s";
    set_cells(&mut tree, "/cpus/PowerPC,POWER9@0", servers, &[16, 17]);
    set_cells(&mut tree, "/cpus/PowerPC,POWER9@1", servers, &[8, 9]);
    for (header, server) in [(0, 8), (16, 16), (9, 9), (17, 17), (10, 8)] {
        tree.boot_cpuid = header;
        assert_eq!(facts::boot_server(&tree), Ok(server), "header {header}");
    }
}

#[test]
fn servers_count_from_zero_to_the_highest_range() {
    let property = "ibm,interrupt-server-ranges";
    let count = |cells: &[u32]| {
        let mut tree = dual();
        set_cells(&mut tree, "/interrupt-controller", property, cells);
        facts::server_count(&tree)
    };
    assert_eq!(count(&[0, 8]), Ok(8));
    assert_eq!(count(&[0, 8, 64, 8]), Ok(72));
    assert_eq!(count(&[64, 8, 0, 8]), Ok(72));
    assert_eq!(count(&[0, 1]), Ok(2), "two are there");
    let malformed = error("/interrupt-controller", property, Problem::Malformed);
    assert_eq!(count(&[0]), Err(malformed));
    assert_eq!(count(&[u32::MAX, u32::MAX]), Err(malformed));
}

#[test]
fn sources_end_where_the_bridges_say() {
    let range = |counts: &[u32]| {
        let mut tree = dual();
        tree.remove(tree.find("/pci@800000020000000").unwrap())
            .unwrap();
        for (index, count) in counts.iter().enumerate() {
            let path = format!("/pci@{index}");
            grow(&mut tree, &path);
            set_cells(&mut tree, &path, "ibm,pe-total-#msi", &[*count]);
        }
        facts::source_range(&tree)
    };
    assert_eq!(range(&[0xd00]), Ok(0x1000..0x2000));
    assert_eq!(range(&[0xd00, 0xd00]), Ok(0x1000..0x2000), "not the sum");
    assert_eq!(range(&[0x100]), Ok(0x1000..0x1400));
    assert_eq!(
        range(&[0x400]),
        Ok(0x1000..0x1400),
        "machines up to pseries-3.0"
    );
    assert_eq!(range(&[]), Ok(0x1000..0x2000));
    let malformed = error("/pci@*", "ibm,pe-total-#msi", Problem::Malformed);
    assert_eq!(range(&[u32::MAX]), Err(malformed));
}

#[test]
fn what_may_be_chosen_is_byte_23_of_the_platforms_support() {
    let property = "ibm,arch-vec-5-platform-support";
    let offered = |value: &[u8]| {
        let mut tree = dual();
        let id = tree.find("/chosen").unwrap();
        tree.set(id, property, value, Origin::Board).unwrap();
        facts::interrupt_mode(&tree).map(|mode| mode.offered)
    };
    assert_eq!(offered(&[0x18, 0xc0, 0x17, 0x80]), Ok(Offered::Dual));
    assert_eq!(offered(&[0x17, 0x00, 0x18, 0xc0]), Ok(Offered::Xics));
    assert_eq!(offered(&[0x17, 0x40]), Ok(Offered::Xive));
    assert_eq!(offered(&[0x18, 0x17]), Ok(Offered::Xics), "what is active");
    let malformed = error("/chosen", property, Problem::Malformed);
    assert_eq!(offered(&[0x17, 0xc0]), Err(malformed));
}

#[test]
fn tokens_are_told_from_sizes_by_name() {
    let mut tree = dual();
    // 383 processors.
    set_cells(&mut tree, "/rtas", "rtas-size", &[0x200c]);
    set_cells(&mut tree, "/rtas", "rtas-event-scan-rate", &[0x2000]);
    set_cells(&mut tree, "/rtas", "linux,rtas-base", &[0x2000]);
    let tokens = facts::tokens(&tree).unwrap();
    assert_eq!(tokens.len(), 45);
    assert!(tokens.contains(&("display-character", 0x2000)));
    assert!(tokens.contains(&("ibm,nmi-interlock", 0x202c)));
    assert!(!tokens.iter().any(|(name, _)| name.contains("rtas-")));
}

#[test]
fn calls_that_the_table_does_not_know_are_kept_apart_and_counted() {
    let mut tree = dual();
    for index in 0..16 {
        let name = format!("future-{index}");
        set_cells(&mut tree, "/rtas", &name, &[0x2040 + index]);
    }
    let tokens = facts::call_tokens(&tree).unwrap();
    assert!(tokens.unknown.iter().copied().eq(0x2040..0x2050));
    set_cells(&mut tree, "/rtas", "future-16", &[0x2050]);
    let too_many = error("/rtas", "functions", Problem::TooMany);
    assert_eq!(facts::call_tokens(&tree), Err(too_many));
}

#[test]
fn what_is_missing_is_named() {
    let without = |path: &str, name: &str| {
        let mut tree = dual();
        match name {
            "" => tree.remove(tree.find(path).unwrap()).map(drop).unwrap(),
            _ => remove(&mut tree, path, name),
        }
        Facts::read(&tree).expect_err(path)
    };
    assert_eq!(
        without("/rtas", ""),
        error("/rtas", "", Problem::MissingNode)
    );
    let size = without("/rtas", "rtas-size");
    assert_eq!(size, error("/rtas", "rtas-size", Problem::Missing));
    assert_eq!(
        size.to_string(),
        "the device tree has no property rtas-size in /rtas; this firmware needs QEMU's pseries \
         machine, version 7.2 to 10"
    );
    assert_eq!(
        without("/cpus", ""),
        error("/cpus", "", Problem::MissingNode)
    );
    let servers = "ibm,ppc-interrupt-server#s";
    assert_eq!(
        without("/cpus/PowerPC,POWER9@1", servers),
        error("/cpus/PowerPC,*", servers, Problem::Missing)
    );
    let controller = "/interrupt-controller";
    assert_eq!(
        without(controller, ""),
        error(controller, "", Problem::MissingNode)
    );
    assert_eq!(
        without(controller, "compatible"),
        error(controller, "compatible", Problem::Malformed)
    );
    let mut tree = dual();
    for path in ["/cpus/PowerPC,POWER9@0", "/cpus/PowerPC,POWER9@1"] {
        tree.remove(tree.find(path).unwrap()).unwrap();
    }
    let none = error("/cpus", servers, Problem::Missing);
    assert_eq!(facts::boot_server(&tree), Err(none));
    let id = rtas(&tree);
    tree.set(id, "rtas-size", b"text\0", Origin::Board).unwrap();
    let malformed = error("/rtas", "rtas-size", Problem::Malformed);
    assert_eq!(facts::possible_processors(&tree), Err(malformed));
}
