//! What each call is given when a processor dies in it.
//!
//! Calls that the hypervisor implements are one hypercall each, so one case is enough for them, and
//! whatever status comes of it; the blob's own calls have a case for each state that they may find.

use conformance_guest::points::SLOTS;
use rtas::table;

/// An interrupt source of every pseries machine with a PCI bus: its first level-sensitive one
/// (QEMU, include/hw/ppc/spapr_irq.h: SPAPR_IRQ_PCI_LSI).
pub const SOURCE: u64 = 0x1200;
/// `ibm,os-term` and others take a buffer: offset in what the guest leaves to the driver, in bytes.
const BUFFER: u64 = 0x1000;
/// The unit of the host bridge (QEMU, hw/ppc/spapr_pci.c: SPAPR_PCI_BASE_BUID).
const UNIT_HIGH: u64 = 0x0800_0000;
const UNIT_LOW: u64 = 0x2000_0000;
/// Configuration address of the device in slot 1: bus 0, device 1, function 0.
const DEVICE: u64 = 1 << 11;
/// Index of the connector of the first core (QEMU, hw/ppc/spapr_drc.c).
const CONNECTOR: u64 = 0x1000_0000;
/// Token of a call that QEMU has from 10.2 on: nothing else has it before.
const NEW_TOKEN: u32 = 0x202d;

/// Calls that change the machine for good.
pub(super) const LASTING: [&str; 5] = [
    "start-cpu",
    "ibm,change-msi",
    "ibm,configure-connector",
    "ibm,create-pe-dma-window",
    // Later system resets go to the handler that it names.
    "ibm,nmi-register",
];

/// One input cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A number.
    Value(u64),
    /// The real address of the buffer.
    Buffer,
    /// The server of the processor that is never started.
    Spare,
    /// The guest's handler of system resets, as `ibm,nmi-register` takes one.
    ResetHandler,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The function.
    pub function: &'static str,
    /// Input cells.
    pub inputs: Vec<Input>,
    /// Number of output cells.
    pub outputs: u64,
}

/// A call in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The call.
    pub call: Call,
    /// The case's name: one word.
    pub name: &'static str,
    /// Calls that make the state; each must succeed.
    pub before: Vec<Call>,
    /// A call in which another processor has died between its commit and its hypercall.
    pub in_flight: Option<Call>,
    /// What the buffer begins with.
    pub buffer: Vec<u8>,
}

impl Call {
    fn new(function: &'static str, inputs: &[u64], outputs: u64) -> Self {
        Self {
            function,
            inputs: inputs.iter().copied().map(Input::Value).collect(),
            outputs,
        }
    }

    fn implementer(&self) -> Option<table::Implementer> {
        let call = table::calls().find(|call| call.name == self.function);
        call.map(|call| call.shape.handler.implementer())
    }

    /// Whether it never comes back.
    pub fn leaves(&self) -> bool {
        self.implementer() == Some(table::Implementer::Leaves)
    }

    /// Whether it changes words of sources.
    pub fn changes_sources(&self) -> bool {
        self.is_interrupt_call() || self.function == rtas_abi::name::IBM_CHANGE_MSI
    }

    /// Whether the machine is another one after it, in a way that the guest cannot put back.
    pub fn lasts(&self) -> bool {
        LASTING.contains(&self.function)
    }

    /// Whether it is one of the four that are the blob's own.
    pub fn is_interrupt_call(&self) -> bool {
        let call = table::calls().find(|call| call.name == self.function);
        call.is_some_and(|call| call.shape.handler.is_interrupt_call())
    }
}

/// The token of a function that the hypervisor does not offer: what a newer one would use.
pub fn token_of_absent(function: &str) -> Option<u32> {
    (function == rtas_abi::name::IBM_CONFIGURE_KERNEL_DUMP).then_some(NEW_TOKEN)
}

/// The index and interrupt server of the processor that is never started, of `processors`.
pub fn spare(processors: usize) -> usize {
    processors.min(SLOTS).saturating_sub(1)
}

fn set(server: u64, priority: u64) -> Call {
    Call::new("ibm,set-xive", &[SOURCE, server, priority], 1)
}

fn on() -> Call {
    Call::new("ibm,int-on", &[SOURCE], 1)
}

fn off() -> Call {
    Call::new("ibm,int-off", &[SOURCE], 1)
}

fn get() -> Call {
    Call::new("ibm,get-xive", &[SOURCE], 3)
}

fn case(call: Call, name: &'static str, before: &[Call]) -> Case {
    Case {
        call,
        name,
        before: before.to_vec(),
        in_flight: None,
        buffer: Vec::new(),
    }
}

/// The states of the source that one of the four calls may find.
fn interrupt_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (call, server) in [(off(), 1), (on(), 1), (get(), 1), (set(2, 6), 1)] {
        cases.push(case(call.clone(), "untouched", &[]));
        cases.push(case(call.clone(), "masked", &[set(server, 5), on(), off()]));
        cases.push(case(call.clone(), "enabled", &[set(server, 5), on()]));
        // The dead one has committed another server and priority, and told nobody.
        let mut in_flight = case(call, "in-flight", &[set(server, 5), on()]);
        in_flight.in_flight = Some(set(3, 7));
        cases.push(in_flight);
    }
    cases.push(case(set(0, 5), "boot-server", &[set(1, 6), on()]));
    cases.push(case(set(0x77, 5), "no-server", &[set(1, 6), on()]));
    cases.push(case(off(), "lowest-priority", &[set(1, 0xff), on()]));
    cases
}

/// Every case, in the order of the call table.
pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = table::calls().flat_map(|call| of(call.name)).collect();
    // A case more than once would be recorded twice.
    cases.dedup();
    cases
}

/// The cases of one function.
fn of(function: &'static str) -> Vec<Case> {
    let of_source = |case: &Case| case.call.function == function;
    let interrupt: Vec<Case> = interrupt_cases().into_iter().filter(of_source).collect();
    if !interrupt.is_empty() {
        return interrupt;
    }
    let device = [DEVICE, UNIT_HIGH, UNIT_LOW];
    let with = |more: &[u64]| [&device[..], more].concat();
    if function == "ibm,change-msi" {
        // MSI-X, so that there are four outputs; two, and then none.
        let allocate = Call::new(function, &with(&[4, 2, 1]), 4);
        let free = Call::new(function, &with(&[4, 0, 1]), 4);
        let refused = Call::new(function, &with(&[9, 2, 1]), 3);
        return vec![
            case(allocate.clone(), "two", &[]),
            case(free, "none", &[allocate]),
            case(refused, "refused", &[]),
        ];
    }
    if function == "ibm,get-vpd" {
        // QEMU's model, without a serial number, and what the firmware puts behind it for itself.
        let location = b"UIBM pSeries (emulated by qemu).-Y1\0".to_vec();
        let get = |location, room, sequence| Call {
            function,
            inputs: vec![
                location,
                Input::Buffer,
                Input::Value(room),
                Input::Value(sequence),
            ],
            outputs: 3,
        };
        // Room for all that is left: status 0.
        let mut rest = case(get(Input::Buffer, 256, 40), "rest", &[]);
        rest.buffer = location;
        return vec![
            case(get(Input::Value(0), 8, 1), "part", &[]),
            rest,
            case(get(Input::Value(0), 8, 0), "refused", &[]),
        ];
    }
    // What the blob itself knows of calls that are the hypervisor's for the rest.
    let own: Option<(&[u64], u64)> = match function {
        "get-sensor-state" => Some((&[9, 0], 2)),
        "ibm,get-system-parameter" => Some((&[55, AT_BUFFER, 64], 1)),
        "ibm,set-system-parameter" => Some((&[55, AT_BUFFER], 1)),
        _ => None,
    };
    const ALL_EVENTS: u64 = 0xffff_ffff;
    let mut buffer = Vec::new();
    let (inputs, outputs): (Vec<u64>, u64) = match function {
        "display-character" => (vec![b'v'.into()], 1),
        "get-time-of-day" => (vec![], 8),
        "set-time-of-day" => (vec![2026, 11, 22, 12, 0, 0, 0], 1),
        "power-off" => (vec![0, 0], 1),
        "system-reboot" | "stop-self" | "quiesce" => (vec![], 1),
        "ibm,suspend-me" | "ibm,nmi-interlock" => (vec![], 1),
        "query-cpu-stopped-state" => (vec![1], 2),
        "start-cpu" => (vec![SPARE, 0, 0], 1),
        "ibm,get-system-parameter" => (vec![20, AT_BUFFER, 64], 1),
        "ibm,get-indices" => (vec![1, 9006, AT_BUFFER, 64, 1], 2),
        "ibm,set-system-parameter" => (vec![20, AT_BUFFER], 1),
        "check-exception" => (vec![0x500, SOURCE, ALL_EVENTS, 0, AT_BUFFER, 0x400], 1),
        "event-scan" => (vec![ALL_EVENTS, 0, AT_BUFFER, 0x400], 1),
        "ibm,set-tce-bypass" => (vec![0x7100_0000, 1], 1),
        "nvram-fetch" | "nvram-store" => (vec![0, AT_BUFFER, 8], 2),
        "read-pci-config" => (vec![DEVICE, 4], 2),
        "write-pci-config" => (vec![DEVICE | 0x3c, 1, 0], 1),
        "ibm,read-pci-config" => (with(&[4]), 2),
        "ibm,write-pci-config" => (vec![DEVICE | 0x3c, UNIT_HIGH, UNIT_LOW, 1, 0], 1),
        "ibm,query-interrupt-source-number" => (with(&[0]), 3),
        "set-indicator" => (vec![9002, CONNECTOR, 1], 1),
        "set-power-level" => (vec![ALL_EVENTS, 100], 2),
        "get-power-level" => (vec![ALL_EVENTS], 2),
        "get-sensor-state" => (vec![9003, CONNECTOR], 2),
        "ibm,configure-connector" => {
            buffer = (CONNECTOR as u32).to_be_bytes().to_vec();
            (vec![AT_BUFFER, 0], 1)
        }
        "ibm,os-term" => {
            buffer = b"a dead processor\0".to_vec();
            (vec![AT_BUFFER], 1)
        }
        "ibm,set-eeh-option" => (with(&[1]), 1),
        "ibm,get-config-addr-info2" => (with(&[1]), 2),
        "ibm,read-slot-reset-state2" => (with(&[]), 5),
        "ibm,set-slot-reset" => (with(&[0]), 1),
        "ibm,configure-pe" => (with(&[]), 1),
        "ibm,slot-error-detail" => (with(&[AT_BUFFER, 64, AT_BUFFER, 64, 1]), 1),
        "ibm,query-pe-dma-window" => (with(&[]), 5),
        "ibm,create-pe-dma-window" => (with(&[16, 20]), 4),
        "ibm,remove-pe-dma-window" => (vec![0x8000_0001], 1),
        "ibm,reset-pe-dma-window" => (with(&[]), 1),
        "ibm,nmi-register" => (vec![RESET_HANDLER, 0x5000], 1),
        "ibm,configure-kernel-dump" => (vec![1, AT_BUFFER, 8], 1),
        "rtas-last-error" => (vec![AT_BUFFER, 64], 1),
        _ => return Vec::new(),
    };
    let made = |inputs: &[u64], outputs| Call {
        function,
        inputs: inputs.iter().map(|input| stands_for(*input)).collect(),
        outputs,
    };
    let mut forwarded = case(made(&inputs, outputs), "call", &[]);
    forwarded.buffer = buffer;
    let own = own.map(|(inputs, outputs)| case(made(inputs, outputs), "own", &[]));
    [forwarded].into_iter().chain(own).collect()
}

/// What one of the numbers below stands for, or the number.
fn stands_for(input: u64) -> Input {
    match input {
        AT_BUFFER => Input::Buffer,
        SPARE => Input::Spare,
        RESET_HANDLER => Input::ResetHandler,
        value => Input::Value(value),
    }
}

/// Stands for [`Input::Buffer`] above: no cell can have this value.
const AT_BUFFER: u64 = u64::MAX;
/// Stands for [`Input::Spare`] above.
const SPARE: u64 = u64::MAX - 1;
/// Stands for [`Input::ResetHandler`] above.
const RESET_HANDLER: u64 = u64::MAX - 2;

/// Where the buffer is, `free` being what the guest leaves to the driver.
pub const fn buffer(free: u64) -> u64 {
    free + BUFFER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_the_table_dies_with_counts_that_it_allows() {
        let cases = cases();
        for call in table::calls() {
            let own: Vec<&Case> = cases
                .iter()
                .filter(|case| case.call.function == call.name)
                .collect();
            assert!(!own.is_empty(), "{}", call.name);
            for case in own {
                let inputs = u32::try_from(case.call.inputs.len()).unwrap();
                let outputs = u32::try_from(case.call.outputs).unwrap();
                let allowed = call.shape.inputs.allow(inputs.into())
                    && call.shape.outputs.allow(outputs.into());
                assert!(allowed, "{}: {inputs} and {outputs}", call.name);
            }
        }
    }

    #[test]
    fn no_two_cases_have_one_name() {
        let names: Vec<_> = cases()
            .into_iter()
            .map(|case| (case.call.function, case.name))
            .collect();
        for (index, name) in names.iter().enumerate() {
            assert!(!names.iter().skip(index + 1).any(|other| other == name));
        }
    }

    #[test]
    fn each_interrupt_call_meets_another_that_died_on_the_way() {
        let cases = interrupt_cases();
        let in_flight = cases.iter().filter(|case| case.in_flight.is_some());
        let functions: Vec<_> = in_flight.map(|case| case.call.function).collect();
        assert_eq!(functions.len(), 4, "{functions:?}");
    }

    #[test]
    fn the_calls_that_leave_are_known() {
        let leaving = cases().into_iter().filter(|case| case.call.leaves());
        let functions: Vec<_> = leaving.map(|case| case.call.function).collect();
        assert_eq!(functions, ["power-off", "system-reboot", "stop-self"]);
    }
}
