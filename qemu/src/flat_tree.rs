//! Flat trees in the machine's memory.

use alloc::vec;
use alloc::vec::Vec;

use fdt_gen::Tree;
use rtas_abi::hcall;

use crate::board::Board;
use crate::firmware::Firmware;
use crate::memory_map::{Owner, PAGE};

/// What is wrong with a flat tree in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// Its address is no multiple of 4.
    Unaligned,
    /// It is not in memory, or longer than there is room for.
    OutsideMemory,
    /// It is no flat tree, or a damaged one.
    Damaged(fdt_gen::ParseError),
}

impl core::fmt::Display for TreeError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unaligned => out.write_str("its address is not aligned"),
            Self::OutsideMemory => out.write_str("it is not in memory or its size is wrong"),
            Self::Damaged(error) => error.fmt(out),
        }
    }
}

/// Reads the flat tree at `address`, of at most `limit` bytes: the tree and its size in bytes.
pub(crate) fn read_tree(
    board: &impl Board,
    address: u64,
    limit: u64,
) -> Result<(Tree, u64), TreeError> {
    if !address.is_multiple_of(4) {
        return Err(TreeError::Unaligned);
    }
    let mut head = [0; 8];
    board
        .read(address, &mut head)
        .map_err(|_| TreeError::OutsideMemory)?;
    let [.., a, b, c, d] = head;
    let size = u64::from(u32::from_be_bytes([a, b, c, d]));
    // A wrong first word says more than the wrong size behind it.
    let length = if size <= limit { size.max(40) } else { 40 };
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| TreeError::OutsideMemory)?];
    board
        .read(address, &mut bytes)
        .map_err(|_| TreeError::OutsideMemory)?;
    let tree = Tree::parse(&bytes).map_err(TreeError::Damaged)?;
    Ok((tree, size))
}

impl<B: Board> Firmware<B> {
    /// The whole tree, flat; a console line if that fails.
    pub(crate) fn flatten(&mut self) -> Option<Vec<u8>> {
        match self.tree.flatten() {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.say(format_args!("{error}"));
                None
            }
        }
    }

    /// Gives the tree back to QEMU, which finds RTAS by it (`hw/ppc/spapr.c:spapr_get_rtas_addr`)
    /// and migrates it. Without it `ibm,nmi-register` fails.
    pub(crate) fn update_qemu_tree(&mut self) {
        let Some(bytes) = self.flatten() else { return };
        let window = 0..self.map_limit();
        let size = bytes.len() as u64;
        let Ok(place) = self.map.allocate(size, PAGE, &window, Owner::Firmware) else {
            self.say(format_args!(
                "quiesce: no {size:#x} bytes of memory are left for the device tree, so                  ibm,nmi-register will fail; give the machine more memory (-m)"
            ));
            return;
        };
        match self.board.write(place, &bytes) {
            Ok(()) => self.give_to_qemu(place, size),
            Err(bad) => self.say(format_args!(
                "quiesce: the device tree cannot be written to {:#x}",
                bad.address
            )),
        }
        self.map.release(place, size, Owner::Firmware);
    }

    /// `H_UPDATE_DT` with the flat tree of `size` bytes at `place`; a console line if that fails.
    pub(crate) fn give_to_qemu(&mut self, place: u64, size: u64) {
        // hw/ppc/spapr_hcall.c:h_update_dt.
        let limit = self.qemu_tree_size.saturating_mul(2);
        if size > limit {
            self.say(format_args!(
                "The device tree has {size:#x} bytes and QEMU takes at most {limit:#x}, so \
                 ibm,nmi-register will fail"
            ));
            return;
        }
        let status = self.board.hcall(hcall::H_UPDATE_DT, &[place]).status;
        if status != hcall::H_SUCCESS {
            self.say(format_args!(
                "QEMU refused the device tree ({status}), so ibm,nmi-register will fail"
            ));
        }
    }
}
