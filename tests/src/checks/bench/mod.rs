//! What calls cost, in ticks of the timebase, for whoever compares firmwares. Nothing is judged.
//!
//! Boot arguments: `oxrtas.guest=bench,PART,PART...` with the parts below (`bench-entry`: only the
//! first two lines; `bench-calls`, `bench-client` and so on), and
//! `oxrtas.bench-KEY=NUMBER,NUMBER...` for what a part has to be told. Each result is a line:
//!
//! ```text
//! guest: bench entry 538160                            ticks at the first instruction
//! guest: bench rtas-size 61440                         bytes
//! guest: bench call ibm,get-xive/32 rtas 1000 175616   [`calls`]: calls, ticks
//! guest: bench client getprop 200 80123                [`client`]: calls, ticks
//! guest: bench mask 4096 8192 999999                   [`mask`]: sources, calls, ticks
//! guest: bench contention get/32/private rtas 4 20000 999999   [`contention`]
//! guest: bench stack ibm,get-xive 0 0000ffff...        [`stack`]
//! guest: bench failed ...                              why a figure is missing
//! guest: bench done
//! ```

pub mod calls;
pub mod client;
pub mod contention;
pub mod mask;
pub mod stack;

use crate::board::console;
use crate::board::hypercall::{no_rtas, shortest_rtas};
use crate::board::memory;
use crate::board::repeat::Repeat;
use crate::say;
use crate::subject::{Machine, Rtas, Width};

/// What is known as soon as the guest is entered.
pub fn entry(machine: &Machine) {
    say!("guest: bench entry {}", machine.entered.timebase);
    say!("guest: bench rtas-size {}", machine.rtas_size());
}

/// Measures, prints, and ends the run.
pub fn run(machine: &mut Machine) -> ! {
    entry(machine);
    let asked = |part: &str, machine: &Machine| machine.arguments.asks(part);
    if machine.rtas.is_some() {
        if asked("bench-calls", machine) {
            calls::run(machine);
        }
        if asked("bench-mask", machine) {
            mask::run(machine);
        }
        if asked("bench-stack", machine) {
            stack::run(machine);
        }
        if asked("bench-contention", machine) {
            contention::run(machine);
        }
    } else {
        say!("guest: bench failed there is no instance of RTAS");
    }
    if asked("bench-client", machine) {
        client::run(machine);
    }
    say!("guest: bench done");
    console::power_off()
}

/// A function as it is called to be measured.
#[derive(Clone, Copy, Debug)]
struct Function<'a> {
    token: u32,
    inputs: &'a [u32],
    outputs: u32,
    /// The status that every call has to give.
    status: i32,
}

/// Bytes of an argument buffer: more than the 88 that KVM copies both ways for some calls.
const BUFFER: u64 = 128;

impl Function<'_> {
    /// Fills an argument buffer.
    fn prepare(&self, buffer: u64) {
        let head = [self.token, self.inputs.len() as u32, self.outputs];
        for (index, cell) in head.iter().chain(self.inputs).enumerate() {
            memory::write_u32(buffer + 4 * index as u64, *cell);
        }
        memory::write_u32(self.status_cell(buffer), 0xdead_beef);
    }

    /// Whether the last call with this buffer gave the status that it has to give.
    fn succeeded(&self, buffer: u64) -> bool {
        memory::read_u32(self.status_cell(buffer)) as i32 == self.status
    }

    fn status_cell(&self, buffer: u64) -> u64 {
        buffer + 4 * (3 + self.inputs.len() as u64)
    }
}

/// What is called: RTAS, the hypervisor directly, and something that returns at once, which is the
/// cost of the loop.
fn ways(rtas: &Rtas) -> [(&'static str, u64); 3] {
    [
        ("rtas", rtas.entry),
        ("hypercall", shortest_rtas()),
        ("nothing", no_rtas()),
    ]
}

/// The loop that calls `entry` in this width.
fn repeat(rtas: &Rtas, width: Width, entry: u64, buffer: u64, stride: u64) -> Repeat {
    Repeat {
        entry,
        buffer,
        stride,
        r4: rtas.r4,
        msr: width.msr(),
    }
}

/// The first server and the numbers of `count` sources that the hypervisor knows, from the first
/// one of the tree on.
fn sources(machine: &Machine, count: usize) -> Option<(u32, alloc::vec::Vec<u32>)> {
    let get = machine.token("ibm,get-xive")?;
    let known = |number: &u32| crate::board::hypercall::rtas(get, &[*number], 3)[0] == 0;
    // SLOF's bridges have other numbers in their interrupt-map.
    let first = *machine.sources.iter().find(|number| known(number))?;
    let numbers = (first..first.saturating_add(2 * count as u32)).filter(known);
    let numbers: alloc::vec::Vec<u32> = numbers.take(count).collect();
    let server = *machine.servers.first()?;
    (numbers.len() == count).then_some((server, numbers))
}
