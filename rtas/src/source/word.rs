//! What the blob knows of one interrupt source, in 64 bits, and how calls change it.
//!
//! ```text
//! bits, counted from the lowest     63 ... 25    24       23 ... 16   15 ... 0
//!                                   generation   masked   priority    server
//! ```
//!
//! Mask and priority lie so that one comparison says whether a source presents interrupts, and the
//! generation so that what is carried out of it is gone.
//!
//! Every transition is a pure function from a word to the next one and counts the generation up,
//! so that a word is never stored twice: 39 bits last for more than a day of nothing but commits to
//! one source, and only a processor that was stopped for all of it could mistake a word. 16 bits of
//! server are more than QEMU has (4096 processors, each of at most 8 numbers).

use rtas_abi::interrupt::LEAST_FAVORED_PRIORITY;

const PRIORITY_SHIFT: u32 = 16;
const MASKED: u64 = 1 << 24;
const GENERATION_SHIFT: u32 = 25;
/// What is no generation.
const STATE: u64 = (1 << GENERATION_SHIFT) - 1;

/// Server, priority last set, and mask of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(u64);

/// What the hypervisor is told of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Interrupt server.
    pub server: u16,
    /// Priority, the least favoured one where the source is masked.
    pub priority: u8,
}

impl Effective {
    /// Whether no interrupt of the source is presented.
    pub const fn is_masked(self) -> bool {
        self.priority == LEAST_FAVORED_PRIORITY
    }
}

impl Word {
    /// A source that no call has touched since boot: masked, its priority the least favoured one
    /// (LoPAR R1-7.3.10.1-4, R1-7.3.10.4-5), its server that of the boot processor.
    pub const fn at_reset(boot_server: u16) -> Self {
        Self::new(boot_server, LEAST_FAVORED_PRIORITY, MASKED)
    }

    /// The word whose bits are `bits`.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits, as they are kept in memory in the byte order of the target.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The server last set.
    pub const fn server(self) -> u16 {
        self.0 as u16
    }

    /// The priority last set, whether the source is masked or not.
    pub const fn priority(self) -> u8 {
        (self.0 >> PRIORITY_SHIFT) as u8
    }

    /// Whether the source is masked off: by `ibm,int-off`, or since no `ibm,int-on` came since boot.
    pub const fn is_masked(self) -> bool {
        self.0 & MASKED != 0
    }

    /// How often the word has changed.
    pub const fn generation(self) -> u64 {
        self.0 >> GENERATION_SHIFT
    }

    /// What the hypervisor is to be told. A masked source goes to the boot processor's server, which
    /// is always there: QEMU refuses servers that are unplugged, and masking must not fail.
    #[inline(always)]
    pub const fn effective(self, boot_server: u16) -> Effective {
        // Masked, or at the least favoured priority.
        if self.0 & STATE >= (LEAST_FAVORED_PRIORITY as u64) << PRIORITY_SHIFT {
            Effective {
                server: boot_server,
                priority: LEAST_FAVORED_PRIORITY,
            }
        } else {
            Effective {
                server: self.server(),
                priority: self.priority(),
            }
        }
    }

    /// `ibm,set-xive`: server and priority, the mask as it is (LoPAR R1-7.3.10.2-4).
    #[must_use]
    pub const fn set_xive(self, server: u16, priority: u8) -> Self {
        self.next(STATE & !MASKED, Self::new(server, priority, 0).0)
    }

    /// `ibm,int-off`: masked; the priority is kept for `ibm,int-on` and `ibm,get-xive`
    /// (LoPAR R1-7.3.10.3-5).
    #[must_use]
    pub const fn int_off(self) -> Self {
        self.next(0, MASKED)
    }

    /// `ibm,int-on`: not masked, at the priority kept (LoPAR R1-7.3.10.4-5).
    #[must_use]
    pub const fn int_on(self) -> Self {
        self.next(MASKED, 0)
    }

    /// The source was given to somebody else: as at reset.
    #[must_use]
    pub const fn reset(self, boot_server: u16) -> Self {
        self.next(STATE, Self::at_reset(boot_server).0)
    }

    /// What `old` says, as the successor of this word.
    #[must_use]
    pub const fn take_back(self, old: Self) -> Self {
        self.next(STATE, old.0 & STATE)
    }

    /// The next generation, with `state` in place of the bits `replaced`.
    const fn next(self, replaced: u64, state: u64) -> Self {
        Self(self.0.wrapping_add(1 << GENERATION_SHIFT) & !replaced | state)
    }

    /// Generation 0.
    const fn new(server: u16, priority: u8, masked: u64) -> Self {
        Self(masked | (priority as u64) << PRIORITY_SHIFT | server as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_source_starts_masked_at_the_least_favored_priority() {
        let word = Word::at_reset(3);
        assert_eq!((word.server(), word.priority()), (3, 0xff));
        assert!(word.is_masked());
        assert_eq!(word.bits(), 0x01ff_0003);
        for server in [0, 3, u16::MAX] {
            let on = Word::at_reset(server).int_on();
            let masked = Effective {
                server: 3,
                priority: 0xff,
            };
            assert_eq!(on.effective(3), masked, "R1-7.3.10.4-5");
        }
    }

    #[test]
    fn the_generation_wraps_without_touching_the_rest() {
        let last = Word::from_bits(Word::at_reset(1).int_on().bits() | !STATE);
        let first = last.set_xive(0xffff, 0);
        assert_eq!(first.generation(), 0);
        assert_eq!((first.server(), first.priority()), (0xffff, 0));
        assert!(!first.is_masked());
    }

    proptest! {
        #[test]
        fn every_transition_counts_the_generation_up(bits: u64, server: u16, priority: u8) {
            let word = Word::from_bits(bits);
            for next in [
                word.int_on(),
                word.int_off(),
                word.set_xive(server, priority),
                word.reset(server),
                word.take_back(Word::from_bits(!bits)),
            ] {
                prop_assert_eq!(next.generation(), (word.generation() + 1) % (1 << 39));
            }
        }

        #[test]
        fn a_masked_source_goes_to_the_boot_processor(bits: u64, boot: u16) {
            let word = Word::from_bits(bits);
            let effective = word.effective(boot);
            if word.is_masked() || word.priority() == 0xff {
                prop_assert_eq!(effective, Effective { server: boot, priority: 0xff });
            } else {
                let (server, priority) = (word.server(), word.priority());
                prop_assert_eq!(effective, Effective { server, priority });
            }
        }

        #[test]
        fn taking_back_restores_all_but_the_generation(bits: u64, server: u16, priority: u8) {
            let old = Word::from_bits(bits);
            let restored = old.set_xive(server, priority).take_back(old);
            prop_assert_eq!(restored.server(), old.server());
            prop_assert_eq!(restored.priority(), old.priority());
            prop_assert_eq!(restored.is_masked(), old.is_masked());
            prop_assert_ne!(restored, old);
        }
    }
}
