//! The tokens of the RTAS calls that the hypervisor offers.

use alloc::vec::Vec;

use rtas::config::{MAX_CALLS, MAX_UNKNOWN};
use rtas::table;

use super::{FactError, Problem, RTAS, node};
use crate::tree::Tree;

/// Where QEMU's tokens lie (`spapr.h:RTAS_TOKEN_BASE`).
const TOKENS: core::ops::RangeInclusive<u32> = 0x2000..=0x20ff;
/// One-cell properties of `/rtas` that are no tokens, whatever their value: the `rtas-size` of a
/// machine of 383 processors is 0x200c.
const NOT_TOKENS: [&str; 7] = [
    "rtas-size",
    "rtas-version",
    "rtas-event-scan-rate",
    "rtas-error-log-max",
    "rtas-display-device",
    "linux,rtas-base",
    "linux,rtas-entry",
];

/// The names and tokens of the calls that QEMU offers, in the order of their properties.
pub fn tokens(tree: &Tree) -> Result<Vec<(&str, u32)>, FactError> {
    let id = node(tree, RTAS)?;
    let names = tree.properties(id).map(|property| property.name);
    Ok(names
        .filter(|name| !NOT_TOKENS.contains(name))
        .filter_map(|name| {
            let value = tree.board_property(id, name)?.try_into().ok()?;
            let token = u32::from_be_bytes(value);
            TOKENS.contains(&token).then_some((name, token))
        })
        .collect())
}

/// The hypervisor's tokens, as the blob's configuration has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallTokens {
    /// By the place of the call in [`rtas::table`]; 0: not offered.
    pub known: [u32; MAX_CALLS],
    /// Those of calls that the table does not have; 0: none.
    pub unknown: [u32; MAX_UNKNOWN],
}

/// Sorts the tokens by the call table.
pub fn call_tokens(tree: &Tree) -> Result<CallTokens, FactError> {
    let mut sorted = CallTokens {
        known: [0; MAX_CALLS],
        unknown: [0; MAX_UNKNOWN],
    };
    let mut unknown = sorted.unknown.iter_mut();
    for (name, token) in tokens(tree)? {
        let place = match table::index_of(name) {
            Some(index) => sorted.known.get_mut(index),
            None => unknown.next(),
        };
        *place.ok_or(FactError {
            node: RTAS,
            property: "functions",
            problem: Problem::TooMany,
        })? = token;
    }
    Ok(sorted)
}
