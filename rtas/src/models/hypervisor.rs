//! The hypervisor and the words above it, as the models of the interrupt sources see them.
//!
//! A source at the hypervisor is one relaxed atomic: a write by hypercall is ordered by nothing but
//! the caller's own barriers. What the hypervisor keeps for itself (who has which MSIs) is under
//! its own lock and no part of the model.

use core::cell::Cell;
use std::sync::Mutex;

use loom::sync::atomic::{AtomicU64 as Source, fence};
use rtas_abi::status;

use super::atomic::{AtomicU64, Ordering, Weakness};
use super::history::Specified;
use super::script::step;
use crate::config::Config;
use crate::instance::Instance;
use crate::platform::{HypervisorBuffer, Platform};
use crate::source::word::{Effective, Word};
use crate::testing::config::{BOOT, config};
use crate::testing::{FIRST, token};

/// A server that exists when it is asked for, and is unplugged when a source is to be sent there.
pub const GOING: u32 = 3;

/// What is missing in a model that must fail.
#[derive(Clone, Copy, Debug, Default)]
pub struct Missing {
    /// The barrier before the hypercall.
    pub barrier_before: bool,
    /// The barrier after the hypercall.
    pub barrier_after: bool,
    /// What the words lack.
    pub weakness: Weakness,
}

/// Sources from [`FIRST`] on: their words, and the hypervisor.
pub struct Model {
    config: Config,
    words: Vec<AtomicU64>,
    sources: Vec<Source>,
    /// First source and number of sources that each device has, for `ibm,change-msi`. A device is
    /// known by its configuration address, which is its place here.
    pub devices: Mutex<[Option<(u32, u32)>; 2]>,
    /// Hypercalls about devices, in whose every order loom explores them: it does not know of the lock.
    about_devices: Source,
    missing: Missing,
}

impl Model {
    /// Sources that were left enabled at server 1, priority 5; no device has any of them.
    pub fn new(sources: u32, missing: Missing) -> Self {
        let word = Word::at_reset(BOOT as u16).set_xive(1, 5).int_on();
        Self {
            config: Config {
                source_count: sources,
                ..config()
            },
            words: (0..sources)
                .map(|_| AtomicU64::weakened(word.bits(), missing.weakness))
                .collect(),
            sources: (0..sources).map(|_| Source::new(1 << 8 | 5)).collect(),
            devices: Mutex::new([None; 2]),
            about_devices: Source::new(0),
            missing,
        }
    }

    /// The same, the accesses to the words explored in every order: for small models.
    pub fn in_every_order(self) -> Self {
        let words = self.words.into_iter();
        Self {
            words: words.map(AtomicU64::in_every_order).collect(),
            ..self
        }
    }

    /// [`Model::new`]'s state.
    pub const START: Specified = Specified {
        server: 1,
        priority: 5,
        masked: false,
    };

    /// What calls are made with.
    pub fn instance(&self) -> Instance<'_> {
        Instance {
            config: &self.config,
            sources: &self.words,
            vpd: &[],
        }
    }

    /// A processor in one call.
    pub fn caller(&self) -> Caller<'_> {
        Caller {
            model: self,
            after: Cell::new(false),
            writes: Cell::new(0),
        }
    }

    /// How many transitions of a source were committed so far.
    pub fn commits(&self, number: u32) -> u64 {
        self.words[(number - FIRST) as usize].commits()
    }

    /// The word of a source.
    pub fn word(&self, number: u32) -> Word {
        Word::from_bits(self.words[(number - FIRST) as usize].load(Ordering::SeqCst))
    }

    /// What the word of a source says.
    pub fn state(&self, number: u32) -> Specified {
        let word = self.word(number);
        Specified {
            server: u32::from(word.server()),
            priority: u32::from(word.priority()),
            masked: word.is_masked(),
        }
    }

    /// Whether the hypervisor equals the word.
    pub fn agrees(&self, number: u32) -> bool {
        let Effective { server, priority } = self.word(number).effective(BOOT as u16);
        let source = self.sources[(number - FIRST) as usize].load(Ordering::SeqCst);
        source == packed(u32::from(server), u32::from(priority))
    }

    fn write(&self, number: u32, value: u64) {
        let source = &self.sources[(number - FIRST) as usize];
        source.store(value, Ordering::Relaxed);
    }

    /// `ibm,change-msi` of a device that has or wants sources: the new block is the first that is
    /// free, the old one is freed after that (`rtas_ibm_change_msi`), and a source that is freed is
    /// all zeros, which is enabled (`xics_spapr_free_irq`).
    fn change_msi(&self, device: u32, wanted: u32) -> [u32; 2] {
        let (new, freed) = {
            let mut devices = self.devices.lock().expect("no test dies in here");
            let taken = |source: u32| {
                let blocks = devices.iter().flatten();
                let mut blocks = blocks.map(|(first, count)| *first..first + count);
                blocks.any(|block| block.contains(&source))
            };
            let end = FIRST + self.config.source_count;
            let mut starts = FIRST..end.saturating_sub(wanted) + 1;
            let free = starts.find(|first| !(*first..first + wanted).any(taken));
            let has = devices[device as usize];
            let new = match (wanted, free, has) {
                (0, _, None) | (1.., None, _) => return [status::HARDWARE_ERROR as u32, 0],
                (0, _, Some(_)) => None,
                (_, Some(first), _) => Some((first, wanted)),
            };
            (new, core::mem::replace(&mut devices[device as usize], new))
        };
        for number in freed
            .into_iter()
            .flat_map(|(first, count)| first..first + count)
        {
            self.write(number, 0);
        }
        [0, new.map_or(0, |(_, count)| count)]
    }
}

const fn packed(server: u32, priority: u32) -> u64 {
    (server as u64) << 8 | priority as u64
}

/// A processor in one call.
pub struct Caller<'a> {
    model: &'a Model,
    /// Whether the next barrier comes after a hypercall.
    after: Cell<bool>,
    /// Sources written so far.
    pub writes: Cell<u64>,
}

impl Platform for Caller<'_> {
    fn h_rtas(&self, buffer: &mut HypervisorBuffer) -> i64 {
        step();
        let called = buffer.get(0);
        let inputs = buffer.get(1) as usize;
        let input = |index: usize| buffer.get(3 + index);
        let mut outputs = [0; 2];
        if called == token("ibm,set-xive") {
            self.writes.set(self.writes.get() + 1);
            let [number, server, priority] = [0, 1, 2].map(input);
            if server == GOING {
                outputs = [status::PARAMETER_ERROR as u32, 0];
            } else {
                self.model.write(number, packed(server, priority));
            }
        } else if called == token("ibm,query-interrupt-source-number") {
            self.model.about_devices.fetch_add(1, Ordering::Relaxed);
            let devices = self.model.devices.lock().expect("no test dies in here");
            outputs = match devices[input(0) as usize] {
                Some((first, count)) if input(3) < count => [0, first + input(3)],
                _ => [status::HARDWARE_ERROR as u32, 0],
            };
        } else if called == token("ibm,change-msi") {
            self.model.about_devices.fetch_add(1, Ordering::Relaxed);
            outputs = self.model.change_msi(input(0), input(4));
        } else {
            assert_eq!(called, token("query-cpu-stopped-state"));
        }
        for (index, output) in outputs.into_iter().enumerate() {
            buffer.set(3 + inputs + index, output);
        }
        0
    }

    fn h_rtas_about(&self, _: &mut HypervisorBuffer, _: usize, _: &mut [u8]) -> i64 {
        unreachable!("no call of the models is about memory")
    }

    fn full_barrier(&self) {
        step();
        let after = self.after.replace(!self.after.get());
        let missing = if after {
            self.model.missing.barrier_after
        } else {
            self.model.missing.barrier_before
        };
        if !missing {
            fence(Ordering::SeqCst);
        }
    }
}
