//! For all trees: what is written is read as it was, and no damage makes the reader panic.

use crate::common::{DUAL, XIVE, assert_second_opinion, blob, config, dual, words, xive};
use fdt_gen::{EditError, NodeId, Origin, Reservation, Tree};
use proptest::collection::vec;
use proptest::prelude::*;

/// One node: its parent among those that are there, its name, its properties.
type Seed = (prop::sample::Index, String, Vec<(String, Vec<u8>)>);

fn seed() -> impl Strategy<Value = Seed> {
    let name = "[a-zA-Z0-9,._+#?-]{1,40}";
    let node = "[a-zA-Z0-9,._+-]{1,40}(@[0-9a-f,]{1,16})?";
    let value = vec(any::<u8>(), 0..20);
    (any::<prop::sample::Index>(), node, vec((name, value), 0..6))
}

fn reservation() -> impl Strategy<Value = Reservation> {
    (any::<u64>(), 1..u64::MAX).prop_map(|(address, size)| Reservation {
        address,
        size: size.min(u64::MAX - address).max(1),
    })
}

fn tree() -> impl Strategy<Value = Tree> {
    let parts = (vec(seed(), 0..40), vec(reservation(), 0..4), any::<u32>());
    parts.prop_map(|(seeds, reservations, boot_cpuid)| {
        let mut tree = Tree::new();
        tree.boot_cpuid = boot_cpuid;
        for range in reservations {
            tree.add_reservation(range).expect("a legal range");
        }
        let mut ids = vec![NodeId::ROOT];
        for (parent, name, properties) in seeds {
            let id = match tree.add_child(*parent.get(&ids), &name, Origin::Board) {
                Ok(id) => id,
                Err(EditError::Duplicate) => continue,
                Err(error) => panic!("{error}"),
            };
            ids.push(id);
            for (name, value) in properties {
                match tree.set(id, &name, &value, Origin::Board) {
                    Ok(()) | Err(EditError::NameIsDerived) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
        tree
    })
}

/// Whatever the reader takes, it can be written and read again.
fn check_reader(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(tree) = Tree::parse(bytes) {
        let flat = tree.flatten().expect("not too large");
        prop_assert_eq!(Tree::parse(&flat), Ok(tree));
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn what_is_written_is_read_as_it_was(tree in tree()) {
        let flat = tree.flatten().unwrap();
        prop_assert_eq!(Tree::parse(&flat), Ok(tree));
    }

    #[test]
    fn a_second_reader_reads_the_same(tree in tree()) {
        assert_second_opinion(&tree, &tree.flatten().unwrap());
    }

    #[test]
    fn a_merge_into_nothing_gives_the_new_nodes(new in tree()) {
        let mut live = Tree::new();
        live.merge(&new).unwrap();
        prop_assert_eq!(live.node_count(), new.node_count());
        for id in new.nodes() {
            let mine = live.find(&new.path(id).unwrap()).unwrap();
            prop_assert!(live.properties(mine).eq(new.properties(id)));
        }
    }

    #[test]
    fn after_a_merge_every_node_and_property_of_the_new_tree_is_there(
        mut live in tree(),
        new in tree(),
    ) {
        live.merge(&new).unwrap();
        prop_assert_eq!(live.nodes().count(), live.node_count());
        prop_assert_eq!(live.node_count(), new.node_count());
        for id in new.nodes() {
            let mine = live.find(&new.path(id).unwrap()).unwrap();
            for property in new.properties(id) {
                let value = live.property(mine, property.name);
                prop_assert_eq!(value, Some(property.value));
            }
        }
        let flat = live.flatten().unwrap();
        prop_assert_eq!(Tree::parse(&flat), Ok(live));
    }

    #[test]
    fn random_bytes_never_panic_the_reader(bytes in vec(any::<u8>(), 0..200)) {
        check_reader(&bytes)?;
    }

    #[test]
    fn random_structure_never_panics_the_reader(
        tokens in vec(prop_oneof![0..5u32, Just(9), Just(0x6100_0000), any::<u32>()], 0..60),
    ) {
        check_reader(&blob(&words(&tokens), b"a\0bc\0"))?;
    }
}

proptest! {
    #![proptest_config(config(1024))]

    #[test]
    fn damage_never_panics_the_reader(
        xive in any::<bool>(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        patches in vec((any::<prop::sample::Index>(), 0..12u32), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = if xive { XIVE } else { DUAL }.to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for (at, word) in patches {
            let at = at.index(bytes.len() / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        check_reader(&bytes)?;
    }

    #[test]
    fn a_damaged_header_never_panics_the_reader(
        edits in vec((0..10usize, prop_oneof![any::<u32>(), 0..0x5000u32]), 1..4),
    ) {
        let mut bytes = DUAL.to_vec();
        for (word, value) in edits {
            bytes[4 * word..][..4].copy_from_slice(&value.to_be_bytes());
        }
        check_reader(&bytes)?;
    }

    #[test]
    fn damaged_trees_merge_and_give_facts_without_panic(
        edits in vec((0x38..15000usize, any::<u8>()), 1..6),
    ) {
        let mut bytes = XIVE.to_vec();
        for (at, byte) in edits {
            bytes[at] = byte;
        }
        if let Ok(new) = Tree::parse(&bytes) {
            let mut live = dual();
            let _ = fdt_gen::facts::Facts::read(&new);
            live.merge(&new).unwrap();
            let _ = fdt_gen::facts::Facts::read(&live);
            prop_assert_eq!(Tree::parse(&live.flatten().unwrap()), Ok(live.clone()));
            live.merge(&xive()).unwrap();
        }
    }
}
