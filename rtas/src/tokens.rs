//! From the token properties of QEMU's `/rtas` node to what a configuration holds.

use rtas_abi::name;

use crate::config::{MAX_CALLS, MAX_UNKNOWN};
use crate::table;

/// QEMU's tokens lie in this range (`include/hw/ppc/spapr.h:RTAS_TOKEN_BASE`; `RTAS_TOKEN_MAX` is
/// 0x202d and moves up with every call that QEMU adds).
const QEMU_TOKENS: core::ops::Range<u32> = 0x2000..0x2100;

/// First token of calls that the hypervisor does not have: behind all of QEMU's, so that it will not
/// come to mean another call.
const OWN_TOKENS: u32 = 0x2100;

/// The calls that are there whatever the hypervisor offers, and the token of each where it does not
/// offer it.
pub fn own_calls() -> impl Iterator<Item = (&'static str, u32)> {
    let all = table::calls().zip(OWN_TOKENS..);
    all.filter(|(call, _)| call.shape.handler.is_own())
        .map(|(call, token)| (call.name, token))
}

/// `tokens`, by the places of the calls in the table, with [`own_calls`] where there was none.
pub fn with_own(mut tokens: [u32; MAX_CALLS]) -> [u32; MAX_CALLS] {
    for (name, token) in own_calls() {
        let place = table::index_of(name).and_then(|index| tokens.get_mut(index));
        if let Some(place) = place.filter(|place| **place == 0) {
            *place = token;
        }
    }
    tokens
}

/// Properties of one cell in `/rtas` that are no tokens though their value may look like one:
/// `rtas-size` is 0x200c on a machine of 383 processors.
const NOT_TOKENS: [&str; 9] = [
    "rtas-size",
    "rtas-version",
    "rtas-error-log-max",
    "rtas-event-scan-rate",
    "rtas-display-device",
    "linux,rtas-base",
    "linux,rtas-entry",
    "linux,phandle",
    "phandle",
];

/// The tokens of one machine: copy the fields into [`crate::config::Values`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// See [`crate::config::Config::tokens`].
    pub tokens: [u32; MAX_CALLS],
    /// See [`crate::config::Config::unknown_tokens`].
    pub unknown_tokens: [u32; MAX_UNKNOWN],
    /// See [`crate::config::Values::leave_tokens`].
    pub leave_tokens: [u32; 3],
    /// Calls that the table does not know and that found no room: the firmware should say so.
    pub left_out: u32,
}

impl Tokens {
    /// Reads the properties of one cell in `/rtas`, as pairs of name and value, in any order.
    /// Those that are no tokens are passed over, so the firmware need not sort them out.
    pub fn of_node<'a>(properties: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let mut tokens = Self {
            tokens: [0; MAX_CALLS],
            unknown_tokens: [0; MAX_UNKNOWN],
            leave_tokens: [0; 3],
            left_out: 0,
        };
        for (name, value) in properties {
            tokens.take(name, value);
        }
        tokens
    }

    fn take(&mut self, name: &str, token: u32) {
        if let Some(index) = table::index_of(name) {
            if let Some(place) = self.tokens.get_mut(index) {
                *place = token;
            }
            let [stop_self, system_reboot, power_off] = &mut self.leave_tokens;
            match name {
                name::STOP_SELF => *stop_self = token,
                name::SYSTEM_REBOOT => *system_reboot = token,
                name::POWER_OFF => *power_off = token,
                _ => {}
            }
        } else if QEMU_TOKENS.contains(&token) && !NOT_TOKENS.contains(&name) {
            match self.unknown_tokens.iter_mut().find(|place| **place == 0) {
                Some(place) => *place = token,
                None => self.left_out = self.left_out.saturating_add(1),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_calls_go_to_their_place_and_unknown_ones_aside() {
        let tokens = Tokens::of_node([
            ("ibm,int-off", 0x200c),
            ("stop-self", 0x2007),
            ("power-off", 0x2003),
            ("system-reboot", 0x2004),
            ("ibm,something-new", 0x202e),
        ]);
        assert_eq!(
            tokens.tokens[table::index_of("ibm,int-off").unwrap()],
            0x200c
        );
        assert_eq!(tokens.tokens.iter().filter(|token| **token != 0).count(), 4);
        assert_eq!(tokens.leave_tokens, [0x2007, 0x2004, 0x2003]);
        assert_eq!(tokens.unknown_tokens[..2], [0x202e, 0]);
        assert_eq!(tokens.left_out, 0);
    }

    #[test]
    fn an_own_call_has_a_token_that_is_not_qemus_unless_qemu_offers_it() {
        let index = table::index_of(name::RTAS_LAST_ERROR).unwrap();
        let tokens = with_own([0; MAX_CALLS]);
        assert!(tokens[index] != 0 && !QEMU_TOKENS.contains(&tokens[index]));
        let own = own_calls().map(|(_, token)| token);
        assert!(tokens.iter().copied().filter(|token| *token != 0).eq(own));
        let mut offered = [0; MAX_CALLS];
        offered[index] = 0x2030;
        assert_eq!(with_own(offered)[index], 0x2030);
    }

    #[test]
    fn a_property_that_is_no_token_is_passed_over() {
        let tokens = Tokens::of_node([
            ("rtas-size", 0x200c),
            ("rtas-error-log-max", 0x800),
            ("rtas-event-scan-rate", 1),
            ("linux,rtas-entry", 0x2000),
            ("ibm,some-number", 7),
        ]);
        assert_eq!(tokens, Tokens::of_node([]));
    }

    #[test]
    fn calls_without_room_are_counted() {
        let names: Vec<String> = (0..20)
            .map(|number| format!("vendor,call-{number}"))
            .collect();
        let tokens = Tokens::of_node(
            names
                .iter()
                .enumerate()
                .map(|(number, name)| (name.as_str(), 0x2080 + number as u32)),
        );
        assert_eq!(
            tokens.unknown_tokens,
            core::array::from_fn(|at| 0x2080 + at as u32)
        );
        assert_eq!(tokens.left_out, 4);
    }
}
