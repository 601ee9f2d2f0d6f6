//! What the firmware writes is what the blob reads.

use super::*;
use crate::layout::Layout;
use crate::table;

fn values() -> Values {
    let mut tokens = [0; MAX_CALLS];
    for (index, token) in tokens.iter_mut().enumerate().take(table::COUNT) {
        *token = 0x2000 + index as u32;
    }
    Values {
        base: 0x300_0000,
        memory_end: 0x1000_0000,
        layout: Layout::new(0x89c, 0x2345, 2, 0x100).unwrap(),
        flags: SOURCES_ARE_NATIVE,
        boot_server: 0,
        server_count: 2,
        first_source: 0x1000,
        source_count: 0x100,
        tokens,
        unknown_tokens: [0; MAX_UNKNOWN],
        leave_tokens: [0x2007, 0x2004, 0x2003],
    }
}

fn number(values: &Values, offset: usize) -> u64 {
    let bytes = Config::encode(values);
    u64::from_be_bytes(bytes[offset..offset + 8].try_into().unwrap())
}

#[test]
fn addresses_are_those_of_the_layout() {
    let values = values();
    let config = values.base + values.layout.image + values.layout.config;
    let sources = number(&values, offset_of!(Config, sources));
    assert_eq!(sources, config + values.layout.sources);
    let contexts = number(&values, offset_of!(Config, contexts));
    assert_eq!(contexts, config + values.layout.contexts);
    let whole_buffers = number(&values, offset_of!(Config, whole_buffers));
    assert_eq!(whole_buffers, (0x1000_0000 - 160) / 8);
}

#[test]
fn the_short_way_is_there_for_native_calls_whose_tokens_follow_each_other() {
    let short = |values: &Values| number(values, offset_of!(Config, short_token));
    assert_eq!(short(&values()), 0x200a);
    let mut elsewhere = values();
    for (index, token) in elsewhere.tokens.iter_mut().enumerate() {
        *token = 0x3000 + index as u32;
    }
    assert_eq!(short(&elsewhere), 0x300a);
    for place in index::IBM_SET_XIVE..=index::IBM_INT_ON {
        for token in [0, 0x2050] {
            let mut other = values();
            other.tokens[place] = token;
            assert_eq!(short(&other), NO_SHORT_TOKEN, "{place} {token:#x}");
        }
    }
    let mut hypervisors = values();
    hypervisors.flags = 0;
    assert_eq!(short(&hypervisors), NO_SHORT_TOKEN);
}

#[test]
fn what_cas_changes_can_be_written_alone() {
    let mut values = values();
    let native = Config::encode(&values);
    values.flags = 0;
    let mut expected = Config::encode(&values);
    let at = Config::CHANGES_OFFSET as usize;
    expected[at..at + 12].copy_from_slice(&native[at..at + 12]);
    assert_eq!(expected, native, "nothing else depends on them");
    assert_eq!(expected[at + 8..at + 12], SOURCES_ARE_NATIVE.to_be_bytes());
}
