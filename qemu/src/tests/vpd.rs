//! What `ibm,get-vpd` will tell of a machine.

use rtas::vpd::stanzas;

use super::machine::Setup;

/// Name and keywords of a stanza, read as lsvpd does.
fn read(stanza: &[u8]) -> (String, Vec<(String, String)>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (length, rest) = stanza.split_first_chunk::<4>().unwrap();
    assert_eq!(u32::from_be_bytes(*length) as usize, rest.len());
    assert_eq!(rest[0], 0x82, "a name");
    let name_length = usize::from(u16::from_le_bytes([rest[1], rest[2]]));
    let (name, rest) = rest[3..].split_at(name_length);
    assert_eq!(rest[0], 0x84, "a list of keywords");
    let list_length = usize::from(u16::from_le_bytes([rest[1], rest[2]]));
    let (mut list, end) = rest[3..].split_at(list_length);
    assert_eq!(end, [0x78]);
    let mut keywords = Vec::new();
    while let [first, second, length, rest @ ..] = list {
        let (value, rest) = rest.split_at(usize::from(*length));
        keywords.push((text(&[*first, *second]), text(value)));
        list = rest;
    }
    assert!(list.is_empty());
    (text(name), keywords)
}

fn keyword<'a>(keywords: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut found = keywords.iter().filter(|(keyword, _)| keyword == name);
    found.next().map(|(_, value)| value.as_str())
}

#[test]
fn the_system_and_the_firmware_are_told_from_the_tree() {
    let mut setup = Setup::new();
    setup.set("/", "model", b"IBM,1234-567\0");
    setup.set("/", "system-id", b"IBM,0289ABCDE\0");
    setup.set("/", "ibm,partition-name", b"guest\0");
    let mut guest = setup.boot().unwrap();
    let vpd = guest.firmware.rtas.vpd.clone();
    let told: Vec<_> = stanzas(&vpd)
        .map(|(location, stanza)| (location.to_vec(), read(stanza)))
        .collect();
    let [(system, (name, keywords)), (firmware, (second, version))] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(
        (name.as_str(), second.as_str()),
        ("System VPD", "System Firmware")
    );
    assert_eq!(system, b"U1234.567.89ABCDE");
    assert_eq!(firmware, b"U1234.567.89ABCDE-Y1");
    assert_eq!(
        keyword(keywords, "YL"),
        Some("U1234.567.89ABCDE"),
        "R1-7.3.20-7"
    );
    assert_eq!(keyword(version, "YL"), Some("U1234.567.89ABCDE-Y1"));
    assert_eq!(keyword(keywords, "TM"), Some("IBM,1234-567"));
    assert_eq!(keyword(keywords, "SE"), Some("IBM,0289ABCDE"));
    assert_eq!(keyword(keywords, "Z0"), Some("guest"));
    assert_eq!(keyword(keywords, "Z2"), None, "the host tells nothing");
    let image = keyword(version, "MI").unwrap();
    let sides: Vec<_> = image.split(' ').collect();
    assert!(
        sides.len() == 3 && sides.iter().all(|side| side.starts_with("oxrtas-")),
        "{image}"
    );
    assert_eq!(keyword(version, "CL"), Some(sides[0]));

    let tree = guest.flat_tree();
    let rtas = tree.find("/rtas").unwrap();
    let all: usize = stanzas(&vpd).map(|(_, stanza)| stanza.len()).sum();
    assert_eq!(
        tree.u32(rtas, "ibm,vpd-size"),
        Some(all as u32),
        "R1-7.3.20-15"
    );
    assert!(
        tree.property(tree.root(), "ibm,vpd").is_none(),
        "R1-7.3.20-8"
    );
    // The blob finds it where the configuration says.
    let layout = *guest.firmware.rtas.layout();
    let base = guest.firmware.rtas.values.base;
    let at = base + layout.image + layout.config + layout.vpd;
    assert_eq!(guest.board().bytes(at..at + vpd.len() as u64), vpd);
    assert!(at + vpd.len() as u64 <= base + layout.size);
}

#[test]
fn a_uuid_that_nobody_gave_is_not_told() {
    for (uuid, told) in [
        ("00000000-0000-0000-0000-000000000000", None),
        (
            "0a000000-0000-0000-0000-000000000000",
            Some("0a000000-0000-0000-0000-000000000000"),
        ),
    ] {
        let mut setup = Setup::new();
        setup.set("/", "vm,uuid", format!("{uuid}\0").as_bytes());
        let guest = setup.boot().unwrap();
        let (_, stanza) = stanzas(&guest.firmware.rtas.vpd).next().unwrap();
        assert_eq!(keyword(&read(stanza).1, "SU"), told);
    }
}

#[test]
fn long_and_missing_values_are_no_reason_to_fail() {
    for value in [&[b'x'; 300][..], b"", b"\xff\xfe"] {
        let mut setup = Setup::new();
        for name in ["model", "system-id", "vm,uuid", "host-model", "host-serial"] {
            setup.set("/", name, &[value, b"\0"].concat());
        }
        let guest = setup.boot().unwrap();
        for (location, stanza) in stanzas(&guest.firmware.rtas.vpd) {
            assert!(location.len() <= rtas::vpd::LOCATION_BYTES);
            read(stanza);
        }
        assert_eq!(stanzas(&guest.firmware.rtas.vpd).count(), 2);
    }
}
