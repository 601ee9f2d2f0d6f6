//! A machine for tests on the host: caller's memory that keeps count of every access, and a model
//! of QEMU's side of `H_RTAS`.

pub mod hypervisor;
pub mod memory;
pub mod platforms;

use core::sync::atomic::AtomicU32;

use crate::config::{Config, LeaveBuffer, MAGIC, MAX_CALLS, MAX_UNKNOWN, SOURCES_ARE_NATIVE};
use crate::decode::CellWidth;
use crate::dispatch::{self, Exit};
use crate::instance::Instance;
use crate::platform::{HypervisorBuffer, Platform};
use crate::source::word::Word;
use crate::table;
use core::sync::atomic::{AtomicU64, Ordering};
pub use hypervisor::Hypervisor;
pub use memory::Memory;

/// Number of the first source.
pub const FIRST: u32 = 0x1000;
/// Number of sources.
pub const SOURCES: u32 = 0x100;
/// First source that is not fixed: MSIs come from here.
pub const FIRST_MSI: u32 = 0x1040;
/// Servers are the numbers below this one.
pub const SERVERS: u32 = 8;
/// The boot processor's server.
pub const BOOT: u32 = 0;
/// Where the caller's buffer lies.
pub const BUFFER: u64 = 0x4000;
/// A token of a call that the table does not know.
pub const UNKNOWN_TOKEN: u32 = 0x2055;

/// QEMU's token of a call.
pub fn token(name: &str) -> u32 {
    0x2000 + table::index_of(name).expect(name) as u32
}

/// One instance and the hypervisor below it.
pub struct Machine {
    pub config: Config,
    pub words: Vec<AtomicU64>,
    pub hypervisor: Hypervisor,
}

impl Machine {
    /// A machine that was just started, with all calls offered and its sources native.
    pub fn new() -> Self {
        let mut tokens = [0; MAX_CALLS];
        for (index, place) in tokens.iter_mut().enumerate().take(table::COUNT) {
            *place = 0x2000 + index as u32;
        }
        let mut unknown_tokens = [0; MAX_UNKNOWN];
        unknown_tokens[0] = UNKNOWN_TOKEN;
        let leave = |token: u32, inputs: u32| LeaveBuffer {
            cells: [token, inputs, 1, 0, 0, 0, 0, 0].map(|cell| AtomicU32::new(cell.to_be())),
        };
        let config = Config {
            magic: MAGIC,
            base: 0x1_0000,
            size: 0x1_0000,
            memory_end: 0x10_0000,
            sources_offset: 0,
            pool_offset: 0,
            contexts_offset: 0,
            context_count: 3,
            flags: SOURCES_ARE_NATIVE,
            boot_server: BOOT,
            server_count: SERVERS,
            first_source: FIRST,
            source_count: SOURCES,
            tokens,
            unknown_tokens,
            stop_self: leave(token("stop-self"), 0),
            system_reboot: leave(token("system-reboot"), 0),
            power_off: leave(token("power-off"), 2),
        };
        let reset = Word::at_reset(BOOT as u16).bits();
        Self {
            config,
            words: (0..SOURCES).map(|_| AtomicU64::new(reset)).collect(),
            hypervisor: Hypervisor::new(),
        }
    }

    pub fn instance(&self) -> Instance<'_> {
        Instance {
            config: &self.config,
            sources: &self.words,
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
        dispatch::call(&instance, platform, memory, width, BUFFER, &mut cells)
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
