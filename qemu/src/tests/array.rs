//! Argument arrays that are none: r3 = -1, nothing written, a console line, no hang.

use super::machine::{Guest, KERNEL, MIB, NONE, Setup};
use crate::ClientReturn;

const REFUSED: ClientReturn = ClientReturn::Return(-1);

fn cells(guest: &mut Guest, cells: &[u32]) -> u64 {
    let bytes: Vec<u8> = cells.iter().copied().flat_map(u32::to_be_bytes).collect();
    u64::from(guest.bytes(&bytes))
}

#[test]
fn an_array_that_is_not_aligned_or_not_in_memory_is_refused() {
    let mut guest = Setup::new().boot().unwrap();
    let end = 256 * MIB;
    for address in [KERNEL.start + 2, end, end - 8, u64::MAX - 3, u64::MAX] {
        assert_eq!(guest.firmware.client_call(address), REFUSED, "{address:#x}");
    }
    let text = guest.board().text();
    assert!(text.contains("is not aligned"), "{text}");
    assert!(text.contains("is not in memory"), "{text}");
}

#[test]
fn an_array_whose_results_are_not_in_memory_does_nothing() {
    let mut guest = Setup::new().boot().unwrap();
    let handles = guest.firmware.client.instances.clone();
    let (name, path) = (guest.text("open"), guest.text("/"));
    let array: Vec<u8> = [name, 1, 1, path]
        .into_iter()
        .flat_map(u32::to_be_bytes)
        .collect();
    let address = 256 * MIB - 16;
    guest.board().poke(address, &array);
    assert_eq!(guest.firmware.client_call(address), REFUSED);
    let now = &guest.firmware.client.instances;
    assert_eq!(format!("{now:?}"), format!("{handles:?}"));
}

#[test]
fn counts_beyond_the_longest_call_are_refused() {
    let mut guest = Setup::new().boot().unwrap();
    let name = guest.text("milliseconds");
    for counts in [[33, 0], [0, 33], [16, 17], [u32::MAX, 1], [u32::MAX; 2]] {
        let mut array = vec![name, counts[0], counts[1]];
        array.extend([0; 40]);
        let array = cells(&mut guest, &array);
        assert_eq!(guest.firmware.client_call(array), REFUSED, "{counts:?}");
    }
    let mut array = vec![name, 0, 32];
    array.extend([7; 32]);
    let array = cells(&mut guest, &array);
    assert_eq!(guest.firmware.client_call(array), ClientReturn::Return(0));
}

#[test]
fn a_service_name_that_does_not_end_or_is_not_in_memory_is_refused() {
    let mut guest = Setup::new().boot().unwrap();
    let long = guest.text(&"x".repeat(32));
    let end = 256 * MIB as u32;
    guest.board().poke(256 * MIB - 4, b"peer");
    for name in [long, end, end - 4, NONE] {
        let array = cells(&mut guest, &[name, 1, 1, 0, 0x5a]);
        assert_eq!(guest.firmware.client_call(array), REFUSED, "{name:#x}");
        assert_eq!(guest.board().cell(array + 16), 0x5a);
    }
    guest.board().poke(256 * MIB - 5, b"peer\0");
    let array = cells(&mut guest, &[end - 5, 1, 1, 0, 0x5a]);
    assert_eq!(guest.firmware.client_call(array), ClientReturn::Return(0));
}

#[test]
fn an_unknown_service_is_named_once() {
    let mut guest = Setup::new().boot().unwrap();
    for _ in 0..3 {
        let (answer, values) = guest.call("set-callback", &[1], 1);
        assert_eq!((answer, values), (REFUSED, vec![0x5a5a_5a5a]));
    }
    guest.call("\u{1b}[2J", &[], 0);
    let text = guest.board().text();
    assert_eq!(text.matches("no service 'set-callback'").count(), 1);
    assert!(text.contains(r"\x1b[2J"), "no control characters");
}

#[test]
fn complaints_are_bounded() {
    let mut guest = Setup::new().boot().unwrap();
    for number in 0..1000 {
        guest.call(&format!("service-{number}"), &[], 0);
    }
    let text = guest.board().text();
    assert_eq!(text.matches("there is no service").count(), 64);
}

#[test]
fn a_call_without_enough_arguments_is_refused() {
    let mut guest = Setup::new().boot().unwrap();
    let name = guest.text("compatible");
    assert_eq!(guest.call("getproplen", &[name], 1).0, REFUSED);
    assert!(guest.board().text().contains("1 arguments instead of 2"));
}

#[test]
fn cells_beyond_the_results_of_a_service_are_zero() {
    let mut guest = Setup::new().boot().unwrap();
    let root = guest.find("/");
    let (answer, values) = guest.call("peer", &[0], 20);
    assert_eq!(answer, ClientReturn::Return(0));
    assert_eq!(values[0], root);
    assert_eq!(values[1..], [0; 19]);
}
