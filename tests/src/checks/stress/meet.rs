//! Where processors wait for each other, and where the first deviation is kept.

use alloc::string::String;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};

use super::PATIENCE;
use crate::board::gate::Gate;
use crate::board::processor;

/// Protects: nothing; how many have arrived, and how often all had.
/// Holder: each processor once a round.
/// Order: arriving is acquire and release, so whoever leaves sees what all did before.
/// Holder dies: the others leave after [`PATIENCE`], and say so.
static ARRIVED: AtomicU32 = AtomicU32::new(0);
static ROUND: AtomicU32 = AtomicU32::new(0);

/// Protects: itself: whether processors shall end their work; false at start.
/// Holder: anybody sets it; the boot processor clears it while the others are idle.
/// Order: release and acquire, after the text of the deviation.
/// Holder dies: it stays set, and all end.
static STOP: AtomicBool = AtomicBool::new(false);

/// Protects: the text: whoever takes it writes, once a run.
/// Holder: the first processor with a deviation; never given back.
/// Order: the text is read when its writer is idle again.
/// Holder dies: part of the text is lost.
static TAKEN: AtomicBool = AtomicBool::new(false);
static LENGTH: AtomicUsize = AtomicUsize::new(0);
static TEXT: [AtomicU8; 400] = [const { AtomicU8::new(0) }; 400];

/// Forgets the last run.
pub fn begin() {
    ARRIVED.store(0, Ordering::Relaxed);
    STOP.store(false, Ordering::Release);
    TAKEN.store(false, Ordering::Relaxed);
    LENGTH.store(0, Ordering::Relaxed);
}

/// Waits for `parties` processors; `false` if they shall end.
pub fn wait(gate: &mut Gate, parties: usize) -> bool {
    let round = ROUND.load(Ordering::Acquire);
    if ARRIVED.fetch_add(1, Ordering::AcqRel) + 1 == parties as u32 {
        ARRIVED.store(0, Ordering::Relaxed);
        ROUND.fetch_add(1, Ordering::AcqRel);
    } else if !processor::wait(PATIENCE, || {
        let over = ROUND.load(Ordering::Acquire) != round || stopped();
        if !over {
            gate.doze();
        }
        over
    }) {
        deviates(format_args!(
            "a processor did not come to the end of a round"
        ));
    }
    !stopped()
}

/// Whether processors shall end their work.
pub fn stopped() -> bool {
    STOP.load(Ordering::Acquire)
}

/// Ends the work of all.
pub fn stop() {
    STOP.store(true, Ordering::Release);
}

/// Keeps a deviation, if it is the first, and ends the work of all.
pub fn deviates(what: fmt::Arguments<'_>) {
    struct Text;
    impl Write for Text {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for byte in text.bytes() {
                let at = LENGTH.load(Ordering::Relaxed);
                if let Some(place) = TEXT.get(at) {
                    place.store(byte, Ordering::Relaxed);
                    LENGTH.store(at + 1, Ordering::Relaxed);
                }
            }
            Ok(())
        }
    }
    if !TAKEN.swap(true, Ordering::Relaxed) {
        // It never fails; what does not fit is cut off.
        let _ = Text.write_fmt(what);
    }
    stop();
}

/// The first deviation, empty if there was none.
pub fn deviation() -> String {
    let length = LENGTH.load(Ordering::Relaxed);
    let bytes = TEXT.iter().take(length);
    bytes
        .map(|byte| char::from(byte.load(Ordering::Relaxed)))
        .collect()
}
