//! THE call table: what each call is named, how many cells it takes and gives, who implements it,
//! and what is promised of it. Dispatcher, device tree, documentation and conformance report are
//! made from it.
//!
//! Indices follow QEMU's tokens, so that `token - 0x2000` is a good first guess of the index.

use rtas_abi::buffer::MAX_CELLS;
use rtas_abi::capability::Capability;
use rtas_abi::name;

use crate::config::MAX_CALLS;

/// Numbers of cells that a call allows: all from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    first: u8,
    last: u8,
}

impl Counts {
    /// Exactly `count`.
    pub const fn exactly(count: u8) -> Self {
        Self::between(count, count)
    }

    /// `first` to `last`.
    pub const fn between(first: u8, last: u8) -> Self {
        assert!(first <= last && last <= MAX_CELLS as u8);
        Self { first, last }
    }

    /// Any number that fits a buffer.
    pub const fn any() -> Self {
        Self::between(0, MAX_CELLS as u8)
    }

    /// Whether `count` is allowed.
    #[inline(always)]
    pub const fn allow(self, count: u64) -> bool {
        count >= self.first as u64 && count <= self.last as u64
    }

    /// `count`, if it is allowed: a constant where there is one allowed number only.
    #[inline(always)]
    pub const fn check(self, count: u64) -> Option<u64> {
        if !self.allow(count) {
            None
        } else if self.first == self.last {
            Some(self.first as u64)
        } else {
            Some(count)
        }
    }

    /// The allowed numbers, ascending.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        (self.first..=self.last).map(u32::from)
    }
}

/// What does the work of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// One hypercall with the caller's cells.
    Forward,
    /// `ibm,get-xive` on the source's word.
    GetXive,
    /// `ibm,set-xive` on the source's word.
    SetXive,
    /// `ibm,int-off` on the source's word.
    IntOff,
    /// `ibm,int-on` on the source's word.
    IntOn,
    /// The hypervisor's `ibm,change-msi`, then the sources of the old and of the new block reset.
    ChangeMsi,
    /// One hypercall with the caller's cells, and the nanoseconds put right.
    GetTimeOfDay,
    /// One hypercall with the caller's cells, unless they are no date and time.
    SetTimeOfDay,
    /// One hypercall with the caller's cells, and what LoPAR wants where no function is.
    PciConfig,
    /// One hypercall with the caller's cells, and the status for no interrupt.
    QuerySource,
    /// The partition's name; else one hypercall with the caller's cells, and success where no more was
    /// asked than whether there is such a parameter.
    GetSystemParameter,
    /// The partition's name may not be set; else one hypercall with the caller's cells.
    SetSystemParameter,
    /// The EPOW sensor; else one hypercall with the caller's cells.
    GetSensorState,
    /// One hypercall with the caller's cells, but for no bytes at all.
    Nvram,
    /// One hypercall with the caller's cells; (0, 0) is `power-off`.
    SetPowerLevel,
    /// One hypercall with the caller's cells, but for its event log.
    CheckException,
    /// One hypercall with the caller's cells, unless they have more memory than QEMU ever asks for.
    ConfigureConnector,
    /// `rtas-last-error`: the error that the blob keeps.
    LastError,
    /// `ibm,get-vpd`: what the firmware put into the area.
    GetVpd,
    /// `ibm,get-indices`: the machine has no indicator or sensor that it is about.
    GetIndices,
    /// `stop-self`: the hypercall does not return.
    StopSelf,
    /// `system-reboot`: the hypercall does not return.
    SystemReboot,
    /// `power-off`: the hypercall does not return.
    PowerOff,
}

/// Who implements a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implementer {
    /// The blob.
    Native,
    /// The hypervisor, by one hypercall for each call.
    Forwarded,
    /// The hypervisor, by a hypercall that does not return.
    Leaves,
}

impl Handler {
    /// Whether the work is one hypercall with the caller's cells, at most, and nothing more than
    /// [`crate::hypervisor::forward`] does.
    pub const fn is_one_hypercall(self) -> bool {
        matches!(
            self,
            Self::Forward
                | Self::GetTimeOfDay
                | Self::SetTimeOfDay
                | Self::PciConfig
                | Self::QuerySource
                | Self::Nvram
                | Self::ConfigureConnector
        )
    }

    /// Who implements a call with this handler.
    pub const fn implementer(self) -> Implementer {
        match self {
            Self::GetXive
            | Self::SetXive
            | Self::IntOff
            | Self::IntOn
            | Self::LastError
            | Self::GetVpd
            | Self::GetIndices => Implementer::Native,
            Self::Forward
            | Self::ChangeMsi
            | Self::GetTimeOfDay
            | Self::SetTimeOfDay
            | Self::PciConfig
            | Self::QuerySource
            | Self::GetSystemParameter
            | Self::SetSystemParameter
            | Self::GetSensorState
            | Self::Nvram
            | Self::CheckException
            | Self::SetPowerLevel
            | Self::ConfigureConnector => Implementer::Forwarded,
            Self::StopSelf | Self::SystemReboot | Self::PowerOff => Implementer::Leaves,
        }
    }
}

impl Handler {
    /// Whether it is one of the four interrupt calls, which are the blob's own where the hypervisor
    /// delivers interrupts by XICS.
    pub const fn is_interrupt_call(self) -> bool {
        matches!(
            self,
            Self::GetXive | Self::SetXive | Self::IntOff | Self::IntOn
        )
    }

    /// Whether the call is there whatever the hypervisor offers.
    pub const fn is_own(self) -> bool {
        matches!(self.implementer(), Implementer::Native) && !self.is_interrupt_call()
    }
}

/// Where a call is specified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Specification {
    /// A section of LoPAR 2.9.
    Lopar(&'static str),
    /// QEMU's own: file and function of its source.
    Qemu(&'static str),
}

/// How long the memory behind an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// There is none: the input is a number.
    Nothing,
    /// So many bytes.
    Bytes(u16),
    /// As many bytes as this input says.
    Input(u8),
}

/// An input that is the real address of memory which the hypervisor reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Which input.
    pub input: u8,
    /// How much memory there is.
    pub length: Length,
}

impl Area {
    /// No area.
    const NONE: Self = Self {
        input: 0,
        length: Length::Nothing,
    };

    const fn bytes(input: u8, bytes: u16) -> Self {
        let length = Length::Bytes(bytes);
        Self { input, length }
    }

    const fn long(input: u8, length: u8) -> Self {
        let length = Length::Input(length);
        Self { input, length }
    }
}

/// Most areas of one call.
pub const MAX_AREAS: usize = 2;

/// What a dispatcher needs of a call: plain integers, so that the blob's table holds no address
/// and needs no relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Allowed numbers of inputs.
    pub inputs: Counts,
    /// Allowed numbers of outputs, the status word included.
    pub outputs: Counts,
    /// What does the work.
    pub handler: Handler,
    /// Memory that it is about beside its cells.
    pub areas: [Area; MAX_AREAS],
}

impl Shape {
    /// Of a call that only the hypervisor knows. As many inputs as there are cells would leave none
    /// for a status: KVM stops the machine (`arch/powerpc/kvm/book3s_rtas.c:kvmppc_rtas_hcall`).
    pub const ANY: Self = Self {
        inputs: Counts::between(0, MAX_CELLS as u8 - 1),
        outputs: Counts::any(),
        handler: Handler::Forward,
        areas: [Area::NONE; MAX_AREAS],
    };
}

/// One call of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Name of its token property in `/rtas`.
    pub name: &'static str,
    /// Cells and handler.
    pub shape: Shape,
    /// What is promised of it beyond LoPAR.
    pub capability: Capability,
    /// Where it is specified.
    pub specification: Specification,
}

const fn call(
    name: &'static str,
    inputs: Counts,
    outputs: Counts,
    specification: Specification,
) -> Call {
    Call {
        name,
        shape: Shape {
            inputs,
            outputs,
            handler: Handler::Forward,
            areas: [Area::NONE; MAX_AREAS],
        },
        capability: Capability::empty(),
        specification,
    }
}

impl Call {
    const fn by(mut self, handler: Handler) -> Self {
        self.shape.handler = handler;
        self
    }

    const fn about(mut self, area: Area) -> Self {
        self.shape.areas[0] = area;
        self
    }

    const fn and_about(mut self, area: Area) -> Self {
        self.shape.areas[1] = area;
        self
    }

    const fn promising(mut self, capability: Capability) -> Self {
        self.capability = capability;
        self
    }
}

/// Safe against everything: the four interrupt calls (docs/concurrency.md).
const INTERRUPT: Capability = Capability::all();
/// No hypercall, and nothing that others see.
const STATELESS: Capability = Capability::all();
/// One hypercall and no state of the blob: whoever is inside, or died there, holds nothing that the
/// call needs. Claimed for what LoPAR wants callable from a machine-check or soft-reset handler
/// (R1-7.2.3-7, R1-7.3.9.1-3, R1-7.3.14-18).
const HANDLER_SAFE: Capability = Capability::CONCURRENT.union(Capability::CRASH_SAFE);

use Specification::{Lopar, Qemu};

/// Number of calls in the table.
pub const COUNT: usize = 49;

/// The calls, in the order of QEMU's tokens; behind them those that QEMU does not have.
pub const CALLS: [Call; COUNT] = {
    const fn n(count: u8) -> Counts {
        Counts::exactly(count)
    }
    [
        call(name::DISPLAY_CHARACTER, n(1), n(1), Lopar("7.3.5.3")).promising(HANDLER_SAFE),
        call(name::GET_TIME_OF_DAY, n(0), n(8), Lopar("7.3.2.2")).by(Handler::GetTimeOfDay),
        call(name::SET_TIME_OF_DAY, n(7), n(1), Lopar("7.3.2.3")).by(Handler::SetTimeOfDay),
        call(name::POWER_OFF, n(2), n(1), Lopar("7.3.6.3"))
            .by(Handler::PowerOff)
            .promising(HANDLER_SAFE),
        call(name::SYSTEM_REBOOT, n(0), n(1), Lopar("7.3.7.1"))
            .by(Handler::SystemReboot)
            .promising(HANDLER_SAFE),
        call(name::QUERY_CPU_STOPPED_STATE, n(1), n(2), Lopar("7.3.8.3")),
        call(name::START_CPU, n(3), n(1), Lopar("7.3.8.2")),
        call(name::STOP_SELF, n(0), n(1), Lopar("7.3.8.1"))
            .by(Handler::StopSelf)
            .promising(Capability::CONCURRENT),
        call(
            name::IBM_GET_SYSTEM_PARAMETER,
            n(3),
            n(1),
            Lopar("7.3.16.1"),
        )
        .by(Handler::GetSystemParameter)
        .about(Area::long(1, 2)),
        call(
            name::IBM_SET_SYSTEM_PARAMETER,
            n(2),
            n(1),
            Lopar("7.3.16.2"),
        )
        .by(Handler::SetSystemParameter)
        // At least the word that says how long the rest is; QEMU reads none of it.
        .about(Area::bytes(1, 2)),
        call(name::IBM_SET_XIVE, n(3), n(1), Lopar("7.3.10.2"))
            .by(Handler::SetXive)
            .promising(INTERRUPT),
        call(name::IBM_GET_XIVE, n(1), n(3), Lopar("7.3.10.1"))
            .by(Handler::GetXive)
            .promising(INTERRUPT),
        call(name::IBM_INT_OFF, n(1), n(1), Lopar("7.3.10.3"))
            .by(Handler::IntOff)
            .promising(INTERRUPT),
        call(name::IBM_INT_ON, n(1), n(1), Lopar("7.3.10.4"))
            .by(Handler::IntOn)
            .promising(INTERRUPT),
        call(
            name::CHECK_EXCEPTION,
            Counts::between(6, 7),
            n(1),
            Lopar("7.3.3.2"),
        )
        .by(Handler::CheckException)
        .about(Area::long(4, 5))
        .promising(HANDLER_SAFE),
        call(name::EVENT_SCAN, n(4), n(1), Lopar("7.3.3.1")).about(Area::long(2, 3)),
        call(
            name::IBM_SET_TCE_BYPASS,
            n(2),
            Counts::any(),
            Qemu("hw/ppc/spapr_vio.c:rtas_set_tce_bypass"),
        ),
        call(
            name::QUIESCE,
            n(0),
            Counts::any(),
            Qemu("hw/ppc/spapr_vio.c:rtas_quiesce"),
        ),
        call(name::NVRAM_FETCH, n(3), n(2), Lopar("7.3.1.1"))
            .by(Handler::Nvram)
            .about(Area::long(1, 2))
            .promising(HANDLER_SAFE),
        call(name::NVRAM_STORE, n(3), n(2), Lopar("7.3.1.2"))
            .by(Handler::Nvram)
            .about(Area::long(1, 2))
            .promising(HANDLER_SAFE),
        call(
            name::READ_PCI_CONFIG,
            n(2),
            n(2),
            Qemu("hw/ppc/spapr_pci.c:rtas_read_pci_config"),
        )
        .by(Handler::PciConfig),
        call(
            name::WRITE_PCI_CONFIG,
            n(3),
            n(1),
            Qemu("hw/ppc/spapr_pci.c:rtas_write_pci_config"),
        )
        .by(Handler::PciConfig),
        call(name::IBM_READ_PCI_CONFIG, n(4), n(2), Lopar("7.3.4.1")).by(Handler::PciConfig),
        call(name::IBM_WRITE_PCI_CONFIG, n(5), n(1), Lopar("7.3.4.2")).by(Handler::PciConfig),
        call(
            name::IBM_QUERY_INTERRUPT_SOURCE_NUMBER,
            n(4),
            n(3),
            Lopar("7.3.10.5.2"),
        )
        .by(Handler::QuerySource),
        call(
            name::IBM_CHANGE_MSI,
            n(6),
            Counts::between(3, 4),
            Lopar("7.3.10.5.1"),
        )
        .by(Handler::ChangeMsi),
        call(name::SET_INDICATOR, n(3), n(1), Lopar("7.3.5.4")),
        call(name::SET_POWER_LEVEL, n(2), n(2), Lopar("7.3.6.1"))
            .by(Handler::SetPowerLevel)
            .promising(HANDLER_SAFE),
        call(name::GET_POWER_LEVEL, n(1), n(2), Lopar("7.3.6.2")),
        call(name::GET_SENSOR_STATE, n(2), n(2), Lopar("7.3.5.5")).by(Handler::GetSensorState),
        call(name::IBM_CONFIGURE_CONNECTOR, n(2), n(1), Lopar("13.5.3.5"))
            .by(Handler::ConfigureConnector)
            .about(Area::bytes(0, 4096)),
        call(name::IBM_OS_TERM, n(1), n(1), Lopar("7.3.9.1"))
            .about(Area::bytes(0, 1))
            .promising(HANDLER_SAFE),
        call(name::IBM_SET_EEH_OPTION, n(4), n(1), Lopar("7.3.11.1")).promising(HANDLER_SAFE),
        call(
            name::IBM_GET_CONFIG_ADDR_INFO2,
            n(4),
            n(2),
            Lopar("7.3.11.4"),
        ),
        call(
            name::IBM_READ_SLOT_RESET_STATE2,
            n(3),
            Counts::between(4, 5),
            Lopar("7.3.11.3"),
        )
        .promising(HANDLER_SAFE),
        call(name::IBM_SET_SLOT_RESET, n(4), n(1), Lopar("7.3.11.2")).promising(HANDLER_SAFE),
        call(name::IBM_CONFIGURE_PE, n(3), n(1), Lopar("7.3.12.2")),
        call(name::IBM_SLOT_ERROR_DETAIL, n(8), n(1), Lopar("7.3.11.5"))
            .about(Area::long(3, 4))
            .and_about(Area::long(5, 6)),
        call(
            name::IBM_QUERY_PE_DMA_WINDOW,
            n(3),
            Counts::between(5, 6),
            Lopar("7.3.27.1"),
        ),
        call(
            name::IBM_CREATE_PE_DMA_WINDOW,
            n(5),
            n(4),
            Lopar("7.3.27.2"),
        ),
        call(
            name::IBM_REMOVE_PE_DMA_WINDOW,
            n(1),
            n(1),
            Lopar("7.3.27.3"),
        ),
        call(
            name::IBM_RESET_PE_DMA_WINDOW,
            n(3),
            n(1),
            Lopar("7.3.27.4.1"),
        ),
        call(name::IBM_SUSPEND_ME, n(0), n(1), Lopar("7.3.23")),
        call(name::IBM_NMI_REGISTER, n(2), n(1), Lopar("7.3.14")),
        call(name::IBM_NMI_INTERLOCK, n(0), n(1), Lopar("7.3.14")).promising(HANDLER_SAFE),
        call(name::IBM_CONFIGURE_KERNEL_DUMP, n(3), n(1), Lopar("7.3.26")).about(Area::long(1, 2)),
        call(name::RTAS_LAST_ERROR, n(2), n(1), Lopar("7.3.3.3"))
            .by(Handler::LastError)
            .about(Area::long(0, 1)),
        call(name::IBM_GET_VPD, n(4), n(3), Lopar("7.3.20"))
            .by(Handler::GetVpd)
            .about(Area::bytes(0, 1))
            .and_about(Area::long(1, 2))
            .promising(STATELESS),
        call(name::IBM_GET_INDICES, n(5), n(2), Lopar("7.3.17"))
            .by(Handler::GetIndices)
            .about(Area::long(2, 3))
            .promising(STATELESS),
    ]
};

const _: () = assert!(COUNT <= MAX_CALLS);

/// The table as the blob has it: no names, no addresses.
static SHAPES: [Shape; COUNT] = {
    let mut shapes = [CALLS[0].shape; COUNT];
    let mut index = 0;
    while index < COUNT {
        shapes[index] = CALLS[index].shape;
        index += 1;
    }
    shapes
};

/// Cells and handler of call `index`.
#[inline(always)]
pub fn shape(index: usize) -> Option<&'static Shape> {
    SHAPES.get(index)
}

/// The calls, in the order of the table: `Config::tokens` goes by it.
pub fn calls() -> impl ExactSizeIterator<Item = &'static Call> {
    static ALL: [Call; COUNT] = CALLS;
    ALL.iter()
}

/// Place of the call `name` in the table.
pub const fn index_of(name: &str) -> Option<usize> {
    let mut index = 0;
    while index < COUNT {
        if same(CALLS[index].name, name) {
            return Some(index);
        }
        index += 1;
    }
    None
}

/// `==` of strings, which is not `const` yet.
const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Places in the table of the calls that the blob itself makes or gives a meaning to.
pub mod index {
    use rtas_abi::name;

    const fn of(name: &str) -> usize {
        match super::index_of(name) {
            Some(index) => index,
            None => panic!("no such call"),
        }
    }

    /// Place of `display-character`.
    pub const DISPLAY_CHARACTER: usize = of(name::DISPLAY_CHARACTER);
    /// Place of `power-off`.
    pub const POWER_OFF: usize = of(name::POWER_OFF);
    /// Place of `system-reboot`.
    pub const SYSTEM_REBOOT: usize = of(name::SYSTEM_REBOOT);
    /// Place of `query-cpu-stopped-state`.
    pub const QUERY_CPU_STOPPED_STATE: usize = of(name::QUERY_CPU_STOPPED_STATE);
    /// Place of `stop-self`.
    pub const STOP_SELF: usize = of(name::STOP_SELF);
    /// Place of `ibm,get-xive`.
    pub const IBM_GET_XIVE: usize = of(name::IBM_GET_XIVE);
    /// Place of `ibm,int-off`.
    pub const IBM_INT_OFF: usize = of(name::IBM_INT_OFF);
    /// Place of `ibm,int-on`.
    pub const IBM_INT_ON: usize = of(name::IBM_INT_ON);
    /// Place of `ibm,set-xive`.
    pub const IBM_SET_XIVE: usize = of(name::IBM_SET_XIVE);
    /// Place of `ibm,query-interrupt-source-number`.
    pub const IBM_QUERY_INTERRUPT_SOURCE_NUMBER: usize =
        of(name::IBM_QUERY_INTERRUPT_SOURCE_NUMBER);
}

#[cfg(test)]
mod tests;
