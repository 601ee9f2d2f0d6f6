//! One instance, called as its callers do.

use core::sync::atomic::{AtomicU64, Ordering};

use super::config::{BOOT, BUFFER, FIRST, SOURCES, config, token};
use super::{Hypervisor, Memory};
use crate::config::Config;
use crate::dispatch::{self, Exit};
use crate::instance::Instance;
use crate::memory::CellWidth;
use crate::platform::{HypervisorBuffer, Platform};
use crate::source::word::Word;

/// One instance and the hypervisor below it.
pub struct Machine {
    pub config: Config,
    pub words: Vec<AtomicU64>,
    pub vpd: Vec<u8>,
    pub hypervisor: Hypervisor,
}

impl Machine {
    /// A machine that was just started, with all calls offered and its sources native.
    pub fn new() -> Self {
        let reset = Word::at_reset(BOOT as u16).bits();
        Self {
            config: config(),
            words: (0..SOURCES).map(|_| AtomicU64::new(reset)).collect(),
            vpd: Vec::new(),
            hypervisor: Hypervisor::new(),
        }
    }

    pub fn instance(&self) -> Instance<'_> {
        Instance {
            config: &self.config,
            sources: &self.words,
            vpd: &self.vpd,
        }
    }

    /// The word of a source.
    pub fn word(&self, number: u32) -> Word {
        Word::from_bits(self.words[(number - FIRST) as usize].load(Ordering::SeqCst))
    }

    /// Does a call from a buffer at [`BUFFER`].
    pub fn dispatch<P: Platform>(
        &self,
        platform: &P,
        memory: &mut Memory,
        width: CellWidth,
    ) -> Exit<'_> {
        let mut cells = HypervisorBuffer::new();
        let instance = self.instance();
        dispatch::call(instance, platform, memory, width, BUFFER, &mut cells)
    }

    /// Calls `name` with 32-bit cells through `platform`: the outputs, status first.
    pub fn call_by<P: Platform>(
        &self,
        platform: &P,
        name: &str,
        inputs: &[u32],
        outputs: usize,
    ) -> Vec<u32> {
        let mut memory = Memory::new();
        memory.put(BUFFER, token(name), inputs, &vec![0xdead_beef; outputs]);
        match self.dispatch(platform, &mut memory, CellWidth::Bits32) {
            Exit::Return(status) => {
                let outputs = memory.outputs(BUFFER, inputs.len(), outputs);
                assert_eq!(
                    outputs.first().copied(),
                    Some(status as u32),
                    "r3 is the status"
                );
                outputs
            }
            Exit::Leave(_) => panic!("{name} left"),
        }
    }

    /// Calls `name` and gives its status.
    pub fn call(&self, name: &str, inputs: &[u32]) -> i32 {
        self.call_by(&self.hypervisor, name, inputs, 1)[0] as i32
    }

    /// Server and priority by `ibm,get-xive`, or its status.
    pub fn get_xive(&self, number: u32) -> Result<(u32, u32), i32> {
        match self.call_by(&self.hypervisor, "ibm,get-xive", &[number], 3)[..] {
            [0, server, priority] => Ok((server, priority)),
            [status, ..] => Err(status as i32),
            [] => unreachable!(),
        }
    }

    /// The word and the hypervisor agree.
    pub fn agrees(&self, number: u32) -> bool {
        let effective = self.word(number).effective(BOOT as u16);
        self.hypervisor.source(number) == (u32::from(effective.server), effective.priority)
    }
}
