//! Masking all sources as Linux does it in a crash: ibm,int-off, then ibm,set-xive with the least
//! favoured priority (`arch/powerpc/sysdev/xics/ics-rtas.c:ics_rtas_mask_real_irq`, called for each
//! interrupt by `kexec/crash.c:default_machine_crash_shutdown`).

use super::{BUFFER, Function, repeat, sources, ways};
use crate::board::memory::fill;
use crate::board::timebase;
use crate::say;
use crate::subject::{Machine, Width};

use guest::source::LEAST_FAVORED;

/// Numbers of sources, the largest last.
const COUNTS: [usize; 3] = [16, 256, 4096];

/// Prints what it costs, each time with sources that are enabled.
pub fn run(machine: &mut Machine) {
    let Some(rtas) = machine.rtas else {
        return;
    };
    let tokens = ["ibm,set-xive", "ibm,int-on", "ibm,int-off"].map(|name| machine.token(name));
    let [Some(set), Some(on), Some(off)] = tokens else {
        say!("guest: bench failed /rtas has no interrupt calls");
        return;
    };
    let most = COUNTS[COUNTS.len() - 1];
    let Some((server, sources)) = sources(machine, most) else {
        say!("guest: bench failed fewer than {most} interrupt sources");
        return;
    };
    let buffers = machine.arena;
    let call = |token, inputs: &[u32], index: usize| {
        let function = Function {
            token,
            inputs,
            outputs: 1,
            status: 0,
        };
        function.prepare(buffers + BUFFER * index as u64);
    };
    // The status cells of the first and the second call of a pair.
    let succeeded = |index: usize, inputs: u64| {
        let cell = buffers + BUFFER * index as u64 + 4 * (3 + inputs);
        crate::board::memory::read_u32(cell) == 0
    };
    for count in COUNTS {
        for (way, entry) in ways(&rtas) {
            fill(buffers, 2 * count as u64 * BUFFER, 0);
            let run = repeat(&rtas, Width::Mode32, entry, buffers, BUFFER);
            let calls = 2 * count as u32;
            for (pair, number) in sources[..count].iter().enumerate() {
                call(set, &[*number, server, 5], 2 * pair);
                call(on, &[*number], 2 * pair + 1);
            }
            run.run(machine.gate, calls);
            for (pair, number) in sources[..count].iter().enumerate() {
                call(off, &[*number], 2 * pair);
                call(set, &[*number, server, LEAST_FAVORED], 2 * pair + 1);
            }
            let start = timebase();
            run.run(machine.gate, calls);
            let ticks = timebase() - start;
            let good = |pair: usize| succeeded(2 * pair, 1) && succeeded(2 * pair + 1, 3);
            if way == "nothing" || (0..count).all(good) {
                say!("guest: bench mask {way} {count} {calls} {ticks}");
            } else {
                say!("guest: bench failed {way} did not mask {count} sources");
            }
        }
    }
}
