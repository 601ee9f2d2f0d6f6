//! The interrupt sources: `ibm,get-xive`, `ibm,set-xive`, `ibm,int-off` and `ibm,int-on` with the
//! meaning that LoPAR 7.3.10 gives them, whatever the hypervisor makes of its own.
//!
//! Of the hypervisor one thing is used: its `ibm,set-xive` with the effective server and priority,
//! an unconditional write. A call commits its transition to the source's word by one compare and
//! swap, and then makes the word true at the hypervisor:
//!
//! ```text
//! repeat
//!     full barrier            the commit is performed before the write
//!     write(word's effective state)
//!     full barrier            the write is performed before the word is read again
//! until the word is what was written
//! ```
//!
//! Whoever writes last at the hypervisor read the word after its write and found it unchanged, so
//! once no call is in flight the hypervisor equals the word; a caller that died on the way made the
//! word, and the next call on the source writes it.
//!
//! Nothing here waits: a repetition means that another call committed meanwhile.

pub mod word;

use rtas_abi::status;

use crate::atomic::{AtomicU64, Ordering};
use crate::config::Config;
use crate::hypervisor;
use crate::instance::Instance;
use crate::platform::{HypervisorBuffer, Platform};
use crate::table::index;
use word::{Effective, Word};

/// The words of all sources, and the hypervisor behind them.
///
/// Protects:    server, priority and mask of one source each; a single [`Word`], valid at all times;
///              at reset [`Word::at_reset`].
/// Holder:      nobody: any number of calls on any number of processors read a word and replace it
///              by one compare and swap each. They may nest.
/// Order:       no other cell is touched between load and swap. The swap is released by the full
///              barrier after it; the words are independent of each other.
/// Holder dies: before its swap nothing has happened; after it the transition stands, and the next
///              call on the source writes it to the hypervisor. Until then the source is at the
///              hypervisor as the transition before left it.
pub struct Sources<'a, P> {
    config: &'a Config,
    words: &'a [AtomicU64],
    platform: &'a P,
}

/// One source and its word.
#[derive(Clone, Copy)]
struct Source<'a> {
    number: u32,
    word: &'a AtomicU64,
}

impl Source<'_> {
    fn load(self) -> Word {
        Word::from_bits(self.word.load(Ordering::Acquire))
    }

    /// Replaces `old` by `new`, unless the word has changed: then the word as it is now.
    fn swap(self, old: Word, new: Word) -> Result<(), Word> {
        self.word
            .compare_exchange(old.bits(), new.bits(), Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
            .map_err(Word::from_bits)
    }

    /// Commits a transition: the word before and the word after.
    fn commit(self, transition: impl Fn(Word) -> Word) -> (Word, Word) {
        let mut old = self.load();
        loop {
            let new = transition(old);
            match self.swap(old, new) {
                Ok(()) => return (old, new),
                Err(now) => old = now,
            }
        }
    }
}

impl<'a, P: Platform> Sources<'a, P> {
    /// The sources of an instance.
    pub const fn new(instance: &Instance<'a>, platform: &'a P) -> Self {
        Self {
            config: instance.config,
            words: instance.sources,
            platform,
        }
    }

    /// `ibm,get-xive`: server and priority last set, or the status of a refusal. No hypercall.
    pub fn get_xive(&self, number: u32) -> Result<(u32, u32), i32> {
        let word = self.find(number)?.load();
        Ok((u32::from(word.server()), u32::from(word.priority())))
    }

    /// `ibm,set-xive`. Refused with nothing changed: numbers that are no source, priorities above
    /// 0xff, servers that are not there.
    pub fn set_xive(
        &self,
        number: u32,
        server: u32,
        priority: u32,
        buffer: &mut HypervisorBuffer,
    ) -> i32 {
        let Ok(source) = self.find(number) else {
            return status::PARAMETER_ERROR;
        };
        let (Ok(short_server), Ok(priority)) = (u16::try_from(server), u8::try_from(priority))
        else {
            return status::PARAMETER_ERROR;
        };
        if short_server != source.load().server() && !self.server_exists(server, buffer) {
            return status::PARAMETER_ERROR;
        }
        self.change(source, buffer, |word| word.set_xive(short_server, priority))
    }

    /// `ibm,int-off`. Fails for numbers that are no source only: the boot processor's server takes
    /// every masked source.
    pub fn int_off(&self, number: u32, buffer: &mut HypervisorBuffer) -> i32 {
        match self.find(number) {
            Ok(source) => self.change(source, buffer, Word::int_off),
            Err(status) => status,
        }
    }

    /// `ibm,int-on`. Refused with nothing changed for numbers that are no source, and where the
    /// source's server was unplugged since it was set.
    pub fn int_on(&self, number: u32, buffer: &mut HypervisorBuffer) -> i32 {
        match self.find(number) {
            Ok(source) => self.change(source, buffer, Word::int_on),
            Err(status) => status,
        }
    }

    /// Puts the source back to its state at boot, here and at the hypervisor. Numbers that are no
    /// source are passed over.
    pub fn reset(&self, number: u32, buffer: &mut HypervisorBuffer) {
        if let Ok(source) = self.find(number) {
            let boot_server = self.boot_server();
            // A masked source is never refused; there is nobody to tell if it were.
            let _ = self.change(source, buffer, |word| word.reset(boot_server));
        }
    }

    /// How many sources there are.
    pub fn count(&self) -> u32 {
        self.config.source_count
    }

    fn find(&self, number: u32) -> Result<Source<'a>, i32> {
        number
            .checked_sub(self.config.first_source)
            .filter(|index| *index < self.config.source_count)
            .and_then(|index| self.words.get(index as usize))
            .map(|word| Source { number, word })
            .ok_or(status::PARAMETER_ERROR)
    }

    fn boot_server(&self) -> u16 {
        self.config.boot_server as u16
    }

    /// Whether `server` is plugged, as far as can be known without touching a source: the stopped
    /// state of its processor is asked for. Where that call is not offered the answer is yes, and
    /// the hypervisor refuses the write later.
    fn server_exists(&self, server: u32, buffer: &mut HypervisorBuffer) -> bool {
        if server == self.config.boot_server {
            return true;
        }
        if server >= self.config.server_count {
            return false;
        }
        match self.config.tokens.get(index::QUERY_CPU_STOPPED_STATE) {
            Some(token) if *token != 0 => {
                hypervisor::call(self.platform, buffer, *token, &[server], &[0, 0])
                    != status::PARAMETER_ERROR
            }
            _ => true,
        }
    }

    /// The hypervisor's `ibm,set-xive`.
    fn write(&self, number: u32, effective: Effective, buffer: &mut HypervisorBuffer) -> i32 {
        let token = self.config.tokens.get(index::IBM_SET_XIVE);
        let inputs = [
            number,
            u32::from(effective.server),
            u32::from(effective.priority),
        ];
        hypervisor::call(
            self.platform,
            buffer,
            token.copied().unwrap_or(0),
            &inputs,
            &[0],
        )
    }

    /// Commits a transition and makes the word true. Returns the status of the call: if the
    /// hypervisor refuses what the transition asks for, it is taken back, unless another call has
    /// built on it meanwhile, and with it the refusal is that call's.
    fn change(
        &self,
        source: Source<'_>,
        buffer: &mut HypervisorBuffer,
        transition: impl Fn(Word) -> Word,
    ) -> i32 {
        let (old, own) = source.commit(transition);
        let mut result = status::SUCCESS;
        let mut word = own;
        loop {
            let effective = word.effective(self.boot_server());
            self.platform.full_barrier();
            let written = self.write(source.number, effective, buffer);
            self.platform.full_barrier();
            let now = source.load();
            if now != word {
                word = now;
                continue;
            }
            if written == status::SUCCESS || word != own {
                return result;
            }
            if effective.is_masked() {
                // Not the server, then: the source is out of the hypervisor's reach.
                return status::HARDWARE_ERROR;
            }
            let restored = own.take_back(old);
            word = match source.swap(own, restored) {
                Ok(()) => {
                    result = if written == status::PARAMETER_ERROR {
                        status::PARAMETER_ERROR
                    } else {
                        status::HARDWARE_ERROR
                    };
                    restored
                }
                Err(now) => now,
            };
        }
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
