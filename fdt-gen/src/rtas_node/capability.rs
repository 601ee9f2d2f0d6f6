//! The promise beyond LoPAR, as properties of `/rtas`.

use alloc::vec::Vec;
use core::fmt;

use rtas::table::Call;
use rtas_abi::capability::{
    CONCURRENT_PROPERTY, CRASH_SAFE_PROPERTY, Capability, MAX_CONCURRENT_CALLS_PROPERTY,
    REENTRANT_PROPERTY, VERSION, VERSION_PROPERTY,
};

/// A property of `/rtas` to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapabilityProperty {
    /// Its name.
    pub name: &'static str,
    /// Its value: one cell, or strings with their NULs.
    pub value: Vec<u8>,
}

/// Why no promise can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapabilityError<'a> {
    /// The table says that this call is crash-safe and not that it is concurrent: a panicking
    /// processor calls before the others have stopped.
    CrashSafeNotConcurrent(&'a str),
    /// The table does not have this call.
    NotInTable(&'a str),
}

impl fmt::Display for CapabilityError<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CrashSafeNotConcurrent(name) => write!(
                out,
                "the call table says that {name} is crash-safe but not concurrent"
            ),
            Self::NotInTable(name) => write!(out, "the call table does not have {name}"),
        }
    }
}

impl core::error::Error for CapabilityError<'_> {}

/// The properties that promise what `calls` claims, of those functions in `proved`: the ones whose
/// crash run, for the very blob that is published, covered every instruction. Functions stand in
/// the lists in the order of the table; a list of none is left out, and without a list there
/// are no properties at all. `processors` is the number of possible processors.
///
/// Refused is a table with a call that is crash-safe and not concurrent, proved or not.
pub fn capability_properties<'a>(
    calls: impl IntoIterator<Item = &'a Call>,
    proved: &[&'a str],
    processors: u32,
) -> Result<Vec<CapabilityProperty>, CapabilityError<'a>> {
    let calls: Vec<&Call> = calls.into_iter().collect();
    for call in &calls {
        let is = |capability| call.capability.contains(capability);
        if is(Capability::CRASH_SAFE) && !is(Capability::CONCURRENT) {
            return Err(CapabilityError::CrashSafeNotConcurrent(call.name));
        }
    }
    for &name in proved {
        if !calls.iter().any(|call| call.name == name) {
            return Err(CapabilityError::NotInTable(name));
        }
    }
    let mut lists = Vec::new();
    for (name, capability) in [
        (REENTRANT_PROPERTY, Capability::REENTRANT),
        (CONCURRENT_PROPERTY, Capability::CONCURRENT),
        (CRASH_SAFE_PROPERTY, Capability::CRASH_SAFE),
    ] {
        let mut value = Vec::new();
        for call in &calls {
            if proved.contains(&call.name) && call.capability.contains(capability) {
                value.extend_from_slice(call.name.as_bytes());
                value.push(0);
            }
        }
        if !value.is_empty() {
            lists.push(CapabilityProperty { name, value });
        }
    }
    if lists.is_empty() {
        return Ok(lists);
    }
    let numbers = [
        (VERSION_PROPERTY, VERSION),
        (MAX_CONCURRENT_CALLS_PROPERTY, processors),
    ];
    let numbers = numbers.map(|(name, value)| CapabilityProperty {
        name,
        value: value.to_be_bytes().into(),
    });
    Ok(numbers.into_iter().chain(lists).collect())
}
