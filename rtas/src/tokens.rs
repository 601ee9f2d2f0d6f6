//! The tokens of calls that the hypervisor does not have.

use crate::config::MAX_CALLS;
use crate::table;

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

#[cfg(test)]
mod tests {
    use rtas_abi::name;

    use super::*;

    /// QEMU's tokens lie in this range (`include/hw/ppc/spapr.h:RTAS_TOKEN_BASE`; `RTAS_TOKEN_MAX` is
    /// 0x202d and moves up with every call that QEMU adds).
    const QEMU_TOKENS: core::ops::Range<u32> = 0x2000..0x2100;

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
}
