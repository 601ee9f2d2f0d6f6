//! Histories of one source, and whether one order of its calls explains them.

/// The sequential specification of LoPAR 7.3.10: one source, one call at a time. Written from the
/// specification, not from [`crate::source::word`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Specified {
    pub server: u32,
    pub priority: u32,
    pub masked: bool,
}

/// A call on the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Get,
    Set(u32, u32),
    Off,
    On,
    /// It changed hands: as at boot.
    Reset,
}

/// What a caller saw of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `ibm,get-xive`: server and priority.
    State(u32, u32),
    /// Success.
    Done,
    /// The caller died in it: it took effect or not.
    Died,
}

/// A call and what its caller saw of it.
pub type Event = (Call, Outcome);

impl Specified {
    /// No call was made since boot.
    pub const AT_BOOT: Self = Self {
        server: crate::testing::config::BOOT,
        priority: 0xff,
        masked: true,
    };

    fn after(self, call: Call) -> Self {
        match call {
            Call::Get => self,
            Call::Set(server, priority) => Self {
                server,
                priority,
                ..self
            },
            Call::Off => Self {
                masked: true,
                ..self
            },
            Call::On => Self {
                masked: false,
                ..self
            },
            Call::Reset => Self::AT_BOOT,
        }
    }

    fn answers(self, call: Call) -> Outcome {
        match call {
            Call::Get => Outcome::State(self.server, self.priority),
            _ => Outcome::Done,
        }
    }
}

/// Whether the calls of all `threads`, each thread's in its own order, can be put into one order in
/// which, from `state` on, each caller saw what it saw and `last` is what is left.
pub fn is_linearizable(state: Specified, threads: &[&[Event]], last: Specified) -> bool {
    if threads.iter().all(|thread| thread.is_empty()) {
        return state == last;
    }
    (0..threads.len()).any(|chosen| {
        let Some(((call, outcome), rest)) = threads[chosen].split_first() else {
            return false;
        };
        let mut threads = threads.to_vec();
        threads[chosen] = rest;
        match outcome {
            Outcome::Died => {
                is_linearizable(state, &threads, last)
                    || is_linearizable(state.after(*call), &threads, last)
            }
            seen => {
                *seen == state.answers(*call) && is_linearizable(state.after(*call), &threads, last)
            }
        }
    })
}

#[test]
fn orders_that_explain_a_history_are_found_and_others_are_not() {
    let state = |server, priority, masked| Specified {
        server,
        priority,
        masked,
    };
    let start = state(1, 5, false);
    let off = (Call::Off, Outcome::Done);
    let set = (Call::Set(2, 7), Outcome::Done);
    let get = |server, priority| (Call::Get, Outcome::State(server, priority));
    let threads: [&[Event]; 2] = [&[off, get(1, 5)], &[set]];
    assert!(is_linearizable(start, &threads, state(2, 7, true)));
    assert!(!is_linearizable(start, &threads, state(1, 5, true)), "lost");
    assert!(
        !is_linearizable(start, &[&[get(2, 5)], &[set]], state(2, 7, false)),
        "torn"
    );
    let back: [&[Event]; 2] = [&[get(2, 7), get(1, 5)], &[set]];
    assert!(
        !is_linearizable(start, &back, state(2, 7, false)),
        "back in time"
    );
    let dead: [&[Event]; 1] = [&[(Call::Off, Outcome::Died)]];
    assert!(is_linearizable(start, &dead, state(1, 5, false)));
    assert!(is_linearizable(start, &dead, state(1, 5, true)));
}
