//! Status words (LoPAR 7.2.8, Table 7.2): the first output cell of every call, a signed number.

/// Success.
pub const SUCCESS: i32 = 0;
/// Hardware error: the call could not be done; nothing is known of its effect.
pub const HARDWARE_ERROR: i32 = -1;
/// Busy: call again.
pub const BUSY: i32 = -2;
/// Parameter error: a count, a cell or an address is wrong; nothing was changed.
pub const PARAMETER_ERROR: i32 = -3;
/// Unexpected state change (EEH calls).
pub const UNEXPECTED_STATE_CHANGE: i32 = -7;
/// Isolation at more than one level (`set-indicator`, `get-sensor-state`).
pub const MULTI_LEVEL_ISOLATION: i32 = -9000;
/// Valid outstanding translation (`set-indicator`, LoPAR Table 7.25).
pub const VALID_OUTSTANDING_TRANSLATION: i32 = -9001;
/// Not authorised (`ibm,set-system-parameter`; elsewhere the table of the call says).
pub const NOT_AUTHORIZED: i32 = -9002;
/// The connector is unusable now (`ibm,configure-connector`, LoPAR Table 13.8).
pub const CONNECTOR_UNUSABLE: i32 = -9003;
/// The partition cannot be suspended (`ibm,suspend-me`, LoPAR Table 7.100).
pub const NOT_SUSPENDABLE: i32 = -9004;
/// More than one processor is active (`ibm,suspend-me`, LoPAR Table 7.100).
pub const MULTIPLE_PROCESSORS_ACTIVE: i32 = -9005;
/// The buffer is too short (`ibm,get-system-parameter`, LoPAR Table 7.80).
pub const SYSTEM_PARAMETER_ERROR: i32 = -9999;
/// Nothing to report (`check-exception`, `event-scan`, `rtas-last-error`), or no interrupt assigned
/// (`ibm,query-interrupt-source-number`).
pub const NOTHING_FOUND: i32 = 1;
/// There is more: call again (`ibm,get-vpd`).
pub const MORE_DATA: i32 = 1;
/// Suspension aborted (`ibm,suspend-me`, LoPAR Table 7.100).
pub const SUSPENSION_ABORTED: i32 = 9000;
/// The first of the six extended delays: 9900 + n asks the caller to call again after ten to the
/// power of n milliseconds.
pub const EXTENDED_DELAY: i32 = 9900;
