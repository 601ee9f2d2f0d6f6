//! What the guest of the crash points and its driver (`cargo xtask crash-points`) share: the slots
//! of memory through which processors are told what to do.
//!
//! Each processor has a slot of [`WORDS`] big-endian 64-bit words. It stops, reads [`word::COMMAND`]
//! when it is resumed, obeys, writes the results and stops again.

/// Words of a slot.
pub const WORDS: usize = 64;
/// Processors that have a slot.
pub const SLOTS: usize = 64;
/// The boot argument `oxrtas.guest=` of this run.
pub const ARGUMENT: &str = "points";
/// The line that tells that the guest is ready begins with this; `key=value` pairs follow.
pub const READY: &str = "guest: points ready";
/// A line for each function of `/rtas` begins with this; name and token, hexadecimal, follow.
pub const TOKEN: &str = "guest: points token";

/// Places in a slot.
pub mod word {
    /// What to do: one of [`super::command`].
    pub const COMMAND: usize = 0;
    /// The width of the instance that is called: 32 or 64.
    pub const WIDTH: usize = 1;
    /// Token of the call.
    pub const TOKEN: usize = 2;
    /// Number of inputs.
    pub const INPUTS: usize = 3;
    /// Number of outputs.
    pub const OUTPUTS: usize = 4;
    /// The inputs: up to 16 words.
    pub const ARGUMENTS: usize = 5;
    /// A sum of [`super::flag`].
    pub const FLAGS: usize = 21;
    /// Counts the commands that were obeyed.
    pub const DONE: usize = 22;
    /// The vector of the exception that ended the call, or 0.
    pub const TRAP: usize = 23;
    /// The outputs: up to 16 words.
    pub const RESULTS: usize = 24;
    /// Why a crash path or a nested call is not what it must be: one of [`super::fault`], or 0.
    pub const FAULT: usize = 40;
    /// What the fault is about: a source, or 0.
    pub const SUBJECT: usize = 41;
    /// The status or value that was not expected.
    pub const SEEN: usize = 42;
    /// Ticks of the timebase that the crash path took.
    pub const TICKS: usize = 43;
    /// Calls that the crash path made.
    pub const CALLS: usize = 44;
    /// Counts the system resets in whose handlers the processor called RTAS. It stops after the
    /// calls, and goes on with what was interrupted when it is resumed.
    pub const RESETS: usize = 45;
    /// A word that the crash path stores in NVRAM; it is another one each time.
    pub const MARK: usize = 46;
    /// What the nested calls are about: an interrupt source, or 0 to make none.
    pub const NESTED_SOURCE: usize = 47;
    /// The fault of the nested call, or 0.
    pub const NESTED_FAULT: usize = 48;
    /// Its status or value.
    pub const NESTED_SEEN: usize = 49;
    /// What register 3 must hold when the driver puts the processor at the restart address.
    pub const GATE: usize = 50;
    /// A source that the crash path and nested calls leave out, to show that the driver sees it; or 0.
    pub const LEFT_OUT: usize = 51;
    /// Ticks of the timebase that the nested calls took.
    pub const NESTED_TICKS: usize = 52;
    /// Nested calls that were made.
    pub const NESTED_CALLS: usize = 53;
}

/// What a processor can be told.
pub mod command {
    /// Nothing.
    pub const NOTHING: u64 = 0;
    /// Make the RTAS call of the slot.
    pub const CALL: u64 = 1;
    /// Start another processor: ARGUMENTS are its number and its interrupt server.
    pub const START: u64 = 2;
    /// Keep the instance and the sources as they are now, for [`REWIND`].
    pub const KEEP: u64 = 3;
    /// Put the instance and the sources back.
    pub const REWIND: u64 = 4;
    /// Go through a crash. The instance and the sources are then as they were before.
    pub const CRASH: u64 = 5;
    /// Go through a crash that ends in system-reboot.
    pub const REBOOT: u64 = 6;
    /// Send a system reset to the server in ARGUMENTS, by the hypervisor.
    pub const RESET: u64 = 7;
    /// Keep the instance and the sources as they are now, for [`TAKE_BACK`].
    pub const NOTE: u64 = 8;
    /// Put the instance and the sources back to what they were at [`NOTE`].
    pub const TAKE_BACK: u64 = 9;
}

/// What changes a command.
pub mod flag {
    /// Calls are made under one lock, as Linux makes them: to show that the driver sees it.
    pub const LOCK: u64 = 1;
    /// The crash path takes all numbers that a source may have, not only those of the machine.
    pub const EVERY_NUMBER: u64 = 4;
}

/// What may be wrong with a crash path.
pub mod fault {
    /// Status of ibm,int-off.
    pub const INT_OFF: u64 = 1;
    /// Status of ibm,set-xive.
    pub const SET_XIVE: u64 = 2;
    /// Status of ibm,get-xive.
    pub const GET_XIVE: u64 = 3;
    /// Priority that ibm,get-xive tells.
    pub const PRIORITY: u64 = 4;
    /// Status of nvram-store.
    pub const NVRAM_STORE: u64 = 5;
    /// What the NVRAM holds, asked of the hypervisor.
    pub const NVRAM: u64 = 6;
    /// Status of display-character.
    pub const DISPLAY_CHARACTER: u64 = 7;
    /// Status of ibm,os-term.
    pub const OS_TERM: u64 = 8;
    /// Priority of a source at the hypervisor.
    pub const NOT_MASKED: u64 = 9;
    /// system-reboot came back.
    pub const SYSTEM_REBOOT: u64 = 10;

    /// Whether it is about an interrupt source.
    pub fn is_of_source(fault: u64) -> bool {
        matches!(fault, INT_OFF | SET_XIVE | GET_XIVE | PRIORITY | NOT_MASKED)
    }

    /// In words.
    pub fn describe(fault: u64) -> &'static str {
        match fault {
            INT_OFF => "status of ibm,int-off",
            SET_XIVE => "status of ibm,set-xive",
            GET_XIVE => "status of ibm,get-xive",
            PRIORITY => "priority told by ibm,get-xive",
            NVRAM_STORE => "status of nvram-store",
            NVRAM => "content of the NVRAM",
            DISPLAY_CHARACTER => "status of display-character",
            OS_TERM => "status of ibm,os-term",
            NOT_MASKED => "priority at the hypervisor",
            SYSTEM_REBOOT => "status of system-reboot",
            _ => "unknown fault",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_slot_do_not_overlap() {
        let parts = [
            (word::COMMAND, 1),
            (word::WIDTH, 1),
            (word::TOKEN, 1),
            (word::INPUTS, 1),
            (word::OUTPUTS, 1),
            (word::ARGUMENTS, 16),
            (word::FLAGS, 1),
            (word::DONE, 1),
            (word::TRAP, 1),
            (word::RESULTS, 16),
            (word::FAULT, 1),
            (word::SUBJECT, 1),
            (word::SEEN, 1),
            (word::TICKS, 1),
            (word::CALLS, 1),
            (word::RESETS, 1),
            (word::MARK, 1),
            (word::NESTED_SOURCE, 1),
            (word::NESTED_FAULT, 1),
            (word::NESTED_SEEN, 1),
            (word::GATE, 1),
            (word::LEFT_OUT, 1),
        ];
        let mut owners = [0; WORDS];
        for (first, count) in parts {
            for owner in &mut owners[first..first + count] {
                *owner += 1;
            }
        }
        assert!(owners.iter().all(|count| *count <= 1));
    }
}
