//! What a platform promises of a call beyond LoPAR, as published in the properties of `/rtas`
//! whose names are in this module.

bitflags::bitflags! {
    /// The promises made for one call.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Capability: u32 {
        /// May run on all processors at once, with itself and with every other reentrant call,
        /// each with its own argument buffer (LoPAR R1-7.3.10.1-2 and its siblings).
        const REENTRANT = 1 << 0;
        /// May start while any other call is running.
        const CONCURRENT = 1 << 1;
        /// May be called though any number of processors entered RTAS and will never come back.
        const CRASH_SAFE = 1 << 2;
    }
}

/// Property: version of this promise, one cell.
pub const VERSION_PROPERTY: &str = "oxrtas,capability-version";
/// Value of [`VERSION_PROPERTY`].
pub const VERSION: u32 = 1;
/// Property: how many processors may be inside RTAS at once, one cell.
pub const MAX_CONCURRENT_CALLS_PROPERTY: &str = "oxrtas,max-concurrent-calls";
/// Property: names of the [`Capability::REENTRANT`] functions, a string list.
pub const REENTRANT_PROPERTY: &str = "oxrtas,reentrant-functions";
/// Property: names of the [`Capability::CONCURRENT`] functions, a string list.
pub const CONCURRENT_PROPERTY: &str = "oxrtas,concurrent-functions";
/// Property: names of the [`Capability::CRASH_SAFE`] functions, a string list.
pub const CRASH_SAFE_PROPERTY: &str = "oxrtas,crash-safe-functions";
