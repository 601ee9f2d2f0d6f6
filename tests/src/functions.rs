//! The functions that a machine of this kind may have in /rtas, as LoPAR defines them: how many
//! cells they take and give, what their arguments are, and which statuses they may return.

use core::fmt;

/// One input of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A number.
    Number,
    /// Real address of memory that the call reads.
    Reads(Extent),
    /// Real address of memory that the call writes.
    Writes(Extent),
}

/// How much memory there is behind an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Exactly as many bytes as the input of this index says.
    Exactly(usize),
    /// At most as many bytes as the input of this index says.
    UpTo(usize),
    /// This many bytes.
    Bytes(u32),
}

/// One function.
#[derive(PartialEq, Eq)]
pub struct Function {
    /// The name of its token's property.
    pub name: &'static str,
    /// The section of LoPAR that defines it.
    pub section: &'static str,
    /// Its inputs.
    pub inputs: &'static [Argument],
    /// The last input may be left out.
    pub last_is_optional: bool,
    /// Numbers of outputs that it may be called with, the status included. Empty: any, which only
    /// the hypervisor's own functions have.
    pub outputs: &'static [u32],
    /// The statuses that it may return beside 0, -3 (Table 7.6: allowed to all) and 990x.
    pub statuses: &'static [i32],
    /// Why it is not made as it should be when its effect is not what is looked at.
    pub ends: Option<&'static str>,
}

use Argument::{Number, Reads, Writes};
use Extent::{Bytes, Exactly, UpTo};

const fn function(
    name: &'static str,
    section: &'static str,
    inputs: &'static [Argument],
    outputs: &'static [u32],
    statuses: &'static [i32],
) -> Function {
    Function {
        name,
        section,
        inputs,
        last_is_optional: false,
        outputs,
        statuses,
        ends: None,
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.name)
    }
}

impl Function {
    const fn ends(mut self, why: &'static str) -> Function {
        self.ends = Some(why);
        self
    }

    const fn last_optional(mut self) -> Function {
        self.last_is_optional = true;
        self
    }

    /// Whether LoPAR defines a call with these counts.
    pub fn takes(&self, inputs: u32, outputs: u32) -> bool {
        let most = self.inputs.len() as u32;
        let optional = self.last_is_optional && inputs.checked_add(1) == Some(most);
        let fits = inputs.checked_add(outputs).is_some_and(|all| all <= 16);
        (inputs == most || optional)
            && (self.outputs.is_empty() && fits || self.outputs.contains(&outputs))
    }

    /// Whether LoPAR lets the function return this status.
    pub fn may_return(&self, status: i64) -> bool {
        matches!(status, 0 | -3 | 9900..=9905)
            || self.statuses.iter().any(|own| i64::from(*own) == status)
    }

    /// Whether this status says that nothing was put into memory, nor taken from it.
    pub fn did_nothing(&self, status: i64) -> bool {
        // "No errors found" (7.3.3, 7.3.11.5): there was nothing to be written.
        let nothing_to_tell = status == 1 && self.name != "ibm,configure-connector";
        status < 0 || nothing_to_tell
    }

    /// The function called `name`.
    pub fn named(name: &str) -> Option<&'static Function> {
        FUNCTIONS.iter().find(|function| function.name == name)
    }
}

const TERMINATES: &str = "it ends the machine";

/// The functions. Those of section "QEMU" are in QEMU's /rtas and in no specification.
pub static FUNCTIONS: &[Function] = &[
    function(
        "nvram-fetch",
        "7.3.1.1",
        &[Number, Writes(Exactly(2)), Number],
        &[2],
        &[-1],
    ),
    function(
        "nvram-store",
        "7.3.1.2",
        &[Number, Reads(Exactly(2)), Number],
        &[2],
        &[-1],
    ),
    function("get-time-of-day", "7.3.2.2", &[], &[8], &[-1, -2]),
    function("set-time-of-day", "7.3.2.3", &[Number; 7], &[1], &[-1]),
    function(
        "set-time-for-power-on",
        "7.3.2.4",
        &[Number; 7],
        &[1],
        &[-1, -2],
    ),
    function(
        "event-scan",
        "7.3.3.1",
        &[Number, Number, Writes(UpTo(3)), Number],
        &[1],
        &[1, -1],
    ),
    function(
        "check-exception",
        "7.3.3.2",
        &[
            Number,
            Number,
            Number,
            Number,
            Writes(UpTo(5)),
            Number,
            Number,
        ],
        &[1],
        &[1, -1],
    )
    .last_optional(),
    function(
        "rtas-last-error",
        "7.3.3.3",
        &[Writes(UpTo(1)), Number],
        &[1],
        &[1, -1],
    ),
    function("ibm,read-pci-config", "7.3.4.1", &[Number; 4], &[2], &[-1]),
    function("ibm,write-pci-config", "7.3.4.2", &[Number; 5], &[1], &[-1]),
    function("display-character", "7.3.5.3", &[Number], &[1], &[-1, -2])
        .ends("it writes where the verdicts go"),
    function(
        "set-indicator",
        "7.3.5.4",
        &[Number; 3],
        &[1],
        &[-1, -2, -9000, -9001],
    ),
    function(
        "get-sensor-state",
        "7.3.5.5",
        &[Number; 2],
        &[2],
        &[9, 10, 11, 12, 13, -1, -2, -9000],
    ),
    function("set-power-level", "7.3.6.1", &[Number; 2], &[2], &[-1, -2]),
    function("get-power-level", "7.3.6.2", &[Number], &[2], &[-1, -2]),
    function("power-off", "7.3.6.3", &[Number; 2], &[1], &[-1]).ends(TERMINATES),
    function("ibm,power-off-ups", "7.3.6.4", &[], &[1], &[-1]).ends(TERMINATES),
    function("system-reboot", "7.3.7.1", &[], &[1], &[-1]).ends(TERMINATES),
    function("stop-self", "7.3.8.1", &[], &[1], &[-1]).ends("it stops the processor"),
    function("start-cpu", "7.3.8.2", &[Number; 3], &[1], &[-1, 3]),
    function(
        "query-cpu-stopped-state",
        "7.3.8.3",
        &[Number],
        &[2],
        &[-1, -2],
    ),
    function(
        "ibm,os-term",
        "7.3.9.1",
        &[Reads(Bytes(1))],
        &[1],
        &[-1, -2],
    )
    .ends(TERMINATES),
    function("ibm,get-xive", "7.3.10.1", &[Number], &[3], &[-1]),
    function("ibm,set-xive", "7.3.10.2", &[Number; 3], &[1], &[-1]),
    function("ibm,int-off", "7.3.10.3", &[Number], &[1], &[-1]),
    function("ibm,int-on", "7.3.10.4", &[Number], &[1], &[-1]),
    function(
        "ibm,change-msi",
        "7.3.10.5.1",
        &[Number; 6],
        &[3, 4],
        &[-1, -2],
    ),
    function(
        "ibm,query-interrupt-source-number",
        "7.3.10.5.2",
        &[Number; 4],
        &[3],
        &[1, -1],
    ),
    function(
        "ibm,set-eeh-option",
        "7.3.11.1",
        &[Number; 4],
        &[1],
        &[-1, -7],
    ),
    function(
        "ibm,set-slot-reset",
        "7.3.11.2",
        &[Number; 4],
        &[1],
        &[-1, -7, -8],
    ),
    function(
        "ibm,read-slot-reset-state2",
        "7.3.11.3",
        &[Number; 3],
        &[4, 5],
        &[],
    ),
    function(
        "ibm,get-config-addr-info2",
        "7.3.11.4",
        &[Number; 4],
        &[2],
        &[],
    ),
    function(
        "ibm,slot-error-detail",
        "7.3.11.5",
        &[
            Number,
            Number,
            Number,
            Reads(UpTo(4)),
            Number,
            Writes(UpTo(6)),
            Number,
            Number,
        ],
        &[1],
        &[1, -1],
    ),
    function("ibm,configure-bridge", "7.3.12.1", &[Number; 3], &[1], &[]),
    function("ibm,configure-pe", "7.3.12.2", &[Number; 3], &[1], &[]),
    function("ibm,nmi-register", "7.3.14", &[Number; 2], &[1], &[-1]),
    function("ibm,nmi-interlock", "7.3.14", &[], &[1], &[-1]),
    function(
        "ibm,get-system-parameter",
        "7.3.16.1",
        &[Number, Writes(UpTo(2)), Number],
        &[1],
        &[-1, -2, -9002, -9999],
    ),
    function(
        "ibm,set-system-parameter",
        "7.3.16.2",
        &[Number, Reads(Bytes(2))],
        &[1],
        &[-1, -2, -9002, -9999],
    ),
    function(
        "ibm,suspend-me",
        "7.3.23",
        &[],
        &[1],
        &[9000, -1, -9004, -9005, -9006],
    )
    .ends("it suspends the machine"),
    function(
        "ibm,get-vpd",
        "7.3.20",
        &[Reads(Bytes(1)), Writes(UpTo(2)), Number, Number],
        &[3],
        &[1, -1, -4],
    ),
    function(
        "ibm,get-indices",
        "7.3.17",
        &[Number, Number, Writes(UpTo(3)), Number, Number],
        &[2],
        &[1, -1, -4],
    ),
    function(
        "ibm,configure-kernel-dump",
        "7.3.26",
        &[Number, Reads(UpTo(2)), Number],
        &[1],
        &[-1, -2, -9, -10],
    ),
    function(
        "ibm,query-pe-dma-window",
        "7.3.27.1",
        &[Number; 3],
        &[5, 6],
        &[-1],
    ),
    function(
        "ibm,create-pe-dma-window",
        "7.3.27.2",
        &[Number; 5],
        &[4],
        &[-1, -2],
    ),
    function(
        "ibm,remove-pe-dma-window",
        "7.3.27.3",
        &[Number],
        &[1],
        &[-1],
    ),
    function(
        "ibm,reset-pe-dma-window",
        "7.3.27.4.1",
        &[Number; 3],
        &[1],
        &[-1, -2],
    ),
    function(
        "ibm,configure-connector",
        "13.5.3.5",
        &[Writes(Bytes(4096)), Number],
        &[1],
        &[1, 2, 3, 4, 5, -1, -2, -9001, -9002, -9003],
    ),
    function("read-pci-config", "QEMU", &[Number; 2], &[2], &[-1]),
    function("write-pci-config", "QEMU", &[Number; 3], &[1], &[-1]),
    function("ibm,set-tce-bypass", "QEMU", &[Number; 2], &[], &[-1]),
    function("quiesce", "QEMU", &[], &[], &[-1]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_listed_once() {
        for (index, function) in FUNCTIONS.iter().enumerate() {
            let rest = FUNCTIONS.iter().skip(index + 1);
            assert!(rest.into_iter().all(|other| other.name != function.name));
        }
    }

    #[test]
    fn a_length_is_a_number_of_the_same_function() {
        for function in FUNCTIONS {
            for argument in function.inputs {
                if let Reads(extent) | Writes(extent) = argument
                    && let Exactly(length) | UpTo(length) = extent
                {
                    assert_eq!(function.inputs.get(*length), Some(&Number), "{function:?}");
                }
            }
        }
    }

    #[test]
    fn counts_and_statuses_are_those_of_lopar() {
        // Tables 7.7, 7.13 and 7.80.
        let fetch = Function::named("nvram-fetch").unwrap();
        assert!(fetch.takes(3, 2) && !fetch.takes(3, 1) && !fetch.takes(4, 2));
        assert!(fetch.may_return(0) && fetch.may_return(-3) && !fetch.may_return(1));
        let check = Function::named("check-exception").unwrap();
        assert!(check.takes(6, 1) && check.takes(7, 1) && !check.takes(5, 1));
        let parameter = Function::named("ibm,get-system-parameter").unwrap();
        assert!(parameter.may_return(-9999) && !parameter.may_return(-7));
        assert!(Function::named("ibm,make-coffee").is_none());
    }
}
