//! The image: from reset to the client's first instruction, and the client interface behind it.
//!
//! A thin shell around the library of this crate: all unsafe code is in [`hardware`].
#![no_std]
#![no_main]
extern crate alloc;

mod hardware;

use hardware::Hardware;
use oxrtas::{ClientReturn, Firmware};

/// The firmware, once it has booted.
///
/// Protects:    the live tree, the memory map and the rest of [`Firmware`]; `None` until the boot
///              is done.
/// Holder:      the boot processor, during one client interface call. The others are stopped until
///              the client has quiesced the firmware.
/// Order:       the heap's lock may be taken while it is held.
/// Holder dies: the machine stops; there is no client interface without the firmware.
static FIRMWARE: spin::Mutex<Option<Firmware<Hardware>>> = spin::Mutex::new(None);

/// From reset to the client, with the address of QEMU's flat tree.
fn boot(tree: u64) -> ! {
    let board = Hardware::new(tree);
    match Firmware::boot(board, tree) {
        Ok((firmware, hand_over)) => {
            if let Some(mut place) = FIRMWARE.try_lock() {
                *place = Some(firmware);
            }
            hardware::enter_client(&hand_over)
        }
        Err(mut stopped) => {
            oxrtas::stop(&mut stopped.board);
            hardware::halt()
        }
    }
}

/// One client interface call: the address of its argument array, and what r3 returns.
fn client_interface(address: u64) -> i64 {
    // Held already: a call from an exception handler that hit the firmware. There is no client like
    // that; an error is better than waiting for ourselves.
    let Some(mut place) = FIRMWARE.try_lock() else {
        return -1;
    };
    let Some(firmware) = place.as_mut() else {
        return -1;
    };
    match firmware.client_call(address) {
        ClientReturn::Return(value) => value,
        // The machine was told to stop.
        ClientReturn::Exit => hardware::halt(),
    }
}
