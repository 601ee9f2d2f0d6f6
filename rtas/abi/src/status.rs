//! Status words (LoPAR 7.2.8, Table 7.2): the first output cell of every call, a signed number.

/// Success.
pub const SUCCESS: i32 = 0;
/// Hardware error: the call could not be done; nothing is known of its effect.
pub const HARDWARE_ERROR: i32 = -1;
/// Busy: call again.
pub const BUSY: i32 = -2;
/// Parameter error: a count, a cell or an address is wrong; nothing was changed.
pub const PARAMETER_ERROR: i32 = -3;
/// Not authorised.
pub const NOT_AUTHORIZED: i32 = -9002;
