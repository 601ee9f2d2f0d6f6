//! The Open Firmware client interface (IEEE 1275 6.3, LoPAR C.8): 32-bit big-endian cells, called
//! in 32-bit mode, as every client program of the machine does.

use alloc::string::String;
use alloc::vec::Vec;

use crate::board::gate::{self, Gate, MSR_SF, Registers, Trap, patterns};
use crate::board::memory::{self, Scratch};

/// Fills cells and buffers that nobody should write.
pub const GUARD: u32 = 0xdead_beef;

/// The client interface.
pub struct Client {
    entry: u64,
    /// Argument cells, strings, buffers and the stack that the firmware may use.
    area: Scratch,
}

const CELLS: u64 = 0;
const STRINGS: u64 = 0x200;
/// Offset of the buffer for values, and its size.
const BUFFER: u64 = 0x1000;
const BUFFER_SIZE: u64 = 0x8000;
const SIZE: u64 = 0x20000;

/// What came back of a service.
#[derive(Clone, Debug)]
pub struct Answer {
    /// r3: 0, or -1 for an unknown service.
    pub result: i32,
    /// The cells asked for.
    pub cells: Vec<u32>,
    /// The four cells after them, [`GUARD`] if untouched.
    pub beyond: [u32; 4],
    /// The registers afterwards.
    pub registers: Registers,
}

/// A value read by getprop or one of the path services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What the service said: the true length, or -1.
    pub length: i32,
    /// The buffer, whole, filled with 0xa5 where nothing was written.
    pub buffer: Vec<u8>,
}

impl Value {
    /// The bytes, if there were any and the buffer was long enough.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.buffer.get(..usize::try_from(self.length).ok()?)
    }

    /// The text before the first 0.
    pub fn text(&self) -> Option<String> {
        let bytes = self.bytes()?;
        let end = bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(bytes.len());
        Some(String::from_utf8_lossy(bytes.get(..end)?).into_owned())
    }
}

impl Client {
    /// The client interface at `entry`.
    pub fn new(entry: u64) -> Client {
        Client {
            entry,
            area: Scratch::new(SIZE, 4096),
        }
    }

    /// Calls a service with ready cells.
    ///
    /// # Errors
    /// The exception that ended it (only while the guest's vectors are installed).
    pub fn call(
        &self,
        gate: &mut Gate,
        service: &str,
        inputs: &[u32],
        outputs: usize,
    ) -> Result<Answer, Trap> {
        let cells = self.area.address + CELLS;
        let name = self.string(0, service);
        let head = [name, inputs.len() as u32, outputs as u32];
        let mut at = cells;
        for cell in head.iter().chain(inputs) {
            memory::write_u32(at, *cell);
            at += 4;
        }
        for index in 0..outputs as u64 + 4 {
            memory::write_u32(at + 4 * index, GUARD);
        }
        let mut before = patterns(gate::msr() & !MSR_SF);
        before.gpr[1] = self.area.address + self.area.size - 64;
        before.gpr[3] = cells;
        let registers = gate.enter(self.entry, &before, false)?;
        let cell = |index: usize| memory::read_u32(at + 4 * index as u64);
        Ok(Answer {
            result: registers.gpr[3] as i32,
            cells: (0..outputs).map(cell).collect(),
            beyond: core::array::from_fn(|index| cell(outputs + index)),
            registers,
        })
    }

    /// One string argument: its address. `index` 0 is the service's name; up to 3 more.
    pub fn string(&self, index: u64, text: &str) -> u32 {
        let at = self.area.address + STRINGS + 0x200 * index;
        memory::write(at, text.as_bytes());
        memory::write(at + text.len() as u64, &[0]);
        at as u32
    }

    /// The first output of a service that has one; -1 if the service failed.
    pub fn one(&self, gate: &mut Gate, service: &str, inputs: &[u32]) -> u32 {
        match self.call(gate, service, inputs, 1) {
            Ok(answer) if answer.result == 0 => answer.cells[0],
            _ => u32::MAX,
        }
    }

    /// finddevice.
    pub fn finddevice(&self, gate: &mut Gate, path: &str) -> u32 {
        let path = self.string(1, path);
        self.one(gate, "finddevice", &[path])
    }

    /// A node to which a walk may go on from here: `peer`, `child` or `parent`.
    pub fn step(&self, gate: &mut Gate, service: &str, node: u32) -> u32 {
        self.one(gate, service, &[node])
    }

    /// getproplen.
    pub fn getproplen(&self, gate: &mut Gate, node: u32, name: &str) -> i32 {
        let name = self.string(1, name);
        self.one(gate, "getproplen", &[node, name]) as i32
    }

    /// getprop with a buffer of `room` bytes.
    pub fn getprop(&self, gate: &mut Gate, node: u32, name: &str, room: u32) -> Value {
        let name = self.string(1, name);
        self.value_of(gate, "getprop", &[node, name], room)
    }

    /// A service whose last arguments are a buffer and its length, and that returns a length.
    pub fn value_of(&self, gate: &mut Gate, service: &str, inputs: &[u32], room: u32) -> Value {
        let buffer = self.area.address + BUFFER;
        memory::fill(buffer, BUFFER_SIZE, 0xa5);
        let mut cells = inputs.to_vec();
        cells.extend([buffer as u32, room]);
        let length = self.one(gate, service, &cells) as i32;
        let end = (room as u64 + 64)
            .max(length.max(0) as u64)
            .min(BUFFER_SIZE);
        Value {
            length,
            buffer: (0..end).map(|at| memory::read_u8(buffer + at)).collect(),
        }
    }

    /// The property's bytes, if it exists.
    pub fn property(&self, gate: &mut Gate, node: u32, name: &str) -> Option<Vec<u8>> {
        let length = self.getproplen(gate, node, name);
        if length < 0 || length as u64 > BUFFER_SIZE - 64 {
            return None;
        }
        let value = self.getprop(gate, node, name, length as u32);
        Some(value.bytes()?.to_vec())
    }

    /// nextprop: its answer and the name. The name "" asks for the first property.
    pub fn nextprop(&self, gate: &mut Gate, node: u32, previous: &str) -> (i32, String) {
        let previous = self.string(1, previous);
        let buffer = self.area.address + BUFFER;
        memory::fill(buffer, 64, 0);
        let answer = self.one(gate, "nextprop", &[node, previous, buffer as u32]) as i32;
        let name: Vec<u8> = (0..64)
            .map(|at| memory::read_u8(buffer + at))
            .take_while(|byte| *byte != 0)
            .collect();
        (answer, String::from_utf8_lossy(&name).into_owned())
    }

    /// package-to-path or instance-to-path.
    pub fn path(&self, gate: &mut Gate, service: &str, of: u32, room: u32) -> Value {
        self.value_of(gate, service, &[of], room)
    }

    /// claim: the address, or -1.
    pub fn claim(&self, gate: &mut Gate, address: u32, size: u32, align: u32) -> u32 {
        self.one(gate, "claim", &[address, size, align])
    }

    /// release.
    pub fn release(&self, gate: &mut Gate, address: u32, size: u32) {
        // No output cell; what became of it, the next claim tells.
        let _ = self.call(gate, "release", &[address, size], 0);
    }

    /// call-method of an instance with one argument: catch code and result, if the service is
    /// there.
    pub fn method(
        &self,
        gate: &mut Gate,
        name: &str,
        instance: u32,
        argument: u32,
    ) -> Option<(u32, u32)> {
        let name = self.string(1, name);
        let answer = self
            .call(gate, "call-method", &[name, instance, argument], 2)
            .ok()?;
        (answer.result == 0).then(|| (answer.cells[0], answer.cells[1]))
    }
}
