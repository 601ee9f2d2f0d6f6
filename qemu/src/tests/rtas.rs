//! `instantiate-rtas`: what is written, where it may lie, and what is carried over.

use rtas::config::{Config, MAGIC};

use super::machine::{BLOB, Guest, INITRD, KERNEL, MIB, NONE, Setup};

const BASE: u32 = 0x300_0000;

struct Area {
    config: u64,
    sources: u64,
    contexts: u64,
    vpd: u64,
    end: u64,
}

fn area(guest: &Guest, base: u64) -> Area {
    let layout = *guest.firmware.rtas.layout();
    let config = base + layout.image + layout.config;
    Area {
        config,
        sources: config + layout.sources,
        contexts: config + layout.contexts,
        vpd: config + layout.vpd,
        end: base + layout.size,
    }
}

fn word(guest: &mut Guest, address: u64) -> u64 {
    let board = guest.board();
    u64::from_be_bytes(board.bytes(address..address + 8).try_into().unwrap())
}

fn instantiate(guest: &mut Guest, method: &str, base: u32) -> Vec<u32> {
    let instance = guest.open("/rtas");
    guest.method(method, instance, &[base], 2)
}

#[test]
fn the_area_is_written_whole() {
    let mut guest = Setup::new().boot().unwrap();
    let size = guest.firmware.rtas.layout().size;
    let junk = vec![0xee; size as usize];
    guest.board().poke(u64::from(BASE), &junk);
    let values = instantiate(&mut guest, "instantiate-rtas", BASE);
    let entry = u64::from(BASE) + guest.firmware.rtas.layout().image;
    assert_eq!(values, [0, entry as u32]);
    let area = area(&guest, u64::from(BASE));
    let values = guest.firmware.rtas.values.clone();
    assert_eq!(values.base, u64::from(BASE));
    assert_eq!(values.memory_end, 256 * MIB);
    assert_eq!(values.first_source, 0x1000);
    assert_eq!(values.source_count, 0x1000);
    assert_eq!(
        values.tokens[rtas::table::index_of("ibm,set-xive").unwrap()],
        0x200a
    );
    assert_eq!(values.leave_tokens, [0x2007, 0x2004, 0x2003]);
    let board = guest.board();
    let blob = entry..entry + BLOB.len() as u64;
    assert_eq!(board.bytes(blob.clone()), BLOB);
    assert!(board.flushed.contains(&blob));
    let config = area.config..area.config + Config::BYTES as u64;
    assert_eq!(board.bytes(config), Config::encode(&values));
    assert!(
        board
            .bytes(area.contexts..area.vpd)
            .iter()
            .all(|byte| *byte == 0)
    );
    let vpd = area.vpd + u64::from(guest.firmware.rtas.layout().vpd_bytes);
    let board = guest.board();
    let behind = board.bytes(vpd..area.end);
    assert!(behind.iter().all(|byte| *byte == 0));
    let below = board.bytes(u64::from(BASE)..entry);
    assert!(below.iter().all(|byte| *byte == 0), "QEMU's bytes");
    let reset = rtas::source::word::Word::at_reset(0).bits();
    for source in [0, 1, 0xfff] {
        assert_eq!(word(&mut guest, area.sources + 8 * source), reset);
    }
    // 8 possible processors, three contexts each.
    assert_eq!(values.layout.context_count, 24);
}

#[test]
fn the_entry_for_64_bit_cells_is_another_one() {
    let mut guest = Setup::new().boot().unwrap();
    let narrow = instantiate(&mut guest, "instantiate-rtas", BASE);
    let wide = instantiate(&mut guest, "instantiate-rtas-64", BASE);
    assert_eq!([narrow[0], wide[0]], [0, 0]);
    assert_eq!(wide[1], narrow[1] + 8);
}

#[test]
fn a_base_that_is_not_legal_has_a_catch_code_and_a_reason() {
    let mut guest = Setup::new().boot().unwrap();
    let before = guest.firmware.rtas.instance;
    let size = guest.firmware.rtas.layout().size as u32;
    let tree = guest.hand_over.tree as u32;
    for (base, reason) in [
        (BASE + 0x800, "no multiple of 4096"),
        (0u32.wrapping_sub(4096), "end above 4 GiB"),
        (0x1000_0000 - 4096, "cross a multiple of 256 MiB"),
        (0x2000_0000, "not be in memory"),
        (0x4000, "overwrite the firmware"),
        (0, "overwrite the firmware"),
        (KERNEL.end as u32 - 4096, "overwrite the kernel"),
        (INITRD.start as u32, "overwrite the initrd"),
        (tree - size + 4096, "overwrite the device tree"),
    ] {
        let values = instantiate(&mut guest, "instantiate-rtas", base);
        assert_ne!(values[0], 0, "{base:#x}");
        assert_eq!(values[1], 0, "{base:#x}");
        let text = guest.board().text();
        assert!(text.contains(reason), "{base:#x}: {text}");
    }
    assert_eq!(guest.firmware.rtas.instance, before);
}

#[test]
fn an_area_may_be_the_clients_or_nobodys() {
    let mut guest = Setup::new().boot().unwrap();
    let size = guest.firmware.rtas.layout().size as u32;
    assert_eq!(guest.get("claim", &[BASE, size, 0]), BASE);
    assert_eq!(instantiate(&mut guest, "instantiate-rtas", BASE)[0], 0);
    let free = 0x400_0000;
    assert_eq!(instantiate(&mut guest, "instantiate-rtas", free)[0], 0);
    assert_eq!(
        guest.get("claim", &[free, size, 0]),
        NONE,
        "it is RTAS's now"
    );
    guest.call("release", &[BASE, size], 0);
    assert_eq!(guest.get("claim", &[BASE, size, 0]), BASE);
}

#[test]
fn a_move_carries_the_source_words_over() {
    let mut guest = Setup::new().boot().unwrap();
    let early = area(&guest, guest.firmware.rtas.instance.unwrap().base);
    guest.board().poke(early.sources + 8 * 5, &[7; 8]);
    assert_eq!(instantiate(&mut guest, "instantiate-rtas", BASE)[0], 0);
    let moved = area(&guest, u64::from(BASE));
    assert_eq!(
        word(&mut guest, moved.sources + 8 * 5),
        0x0707_0707_0707_0707
    );
    assert_eq!(word(&mut guest, moved.config), MAGIC);
    // To a place that overlaps the old one.
    assert_eq!(
        instantiate(&mut guest, "instantiate-rtas", BASE + 4096)[0],
        0
    );
    let moved = area(&guest, u64::from(BASE) + 4096);
    assert_eq!(
        word(&mut guest, moved.sources + 8 * 5),
        0x0707_0707_0707_0707
    );
}

#[test]
fn an_instance_that_was_overwritten_carries_nothing_over() {
    let mut guest = Setup::new().boot().unwrap();
    let early = area(&guest, guest.firmware.rtas.instance.unwrap().base);
    guest.board().poke(early.sources + 8 * 5, &[7; 8]);
    guest.board().poke(early.config, &[0; 8]);
    assert_eq!(instantiate(&mut guest, "instantiate-rtas", BASE)[0], 0);
    let moved = area(&guest, u64::from(BASE));
    let reset = rtas::source::word::Word::at_reset(0).bits();
    assert_eq!(word(&mut guest, moved.sources + 8 * 5), reset);
}

#[test]
fn the_tree_says_where_rtas_is() {
    let mut guest = Setup::new().boot().unwrap();
    let entry = instantiate(&mut guest, "instantiate-rtas", BASE)[1];
    let rtas = guest.find("/rtas");
    assert_eq!(guest.property_cell(rtas, "linux,rtas-base"), Some(BASE));
    assert_eq!(guest.property_cell(rtas, "linux,rtas-entry"), Some(entry));
}

#[test]
fn a_call_that_the_table_does_not_have_is_passed_on_and_named() {
    let mut setup = Setup::new();
    setup.set("/rtas", "ibm,new-call", &0x20ffu32.to_be_bytes());
    let mut guest = setup.boot().unwrap();
    let unknown = guest.firmware.rtas.values.unknown_tokens;
    assert_eq!(unknown[..2], [0x20ff, 0]);
    assert!(guest.board().text().contains("ibm,new-call (0x20ff)"));
}

#[test]
fn the_display_of_rtas_is_the_terminal_with_the_least_address() {
    let mut guest = Setup::new().boot().unwrap();
    let tree = guest.flat_tree();
    let rtas = tree.find("/rtas").unwrap();
    let display = tree.u32(rtas, "rtas-display-device").unwrap();
    let terminal = tree.find("/vdevice/vty@71000000").unwrap();
    assert_eq!(tree.find_phandle(display), Some(terminal));
    assert_eq!(guest.find("/vdevice/vty@71000000"), display);
}
