//! What calls cost, in ticks of the timebase, for whoever compares firmwares. Nothing is judged.
//!
//! ```text
//! guest: bench entry 538160 ticks
//! guest: bench ibm,get-xive rtas 2000 calls 351232 ticks
//! ```
//!
//! Each function is called of RTAS (`rtas`), of the hypervisor directly (`hypervisor`), and of
//! something that returns at once (`nothing`), which is the cost of the guest's own gate.

use crate::board::hypercall::{no_rtas, shortest_rtas};
use crate::board::memory::Scratch;
use crate::board::timebase;
use crate::say;
use crate::subject::{Machine, Rtas, Width};

/// Calls of each kind.
const CALLS: u32 = 2000;

/// Prints the measurements.
pub fn run(machine: &mut Machine) {
    say!("guest: bench entry {} ticks", machine.entered.timebase);
    let Some(rtas) = machine.rtas else {
        return;
    };
    // As Linux enters RTAS.
    let rtas = Rtas {
        width: Width::Mode32,
        ..rtas
    };
    let at = |entry| Rtas { entry, ..rtas };
    let ways = [
        ("rtas", rtas),
        ("hypervisor", at(shortest_rtas())),
        ("nothing", at(no_rtas())),
    ];
    let source = machine.sources.first().copied().unwrap_or(0);
    let server = machine.servers.first().copied().unwrap_or(0);
    let functions: [(&str, &[u32], usize); 5] = [
        ("ibm,get-xive", &[source], 3),
        ("ibm,set-xive", &[source, server, 5], 1),
        ("ibm,int-on", &[source], 1),
        ("ibm,int-off", &[source], 1),
        ("get-time-of-day", &[], 8),
    ];
    for (name, inputs, outputs) in functions {
        let Some(token) = machine.token(name) else {
            continue;
        };
        for (way, rtas) in ways {
            let buffer = Scratch::new(256, 128);
            let start = timebase();
            let mut failed = 0;
            for _ in 0..CALLS {
                let outcome = rtas.quick(machine.gate, buffer.address, token, inputs, outputs);
                failed += u32::from(!outcome.is_ok_and(|cells| cells[0] == 0));
            }
            let ticks = timebase() - start;
            // Something that does nothing writes no status.
            if failed == 0 || way == "nothing" {
                say!("guest: bench {name} {way} {CALLS} calls {ticks} ticks");
            } else {
                say!("guest: bench {name} {way} {failed} of {CALLS} calls failed");
            }
        }
    }
}
