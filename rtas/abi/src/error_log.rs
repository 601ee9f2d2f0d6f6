//! Error and event logs, the fixed part (LoPAR 10.3.2, Table 10.4): one 32-bit number, and the length
//! of an extended log behind it.

/// Size of the fixed part with the length of the extended log, in bytes.
pub const FIXED_BYTES: usize = 8;
/// The version of the format that LoPAR 10.3.2.2 describes.
pub const VERSION: u8 = 6;

/// How serious an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Severity {
    /// Nothing was lost.
    Warning = 2,
    /// Data or state was lost.
    Error = 4,
}

/// What was done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Disposition {
    /// The state is what it was.
    FullyRecovered = 0,
    /// Nothing.
    NotRecovered = 2,
}

/// Who began what failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Initiator {
    /// Nobody that is known.
    Unknown = 0,
    /// A processor.
    Processor = 1,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Type {
    /// Too many tries failed.
    Retry = 1,
    /// A device that RTAS stands for has failed.
    InternalDeviceFailure = 3,
}

/// The fixed part of a log of [`VERSION`] that nothing follows, its target unknown.
pub const fn fixed(
    severity: Severity,
    disposition: Disposition,
    initiator: Initiator,
    what: Type,
) -> u32 {
    (VERSION as u32) << 24
        | (severity as u32) << 21
        | (disposition as u32) << 19
        | (initiator as u32) << 12
        | what as u32
}
