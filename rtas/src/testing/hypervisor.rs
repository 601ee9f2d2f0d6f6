//! QEMU's side of `H_RTAS`, as far as the blob's own work depends on it: the XICS calls with all
//! their departures from LoPAR (hw/intc/xics_spapr.c of QEMU), the stopped state of processors, MSI.
//! Other calls answer what a test puts into [`State::answers`].

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard};

use super::{BOOT, FIRST, FIRST_MSI, SERVERS, SOURCES, token};
use crate::platform::{HypervisorBuffer, Platform};

/// One source (`hw/intc/xics.c:ICSIRQState`).
#[derive(Clone, Copy, Debug)]
pub struct Irq {
    pub server: u32,
    pub priority: u8,
}

/// A device that can have MSIs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Device {
    /// Most that it can have.
    pub most: u32,
    /// First source and number of sources that it has.
    pub block: Option<(u32, u32)>,
}

/// What the hypervisor knows.
pub struct State {
    pub sources: Vec<Irq>,
    pub plugged: BTreeSet<u32>,
    pub devices: HashMap<[u32; 3], Device>,
    /// Every call: its cells as they came, up to the last output.
    pub calls: Vec<Vec<u32>>,
    /// What calls that are not modelled answer: outputs, status first.
    pub answers: HashMap<u32, Vec<u32>>,
    /// What is written where a call is told of memory, if it answers success.
    pub written: Vec<u8>,
    allocated: BTreeSet<u32>,
}

/// The hypervisor: one call at a time, as under QEMU's big lock.
pub struct Hypervisor {
    state: Mutex<State>,
}

/// Where memory of the blob's own is.
pub const PRIVATE: u32 = 0x8100;
const PARAMETER_ERROR: u32 = -3i32 as u32;
const HARDWARE_ERROR: u32 = -1i32 as u32;

impl Hypervisor {
    pub fn new() -> Self {
        let irq = Irq {
            server: 0,
            priority: 0xff,
        };
        Self {
            state: Mutex::new(State {
                sources: vec![irq; SOURCES as usize],
                plugged: (BOOT..SERVERS / 2).collect(),
                devices: HashMap::new(),
                calls: Vec::new(),
                answers: HashMap::new(),
                written: Vec::new(),
                allocated: BTreeSet::new(),
            }),
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test dies inside the hypervisor")
    }

    /// Server and priority of a source.
    pub fn source(&self, number: u32) -> (u32, u8) {
        let irq = self.state().sources[(number - FIRST) as usize];
        (irq.server, irq.priority)
    }

    /// Sets a source by the hypervisor's own call, past the blob.
    pub fn set(&self, number: u32, server: u32, priority: u8) {
        self.state().sources[(number - FIRST) as usize] = Irq { server, priority };
    }

    /// Names of the calls made so far, by their tokens.
    pub fn tokens(&self) -> Vec<u32> {
        self.state().calls.iter().map(|call| call[0]).collect()
    }

    /// Forgets the calls made so far.
    pub fn forget(&self) {
        self.state().calls.clear();
    }
}

impl State {
    fn irq(&mut self, number: u32) -> Option<&mut Irq> {
        self.sources
            .get_mut(usize::try_from(number.checked_sub(FIRST)?).ok()?)
    }

    /// `hw/intc/xics_spapr.c:rtas_set_xive`.
    fn set_xive(&mut self, inputs: &[u32]) -> Vec<u32> {
        let [number, server, priority] = inputs[..] else {
            return vec![PARAMETER_ERROR];
        };
        let known = self.plugged.contains(&server);
        match (self.irq(number), u8::try_from(priority)) {
            (Some(irq), Ok(priority)) if known => {
                *irq = Irq { server, priority };
                vec![0]
            }
            _ => vec![PARAMETER_ERROR],
        }
    }

    /// `hw/ppc/spapr_rtas.c:rtas_query_cpu_stopped_state`.
    fn query_cpu(&self, inputs: &[u32]) -> Vec<u32> {
        match inputs {
            [id] if self.plugged.contains(id) => vec![0, 2],
            _ => vec![PARAMETER_ERROR],
        }
    }

    /// `hw/ppc/spapr_pci.c:rtas_ibm_query_interrupt_source_number`.
    fn query_source(&self, inputs: &[u32]) -> Vec<u32> {
        let [address, high, low, index] = inputs[..] else {
            return vec![PARAMETER_ERROR];
        };
        match self.devices.get(&[address, high, low]) {
            None => vec![PARAMETER_ERROR],
            Some(device) => match device.block {
                Some((first, count)) if index < count => vec![0, first + index, 1],
                _ => vec![HARDWARE_ERROR],
            },
        }
    }

    /// `hw/intc/xics_spapr.c:xics_spapr_free_irq`: the entry becomes zero, which is enabled.
    fn free(&mut self, (first, count): (u32, u32)) {
        for number in first..first + count {
            self.allocated.remove(&number);
            if let Some(irq) = self.irq(number) {
                *irq = Irq {
                    server: 0,
                    priority: 0,
                };
            }
        }
    }

    /// `hw/ppc/spapr_pci.c:rtas_ibm_change_msi`.
    fn change_msi(&mut self, inputs: &[u32]) -> Vec<u32> {
        let [address, high, low, function, requested, sequence] = inputs[..] else {
            return vec![PARAMETER_ERROR];
        };
        let key = [address, high, low];
        let Some(mut device) = self.devices.get(&key).copied() else {
            return vec![PARAMETER_ERROR];
        };
        if ![1, 3, 4].contains(&function) {
            return vec![PARAMETER_ERROR];
        }
        let kind = if function == 4 { 2 } else { 1 };
        if requested == 0 {
            let Some(block) = device.block.take() else {
                return vec![HARDWARE_ERROR];
            };
            self.free(block);
            self.devices.insert(key, device);
            return vec![0, 0];
        }
        if requested > device.most {
            return vec![0, device.most, sequence.wrapping_add(1), kind];
        }
        let free = |first: &u32| {
            (*first..*first + requested).all(|number| !self.allocated.contains(&number))
        };
        let Some(first) = (FIRST_MSI..=FIRST + SOURCES - requested).find(free) else {
            return vec![HARDWARE_ERROR];
        };
        self.allocated.extend(first..first + requested);
        if let Some(block) = device.block.replace((first, requested)) {
            self.free(block);
        }
        self.devices.insert(key, device);
        vec![0, requested, sequence.wrapping_add(1), kind]
    }
}

impl Platform for Hypervisor {
    fn h_rtas(&self, buffer: &mut HypervisorBuffer) -> i64 {
        let mut state = self.state();
        let inputs = buffer.get(1) as usize;
        let outputs = buffer.get(2) as usize;
        assert!(
            inputs < 16 && inputs + outputs <= 16,
            "KVM stops the machine"
        );
        let cells: Vec<u32> = (0..3 + inputs + outputs).map(|at| buffer.get(at)).collect();
        let called = cells[0];
        let arguments = &cells[3..3 + inputs];
        let answer = if called == token("ibm,set-xive") {
            state.set_xive(arguments)
        } else if called == token("query-cpu-stopped-state") {
            state.query_cpu(arguments)
        } else if called == token("ibm,query-interrupt-source-number") {
            state.query_source(arguments)
        } else if called == token("ibm,change-msi") {
            state.change_msi(arguments)
        } else if let Some(answer) = state.answers.get(&called) {
            answer.clone()
        } else {
            vec![PARAMETER_ERROR]
        };
        let known = called != 0 && (called < 0x2040 || state.answers.contains_key(&called));
        state.calls.push(cells);
        for (index, value) in answer.iter().enumerate() {
            buffer.set(3 + inputs + index, *value);
        }
        if known { 0 } else { -4 }
    }

    fn h_rtas_about(&self, buffer: &mut HypervisorBuffer, cell: usize, memory: &mut [u8]) -> i64 {
        buffer.set(cell, PRIVATE);
        let result = self.h_rtas(buffer);
        if buffer.get(3 + buffer.get(1) as usize) == 0 {
            let written = &self.state().written;
            memory[..written.len()].copy_from_slice(written);
        }
        result
    }

    fn full_barrier(&self) {
        core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
    }
}
