//! The caller's memory.

use core::cell::RefCell;
use std::collections::HashMap;

use crate::memory::{Bounds, BytePlace, CallerMemory, Place};

/// Number of bytes.
const BYTES: usize = 0x1_0000;

/// Memory with a count of the loads of each address and a list of the stores.
pub struct Memory {
    pub bytes: Vec<u8>,
    pub bounds: Bounds,
    pub loads: RefCell<HashMap<u64, u32>>,
    pub stores: Vec<(u64, u64)>,
}

impl Memory {
    pub fn new() -> Self {
        Self {
            bytes: vec![0xa5; BYTES],
            bounds: Bounds {
                memory_end: BYTES as u64,
                whole_buffers: Bounds::whole_buffers(BYTES as u64),
                private: 0x8000..0x9000,
            },
            loads: RefCell::default(),
            stores: Vec::new(),
        }
    }

    /// Writes an argument buffer of 32-bit cells.
    pub fn put(&mut self, address: u64, token: u32, inputs: &[u32], outputs: &[u32]) {
        let header = [token, inputs.len() as u32, outputs.len() as u32];
        for (index, cell) in header.iter().chain(inputs).chain(outputs).enumerate() {
            let at = address as usize + 4 * index;
            self.bytes[at..at + 4].copy_from_slice(&cell.to_be_bytes());
        }
    }

    /// Writes an argument buffer of 64-bit cells.
    pub fn put64(&mut self, address: u64, token: u64, inputs: &[u64], outputs: &[u64]) {
        let header = [token, inputs.len() as u64, outputs.len() as u64];
        for (index, cell) in header.iter().chain(inputs).chain(outputs).enumerate() {
            let at = address as usize + 8 * index;
            self.bytes[at..at + 8].copy_from_slice(&cell.to_be_bytes());
        }
    }

    /// The outputs of a buffer of 32-bit cells.
    pub fn outputs(&self, address: u64, inputs: usize, outputs: usize) -> Vec<u32> {
        let first = address as usize + 4 * (3 + inputs);
        self.bytes[first..first + 4 * outputs]
            .chunks(4)
            .map(|cell| u32::from_be_bytes(cell.try_into().unwrap()))
            .collect()
    }

    /// The outputs of a buffer of 64-bit cells.
    pub fn outputs64(&self, address: u64, inputs: usize, outputs: usize) -> Vec<u64> {
        let first = address as usize + 8 * (3 + inputs);
        self.bytes[first..first + 8 * outputs]
            .chunks(8)
            .map(|cell| u64::from_be_bytes(cell.try_into().unwrap()))
            .collect()
    }

    fn load<const N: usize>(&self, place: Place) -> [u8; N] {
        let address = place.address();
        assert!(self.bounds.allow(address, N as u64), "{address:#x}");
        assert!(address != 0 && address.is_multiple_of(N as u64));
        *self.loads.borrow_mut().entry(address).or_default() += 1;
        let at = address as usize;
        self.bytes[at..at + N].try_into().unwrap()
    }

    fn store<const N: usize>(&mut self, place: Place, value: [u8; N]) {
        let address = place.address();
        assert!(self.bounds.allow(address, N as u64), "{address:#x}");
        assert!(address != 0 && address.is_multiple_of(N as u64));
        self.stores.push((address, N as u64));
        let at = address as usize;
        self.bytes[at..at + N].copy_from_slice(&value);
    }
}

impl CallerMemory for Memory {
    fn bounds(&self) -> Bounds {
        self.bounds.clone()
    }

    fn load32(&self, place: Place) -> u32 {
        u32::from_be_bytes(self.load(place))
    }

    fn load64(&self, place: Place) -> u64 {
        u64::from_be_bytes(self.load(place))
    }

    fn store32(&mut self, place: Place, value: u32) {
        self.store(place, value.to_be_bytes());
    }

    fn store64(&mut self, place: Place, value: u64) {
        self.store(place, value.to_be_bytes());
    }

    fn load8(&self, place: BytePlace) -> u8 {
        assert!(self.bounds.allow(place.address(), 1));
        *self.loads.borrow_mut().entry(place.address()).or_default() += 1;
        self.bytes[place.address() as usize]
    }

    fn store8(&mut self, place: BytePlace, value: u8) {
        assert!(self.bounds.allow(place.address(), 1));
        self.stores.push((place.address(), 1));
        self.bytes[place.address() as usize] = value;
    }
}
