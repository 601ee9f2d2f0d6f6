//! What LoPAR 7.3.10 wants of one interrupt source: the sequential specification.
//!
//! A source has a server, a priority as last set, and a mask. Masked since boot and after
//! ibm,int-off; only ibm,int-on enables (R1-7.3.10.2-4, -10.3-5, -10.4-5). ibm,get-xive tells
//! what was last set, masked or not (R1-7.3.10.1-4).

/// The least favoured priority: not presented.
pub const LEAST_FAVORED: u32 = 0xff;

/// One source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Server as last set; `None` before the first set-xive, when any may be told.
    pub server: Option<u32>,
    /// Priority as last set.
    pub priority: u32,
    /// No interrupt is presented.
    pub masked: bool,
}

/// One call on a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// ibm,set-xive with server and priority.
    Set(u32, u32),
    /// ibm,int-off.
    Off,
    /// ibm,int-on.
    On,
}

impl Source {
    /// As at boot.
    pub const BOOT: Source = Source {
        server: None,
        priority: LEAST_FAVORED,
        masked: true,
    };

    /// After a successful call.
    #[must_use]
    pub fn after(self, call: Call) -> Source {
        match call {
            Call::Set(server, priority) => Source {
                server: Some(server),
                priority,
                ..self
            },
            Call::Off => Source {
                masked: true,
                ..self
            },
            Call::On => Source {
                masked: false,
                ..self
            },
        }
    }

    /// The priority that the interrupt controller works with.
    pub fn effective(self) -> u32 {
        if self.masked {
            LEAST_FAVORED
        } else {
            self.priority
        }
    }
}

/// A generator of test sequences (xorshift64*), the same for the same seed.
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator; the seed must not be 0, so 0 stands for 1.
    pub fn new(seed: u64) -> Random {
        Random(seed.max(1))
    }

    /// The next number below `limit` (not 0).
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_masked_until_int_on() {
        let source = Source::BOOT.after(Call::Set(0, 5));
        assert_eq!((source.priority, source.effective()), (5, 0xff));
        assert_eq!(source.after(Call::On).effective(), 5);
    }

    #[test]
    fn int_off_twice_keeps_the_priority() {
        let source = Source::BOOT.after(Call::Set(1, 7)).after(Call::On);
        let masked = source.after(Call::Off).after(Call::Off);
        assert_eq!((masked.priority, masked.effective()), (7, 0xff));
        assert_eq!(masked.after(Call::On), source);
    }
}
