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
