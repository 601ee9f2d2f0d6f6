//! A machine on the host, and a client program in it.

use std::collections::VecDeque;
use std::ops::Range;

use fdt_gen::{Origin, Reservation, Tree};
use rtas_abi::hcall;

use crate::board::{BadAddress, Board, HcallReturn};
use crate::{ClientReturn, Firmware, HandOver, Stopped};

pub(crate) const MIB: u64 = 1 << 20;
/// QEMU 7.2, `-M pseries,ic-mode=dual -m 2G -smp 2,maxcpus=8`; see fdt-gen/tests/data/README.md.
const DUAL: &[u8] = include_bytes!("../../../fdt-gen/tests/data/dual.dtb");
/// The terminal of that tree.
const TERMINAL: u64 = 0x7100_0000;
pub(crate) const KERNEL: Range<u64> = 0x40_0000..0x80_0000;
pub(crate) const INITRD: Range<u64> = 0x90_0000..0x90_1388;
pub(crate) const CLIENT_ENTRY: u64 = 0x4100;
/// QEMU's tokens.
const NVRAM_FETCH: u32 = 0x2012;
const NVRAM_STORE: u32 = 0x2013;
const IMAGE: Range<u64> = 0..0x10_0000;
const CLIENT_STACK: Range<u64> = 0xf_0000..0x10_0000;
/// What stands for the blob.
pub(crate) const BLOB: &[u8] = &[0xb1; 5000];

/// A machine with this much memory.
pub(crate) struct FakeBoard {
    pub(crate) memory: Vec<u8>,
    pub(crate) end: u64,
    pub(crate) output: Vec<u8>,
    pub(crate) input: VecDeque<u8>,
    /// H_RTAS calls: token, arguments.
    pub(crate) rtas_calls: Vec<(u32, Vec<u32>)>,
    /// Statuses of H_RTAS by token; 0 for the rest.
    pub(crate) rtas_status: Vec<(u32, i32)>,
    /// What H_CAS answers: a status, and the tree.
    pub(crate) cas: (i64, Vec<u8>),
    /// The trees that H_UPDATE_DT took.
    pub(crate) updates: Vec<Tree>,
    pub(crate) qemu_tree_size: usize,
    pub(crate) flushed: Vec<Range<u64>>,
    /// What the firmware wrote.
    pub(crate) writes: Vec<Range<u64>>,
    pub(crate) nvram: Vec<u8>,
    pub(crate) promised: &'static str,
    ticks: std::cell::Cell<u64>,
}

impl std::fmt::Debug for FakeBoard {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "FakeBoard: {}", self.text())
    }
}

impl FakeBoard {
    pub(crate) fn new(memory: u64) -> Self {
        Self {
            memory: vec![0; memory as usize],
            end: 128 * MIB,
            output: Vec::new(),
            input: VecDeque::new(),
            rtas_calls: Vec::new(),
            rtas_status: Vec::new(),
            cas: (hcall::H_HARDWARE, Vec::new()),
            updates: Vec::new(),
            qemu_tree_size: 0,
            flushed: Vec::new(),
            writes: Vec::new(),
            nvram: vec![0; 0x1_0000],
            promised: "",
            ticks: 0.into(),
        }
    }

    /// Everything on the console.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).replace("\r\n", "\n")
    }

    pub(crate) fn bytes(&self, range: Range<u64>) -> &[u8] {
        &self.memory[range.start as usize..range.end as usize]
    }

    pub(crate) fn cell(&self, address: u64) -> u32 {
        u32::from_be_bytes(self.bytes(address..address + 4).try_into().unwrap())
    }

    pub(crate) fn poke(&mut self, address: u64, bytes: &[u8]) {
        self.memory[address as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    fn range(&self, address: u64, length: u64) -> Result<Range<usize>, BadAddress> {
        let bad = BadAddress { address, length };
        let end = address.checked_add(length).ok_or(bad)?;
        if end > self.end || end > self.memory.len() as u64 {
            return Err(bad);
        }
        Ok(address as usize..end as usize)
    }

    fn foreign(&self, address: u64, length: u64) -> Result<Range<usize>, BadAddress> {
        let range = self.range(address, length)?;
        let private = [IMAGE.start..CLIENT_STACK.start, self.heap()];
        if private
            .iter()
            .any(|own| address < own.end && own.start < address + length)
        {
            return Err(BadAddress { address, length });
        }
        Ok(range)
    }

    fn heap(&self) -> Range<u64> {
        let end = self.memory.len() as u64 - 2 * MIB;
        end - 16 * MIB..end
    }

    /// `hw/ppc/spapr_rtas.c:spapr_rtas_call`.
    fn h_rtas(&mut self, address: u64) -> i64 {
        let (token, inputs) = (self.cell(address), u64::from(self.cell(address + 4)));
        let status_at = address + 12 + 4 * inputs;
        if !(0x2000..=0x202c).contains(&token) {
            self.poke(status_at, &(-3i32).to_be_bytes());
            return hcall::H_PARAMETER;
        }
        let arguments = (0..inputs).map(|index| self.cell(address + 12 + 4 * index));
        let arguments: Vec<u32> = arguments.collect();
        if [NVRAM_FETCH, NVRAM_STORE].contains(&token) {
            let status = self.nvram_call(token, &arguments, self.cell(address + 8));
            self.poke(status_at, &status.to_be_bytes());
            self.poke(status_at + 4, &arguments[2].to_be_bytes());
            return hcall::H_SUCCESS;
        }
        self.rtas_calls.push((token, arguments));
        let scripted = self.rtas_status.iter().find(|(call, _)| *call == token);
        let status = scripted.map_or(0, |(_, status)| *status);
        self.poke(status_at, &status.to_be_bytes());
        hcall::H_SUCCESS
    }

    /// `hw/nvram/spapr_nvram.c:rtas_nvram_fetch` and `rtas_nvram_store`.
    fn nvram_call(&mut self, token: u32, arguments: &[u32], outputs: u32) -> i32 {
        let [offset, address, length] = arguments else {
            return -3;
        };
        let (at, length) = (*offset as usize, *length as usize);
        let memory = *address as usize..*address as usize + length;
        let Some(place) = self.nvram.get_mut(at..at + length) else {
            return -3;
        };
        if outputs != 2 {
            return -3;
        }
        if token == NVRAM_FETCH {
            self.memory[memory].copy_from_slice(place);
        } else {
            place.copy_from_slice(&self.memory[memory]);
        }
        0
    }

    /// `hw/ppc/spapr_hcall.c:h_client_architecture_support`.
    fn h_cas(&mut self, buffer: u64, size: u64) -> i64 {
        let (status, tree) = self.cas.clone();
        if status == hcall::H_SUCCESS {
            assert_eq!(size, 2 * MIB, "QEMU exits if the buffer is too small");
            self.poke(buffer, &[1, 0, 0, 0]);
            self.poke(buffer + 4, &tree);
            self.qemu_tree_size = tree.len();
        }
        status
    }

    /// `hw/ppc/spapr_hcall.c:h_update_dt`.
    fn h_update_dt(&mut self, address: u64) -> i64 {
        let size = u64::from(self.cell(address + 4));
        if size > 2 * self.qemu_tree_size as u64 {
            return hcall::H_PARAMETER;
        }
        let tree = Tree::parse(self.bytes(address..address + size));
        self.updates.push(tree.expect("fdt_check_full"));
        hcall::H_SUCCESS
    }
}

impl Board for FakeBoard {
    fn hcall(&mut self, number: u64, arguments: &[u64]) -> HcallReturn {
        let argument = |index: usize| arguments.get(index).copied().unwrap_or(0);
        let mut values = [0; 4];
        let status = match number {
            hcall::H_PUT_TERM_CHAR => {
                let (terminal, length) = (argument(0), argument(1));
                if length > 16 || ![0, TERMINAL].contains(&terminal) {
                    hcall::H_PARAMETER
                } else {
                    let bytes = [argument(2).to_be_bytes(), argument(3).to_be_bytes()].concat();
                    self.output.extend_from_slice(&bytes[..length as usize]);
                    hcall::H_SUCCESS
                }
            }
            hcall::H_GET_TERM_CHAR => {
                let mut bytes = [0; 16];
                let count = self.input.len().min(16);
                for (to, from) in bytes.iter_mut().zip(self.input.drain(..count)) {
                    *to = from;
                }
                let both = u128::from_be_bytes(bytes);
                values = [count as u64, (both >> 64) as u64, both as u64, 0];
                hcall::H_SUCCESS
            }
            hcall::H_RTAS => self.h_rtas(argument(0)),
            hcall::H_CAS => self.h_cas(argument(1), argument(2)),
            hcall::H_UPDATE_DT => self.h_update_dt(argument(0)),
            _ => panic!("hypercall {number:#x}, which nobody scripted"),
        };
        HcallReturn { status, values }
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), BadAddress> {
        let range = self.range(address, bytes.len() as u64)?;
        bytes.copy_from_slice(&self.memory[range]);
        Ok(())
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), BadAddress> {
        let range = self.foreign(address, bytes.len() as u64)?;
        self.memory[range].copy_from_slice(bytes);
        self.writes.push(address..address + bytes.len() as u64);
        Ok(())
    }

    fn zero(&mut self, address: u64, length: u64) -> Result<(), BadAddress> {
        let range = self.foreign(address, length)?;
        self.memory[range].fill(0);
        self.writes.push(address..address + length);
        Ok(())
    }

    fn flush_instructions(&mut self, address: u64, length: u64) -> Result<(), BadAddress> {
        self.range(address, length)?;
        self.flushed.push(address..address + length);
        Ok(())
    }

    fn set_memory_end(&mut self, end: u64) {
        self.end = end;
    }

    fn timebase(&self) -> u64 {
        // 1 ms at 512 MHz.
        self.ticks.set(self.ticks.get() + 512_000);
        self.ticks.get()
    }

    fn occupied(&self) -> [Range<u64>; 2] {
        [IMAGE, self.heap()]
    }

    fn client_stack_top(&self) -> u64 {
        CLIENT_STACK.end
    }

    fn client_entry(&self) -> u64 {
        CLIENT_ENTRY
    }

    fn blob(&self) -> &'static [u8] {
        BLOB
    }

    fn promised(&self) -> &'static str {
        self.promised
    }
}

/// QEMU before reset: a tree to be edited, and memory.
pub(crate) struct Setup {
    pub(crate) board: FakeBoard,
    pub(crate) tree: Tree,
}

impl Setup {
    /// A machine with 256 MiB, a kernel that is a branch and zeros, an initrd, and arguments.
    pub(crate) fn new() -> Self {
        Self::with_memory(256 * MIB)
    }

    pub(crate) fn with_memory(memory: u64) -> Self {
        let mut setup = Self {
            board: FakeBoard::new(memory),
            tree: Tree::parse(DUAL).unwrap(),
        };
        let reg = [0, memory].map(u64::to_be_bytes).concat();
        setup.set("/memory@0", "reg", &reg);
        setup.set_kernel(KERNEL);
        setup.board.poke(KERNEL.start, &[0x48, 0, 0, 8]);
        setup.set_initrd(INITRD);
        setup.set("/chosen", "bootargs", b"console=hvc0 quiet\0");
        for range in [KERNEL, INITRD] {
            let (address, size) = (range.start, range.end - range.start);
            setup
                .tree
                .add_reservation(Reservation { address, size })
                .unwrap();
        }
        setup
    }

    pub(crate) fn set(&mut self, path: &str, name: &str, value: &[u8]) {
        let node = self.tree.find(path).unwrap();
        self.tree.set(node, name, value, Origin::Board).unwrap();
    }

    pub(crate) fn remove(&mut self, path: &str, name: &str) {
        let node = self.tree.find(path).unwrap();
        self.tree.remove_property(node, name).unwrap();
    }

    pub(crate) fn set_kernel(&mut self, range: Range<u64>) {
        let size = range.end - range.start;
        let value = [range.start, size].map(u64::to_be_bytes).concat();
        self.set("/chosen", "qemu,boot-kernel", &value);
    }

    pub(crate) fn set_initrd(&mut self, range: Range<u64>) {
        for (name, edge) in [
            ("linux,initrd-start", range.start),
            ("linux,initrd-end", range.end),
        ] {
            self.set("/chosen", name, &(edge as u32).to_be_bytes());
        }
    }

    /// Puts the tree where QEMU does, and its address.
    pub(crate) fn load(mut self) -> (FakeBoard, u64) {
        let address = self.board.memory.len() as u64 - 2 * MIB;
        let bytes = self.tree.flatten().unwrap();
        self.board.qemu_tree_size = bytes.len();
        self.board.poke(address, &bytes);
        (self.board, address)
    }

    pub(crate) fn boot(self) -> Result<Guest, Box<Stopped<FakeBoard>>> {
        let (board, address) = self.load();
        let (firmware, hand_over) = Firmware::boot(board, address)?;
        Ok(Guest::new(firmware, hand_over))
    }

    /// What the console says of a boot that fails.
    pub(crate) fn failure(self) -> String {
        self.boot().map(|_| ()).expect_err("it boots").board.text()
    }
}

/// A client that was started.
pub(crate) struct Guest {
    pub(crate) firmware: Firmware<FakeBoard>,
    pub(crate) hand_over: HandOver,
    /// Where the client has room for strings and buffers: in its own image.
    free: u64,
}

/// -1 in a result cell.
pub(crate) const NONE: u32 = u32::MAX;

impl Guest {
    fn new(firmware: Firmware<FakeBoard>, hand_over: HandOver) -> Self {
        Self {
            firmware,
            hand_over,
            free: KERNEL.start + MIB,
        }
    }

    pub(crate) fn board(&mut self) -> &mut FakeBoard {
        &mut self.firmware.board
    }

    /// The flat tree of the hand-over.
    pub(crate) fn flat_tree(&mut self) -> Tree {
        let at = self.hand_over.tree;
        let board = self.board();
        let size = u64::from(board.cell(at + 4));
        Tree::parse(board.bytes(at..at + size)).unwrap()
    }

    /// Room for `size` bytes, filled with a pattern.
    pub(crate) fn buffer(&mut self, size: u32) -> u32 {
        let at = self.free;
        self.free += u64::from(size).next_multiple_of(8) + 8;
        assert!(self.free < KERNEL.end);
        let pattern = vec![0xa5; size as usize];
        self.board().poke(at, &pattern);
        at as u32
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> u32 {
        let at = self.buffer(bytes.len() as u32);
        self.board().poke(u64::from(at), bytes);
        at
    }

    pub(crate) fn text(&mut self, text: &str) -> u32 {
        self.bytes(&[text.as_bytes(), b"\0"].concat())
    }

    /// Where [`Guest::call`] puts the argument array of the next call.
    pub(crate) fn array_room(&self) -> Range<u64> {
        self.free..self.free + 0x200
    }

    /// `rtas-size`, in bytes.
    pub(crate) fn rtas_size(&mut self) -> u32 {
        let rtas = self.find("/rtas");
        self.property_cell(rtas, "rtas-size").unwrap()
    }

    /// One call: r3, and the result cells, of which there are `results`.
    pub(crate) fn call(
        &mut self,
        service: &str,
        arguments: &[u32],
        results: usize,
    ) -> (ClientReturn, Vec<u32>) {
        let free = self.free;
        let name = self.text(service);
        let head = [name, arguments.len() as u32, results as u32];
        // The results, and a cell behind them that nobody may write.
        let cells: Vec<u8> = head
            .iter()
            .chain(arguments)
            .copied()
            .chain(std::iter::repeat_n(0x5a5a_5a5a, results + 1))
            .flat_map(u32::to_be_bytes)
            .collect();
        let array = u64::from(self.bytes(&cells));
        let answer = self.firmware.client_call(array);
        let first = array + 12 + 4 * arguments.len() as u64;
        let board = self.board();
        let mut values: Vec<u32> = (0..=results as u64)
            .map(|index| board.cell(first + 4 * index))
            .collect();
        assert_eq!(values.pop(), Some(0x5a5a_5a5a), "a cell too many");
        self.free = free;
        (answer, values)
    }

    /// A call that runs and has one result.
    pub(crate) fn get(&mut self, service: &str, arguments: &[u32]) -> u32 {
        let (answer, values) = self.call(service, arguments, 1);
        assert_eq!(answer, ClientReturn::Return(0), "{service}");
        values[0]
    }

    pub(crate) fn find(&mut self, path: &str) -> u32 {
        let path = self.text(path);
        self.get("finddevice", &[path])
    }

    pub(crate) fn open(&mut self, path: &str) -> u32 {
        let path = self.text(path);
        self.get("open", &[path])
    }

    /// A property, if it is there.
    pub(crate) fn property(&mut self, package: u32, name: &str) -> Option<Vec<u8>> {
        let name = self.text(name);
        let length = self.get("getproplen", &[package, name]);
        let buffer = self.buffer(length.min(4096));
        let again = self.get("getprop", &[package, name, buffer, length.min(4096)]);
        assert_eq!(length, again);
        let at = u64::from(buffer);
        (length != NONE).then(|| self.board().bytes(at..at + u64::from(length)).to_vec())
    }

    pub(crate) fn property_cell(&mut self, package: u32, name: &str) -> Option<u32> {
        let value = self.property(package, name)?;
        Some(u32::from_be_bytes(value.try_into().ok()?))
    }

    pub(crate) fn set_property(&mut self, package: u32, name: &str, value: &[u8]) -> u32 {
        let (name, size) = (self.text(name), value.len() as u32);
        let value = self.bytes(value);
        self.get("setprop", &[package, name, value, size])
    }

    /// `call-method`: the catch code and the results.
    pub(crate) fn method(
        &mut self,
        name: &str,
        instance: u32,
        arguments: &[u32],
        results: usize,
    ) -> Vec<u32> {
        let name = self.text(name);
        let all = [&[name, instance], arguments].concat();
        let (answer, values) = self.call("call-method", &all, results);
        assert_eq!(answer, ClientReturn::Return(0));
        values
    }
}
