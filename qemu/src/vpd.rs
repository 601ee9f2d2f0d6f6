//! The vital product data that `ibm,get-vpd` tells (LoPAR 7.3.20): what QEMU's tree says of the
//! machine, and what the firmware says of itself. With them goes the partition's name, for
//! `ibm,get-system-parameter`.
//!
//! Processors, memory and host bridges come and go and have no serial or part numbers, so there is
//! nothing to be told of them; PCI devices have their location codes in the tree, which is where
//! R1-7.3.20-9 leaves them.
//!
//! A stanza is what lsvpd reads from the call (`src/internal/sys_interface/devicetreecollector.cpp`:
//! `parseRtasVPDHeader`, `parseVPDBuffer`): the length of the rest, 32 bits big-endian; a name and a
//! list of keywords, each a resource of PCI's vital product data (PCI 2.2, appendix I: type, length of
//! 16 bits little-endian); the end.

use alloc::string::String;
use alloc::vec::Vec;

use fdt_gen::Tree;
use rtas::vpd::{LOCATION_BYTES, record};

/// Types of resources.
const NAME: u8 = 0x82;
const KEYWORDS: u8 = 0x84;
const END: u8 = 0x78;

/// Longest name of a partition, in bytes: more than PowerVM allows, and far below the 4000 of a
/// parameter (R1-7.3.16-12).
const MOST_NAME: usize = 255;

/// All records, as the blob takes them. A few KiB at most, since a value has at most 255 bytes, so
/// that copying them takes no time (R1-7.2.4-5).
pub(crate) fn of_tree(tree: &Tree) -> Vec<u8> {
    let root = |name| tree.string(tree.root(), name).unwrap_or("");
    let model = root("model");
    let serial = root("system-id");
    let unit = unit_location(model, serial);
    let firmware = {
        let mut location = unit.clone();
        location.push_str("-Y1");
        location
    };
    // QEMU's is zero unless it was given one (hw/ppc/spapr.c:spapr_build_fdt).
    let uuid = root("vm,uuid");
    let is_given = uuid.bytes().any(|digit| !matches!(digit, b'0' | b'-'));
    // The temporary side, the permanent one, and the one that was booted (lsvpd's
    // src/output/lsmcode.cpp:printSystem): there is one image.
    const VERSION: &str = concat!("oxrtas-", env!("CARGO_PKG_VERSION"));
    let image = [VERSION; 3].join(" ");
    let mut records = Vec::new();
    records.extend(name_record(root("ibm,partition-name")));
    let mut add = |location: &str, name: &str, keywords: &[(&[u8; 2], &str)]| {
        records.extend(record(location, &stanza(location, name, keywords)));
    };
    add(
        &unit,
        "System VPD",
        &[
            (b"TM", model),
            (b"SE", serial),
            (b"SU", if is_given { uuid } else { "" }),
            (b"Z0", root("ibm,partition-name")),
            (b"Z1", root("host-model")),
            (b"Z2", root("host-serial")),
        ],
    );
    add(
        &firmware,
        "System Firmware",
        &[(b"MI", &image), (b"CL", VERSION)],
    );
    records
}

/// The record of the partition's name, if it has one. The name is to be ASCII (Table 7.79), QEMU takes
/// any (`-name`): a question mark stands for each byte that is not.
fn name_record(name: &str) -> Vec<u8> {
    let bytes = name.bytes().take(MOST_NAME);
    let mut ascii: Vec<u8> = bytes
        .map(|byte| if byte.is_ascii() { byte } else { b'?' })
        .collect();
    if ascii.is_empty() {
        return ascii;
    }
    ascii.push(0);
    record("", &ascii).collect()
}

/// The location code of the machine, as lsvpd makes it of the tree (`getRtasSystemLocationCode`) to
/// ask for its stanza: U, the model without its vendor, a dot, the serial number without its own.
fn unit_location(model: &str, serial: &str) -> String {
    let model = model.strip_prefix("IBM,").unwrap_or(model);
    let serial = match serial.strip_prefix("IBM,") {
        Some(number) => number.get(2..).unwrap_or(number),
        None => serial,
    };
    let mut location = String::from("U");
    location.extend(
        model
            .chars()
            .map(|sign| if sign == '-' { '.' } else { sign }),
    );
    location.push('.');
    location.push_str(serial);
    // Room for what is put behind it.
    let most = location.floor_char_boundary(LOCATION_BYTES - 4);
    location.truncate(most);
    location
}

/// One stanza, with its location code (R1-7.3.20-7), without keywords that have no value.
fn stanza(location: &str, name: &str, keywords: &[(&[u8; 2], &str)]) -> Vec<u8> {
    let mut list = Vec::new();
    for (keyword, value) in keywords.iter().chain([&(b"YL", location)]) {
        let value = value.as_bytes();
        // The length of a value is a byte.
        let value = value.get(..255).unwrap_or(value);
        if !value.is_empty() {
            list.extend_from_slice(*keyword);
            list.push(value.len() as u8);
            list.extend_from_slice(value);
        }
    }
    let mut rest = Vec::new();
    for (kind, content) in [(NAME, name.as_bytes()), (KEYWORDS, &list)] {
        rest.push(kind);
        rest.extend_from_slice(&(content.len() as u16).to_le_bytes());
        rest.extend_from_slice(content);
    }
    rest.push(END);
    let mut stanza = Vec::from((rest.len() as u32).to_be_bytes());
    stanza.extend(rest);
    stanza
}
