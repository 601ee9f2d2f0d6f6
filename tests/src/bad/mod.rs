//! Calls whose argument buffer may be wrong in any way, and what may come of them. Pure: the guest
//! makes the calls, the host tests what they are.
//!
//! [`listed`] has each argument, each count and each place wrong, one at a time; [`random`] has
//! everything at once, the same for the same seed. [`judge`] looks at the buffer afterwards.

pub mod judge;
pub mod listed;
pub mod random;
#[cfg(test)]
mod testing;

use core::ops::Range;

use crate::functions::{Argument, Extent, Function};

/// Most cells of a buffer, the three of its head left out (LoPAR Table 7.5 has no limit; the
/// hypervisors have this one).
pub const CELLS: u32 = 16;
/// The same, of a type for arrays.
const ROOM: usize = CELLS as usize;
/// Bytes from the start of the buffer that are looked at.
pub const BLOCK: u64 = 512;

/// Where calls are made. The area belongs to them: argument buffers lie in its first
/// [`World::DATA`] bytes, what good pointers point to behind them.
#[derive(Debug)]
pub struct World<'a> {
    /// Start of the area, aligned to a page.
    pub area: u64,
    /// End of the memory at 0.
    pub memory_end: u64,
    /// The last page of it may be written.
    pub end_is_free: bool,
    /// The private area of RTAS.
    pub rtas: Range<u64>,
    /// Bytes of a cell: 4 or 8.
    pub cell: u64,
    /// A page above 4 GiB that may be written, if there is memory.
    pub high: Option<u64>,
    /// Calls are made with MSR\[SF\] = 1.
    pub mode64: bool,
    /// The functions of /rtas with their tokens.
    pub functions: &'a [(u32, &'static Function)],
    /// Numbers that are right somewhere: an interrupt source, a server, a connector, a unit.
    pub known: Known,
    /// Servers of stopped processors, which start-cpu would start.
    pub stopped: &'a [u32],
}

/// Numbers that the tree names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// An interrupt source.
    pub source: u32,
    /// The server of the boot processor.
    pub server: u32,
    /// Index of a dynamic reconfiguration connector.
    pub connector: u32,
    /// Unit id of a PCI host bridge.
    pub unit: [u32; 2],
}

impl World<'_> {
    /// Size of the area, in bytes.
    pub const AREA: u64 = 0x4_0000;
    /// Offset of the data in it.
    pub const DATA: u64 = 0x4000;
    /// Most bytes of NVRAM that a call asks for: what is copied must end in the area.
    pub const MOST_DATA: u32 = 0x2_0000;

    /// Where good pointers point to.
    pub fn data(&self) -> u64 {
        self.area + Self::DATA
    }

    /// Whether these bytes are memory that a call may be asked to use.
    pub fn usable(&self, start: u64, length: u64) -> bool {
        let end = start.saturating_add(length);
        end <= self.memory_end && (end <= self.rtas.start || start >= self.rtas.end)
    }

    /// Whether the guest may write these bytes.
    pub fn free(&self, start: u64, length: u64) -> bool {
        let end = start.saturating_add(length);
        let area = self.area <= start && end <= self.area + Self::AREA;
        let last = self.memory_end - 0x1000 <= start && end <= self.memory_end;
        let high = |high: u64| high <= start && end <= high + 0x1000;
        area || last && self.end_is_free || self.high.is_some_and(high)
    }

    /// The address that r3 names in this mode.
    pub fn named_by(&self, r3: u64) -> u64 {
        if self.mode64 { r3 } else { r3 & 0xffff_ffff }
    }

    /// Inputs that the function takes, as far as the tree tells.
    pub fn good(&self, function: &Function) -> [u32; 8] {
        let data = self.data() as u32;
        let Known {
            source,
            server,
            connector,
            unit: [high, low],
        } = self.known;
        match function.name {
            "nvram-fetch" | "nvram-store" => [0, data, 16, 0, 0, 0, 0, 0],
            "set-time-of-day" => [2026, 11, 22, 12, 0, 0, 0, 0],
            "event-scan" => [0xffff_ffff, 0, data, 1024, 0, 0, 0, 0],
            "check-exception" => [0x500, source, 0xffff_ffff, 0, data, 1024, 0, 0],
            "rtas-last-error" => [data, 1024, 0, 0, 0, 0, 0, 0],
            "ibm,read-pci-config" => [0, high, low, 4, 0, 0, 0, 0],
            "ibm,write-pci-config" => [0, high, low, 4, 0, 0, 0, 0],
            "set-indicator" | "get-sensor-state" => [9003, connector, 0, 0, 0, 0, 0, 0],
            "set-power-level" | "get-power-level" => [0xffff_ffff, 100, 0, 0, 0, 0, 0, 0],
            "start-cpu" | "query-cpu-stopped-state" => [server, 0, 0, 0, 0, 0, 0, 0],
            "ibm,get-xive" | "ibm,int-off" | "ibm,int-on" => [source, 0, 0, 0, 0, 0, 0, 0],
            "ibm,set-xive" => [source, server, 5, 0, 0, 0, 0, 0],
            "ibm,change-msi" => [0, high, low, 1, 1, 1, 0, 0],
            "ibm,slot-error-detail" => [0, high, low, data, 64, data + 64, 64, 1],
            "ibm,get-system-parameter" => [20, data, 64, 0, 0, 0, 0, 0],
            "ibm,set-system-parameter" => [20, data, 0, 0, 0, 0, 0, 0],
            "ibm,configure-connector" => [data, 0, 0, 0, 0, 0, 0, 0],
            "ibm,nmi-register" => [0x100, 0x200, 0, 0, 0, 0, 0, 0],
            "ibm,get-vpd" => [0, data, 64, 1, 0, 0, 0, 0],
            "ibm,get-indices" => [1, 9006, data, 64, 1, 0, 0, 0],
            "ibm,configure-kernel-dump" => [2, data, 64, 0, 0, 0, 0, 0],
            // A configuration address and a unit.
            _ => [0, high, low, 0, 0, 0, 0, 0],
        }
    }

    /// Why this call is not made, if it must not be.
    pub fn excluded(&self, case: &Case) -> Option<&'static str> {
        let function = case.function?;
        if !function.takes(case.inputs, case.outputs) {
            return None;
        }
        let length_is_zero = case.cells[2] == 0;
        let entries = case.cells[4].wrapping_sub(case.cells[3]) % 64;
        match function.name {
            _ if function.ends.is_some() => function.ends,
            // hw/nvram/spapr_nvram.c:rtas_nvram_fetch maps nothing and unmaps it.
            "nvram-fetch" | "nvram-store" if length_is_zero => Some("QEMU 10.0 dies of 0 bytes"),
            // hw/ppc/spapr_rtas_ddw.c:rtas_ibm_create_pe_dma_window cuts their number to 32 bits.
            "ibm,create-pe-dma-window" if entries > 24 => Some("QEMU aborts for large windows"),
            // 7.3.6.1: level 0 of domain 0 is the machine.
            "set-power-level" if case.cells[..2] == [0, 0] => Some("it ends the machine"),
            "start-cpu" if self.stopped.contains(&case.cells[0]) => Some("it starts a processor"),
            _ => None,
        }
    }
}

/// The exclusions, for a report: what and why.
pub fn exclusions() -> impl Iterator<Item = (&'static str, &'static str)> {
    let ends = crate::functions::FUNCTIONS.iter();
    let ends = ends.filter_map(|function| Some((function.name, function.ends?)));
    ends.chain([
        (
            "nvram-fetch and nvram-store of 0 bytes",
            "QEMU 10.0 dies of it (hw/nvram/spapr_nvram.c, rtas_nvram_fetch)",
        ),
        (
            "ibm,create-pe-dma-window of more than 2^24 entries",
            "QEMU allocates them, or aborts (hw/ppc/spapr_rtas_ddw.c, rtas_ibm_create_pe_dma_window)",
        ),
        ("set-power-level of domain 0 to 0", "it ends the machine (7.3.6.1)"),
        ("start-cpu of a stopped processor", "it starts anywhere"),
    ])
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Token.
    pub token: u32,
    /// The function, if the token is one's.
    pub function: Option<&'static Function>,
    /// Numbers of inputs and outputs as the buffer has them.
    pub inputs: u32,
    /// See `inputs`.
    pub outputs: u32,
    /// Cells behind the head; all of them lie in the buffer if it has room.
    pub cells: [u32; ROOM],
    /// The upper half of this cell of the buffer, the head counted, is changed by these bits; for
    /// cells of 64 bits.
    pub upper: Option<(u64, u32)>,
    /// r3.
    pub buffer: u64,
    /// The buffer is put there. Where it is not, what lies there is no call.
    pub put: bool,
}

/// What may come of a call. It may be refused, with -3 and nothing but that written, in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expect {
    /// Whether it may be done.
    pub done: Done,
    /// It may end without a status.
    pub silent: bool,
}

/// Whether a call may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// No.
    No,
    /// With a status that says that no memory was used.
    WithoutTransfer,
    /// Yes.
    Yes,
    /// It writes its own buffer: only exceptions and other memory are looked at.
    Overlapping,
}

impl Case {
    /// A good call of a function, with its buffer at the start of the area.
    pub fn good(world: &World<'_>, token: u32, function: &'static Function) -> Case {
        // No status: that it was written shows.
        let mut cells = [0xdead_beef; ROOM];
        let good = world.good(function);
        for (cell, good) in cells.iter_mut().zip(good).take(function.inputs.len()) {
            *cell = good;
        }
        Case {
            token,
            function: Some(function),
            inputs: function.inputs.len() as u32,
            outputs: function.outputs.first().copied().unwrap_or(1),
            cells,
            upper: None,
            buffer: world.area,
            put: true,
        }
    }

    /// The same call with its buffer elsewhere.
    #[must_use]
    pub fn at(self, buffer: u64, put: bool) -> Case {
        Case {
            buffer,
            put,
            ..self
        }
    }

    /// Whether a status word has a place in the buffer, or may have if the upper half of their number
    /// is wrong.
    pub fn has_status(&self) -> bool {
        let counted = matches!(self.upper, Some((2, _)));
        (1..=i32::MAX as u32).contains(&self.outputs) || counted
    }

    /// Bytes of the buffer as its counts have it; `None` if they make no sense.
    pub fn length(&self, world: &World<'_>) -> Option<u64> {
        let cells = self.inputs.checked_add(self.outputs)?;
        (cells <= CELLS).then(|| (3 + u64::from(cells)) * world.cell)
    }

    /// Where the buffer is put, and how many of its bytes can be looked at: none where there is no
    /// memory that stays as it is.
    pub fn lies_at(&self, world: &World<'_>) -> (u64, u64) {
        let named = world.named_by(self.buffer);
        let at = if self.put && named >= world.memory_end {
            named & 0xffff_ffff
        } else {
            named
        };
        let length = BLOCK.min(world.memory_end.saturating_sub(at));
        (at, if world.usable(at, length) { length } else { 0 })
    }

    /// The memory behind input `index`, if it is a pointer.
    pub fn behind(&self, index: usize) -> Option<Range<u64>> {
        let extent = match self.function?.inputs.get(index)? {
            Argument::Number => return None,
            Argument::Reads(extent) | Argument::Writes(extent) => *extent,
        };
        let start = u64::from(self.cells[index]);
        let length = match extent {
            Extent::Bytes(length) => length,
            Extent::Exactly(index) | Extent::UpTo(index) => self.cells[index],
        };
        Some(start..start + u64::from(length))
    }

    /// Whether the call cannot be done, since a pointer points where it must not. Of room for more
    /// than a page, which no call fills, the first byte counts.
    fn has_bad_pointer(&self, world: &World<'_>) -> bool {
        let Some(function) = self.function else {
            return false;
        };
        function.inputs.iter().enumerate().any(|(index, argument)| {
            let (Argument::Reads(extent) | Argument::Writes(extent)) = argument else {
                return false;
            };
            let Some(range) = self.behind(index).filter(|range| !range.is_empty()) else {
                return false;
            };
            let length = match extent {
                Extent::UpTo(_) if range.end - range.start > 0x1000 => 1,
                _ => range.end - range.start,
            };
            !world.usable(range.start, length)
        })
    }

    /// Whether a pointer points into the argument buffer.
    fn overlaps(&self, world: &World<'_>) -> bool {
        let (buffer, _) = self.lies_at(world);
        let overlap = |range: Range<u64>| range.start < buffer + BLOCK && buffer < range.end;
        (0..8).filter_map(|index| self.behind(index)).any(overlap)
    }

    /// What may come of it.
    pub fn expect(&self, world: &World<'_>) -> Expect {
        let named = world.named_by(self.buffer);
        let refused = Expect {
            done: Done::No,
            silent: true,
        };
        if !self.put {
            // What lies there is no call; or there is nothing.
            return refused;
        }
        let takes = self
            .function
            .is_some_and(|function| function.takes(self.inputs, self.outputs));
        let length = self.length(world).unwrap_or(3 * world.cell);
        // Instantiated by instantiate-rtas, RTAS need not know of memory above 4 GiB; and where
        // there is none, the call lies where the same address without its upper bits is.
        let above = named >= 1 << 32;
        if !above && !world.usable(named, length) {
            return refused;
        }
        if !takes {
            // Behind more inputs than any call has, the status may be looked for in vain.
            let told = self.inputs < CELLS && self.upper.is_none() && !above;
            return Expect {
                done: Done::No,
                silent: !told,
            };
        }
        let done = if self.overlaps(world) {
            Done::Overlapping
        } else if self.has_bad_pointer(world) {
            Done::WithoutTransfer
        } else {
            Done::Yes
        };
        // R1-7.2.7-3 says what cells are, and nothing of what becomes of others.
        let silent = above || self.upper.is_some();
        Expect { done, silent }
    }
}
