//! The configuration of the machine for tests.

// loom's models use a part of it only.
#![cfg_attr(loom, allow(dead_code))]

use crate::atomic::AtomicU32;
use crate::config::{Config, LeaveBuffer, MAGIC, MAX_CALLS, MAX_UNKNOWN, SOURCES_ARE_NATIVE};
use crate::epow::Epow;
use crate::last_error::LastError;
use crate::memory::Bounds;
use crate::table;

/// Number of the first source.
pub const FIRST: u32 = 0x1000;
/// Number of sources.
pub const SOURCES: u32 = 0x100;
/// First source that is not fixed: MSIs come from here.
pub const FIRST_MSI: u32 = 0x1040;
/// Servers are the numbers below this one.
pub const SERVERS: u32 = 8;
/// The boot processor's server.
pub const BOOT: u32 = 0;
/// Where the caller's buffer lies.
pub const BUFFER: u64 = 0x4000;
/// A token of a call that the table does not know.
pub const UNKNOWN_TOKEN: u32 = 0x2055;

/// QEMU's token of a call.
pub fn token(name: &str) -> u32 {
    0x2000 + table::index_of(name).expect(name) as u32
}

/// All calls offered, and the sources native.
pub fn config() -> Config {
    let mut tokens = [0; MAX_CALLS];
    for (index, place) in tokens.iter_mut().enumerate().take(table::COUNT) {
        *place = 0x2000 + index as u32;
    }
    let mut unknown_tokens = [0; MAX_UNKNOWN];
    unknown_tokens[0] = UNKNOWN_TOKEN;
    let leave = |token: u32, inputs: u32| LeaveBuffer {
        cells: [token, inputs, 1, 0, 0, 0, 0, 0].map(|cell| AtomicU32::new(cell.to_be())),
    };
    Config {
        magic: MAGIC,
        base: 0x1_0000,
        size: 0x1_0000,
        memory_end: 0x10_0000,
        whole_buffers: Bounds::whole_buffers(0x10_0000),
        sources: 0,
        contexts: 0,
        vpd: 0,
        context_count: 3,
        flags: SOURCES_ARE_NATIVE,
        short_token: token("ibm,set-xive").into(),
        boot_server: BOOT,
        server_count: SERVERS,
        first_source: FIRST,
        source_count: SOURCES,
        vpd_bytes: 0,
        last_error: LastError::new(0),
        epow: Epow::new(0),
        tokens,
        unknown_tokens,
        stop_self: leave(token("stop-self"), 0),
        system_reboot: leave(token("system-reboot"), 0),
        power_off: leave(token("power-off"), 2),
    }
}
