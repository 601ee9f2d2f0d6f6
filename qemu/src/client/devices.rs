//! The services that open, read and write devices and hand out memory (IEEE 1275, 6.3.2.3 and
//! 6.3.2.4).

use alloc::string::String;
use alloc::vec;

use super::handles::{self, Instance, Kind};
use crate::board::Board;
use crate::firmware::Firmware;
use crate::memory_map::Owner;

/// Most bytes of one `read`.
const TRANSFER: u32 = 1 << 20;
/// Answer of `read`: nothing is there to be read (IEEE 1275, 6.3.2.3, of serial devices).
const NOTHING_TYPED: u32 = -2i32 as u32;

impl<B: Board> Firmware<B> {
    pub(super) fn open(&mut self, path: u32) -> Option<u32> {
        let path = self.string(path)?;
        let node = self.tree.find(&path)?;
        let Some(kind) = handles::kind_of(&self.tree, node) else {
            self.complain(
                &alloc::format!("open {path}"),
                format_args!("client call: 'open' of {path} is refused, there is no driver"),
            );
            return None;
        };
        let arguments = path.split_once(':').map_or("", |(_, rest)| rest);
        self.client.instances.open(Instance {
            node,
            kind,
            arguments: String::from(arguments),
        })
    }

    /// Also the method of a terminal.
    pub(super) fn read(&mut self, handle: u32, buffer: u32, size: u32) -> Option<u32> {
        let Kind::Console(_) = self.instance(handle)?.kind else {
            return None;
        };
        let mut typed = vec![0; usize::try_from(size.min(TRANSFER)).ok()?];
        let count = self.console.read(&mut self.board, &mut typed);
        if count == 0 && size != 0 {
            return Some(NOTHING_TYPED);
        }
        self.board
            .write(u64::from(buffer), typed.get(..count)?)
            .ok()?;
        u32::try_from(count).ok()
    }

    /// Also the method of a terminal.
    pub(super) fn write(&mut self, handle: u32, buffer: u32, size: u32) -> Option<u32> {
        let Kind::Console(terminal) = self.instance(handle)?.kind else {
            return None;
        };
        let mut chunk = [0; 256];
        let mut written = 0;
        while written < size {
            let want = (size - written).min(chunk.len() as u32);
            let bytes = chunk.get_mut(..want as usize)?;
            let at = u64::from(buffer).checked_add(u64::from(written))?;
            if self.board.read(at, bytes).is_err() {
                return (written != 0).then_some(written);
            }
            self.console.write_to(&mut self.board, terminal, bytes);
            written += want;
        }
        Some(written)
    }

    /// Also the method of memory: exactly `address` if `alignment` is 0, else a place.
    pub(super) fn claim(&mut self, address: u32, size: u32, alignment: u32) -> Option<u32> {
        let size = u64::from(size);
        let place = if alignment == 0 {
            let address = u64::from(address);
            // The client has 32 bits for an address.
            let end = address.checked_add(size)?;
            if end > 1 << 32 {
                return None;
            }
            self.map.claim(address, size, Owner::Client).ok()?;
            address
        } else {
            let window = 0..self.map_limit();
            self.map
                .allocate(size, u64::from(alignment), &window, Owner::Client)
                .ok()?
        };
        self.update_available();
        u32::try_from(place).ok()
    }

    /// Also the method of memory. What the client did not claim stays as it is.
    pub(super) fn release(&mut self, address: u32, size: u32) {
        let freed = self
            .map
            .release(u64::from(address), u64::from(size), Owner::Client);
        if freed != u64::from(size) {
            self.complain(
                "release",
                format_args!(
                    "client call: 'release' of {size:#x} bytes at {address:#x}, of which the \
                     client had {freed:#x}"
                ),
            );
        }
        self.update_available();
    }
}
