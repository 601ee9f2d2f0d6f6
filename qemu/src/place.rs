//! What the client finds: itself, RTAS, `/chosen`, and the flat tree, each in its place.

use core::ops::Range;

use fdt_gen::{Origin, Reservation};

use crate::board::Board;
use crate::client::handles::{self, Instance, Kind};
use crate::firmware::Firmware;
use crate::kernel;
use crate::machine::{Chosen, cpus};
use crate::memory_map::{Owner, PAGE};
use crate::messages::Failure;

/// Where a program that runs from the flat tree alone has room left: kvm-unit-tests keeps its
/// vectors below and is loaded above (`powerpc/flat.lds`, `lib/powerpc/setup.c`).
const EARLY_RTAS: Range<u64> = 0x1_0000..0x40_0000;
/// The partition's number, where QEMU says none: that of the first one of a platform (LoPAR R1-14.7-6).
const PARTITION: u32 = 1;
/// Least address of the tree of the hand-over and of the firmware's own buffers: not in the way of
/// the kernel and of what lies below it.
pub(crate) const LOWEST: u64 = 0x40_0000;

impl<B: Board> Firmware<B> {
    /// Claims what QEMU loaded: the kernel's range and its entry.
    pub(crate) fn place_client(&mut self, chosen: &Chosen) -> Result<(Range<u64>, u64), Failure> {
        let kernel = chosen.kernel.clone().ok_or(Failure::NoKernel {
            has_boot_list: chosen.has_boot_list,
        })?;
        let end = self.map.end();
        if !self.map.is_memory(&kernel) {
            return Err(Failure::KernelOutsideMemory(kernel, end));
        }
        self.place(&kernel, Owner::Kernel)?;
        let entry = kernel::entry(&self.board, &kernel).map_err(|error| Failure::NotAProgram {
            address: kernel.start,
            error,
        })?;
        if let Some(initrd) = &chosen.initrd {
            if !self.map.is_memory(initrd) {
                return Err(Failure::InitrdOutsideMemory(initrd.clone(), end));
            }
            self.place(initrd, Owner::Initrd)?;
        }
        // QEMU's size is the sum of the segments', without the holes between them, so the image may
        // end later: GRUB's modules do. QEMU puts the initrd here at the earliest.
        let gap = kernel.end..kernel.end.saturating_add(0x1_ffff) & !0xffff;
        self.map.mark(&gap, Owner::Kernel);
        for reservation in self.tree.reservations().to_vec() {
            let end = reservation.address.saturating_add(reservation.size);
            self.map.mark(&(reservation.address..end), Owner::Reserved);
        }
        Ok((kernel, entry))
    }

    fn place(&mut self, range: &Range<u64>, what: Owner) -> Result<(), Failure> {
        let size = range.end.saturating_sub(range.start);
        // It is memory, so that the only thing in the way is another owner.
        let over = self.map.owners(range).next();
        self.map.claim(range.start, size, what).map_err(|error| {
            over.map_or(
                Failure::NoRoom {
                    purpose: what.name(),
                    size,
                    error,
                },
                |over| Failure::Overlap {
                    what,
                    range: range.clone(),
                    over,
                },
            )
        })
    }

    /// The instance of RTAS for a client that takes the flat tree and never asks for another.
    pub(crate) fn place_rtas(&mut self) -> Result<(), Failure> {
        let layout = *self.rtas.layout();
        let fits = |base| layout.check_base(base).is_ok();
        let early = self.map.find(layout.size, PAGE, &EARLY_RTAS, fits);
        let base = early
            .or_else(|_| {
                let window = EARLY_RTAS.end..self.map_limit();
                self.map.find(layout.size, PAGE, &window, fits)
            })
            .map_err(|error| Failure::NoRoom {
                purpose: "RTAS",
                size: layout.size,
                error,
            })?;
        let instance = self.rtas.write(&mut self.board, base)?;
        self.map.mark(&(base..base + layout.size), Owner::Rtas);
        self.name_instance(instance);
        let sources = self.rtas.values.source_count;
        self.say(format_args!(
            "RTAS: {base:#x}, {} KiB, {} contexts, {sources} interrupt sources",
            layout.size / 1024,
            layout.context_count
        ));
        Ok(())
    }

    /// The root of a partition's tree has its number (LoPAR R1-14.7-5, -7), which QEMU leaves out
    /// (`hw/ppc/spapr.c:spapr_build_fdt`).
    pub(crate) fn number_partition(&mut self) -> Result<(), Failure> {
        let (root, name) = (self.tree.root(), "ibm,partition-no");
        if self.tree.property(root, name).is_some() {
            return Ok(());
        }
        self.tree
            .set_u32(root, name, PARTITION, Origin::Firmware)
            .map_err(|_| Failure::TreeLimit("the partition's number does not fit"))
    }

    /// What the client interface keeps in `/chosen`: instance handles (IEEE 1275, 3.5, and the
    /// PowerPC binding, 8.2.3); and in `/options`, that the client runs in real mode, without
    /// which GRUB wants its memory mapped (`grub-core/kern/ieee1275/cmain.c`).
    pub(crate) fn open_chosen(&mut self, chosen: &Chosen) -> Result<(), Failure> {
        let root = self.tree.root();
        let options = match self.tree.find("/options") {
            Some(options) => Ok(options),
            None => self.tree.add_child(root, "options", Origin::Firmware),
        };
        options
            .and_then(|options| {
                self.tree
                    .set_string(options, "real-mode?", "true", Origin::Firmware)
            })
            .map_err(|_| Failure::TreeLimit("/options does not fit"))?;
        let node = self
            .tree
            .find("/chosen")
            .ok_or(Failure::Missing("/chosen"))?;
        let stdout = chosen
            .stdout_path
            .as_deref()
            .and_then(|path| self.tree.find(path))
            .or_else(|| {
                let terminal = |node: &_| {
                    matches!(handles::kind_of(&self.tree, *node), Some(Kind::Console(_)))
                };
                self.tree.nodes().find(terminal)
            });
        let cpu = cpus(&self.tree).next();
        let memory = self.tree.find("/memory");
        let mut instances = [
            ("stdin", stdout, None),
            ("stdout", stdout, None),
            ("cpu", cpu, None),
            ("memory", memory, None),
            ("mmu", cpu, Some(Kind::Memory)),
        ]
        .into_iter()
        .filter_map(|(name, node, kind)| Some((name, node?, kind)));
        instances.try_for_each(|(name, package, kind)| {
            let kind = kind
                .or_else(|| handles::kind_of(&self.tree, package))
                // QEMU's standard output may be a display, which the client can drive itself;
                // what it writes before it does so goes to the default terminal.
                .unwrap_or(Kind::Console(0));
            let handle = self.client.instances.open(Instance {
                node: package,
                kind,
                arguments: Default::default(),
            });
            let handle = handle.ok_or(Failure::TreeLimit("too many instances"))?;
            self.tree
                .set_u32(node, name, handle, Origin::Firmware)
                .map_err(|_| Failure::TreeLimit("/chosen is full"))
        })
    }

    /// The reservations of the tree: QEMU's own, the initrd, and RTAS, for a kernel that never
    /// calls the client interface.
    pub(crate) fn reserve(&mut self, chosen: &Chosen) {
        let rtas = self.rtas.instance.map(|instance| {
            let base = instance.base;
            base..base + self.rtas.layout().size
        });
        for range in chosen.initrd.iter().chain(&rtas) {
            let reservation = Reservation {
                address: range.start,
                size: range.end - range.start,
            };
            if !self.tree.reservations().contains(&reservation) {
                // Neither is empty nor beyond the last address: both were claimed.
                let _ = self.tree.add_reservation(reservation);
            }
        }
    }

    /// Writes the tree of the hand-over: its address and size.
    pub(crate) fn place_tree(&mut self) -> Result<(u64, u64), Failure> {
        // `available` changes with the tree's own place, and may then be longer by one range.
        self.update_available();
        let limit = self.map_limit();
        let slack = 64 + 16 * self.machine.memory_nodes.len() as u64;
        let size = self.flatten().map_or(0, |bytes| bytes.len() as u64) + slack;
        let place = self
            .map
            .allocate(size, PAGE, &(LOWEST..limit), Owner::Tree)
            .map_err(|error| Failure::NoRoom {
                purpose: "the device tree",
                size,
                error,
            })?;
        self.update_available();
        let bytes = self
            .flatten()
            .filter(|bytes| bytes.len() as u64 <= size)
            .ok_or(Failure::TreeLimit("it is too large"))?;
        self.board.write(place, &bytes)?;
        Ok((place, bytes.len() as u64))
    }
}
