//! Single calls, in both widths: a line for each batch, so that a batch that was disturbed shows.

use super::{BUFFER, Function, repeat, ways};
use crate::board::memory::Scratch;
use crate::board::timebase;
use crate::say;
use crate::subject::{Machine, Width};

/// Calls in a batch, and batches.
const CALLS: u32 = 500;
const BATCHES: u32 = 8;

/// Prints what each function costs.
pub fn run(machine: &mut Machine) {
    let Some(rtas) = machine.rtas else {
        return;
    };
    let Some((server, sources)) = super::sources(machine, 1) else {
        say!("guest: bench failed no interrupt source");
        return;
    };
    let source = sources[0];
    // Bus 0, device 0 of the first PCI host bridge.
    let configuration = [0, 0x0800_0000, 0x2000_0000, 4];
    let functions: [(&str, &str, &[u32], u32, i32); 7] = [
        ("ibm,get-xive", "ibm,get-xive", &[source], 3, 0),
        ("ibm,set-xive", "ibm,set-xive", &[source, server, 5], 1, 0),
        ("ibm,int-off", "ibm,int-off", &[source], 1, 0),
        ("ibm,int-on", "ibm,int-on", &[source], 1, 0),
        ("get-time-of-day", "get-time-of-day", &[], 8, 0),
        (
            "ibm,read-pci-config",
            "ibm,read-pci-config",
            &configuration,
            2,
            0,
        ),
        // No source has this number.
        ("refused", "ibm,get-xive", &[0], 3, -3),
    ];
    let block = Scratch::new(BUFFER, 128);
    for (label, name, inputs, outputs, status) in functions {
        let Some(token) = machine.token(name) else {
            say!("guest: bench failed /rtas has no {name}");
            continue;
        };
        let function = Function {
            token,
            inputs,
            outputs,
            status,
        };
        for width in [Width::Mode32, Width::Mode64] {
            for (way, entry) in ways(&rtas) {
                function.prepare(block.address);
                let calls = repeat(&rtas, width, entry, block.address, 0);
                // The emulator translates what it runs for the first time.
                calls.run(machine.gate, 4);
                for _ in 0..BATCHES {
                    let start = timebase();
                    calls.run(machine.gate, CALLS);
                    let ticks = timebase() - start;
                    say!(
                        "guest: bench call {label}{} {way} {CALLS} {ticks}",
                        width.suffix()
                    );
                }
                if way != "nothing" && !function.succeeded(block.address) {
                    say!("guest: bench failed {way} {name} does not give {status}");
                }
            }
        }
    }
}
