//! How deep calls go: the stack that a call may use is painted before it, and what it wrote is told
//! after it. Where that stack is, the one knows who asks: `oxrtas.bench-stack=OFFSET,BYTES,COUNT,HEAD`
//! are the offset from the base of the RTAS area, the size and the number of blocks of which a call
//! takes one, and the bytes before the stack in a block, which say whether it is taken.
//!
//! `guest: bench stack FUNCTION BLOCK BITS`: the block, and a bit for each of its doublewords, four
//! in a digit, the first one in front; set where it is not painted.

use alloc::string::String;
use core::fmt::Write;

use super::BUFFER;
use crate::board::memory::{Scratch, fill, first_other_than, read_u64};
use crate::say;
use crate::subject::{Machine, Width};

const PAINT: u8 = 0xa5;

/// Prints what each function of /rtas that may be called at any time writes.
pub fn run(machine: &mut Machine) {
    let Some(rtas) = machine.rtas else {
        return;
    };
    let Some(&[offset, bytes, count, head]) = machine.arguments.numbers("bench-stack") else {
        say!("guest: bench failed nobody said where contexts are");
        return;
    };
    let Some((server, sources)) = super::sources(machine, 1) else {
        return;
    };
    let source = sources[0];
    let first = rtas.base + offset;
    if head > bytes || first + bytes * count > rtas.base + rtas.size {
        say!("guest: bench failed the contexts are said to be outside the area");
        return;
    }
    let buffer = Scratch::new(BUFFER, 128);
    let configuration = [0, 0x0800_0000, 0x2000_0000, 4];
    // ibm,change-msi for a device that is not there: the path through all checks to the hypercall.
    let no_device = [0xff00, 0x0800_0000, 0x2000_0000, 1, 1, 1];
    let functions: [(&str, &[u32], usize); 7] = [
        ("ibm,get-xive", &[source], 3),
        ("ibm,set-xive", &[source, server, 5], 1),
        ("ibm,int-off", &[source], 1),
        ("ibm,int-on", &[source], 1),
        ("get-time-of-day", &[], 8),
        ("ibm,read-pci-config", &configuration, 2),
        ("ibm,change-msi", &no_device, 3),
    ];
    let rtas = crate::subject::Rtas {
        width: Width::Mode32,
        ..rtas
    };
    for (name, inputs, outputs) in functions {
        let Some(token) = machine.token(name) else {
            continue;
        };
        let blocks = || (0..count).map(|block| (block, first + block * bytes));
        for (_, start) in blocks() {
            fill(start + head, bytes - head, PAINT);
        }
        if let Err(trap) = rtas.quick(machine.gate, buffer.address, token, inputs, outputs) {
            say!("guest: bench failed {name} took an exception {trap:x?}");
            return;
        }
        let used = |&(_, start): &(u64, u64)| {
            first_other_than(start + head..start + bytes, PAINT).is_some()
        };
        let Some((block, start)) = blocks().find(used) else {
            say!("guest: bench stack {name} 0 none");
            continue;
        };
        let mut digits = String::new();
        for digit in (start..start + bytes).step_by(32) {
            let painted = u64::from_ne_bytes([PAINT; 8]);
            let bits = (digit..digit + 32)
                .step_by(8)
                .fold(0, |bits, at| bits << 1 | u8::from(read_u64(at) != painted));
            // Text has no errors.
            let _ = write!(digits, "{bits:x}");
        }
        say!("guest: bench stack {name} {block} {digits}");
    }
}
