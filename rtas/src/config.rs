//! What the firmware tells the blob, once, when it instantiates it.
//!
//! The firmware writes it behind the blob's image with [`Config::encode`], big-endian; the blob,
//! which runs on the big-endian target only, reads it in place.

use core::mem::offset_of;

use crate::atomic::AtomicU32;
use crate::epow::Epow;
use crate::last_error::LastError;
use crate::memory::Bounds;
use crate::table::index;

/// First word of a configuration: "oxrtas", version 1.
pub const MAGIC: u64 = u64::from_be_bytes(*b"oxrtas\0\x01");
/// Most calls that the table of a blob may have.
pub const MAX_CALLS: usize = 64;
/// Most calls that the hypervisor offers and the table does not know.
pub const MAX_UNKNOWN: usize = 16;

/// Flag of [`Config::flags`]: the machine delivers interrupts by XICS, so the four interrupt calls
/// are the blob's own. Without it they are passed on, and QEMU answers -1 (PLATFORM: after CAS
/// chose XIVE).
pub const SOURCES_ARE_NATIVE: u32 = 1 << 0;

/// More than any token, for [`Config::short_token`].
pub const NO_SHORT_TOKEN: u64 = 1 << 32;

/// An argument buffer whose call does not return: it must outlive the caller's context, so it is
/// part of the configuration. 32-bit cells.
///
/// Protects:    nothing that changes, but for power-off's two masks; the same words at all times
///              but for the status, which no one reads.
/// Holder:      any number of processors at once, from inside a call to the end of the machine.
/// Order:       none.
/// Holder dies: that is what the buffer is for.
#[repr(C, align(32))]
#[derive(Debug)]
pub struct LeaveBuffer {
    /// Token, inputs, outputs, values.
    pub cells: [AtomicU32; 8],
}

/// The configuration of one instance. All words are in the byte order of the target.
///
/// Protects:    where the parts of the area lie and what the machine is; constant from the
///              instantiation on, but for [`Config::flags`], [`Config::short_token`],
///              [`Config::last_error`], [`Config::epow`] and the [`LeaveBuffer`]s.
/// Holder:      any number of calls read it. The firmware alone writes `flags` and `short_token`,
///              during CAS, when QEMU has seen to it that no other processor runs.
/// Order:       none: whoever calls was started after the firmware's last write.
/// Holder dies: readers hold nothing.
#[repr(C, align(128))]
#[derive(Debug)]
pub struct Config {
    /// [`MAGIC`].
    pub magic: u64,
    /// Address of the area.
    pub base: u64,
    /// Size of the area, in bytes: `rtas-size`.
    pub size: u64,
    /// First address after the memory that the machine was started with, in bytes.
    pub memory_end: u64,
    /// [`Bounds::whole_buffers`] of that.
    pub whole_buffers: u64,
    /// Address of the source words.
    pub sources: u64,
    /// Address of the contexts.
    pub contexts: u64,
    /// Address of the records of [`crate::vpd`].
    pub vpd: u64,
    /// Token of `ibm,set-xive`, where the four interrupt calls are the blob's own and their tokens
    /// follow each other as in the table; else [`NO_SHORT_TOKEN`]. Saves the search for the calls
    /// that are made most.
    pub short_token: u64,
    /// [`SOURCES_ARE_NATIVE`].
    pub flags: u32,
    /// Number of contexts.
    pub context_count: u32,
    /// Interrupt server of the boot processor, which QEMU never unplugs.
    pub boot_server: u32,
    /// Interrupt servers are the numbers below this one.
    pub server_count: u32,
    /// Number of the first interrupt source.
    pub first_source: u32,
    /// Number of interrupt sources, and of source words.
    pub source_count: u32,
    /// Size of the records at [`Config::vpd`], in bytes.
    pub vpd_bytes: u32,
    /// For `rtas-last-error`: none at first.
    pub last_error: LastError,
    /// For `get-sensor-state` of [`crate::epow::SENSOR`]: nothing is pending at first.
    pub epow: Epow,
    /// The tokens of the calls, by their place in the call table; 0: not offered.
    pub tokens: [u32; MAX_CALLS],
    /// Tokens of calls that the hypervisor offers and the table does not know, passed on with only
    /// the size of the buffer checked; 0: none.
    pub unknown_tokens: [u32; MAX_UNKNOWN],
    /// The buffer of `stop-self`.
    pub stop_self: LeaveBuffer,
    /// The buffer of `system-reboot`.
    pub system_reboot: LeaveBuffer,
    /// The buffer of `power-off`.
    pub power_off: LeaveBuffer,
}

/// The values that a configuration is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// See [`Config::base`].
    pub base: u64,
    /// See [`Config::memory_end`].
    pub memory_end: u64,
    /// Where the parts lie.
    pub layout: crate::layout::Layout,
    /// See [`Config::flags`].
    pub flags: u32,
    /// See [`Config::boot_server`].
    pub boot_server: u32,
    /// See [`Config::server_count`].
    pub server_count: u32,
    /// See [`Config::first_source`].
    pub first_source: u32,
    /// See [`Config::source_count`].
    pub source_count: u32,
    /// See [`Config::tokens`].
    pub tokens: [u32; MAX_CALLS],
    /// See [`Config::unknown_tokens`].
    pub unknown_tokens: [u32; MAX_UNKNOWN],
    /// The hypervisor's tokens of `stop-self`, `system-reboot` and `power-off`.
    pub leave_tokens: [u32; 3],
}

impl Config {
    /// Size of a configuration, in bytes.
    pub const BYTES: usize = size_of::<Self>();
    /// Offset of [`Config::flags`].
    pub const FLAGS_OFFSET: u64 = offset_of!(Self, flags) as u64;
    /// Offset of what CAS changes in an instance that exists: [`Config::short_token`], and
    /// [`Config::flags`] behind it.
    pub const CHANGES_OFFSET: u64 = offset_of!(Self, short_token) as u64;

    /// The bytes at [`Self::CHANGES_OFFSET`].
    pub fn encode_changes(values: &Values) -> [u8; 12] {
        let mut bytes = [0; 12];
        let (short_token, flags) = bytes.split_at_mut(8);
        short_token.copy_from_slice(&short_token_of(values).to_be_bytes());
        flags.copy_from_slice(&values.flags.to_be_bytes());
        bytes
    }

    /// The bytes of a configuration, as the blob reads them.
    pub fn encode(values: &Values) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let mut put = |offset: usize, value: &[u8]| {
            if let Some(place) = bytes.get_mut(offset..offset + value.len()) {
                place.copy_from_slice(value);
            }
        };
        let layout = &values.layout;
        let config = values.base + layout.image + layout.config;
        for (offset, value) in [
            (offset_of!(Self, magic), MAGIC),
            (offset_of!(Self, base), values.base),
            (offset_of!(Self, size), layout.size),
            (offset_of!(Self, memory_end), values.memory_end),
            (
                offset_of!(Self, whole_buffers),
                Bounds::whole_buffers(values.memory_end),
            ),
            (offset_of!(Self, sources), config + layout.sources),
            (offset_of!(Self, contexts), config + layout.contexts),
            (offset_of!(Self, vpd), config + layout.vpd),
        ] {
            put(offset, &value.to_be_bytes());
        }
        for (offset, value) in [
            (offset_of!(Self, context_count), layout.context_count),
            (offset_of!(Self, vpd_bytes), layout.vpd_bytes),
            (offset_of!(Self, boot_server), values.boot_server),
            (offset_of!(Self, server_count), values.server_count),
            (offset_of!(Self, first_source), values.first_source),
            (offset_of!(Self, source_count), values.source_count),
        ] {
            put(offset, &value.to_be_bytes());
        }
        put(offset_of!(Self, short_token), &Self::encode_changes(values));
        for (index, token) in values.tokens.iter().enumerate() {
            put(offset_of!(Self, tokens) + 4 * index, &token.to_be_bytes());
        }
        for (index, token) in values.unknown_tokens.iter().enumerate() {
            let offset = offset_of!(Self, unknown_tokens) + 4 * index;
            put(offset, &token.to_be_bytes());
        }
        let [stop_self, system_reboot, power_off] = values.leave_tokens;
        for (offset, token, inputs) in [
            (offset_of!(Self, stop_self), stop_self, 0u32),
            (offset_of!(Self, system_reboot), system_reboot, 0),
            (offset_of!(Self, power_off), power_off, 2),
        ] {
            put(offset, &token.to_be_bytes());
            put(offset + 4, &inputs.to_be_bytes());
            put(offset + 8, &1u32.to_be_bytes());
        }
        bytes
    }
}

const _: () = assert!(offset_of!(Config, flags) == offset_of!(Config, short_token) + 8);

/// See [`Config::short_token`].
fn short_token_of(values: &Values) -> u64 {
    let calls = index::IBM_SET_XIVE..=index::IBM_INT_ON;
    let first = values.tokens.get(index::IBM_SET_XIVE).copied().unwrap_or(0);
    let in_order = values
        .tokens
        .get(calls)
        .is_some_and(|tokens| tokens.iter().copied().eq(first..first.saturating_add(4)));
    if first != 0 && in_order && values.flags & SOURCES_ARE_NATIVE != 0 {
        first.into()
    } else {
        NO_SHORT_TOKEN
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
