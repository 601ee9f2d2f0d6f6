//! What cannot be mended: exceptions and panics. Both say why on the console, without heap or lock,
//! and stop the machine so that QEMU sees it.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use rtas_abi::hcall::{H_PUT_TERM_CHAR, H_RTAS};

use super::entry::{self, Registers};
use super::hypervisor::hcall;

/// A fault is being reported.
///
/// Protects:    the console and the exception stack from a second fault; false at reset.
/// Holder:      the processor that reports, for good.
/// Order:       none.
/// Holder dies: the machine has stopped anyway.
static REPORTING: AtomicBool = AtomicBool::new(false);

/// The hypervisor's default terminal.
struct Terminal;

impl Write for Terminal {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.as_bytes().chunks(16) {
            let mut bytes = [0; 16];
            if let Some(place) = bytes.get_mut(..part.len()) {
                place.copy_from_slice(part);
            }
            let value = u128::from_be_bytes(bytes);
            let words = [0, part.len() as u64, (value >> 64) as u64, value as u64];
            // A terminal that takes nothing must not keep us from stopping.
            hcall(H_PUT_TERM_CHAR, &words);
        }
        Ok(())
    }
}

/// Prints `why` and stops the machine.
fn stop(why: fmt::Arguments<'_>) -> ! {
    if !REPORTING.swap(true, Ordering::Relaxed) {
        // The terminal does not fail.
        let _ = write!(Terminal, "\r\noxrtas: {why}\r\n");
        entry::os_term(|buffer| hcall(H_RTAS, &[buffer]));
    }
    entry::halt()
}

/// An exception at `vector`, in the firmware or in a client that has no handler of its own yet.
pub fn exception(vector: u64, registers: &Registers) -> ! {
    let what = match vector {
        0x100 => "system reset",
        0x200 => "machine check",
        0x300 | 0x380 => "data storage",
        0x400 | 0x480 => "instruction storage",
        0x500 => "external interrupt",
        0x600 => "alignment",
        0x700 => "program",
        0x800 => "floating point unavailable",
        0x900 => "decrementer",
        0xc00 => "system call",
        0xd00 => "trace",
        0xf00..=0xfff => "facility unavailable",
        _ => "unknown",
    };
    let Registers {
        srr0,
        srr1,
        dar,
        dsisr,
        lr,
        r1,
        r3,
    } = *registers;
    stop(format_args!(
        "stopped: {what} exception (vector {vector:#x}) at {srr0:#x}, before the client took over \
         the vectors.\r\n  MSR {srr1:#x} LR {lr:#x} DAR {dar:#x} DSISR {dsisr:#x} r1 {r1:#x} \
         r3 {r3:#x}\r\n  If the address is in the kernel, the kernel is the place to look; below \
         {:#x} it is this firmware: please report it with these lines.",
        entry::symbols().private_end,
    ))
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    stop(format_args!(
        "stopped by an error of its own: {info}\r\n  Please report it with the QEMU command line."
    ))
}
