//! What the image promises, in `/rtas`.

use fdt_gen::Tree;

use super::machine::{Guest, Setup};
use super::prom_init::negotiated;

/// Names and values of our properties.
fn ours(tree: &Tree) -> Vec<(String, Vec<u8>)> {
    let rtas = tree.find("/rtas").unwrap();
    tree.properties(rtas)
        .filter(|property| property.name.starts_with("oxrtas,"))
        .map(|property| (property.name.into(), property.value.into()))
        .collect()
}

fn promising(promised: &'static str) -> Setup {
    let mut setup = Setup::new();
    setup.board.promised = promised;
    setup
}

fn expected() -> Vec<(String, Vec<u8>)> {
    [
        ("oxrtas,capability-version", &[0, 0, 0, 1][..]),
        // The tree of the test is of a machine with maxcpus=8.
        ("oxrtas,max-concurrent-calls", &[0, 0, 0, 8]),
        ("oxrtas,reentrant-functions", b"ibm,int-off\0"),
        (
            "oxrtas,concurrent-functions",
            b"display-character\0ibm,int-off\0",
        ),
        (
            "oxrtas,crash-safe-functions",
            b"display-character\0ibm,int-off\0",
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_vec()))
    .into()
}

#[test]
fn an_image_without_a_promise_has_none_of_our_properties() {
    let mut guest = promising("").boot().unwrap();
    assert_eq!(ours(&guest.flat_tree()), []);
}

#[test]
fn promised_functions_are_listed_by_what_the_table_claims_of_them() {
    let mut guest = promising("ibm,int-off\ndisplay-character\n")
        .boot()
        .unwrap();
    assert_eq!(ours(&guest.flat_tree()), expected());
}

#[test]
fn the_promise_survives_the_tree_that_qemu_sends_anew() {
    let mut setup = promising("ibm,int-off\ndisplay-character");
    setup.board.cas = (0, negotiated(&setup));
    let mut guest: Guest = setup.boot().unwrap();
    let root = guest.open("/");
    guest.method("ibm,client-architecture-support", root, &[0], 2);
    assert_eq!(ours(&guest.firmware.tree), expected());
}

#[test]
fn a_promise_of_a_call_that_is_not_in_the_table_stops_the_boot() {
    let text = promising("ibm,int-off\nibm,int-offf").failure();
    assert!(
        text.contains("the call table does not have ibm,int-offf"),
        "{text}"
    );
    assert!(text.contains("cargo xtask build"), "{text}");
}
