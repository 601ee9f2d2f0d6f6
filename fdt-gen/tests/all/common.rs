//! What the tests share.

use fdt::node::FdtNode;
use fdt_gen::{NodeId, Origin, Tree};
use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// The same cases in every run: `cases` of them, or as many as the environment asks for, as in
/// `OXRTAS_FUZZ_CASES=1000000 cargo test -p fdt-gen panic`.
pub fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("OXRTAS_FUZZ_CASES").ok();
    ProptestConfig {
        cases: asked.and_then(|asked| asked.parse().ok()).unwrap_or(cases),
        rng_seed: RngSeed::Fixed(0x0066_6474),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The tree of `ic-mode=dual`: XICS before client-architecture-support.
pub const DUAL: &[u8] = include_bytes!("../data/dual.dtb");
/// The tree of the same machine with `ic-mode=xive`.
pub const XIVE: &[u8] = include_bytes!("../data/xive.dtb");

pub fn dual() -> Tree {
    Tree::parse(DUAL).expect("QEMU's own tree")
}

pub fn xive() -> Tree {
    Tree::parse(XIVE).expect("QEMU's own tree")
}

/// `name` as a property's value.
pub fn text(name: &str) -> Vec<u8> {
    let mut value = Vec::from(name);
    value.push(0);
    value
}

/// Big-endian words.
pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Where [`blob`] puts the structure block.
pub const STRUCTURE: usize = 0x38;

/// A flat tree of version 17 with an empty reservation block at 0x28, `structure` at 0x38, and
/// `strings` behind it.
pub fn blob(structure: &[u8], strings: &[u8]) -> Vec<u8> {
    let strings_at = STRUCTURE + structure.len();
    let total = strings_at + strings.len();
    let sizes = [total, STRUCTURE, strings_at, 0x28].map(|size| size as u32);
    let mut bytes = words(&[0xd00d_feed]);
    bytes.extend(words(&sizes));
    bytes.extend(words(&[17, 16, 0]));
    bytes.extend(words(&[strings.len() as u32, structure.len() as u32]));
    bytes.extend([0; 16]);
    bytes.extend_from_slice(structure);
    bytes.extend_from_slice(strings);
    bytes
}

/// Overwrites the word at `offset`.
pub fn with_word(mut bytes: Vec<u8>, offset: usize, word: u32) -> Vec<u8> {
    bytes[offset..offset + 4].copy_from_slice(&word.to_be_bytes());
    bytes
}

/// Adds the nodes of a path, as the board does.
pub fn grow(tree: &mut Tree, path: &str) -> NodeId {
    let mut at = tree.root();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        at = match tree.child(at, name) {
            Some(child) => child,
            None => tree.add_child(at, name, Origin::Board).expect("a new node"),
        };
    }
    at
}

/// Compares a node of ours with one that the `fdt` crate read.
fn assert_same(tree: &Tree, id: NodeId, other: FdtNode<'_, '_>) -> usize {
    let name = tree.name(id).unwrap();
    assert_eq!(name, other.name);
    let ours = tree.properties(id).map(|it| (it.name, it.value));
    let theirs = other.properties().map(|it| (it.name, it.value));
    assert!(ours.eq(theirs), "properties of {name}");
    let mut others = other.children();
    let mut count = 1;
    for child in tree.children(id) {
        count += assert_same(tree, child, others.next().expect("a child"));
    }
    assert!(others.next().is_none(), "children of {name}");
    count
}

/// That the `fdt` crate reads `bytes` as `tree`.
pub fn assert_second_opinion(tree: &Tree, bytes: &[u8]) {
    let other = fdt::Fdt::new(bytes).expect("the second reader takes it");
    assert_eq!(other.total_size(), bytes.len());
    let root = other.find_node("/").expect("a root");
    assert_eq!(assert_same(tree, NodeId::ROOT, root), tree.node_count());
    let ranges = other.memory_reservations();
    let ranges = ranges.map(|it| (it.address() as u64, it.size() as u64));
    let ours = tree.reservations().iter().map(|it| (it.address, it.size));
    assert!(ours.eq(ranges), "reservations");
}
