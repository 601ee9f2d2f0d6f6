//! The caller's memory.

use core::cell::RefCell;
use std::collections::HashMap;

use crate::memory::{Bounds, CallerMemory};

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

    fn load<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        if !self.bounds.allow(address, N as u64) {
            return None;
        }
        *self.loads.borrow_mut().entry(address).or_default() += 1;
        let at = usize::try_from(address).ok()?;
        self.bytes.get(at..at + N)?.try_into().ok()
    }

    fn store<const N: usize>(&mut self, address: u64, value: [u8; N]) -> Option<()> {
        if !self.bounds.allow(address, N as u64) {
            return None;
        }
        self.stores.push((address, N as u64));
        let at = usize::try_from(address).ok()?;
        self.bytes.get_mut(at..at + N)?.copy_from_slice(&value);
        Some(())
    }
}

impl CallerMemory for Memory {
    fn load32(&self, address: u64) -> Option<u32> {
        self.load(address).map(u32::from_be_bytes)
    }

    fn load64(&self, address: u64) -> Option<u64> {
        self.load(address).map(u64::from_be_bytes)
    }

    fn store32(&mut self, address: u64, value: u32) -> Option<()> {
        self.store(address, value.to_be_bytes())
    }

    fn store64(&mut self, address: u64, value: u64) -> Option<()> {
        self.store(address, value.to_be_bytes())
    }
}
