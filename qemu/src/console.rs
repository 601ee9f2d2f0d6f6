//! The hypervisor's console: `H_PUT_TERM_CHAR` and `H_GET_TERM_CHAR`, 16 bytes at a time.

use core::fmt::{self, Write};

use rtas_abi::hcall;

use crate::board::Board;

/// Most bytes of one hypercall (LoPAR R1-14.5.4.5-1 ff.).
const CHUNK: usize = 16;
/// How often a terminal that is busy is asked again before its bytes are dropped.
const BUSY_ATTEMPTS: u32 = 10_000;
/// `H_Busy`: the terminal takes nothing at the moment.
const H_BUSY: i64 = 1;

/// One terminal. It works before the tree is read: terminal 0 is QEMU's default one
/// (`hw/char/spapr_vty.c:vty_lookup`).
#[derive(Debug, Default)]
pub struct Console {
    terminal: u32,
    /// Bytes that the client has not asked for yet.
    received: [u8; CHUNK],
    received_from: usize,
    received_to: usize,
}

impl Console {
    /// The default terminal.
    pub const fn new() -> Self {
        Self {
            terminal: 0,
            received: [0; CHUNK],
            received_from: 0,
            received_to: 0,
        }
    }

    /// Changes to the terminal with unit address `terminal`.
    pub const fn select(&mut self, terminal: u32) {
        self.terminal = terminal;
    }

    /// Writes `bytes` as they are to the terminal with unit address `terminal`. Answers whether it
    /// took all of them.
    pub fn write_to(&self, board: &mut impl Board, terminal: u32, bytes: &[u8]) -> bool {
        bytes.chunks(CHUNK).all(|chunk| put(board, terminal, chunk))
    }

    /// Prints text, with a carriage return before each line feed, in as few hypercalls as there
    /// are full chunks.
    pub fn print(&self, board: &mut impl Board, text: fmt::Arguments<'_>) {
        let mut line = Line {
            console: self,
            board,
            bytes: [0; CHUNK],
            length: 0,
        };
        // Line never fails; a Display that does has printed what it could.
        let _ = line.write_fmt(text);
        line.flush();
    }

    /// Reads what was typed, without waiting: the number of bytes stored into `bytes`.
    pub fn read(&mut self, board: &mut impl Board, bytes: &mut [u8]) -> usize {
        let mut count = 0;
        for byte in bytes {
            if self.received_from == self.received_to && !self.receive(board) {
                break;
            }
            let Some(&next) = self.received.get(self.received_from) else {
                break;
            };
            *byte = next;
            self.received_from += 1;
            count += 1;
        }
        count
    }

    fn receive(&mut self, board: &mut impl Board) -> bool {
        let answer = board.hcall(hcall::H_GET_TERM_CHAR, &[u64::from(self.terminal)]);
        let [count, high, low, _] = answer.values;
        if answer.status != hcall::H_SUCCESS || count == 0 {
            return false;
        }
        let both = (u128::from(high) << 64) | u128::from(low);
        self.received = both.to_be_bytes();
        self.received_from = 0;
        self.received_to = usize::try_from(count).unwrap_or(CHUNK).min(CHUNK);
        true
    }
}

fn put(board: &mut impl Board, terminal: u32, chunk: &[u8]) -> bool {
    let mut bytes = [0; CHUNK];
    for (to, from) in bytes.iter_mut().zip(chunk) {
        *to = *from;
    }
    let both = u128::from_be_bytes(bytes);
    let arguments = [
        u64::from(terminal),
        chunk.len() as u64,
        (both >> 64) as u64,
        both as u64,
    ];
    for _ in 0..BUSY_ATTEMPTS {
        match board.hcall(hcall::H_PUT_TERM_CHAR, &arguments).status {
            hcall::H_SUCCESS => return true,
            H_BUSY => {}
            _ => return false,
        }
    }
    false
}

/// Text on its way into chunks.
struct Line<'a, B: Board> {
    console: &'a Console,
    board: &'a mut B,
    bytes: [u8; CHUNK],
    length: usize,
}

impl<B: Board> Line<'_, B> {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
        if self.length == CHUNK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let length = core::mem::take(&mut self.length);
        if let Some(chunk) = self.bytes.get(..length)
            && !chunk.is_empty()
        {
            put(self.board, self.console.terminal, chunk);
        }
    }
}

impl<B: Board> Write for Line<'_, B> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.push(b'\r');
            }
            self.push(byte);
        }
        Ok(())
    }
}
