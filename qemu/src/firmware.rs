//! The firmware as its image sees it: boot once, then answer the client.

use crate::board::Board;

/// How the client is started. All values are real addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// The client's first instruction.
    pub entry: u64,
    /// r3: the flat device tree.
    pub tree: u64,
    /// r5: the entry of the client interface.
    pub client_interface: u64,
    /// r1: the top of the client's stack.
    pub stack_top: u64,
}

/// What the image does after a call of the client interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientReturn {
    /// Back to the client, with this value in r3.
    Return(i64),
    /// The client called `exit`: the machine was told to stop. Do not go back.
    Exit,
}

/// The boot failed. The console already says why and what to do.
#[derive(Debug)]
pub struct Stopped<B> {
    /// The board, for [`stop`].
    pub board: B,
    /// QEMU's token of `ibm,os-term`, once the tree told it.
    pub os_term: Option<u32>,
}

/// The firmware between reset and the client's first own memory map.
#[derive(Debug)]
pub struct Firmware<B: Board> {
    board: B,
}

impl<B: Board> Firmware<B> {
    /// Boots: from the flat tree at `tree_address` (real) to what the client is started with.
    pub fn boot(board: B, tree_address: u64) -> Result<(Self, HandOver), Stopped<B>> {
        let _ = tree_address;
        Err(Stopped {
            board,
            os_term: None,
        })
    }

    /// One call of the client interface, its argument array at the real address `address`.
    pub fn client_call(&mut self, address: u64) -> ClientReturn {
        let _ = address;
        ClientReturn::Return(-1)
    }

    /// The board.
    pub fn board_mut(&mut self) -> &mut B {
        &mut self.board
    }
}

/// Ends the machine in a way that QEMU sees, after a message was printed.
pub fn stop(board: &mut impl Board) {
    let _ = board;
}
