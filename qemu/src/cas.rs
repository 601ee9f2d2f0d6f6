//! `ibm,client-architecture-support` (LoPAR B.5.2.3): the client says what it can do, QEMU chooses
//! and sends a new tree.

use fdt_gen::Tree;
use rtas_abi::hcall;

use crate::board::Board;
use crate::firmware::Firmware;
use crate::flat_tree::read_tree;
use crate::memory_map::{Owner, PAGE};

/// Size of the buffer that QEMU builds the new tree in, in bytes. Too small a one ends QEMU
/// (`hw/ppc/spapr_hcall.c:do_client_architecture_support`).
const BUFFER: u64 = 2 << 20;
/// Bytes before the tree: a version in the byte order of QEMU's host, so nothing to be read.
const HEADER: u64 = 4;
/// `H_MULTI_THREADS_ACTIVE`.
const MULTI_THREADS_ACTIVE: i64 = -9005;
/// The method's answers.
const DONE: u32 = 0;
const FAILED: u32 = u32::MAX;

impl<B: Board> Firmware<B> {
    /// The method, its vector at the real address `vector`: 0, or -1 with the tree as it was.
    pub(crate) fn client_architecture_support(&mut self, vector: u32) -> u32 {
        let window = 0..self.map_limit();
        let buffer = match self.map.allocate(BUFFER, PAGE, &window, Owner::Firmware) {
            Ok(buffer) => buffer,
            Err(_) => {
                self.say(format_args!(
                    "client-architecture-support: no {} MiB of memory are left for QEMU's answer; \
                     give the machine more memory (-m)",
                    BUFFER >> 20
                ));
                return FAILED;
            }
        };
        let answer = self.negotiate(u64::from(vector), buffer);
        self.map.release(buffer, BUFFER, Owner::Firmware);
        let new = match answer {
            Ok((new, size)) => {
                self.qemu_tree_size = size;
                new
            }
            Err(()) => return FAILED,
        };
        if let Err(error) = self.tree.merge(&new) {
            self.say(format_args!(
                "client-architecture-support: QEMU's new device tree cannot be merged: {error}"
            ));
            return FAILED;
        }
        self.after_merge();
        DONE
    }

    fn negotiate(&mut self, vector: u64, buffer: u64) -> Result<(Tree, u64), ()> {
        let status = self
            .board
            .hcall(hcall::H_CAS, &[vector, buffer, BUFFER])
            .status;
        if status != hcall::H_SUCCESS {
            let reason = match status {
                hcall::H_HARDWARE => "no common processor version",
                hcall::H_PARAMETER => "QEMU cannot read the option vectors",
                MULTI_THREADS_ACTIVE => "another processor is running",
                _ => "unexpected status",
            };
            self.say(format_args!(
                "client-architecture-support: refused by QEMU, {reason} ({status}); the device \
                 tree stays as it is"
            ));
            return Err(());
        }
        read_tree(&self.board, buffer + HEADER, BUFFER - HEADER).map_err(|error| {
            self.say(format_args!(
                "client-architecture-support: QEMU's new device tree is damaged: {error}"
            ));
        })
    }
}
