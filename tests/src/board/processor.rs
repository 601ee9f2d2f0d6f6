//! The other processors: started by RTAS at `secondary_start`, then served jobs one at a time.

use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::gate::Gate;
use super::timebase;

/// Most processors that the guest starts.
pub const MAX: usize = 64;

/// Size of another processor's stack, in bytes.
const STACK_SIZE: usize = 128 * 1024;

/// What a processor is asked to do, with its gate and its number.
pub type Job = fn(&mut Gate, usize);

/// Protects: the exchange between the boot processor and one other; all zero at start.
/// Holder: the boot processor writes `gate` and `job`, the other one the rest; no waiting here.
/// Order: `job` and `arrivals` are released by the writer and acquired by the reader.
/// Holder dies: the boot processor's waits end with their time limit and are reported.
struct Station {
    gate: AtomicU64,
    job: AtomicUsize,
    arrivals: AtomicU32,
    start_msr: AtomicU64,
    start_r3: AtomicU64,
}

static STATIONS: [Station; MAX] = [const {
    Station {
        gate: AtomicU64::new(0),
        job: AtomicUsize::new(0),
        arrivals: AtomicU32::new(0),
        start_msr: AtomicU64::new(0),
        start_r3: AtomicU64::new(0),
    }
}; MAX];

unsafe extern "C" {
    static secondary_start: u8;
}

/// Where start-cpu is to send a processor.
pub fn start_address() -> u64 {
    &raw const secondary_start as u64
}

/// What start-cpu is to put into r3 for processor number `index`, below [`MAX`].
pub fn start_argument(index: usize) -> u64 {
    let station = &STATIONS[index];
    if station.gate.load(Ordering::Relaxed) == 0 {
        let stack = alloc::vec![0u128; STACK_SIZE / 16].leak();
        let top = stack.as_ptr_range().end as u64;
        station
            .gate
            .store(Gate::new(top).address(), Ordering::Relaxed);
    }
    station.gate.load(Ordering::Relaxed)
}

/// How often the processor has arrived in Rust since the guest began.
pub fn arrivals(index: usize) -> u32 {
    STATIONS[index].arrivals.load(Ordering::Acquire)
}

/// MSR and r3 as the processor was last started.
pub fn started_with(index: usize) -> (u64, u64) {
    let station = &STATIONS[index];
    (
        station.start_msr.load(Ordering::Relaxed),
        station.start_r3.load(Ordering::Relaxed),
    )
}

/// System resets that the processor took outside calls.
pub fn resets(index: usize) -> u64 {
    let gate = STATIONS[index].gate.load(Ordering::Relaxed);
    if gate == 0 {
        return 0;
    }
    super::memory::read_word(gate + super::gate::RESETS_OFFSET as u64)
}

/// Gives the processor a job. It must be idle.
pub fn assign(index: usize, job: Job) {
    STATIONS[index].job.store(job as usize, Ordering::Release);
}

/// Whether the processor has finished its job.
pub fn idle(index: usize) -> bool {
    STATIONS[index].job.load(Ordering::Acquire) == 0
}

/// Forgets the job of a processor that stopped in the middle of it.
pub fn forget_job(index: usize) {
    STATIONS[index].job.store(0, Ordering::Release);
}

/// Waits until the condition holds; `false` after about `seconds` of the 512 MHz timebase. A bound
/// against hanging, not a measure.
pub fn wait(seconds: u64, mut condition: impl FnMut() -> bool) -> bool {
    let start = timebase();
    while !condition() {
        if timebase().wrapping_sub(start) > seconds * 512_000_000 {
            return condition();
        }
        core::hint::spin_loop();
    }
    true
}

pub(super) extern "C" fn started(gate: u64) -> ! {
    let index = STATIONS
        .iter()
        .position(|station| station.gate.load(Ordering::Relaxed) == gate);
    let Some((index, station)) = index.and_then(|index| Some((index, STATIONS.get(index)?))) else {
        loop {
            core::hint::spin_loop();
        }
    };
    // SAFETY: the gate was made for this processor and leaked; whoever ran here before was
    // stopped for good, and the boot processor only knows the address.
    let gate = unsafe { &mut *core::ptr::with_exposed_provenance_mut::<Gate>(gate as usize) };
    gate.leave();
    let (msr, r3) = gate.started_with();
    station.start_msr.store(msr, Ordering::Relaxed);
    station.start_r3.store(r3, Ordering::Relaxed);
    station.arrivals.fetch_add(1, Ordering::Release);
    loop {
        let job = station.job.load(Ordering::Acquire);
        if job != 0 {
            // SAFETY: only `assign` stores a number other than 0, and that is a `Job`.
            let job = unsafe { core::mem::transmute::<usize, Job>(job) };
            job(gate, index);
            station.job.store(0, Ordering::Release);
        }
        core::hint::spin_loop();
    }
}
