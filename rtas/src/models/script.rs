//! What happens to a modelled processor at one of its steps: it stops for good, or an exception
//! handler runs there that calls RTAS.
//!
//! A step is the moment before an access to a shared word, a barrier or a hypercall. What the code
//! does between two steps no other processor sees, so a death anywhere between them is a death at
//! the second one.

use core::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

enum Event {
    Death,
    Exception(Box<dyn FnOnce()>),
}

struct Script {
    steps_left: usize,
    event: Event,
}

loom::thread_local! {
    static SCRIPT: RefCell<Option<Script>> = RefCell::new(None);
}

/// What a dying processor unwinds with. No code under test has a destructor that does anything, so
/// an unwound call is an abandoned one.
struct Dead;

/// The current thread comes to a step.
pub fn step() {
    let due = SCRIPT.with(|script| {
        let mut script = script.borrow_mut();
        match script.as_mut() {
            Some(Script { steps_left: 0, .. }) => script.take(),
            Some(script) => {
                script.steps_left -= 1;
                None
            }
            None => None,
        }
    });
    match due.map(|script| script.event) {
        Some(Event::Death) => resume_unwind(Box::new(Dead)),
        Some(Event::Exception(handler)) => handler(),
        None => (),
    }
}

/// Writes the script; whether it was played when `body` is over.
fn play(script: Script, body: impl FnOnce()) -> bool {
    SCRIPT.with(|current| *current.borrow_mut() = Some(script));
    body();
    SCRIPT.with(|current| current.borrow_mut().take()).is_none()
}

/// Runs `body` on a processor that stops for good at step `steps`: whether it came so far.
pub fn dies_at(steps: usize, body: impl FnOnce()) -> bool {
    let script = Script {
        steps_left: steps,
        event: Event::Death,
    };
    match catch_unwind(AssertUnwindSafe(|| play(script, body))) {
        Ok(_) => false,
        Err(cause) if cause.is::<Dead>() => true,
        Err(cause) => resume_unwind(cause),
    }
}

/// Runs `body` on a processor that takes an exception at step `steps`, whose handler is `handler`:
/// whether it came so far.
pub fn interrupted_at(steps: usize, handler: impl FnOnce() + 'static, body: impl FnOnce()) -> bool {
    let script = Script {
        steps_left: steps,
        event: Event::Exception(Box::new(handler)),
    };
    play(script, body)
}
