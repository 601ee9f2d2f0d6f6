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

use rtas_abi::{buffer, status};

use crate::atomic::{AtomicU64, Ordering};
use crate::config::Config;
use crate::hypervisor;
use crate::instance::Instance;
use crate::platform::{HypervisorBuffer, Platform};
use crate::table::index;
use word::{Effective, Word};

/// A change that is committed and that the hypervisor was told of once.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    /// The source's word.
    pub word: &'a AtomicU64,
    /// What was committed. [`HypervisorBuffer::kept`] is the word before.
    pub own: Word,
    /// The word after the hypervisor was told.
    pub now: Word,
    /// The hypervisor's answer.
    answer: i32,
}

impl<'a> Change<'a> {
    /// The change of which these are the words, and in `buffer` is still what the hypervisor was
    /// told and answered.
    pub fn again(buffer: &HypervisorBuffer, word: &'a AtomicU64, [own, now]: [Word; 2]) -> Self {
        Self {
            word,
            own,
            now,
            answer: hypervisor::output(buffer, 3, 0) as i32,
        }
    }

    /// Whether word and hypervisor agree, and it is what was asked for.
    #[inline(always)]
    pub fn is_settled(self) -> bool {
        self.answer == status::SUCCESS && self.now == self.own
    }
}

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

// Not derived: that would ask for a platform that can be copied.
impl<P> Clone for Sources<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Sources<'_, P> {}

/// One source and its word.
#[derive(Clone, Copy)]
struct Source<'a> {
    number: u32,
    word: &'a AtomicU64,
}

impl Source<'_> {
    fn load(self) -> Word {
        // Relaxed, as the swap: a word stands for itself, and the barriers of `change` order it
        // with the hypervisor.
        Word::from_bits(self.word.load(Ordering::Relaxed))
    }

    /// Replaces `old` by `new`, unless the word has changed: then the word as it is now.
    fn swap(self, old: Word, new: Word) -> Result<(), Word> {
        self.word
            .compare_exchange(old.bits(), new.bits(), Ordering::Relaxed, Ordering::Relaxed)
            .map(drop)
            .map_err(Word::from_bits)
    }

    /// Commits a transition, from `old` if that is still so: the word before and the word after.
    #[inline(always)]
    fn commit(self, mut old: Word, transition: impl Fn(Word) -> Word) -> (Word, Word) {
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
    #[inline(always)]
    pub const fn new(instance: Instance<'a>, platform: &'a P) -> Self {
        Self {
            config: instance.config,
            words: instance.sources,
            platform,
        }
    }

    /// `ibm,get-xive`: server and priority last set; `None` for a number that is no source. No
    /// hypercall.
    #[inline(always)]
    pub fn get_xive(self, number: u32) -> Option<(u32, u32)> {
        let word = self.find(number)?.load();
        Some((u32::from(word.server()), u32::from(word.priority())))
    }

    /// `ibm,set-xive`. `None` is a parameter error with nothing changed: for numbers that are no
    /// source, priorities above 0xff, servers that are not there.
    pub fn set_xive(
        self,
        number: u32,
        server: u32,
        priority: u32,
        buffer: &mut HypervisorBuffer,
    ) -> Option<Change<'a>> {
        let source = self.find(number)?;
        let short_server = u16::try_from(server).ok()?;
        let priority = u8::try_from(priority).ok()?;
        if short_server != source.load().server() && !self.server_exists(server, buffer) {
            return None;
        }
        Some(self.change(source, source.load(), buffer, |word| {
            word.set_xive(short_server, priority)
        }))
    }

    /// `ibm,set-xive` for a source that has that server already. `None`, with nothing done, for
    /// anything else, which is for [`Self::set_xive`] to judge.
    #[inline(always)]
    pub fn set_priority(
        self,
        number: u32,
        server: u32,
        priority: u32,
        buffer: &mut HypervisorBuffer,
    ) -> Option<Change<'a>> {
        let source = self.find(number)?;
        let priority = u8::try_from(priority).ok()?;
        let old = source.load();
        let short_server = old.server();
        if u32::from(short_server) != server {
            return None;
        }
        let transition = |word: Word| word.set_xive(short_server, priority);
        Some(self.change(source, old, buffer, transition))
    }

    /// `ibm,int-off`. `None` for numbers that are no source; else it does not fail: the boot
    /// processor's server takes every masked source.
    #[inline(always)]
    pub fn int_off(self, number: u32, buffer: &mut HypervisorBuffer) -> Option<Change<'a>> {
        let source = self.find(number)?;
        Some(self.change(source, source.load(), buffer, Word::int_off))
    }

    /// `ibm,int-on`. `None` for numbers that are no source. Where the source's server was unplugged
    /// since it was set, it ends as a parameter error, with nothing changed.
    #[inline(always)]
    pub fn int_on(self, number: u32, buffer: &mut HypervisorBuffer) -> Option<Change<'a>> {
        let source = self.find(number)?;
        Some(self.change(source, source.load(), buffer, Word::int_on))
    }

    /// Puts the source back to its state at boot, here and at the hypervisor. Numbers that are no
    /// source are passed over.
    pub fn reset(self, number: u32, buffer: &mut HypervisorBuffer) {
        if let Some(source) = self.find(number) {
            let boot_server = self.boot_server();
            let change = self.change(source, source.load(), buffer, |word| {
                word.reset(boot_server)
            });
            // A masked source is never refused; there is nobody to tell if it were.
            let _ = self.settle(change, buffer);
        }
    }

    /// How many sources there are.
    pub fn count(self) -> u32 {
        self.words.len() as u32
    }

    /// The hypervisor.
    pub const fn platform(self) -> &'a P {
        self.platform
    }

    #[inline(always)]
    fn find(self, number: u32) -> Option<Source<'a>> {
        let index = number.wrapping_sub(self.config.first_source);
        let word = self.words.get(index as usize)?;
        Some(Source { number, word })
    }

    fn boot_server(self) -> u16 {
        self.config.boot_server as u16
    }

    /// Whether `server` is plugged, as far as can be known without touching a source: the stopped
    /// state of its processor is asked for. Where that call is not offered the answer is yes, and
    /// the hypervisor refuses the write later.
    fn server_exists(self, server: u32, buffer: &mut HypervisorBuffer) -> bool {
        if server == self.config.boot_server {
            return true;
        }
        if server >= self.config.server_count {
            return false;
        }
        match self.config.tokens.get(index::QUERY_CPU_STOPPED_STATE) {
            Some(token) if *token != 0 => {
                hypervisor::call(self.platform, buffer, *token, [server], [0, 0])
                    != status::PARAMETER_ERROR
            }
            _ => true,
        }
    }

    /// Makes the hypervisor's source what `word` says, by `ibm,set-xive`: the status of that, and
    /// what the word is afterwards.
    #[inline(always)]
    fn make_true(
        self,
        source: Source<'_>,
        word: Word,
        buffer: &mut HypervisorBuffer,
    ) -> (i32, Word) {
        let token = self.config.tokens.get(index::IBM_SET_XIVE);
        let Effective { server, priority } = word.effective(self.boot_server());
        let inputs = [source.number, server.into(), priority.into()];
        // All of it before the barrier, so that nothing but the hypercall is between the two.
        hypervisor::prepare(buffer, token.copied().unwrap_or(0), inputs, [0]);
        self.platform.full_barrier();
        let written = hypervisor::ask(self.platform, buffer, inputs.len());
        self.platform.full_barrier();
        (written, source.load())
    }

    /// Commits a transition, the word being `old` at last sight, and tells the hypervisor.
    #[inline(always)]
    fn change(
        self,
        source: Source<'a>,
        old: Word,
        buffer: &mut HypervisorBuffer,
        transition: impl Fn(Word) -> Word,
    ) -> Change<'a> {
        let (old, own) = source.commit(old, transition);
        buffer.kept = old.bits();
        let (answer, now) = self.make_true(source, own, buffer);
        Change {
            word: source.word,
            own,
            now,
            answer,
        }
    }

    /// The status of a call: [`Self::settle`], or a parameter error where nothing was changed.
    pub fn finish(self, change: Option<Change<'_>>, buffer: &mut HypervisorBuffer) -> i32 {
        match change {
            Some(change) => self.settle(change, buffer),
            None => status::PARAMETER_ERROR,
        }
    }

    /// Makes the word true, if it is not by now. Returns the status of the call: if the hypervisor
    /// refuses what the change asks for, it is taken back, unless another call has built on it
    /// meanwhile, and with it the refusal is that call's. `buffer` is as the change left it.
    pub fn settle(self, change: Change<'_>, buffer: &mut HypervisorBuffer) -> i32 {
        let own = change.own;
        let old = Word::from_bits(buffer.kept);
        let source = Source {
            number: buffer.get(buffer::ARGUMENTS),
            word: change.word,
        };
        let mut result = status::SUCCESS;
        let mut word = own;
        let (mut answer, mut now) = (change.answer, change.now);
        loop {
            if answer == hypervisor::NO_STATUS {
                buffer.set_unanswered();
            }
            if now != word {
                word = now;
            } else if answer == status::SUCCESS || word != own {
                return result;
            } else if word.effective(self.boot_server()).is_masked() {
                // Not the server, then: the source is out of the hypervisor's reach.
                return status::HARDWARE_ERROR;
            } else {
                let restored = own.take_back(old);
                word = match source.swap(own, restored) {
                    Ok(()) => {
                        result = match answer {
                            status::PARAMETER_ERROR => status::PARAMETER_ERROR,
                            _ => status::HARDWARE_ERROR,
                        };
                        restored
                    }
                    Err(now) => now,
                };
            }
            (answer, now) = self.make_true(source, word, buffer);
        }
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
