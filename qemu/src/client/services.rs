//! The services of the client interface, in the order of IEEE 1275, 6.3.2.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use fdt_gen::{NextProperty, NodeId, Origin};
use rtas_abi::name;

use super::array::{Call, string};
use super::handles::{self, Instance, Kind};
use super::{Cells, Ending, NONE};
use crate::board::Board;
use crate::firmware::Firmware;
use crate::memory_map::Owner;

/// Longest path or property name with its NUL, in bytes.
const STRING: u64 = 256;
/// Longest value that `setprop` takes, in bytes.
const VALUE: u32 = 64 * 1024;
/// Most bytes of one `read` or `write`.
const TRANSFER: u32 = 1 << 20;
/// Answer of `read`: nothing is there to be read (IEEE 1275, 6.3.2.3, of serial devices).
const NOTHING_TYPED: u32 = -2i32 as u32;
/// Catch code of `interpret`: an undefined word (Forth-94, table 9.2). There is no Forth here.
const UNDEFINED_WORD: u32 = -13i32 as u32;

/// A service that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Test,
    Peer,
    Child,
    Parent,
    InstanceToPackage,
    Getproplen,
    Getprop,
    Nextprop,
    Setprop,
    Finddevice,
    InstanceToPath,
    PackageToPath,
    CallMethod,
    Open,
    Close,
    Read,
    Write,
    Seek,
    Claim,
    Release,
    Boot,
    Enter,
    Exit,
    Quiesce,
    StartCpu,
    Interpret,
    Milliseconds,
}

/// Name and number of arguments of each service. Results are as many as the client asks for.
const SERVICES: [(Service, &str, usize); 27] = [
    (Service::Test, "test", 1),
    (Service::Peer, "peer", 1),
    (Service::Child, "child", 1),
    (Service::Parent, "parent", 1),
    (Service::InstanceToPackage, "instance-to-package", 1),
    (Service::Getproplen, "getproplen", 2),
    (Service::Getprop, "getprop", 4),
    (Service::Nextprop, "nextprop", 3),
    (Service::Setprop, "setprop", 4),
    (Service::Finddevice, "finddevice", 1),
    (Service::InstanceToPath, "instance-to-path", 3),
    (Service::PackageToPath, "package-to-path", 3),
    (Service::CallMethod, "call-method", 2),
    (Service::Open, "open", 1),
    (Service::Close, "close", 1),
    (Service::Read, "read", 3),
    (Service::Write, "write", 3),
    (Service::Seek, "seek", 3),
    (Service::Claim, "claim", 3),
    (Service::Release, "release", 2),
    (Service::Boot, "boot", 0),
    (Service::Enter, "enter", 0),
    (Service::Exit, "exit", 0),
    (Service::Quiesce, "quiesce", 0),
    (Service::StartCpu, "start-cpu", 3),
    (Service::Interpret, "interpret", 1),
    (Service::Milliseconds, "milliseconds", 0),
];

impl Service {
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        let mut all = SERVICES.iter();
        all.find(|(_, known, _)| known.as_bytes() == name)
            .map(|(service, _, _)| *service)
    }

    /// How many arguments it has at least; `call-method` hands more on to the method.
    pub(crate) fn arguments(self) -> usize {
        let mut all = SERVICES.iter();
        all.find(|(service, _, _)| *service == self)
            .map_or(0, |(_, _, count)| *count)
    }
}

const fn one(value: u32) -> Cells {
    [value, 0, 0, 0]
}

impl<B: Board> Firmware<B> {
    /// Runs a service with the arguments that it needs; `call` has those beyond.
    pub(super) fn run(
        &mut self,
        service: Service,
        arguments: &[u32],
        call: &Call,
    ) -> Result<Cells, Ending> {
        let mut given = [0; 4];
        for (to, from) in given.iter_mut().zip(arguments) {
            *to = *from;
        }
        let [first, second, third, fourth] = given;
        let result = match service {
            Service::Test => self.test(first),
            Service::Peer => self.peer(first),
            Service::Child => {
                self.relative(first, |firmware, node| firmware.tree.first_child(node))
            }
            Service::Parent => self.relative(first, |firmware, node| firmware.tree.parent(node)),
            Service::InstanceToPackage => self
                .instance(first)
                .map(|instance| handles::of_node(&self.tree, instance.node)),
            Service::Getproplen => self.getproplen(first, second),
            Service::Getprop => self.getprop(first, second, third, fourth),
            Service::Nextprop => self.nextprop(first, second, third),
            Service::Setprop => self.setprop(first, second, third, fourth),
            Service::Finddevice => self.finddevice(first),
            Service::InstanceToPath => self.instance_to_path(first, second, third),
            Service::PackageToPath => {
                handles::node_of(&self.tree, first).and_then(|node| self.path(node, second, third))
            }
            Service::CallMethod => return Ok(self.call_method(first, second, call)),
            // IEEE 1275: 0 if the device cannot be opened.
            Service::Open => Some(self.open(first).unwrap_or(0)),
            Service::Close => {
                self.client.instances.close(first);
                Some(0)
            }
            Service::Read => self.read(first, second, third),
            Service::Write => self.write(first, second, third),
            Service::Claim => self.claim(first, second, third),
            Service::Release => {
                self.release(first, second);
                Some(0)
            }
            Service::Milliseconds => Some(self.milliseconds() as u32),
            Service::StartCpu => return self.start_cpu(first, second, third).map(one),
            Service::Quiesce => {
                self.quiesce();
                Some(0)
            }
            Service::Exit => {
                self.say(format_args!(
                    "\nThe client program left (client interface service 'exit'). Its last lines \
                     say why; the machine stops."
                ));
                self.stop();
                return Err(Ending::Exit);
            }
            Service::Interpret => Some(self.interpret(first)),
            Service::Enter => {
                self.complain(
                    "enter",
                    format_args!("client call: 'enter' does nothing, there is no monitor"),
                );
                Some(0)
            }
            Service::Boot => {
                self.complain(
                    "boot",
                    format_args!("client call: 'boot' is refused, use QEMU's -kernel"),
                );
                return Err(Ending::Refused);
            }
            Service::Seek => None,
        };
        Ok(one(result.unwrap_or(NONE)))
    }

    /// A string of the client's.
    pub(super) fn string(&self, address: u32) -> Option<String> {
        String::from_utf8(string(&self.board, u64::from(address), STRING)?).ok()
    }

    fn instance(&self, handle: u32) -> Option<&Instance> {
        self.client.instances.get(handle)
    }

    fn test(&self, name: u32) -> Option<u32> {
        let name = self.string(name)?;
        let service = Service::named(name.as_bytes());
        // Those that only ever refuse are missing to who asks.
        let missing = matches!(
            service,
            None | Some(Service::Boot | Service::Interpret | Service::Seek)
        );
        Some(if missing { NONE } else { 0 })
    }

    fn peer(&self, handle: u32) -> Option<u32> {
        if handle == 0 {
            return Some(handles::of_node(&self.tree, self.tree.root()));
        }
        self.relative(handle, |firmware, node| firmware.tree.next_sibling(node))
    }

    /// The handle of a relative, 0 if there is none, nothing if `handle` is no package.
    fn relative(&self, handle: u32, find: impl Fn(&Self, NodeId) -> Option<NodeId>) -> Option<u32> {
        let node = handles::node_of(&self.tree, handle)?;
        let found = find(self, node);
        Some(found.map_or(0, |node| handles::of_node(&self.tree, node)))
    }

    fn getproplen(&self, handle: u32, name: u32) -> Option<u32> {
        let node = handles::node_of(&self.tree, handle)?;
        let value = self.tree.client_property(node, &self.string(name)?)?;
        u32::try_from(value.len()).ok()
    }

    /// The whole length, though no more than `size` bytes are stored.
    fn getprop(&mut self, handle: u32, name: u32, buffer: u32, size: u32) -> Option<u32> {
        let node = handles::node_of(&self.tree, handle)?;
        let value = self.tree.client_property(node, &self.string(name)?)?;
        let length = value.len().min(usize::try_from(size).ok()?);
        let stored = value.get(..length)?;
        if !stored.is_empty() {
            self.board.write(u64::from(buffer), stored).ok()?;
        }
        u32::try_from(value.len()).ok()
    }

    fn nextprop(&mut self, handle: u32, previous: u32, buffer: u32) -> Option<u32> {
        let node = handles::node_of(&self.tree, handle)?;
        let previous = match previous {
            0 => String::new(),
            address => self.string(address)?,
        };
        match self.tree.next_property(node, &previous) {
            NextProperty::Name(name) => {
                let mut bytes = Vec::from(name);
                bytes.push(0);
                self.board.write(u64::from(buffer), &bytes).ok()?;
                Some(1)
            }
            NextProperty::End => {
                // IEEE 1275: an empty string where there is no next property.
                self.board.write(u64::from(buffer), &[0]).ok()?;
                Some(0)
            }
            NextProperty::Unknown => None,
        }
    }

    fn setprop(&mut self, handle: u32, name: u32, buffer: u32, size: u32) -> Option<u32> {
        let node = handles::node_of(&self.tree, handle)?;
        let name = self.string(name)?;
        if size > VALUE {
            return None;
        }
        let mut value = vec![0; usize::try_from(size).ok()?];
        if size != 0 {
            self.board.read(u64::from(buffer), &mut value).ok()?;
        }
        self.tree.set(node, &name, &value, Origin::Client).ok()?;
        Some(size)
    }

    fn finddevice(&self, path: u32) -> Option<u32> {
        let node = self.tree.find(&self.string(path)?)?;
        Some(handles::of_node(&self.tree, node))
    }

    fn instance_to_path(&mut self, handle: u32, buffer: u32, size: u32) -> Option<u32> {
        let instance = self.instance(handle)?;
        let (node, arguments) = (instance.node, instance.arguments.clone());
        let mut path = self.tree.path(node)?;
        if !arguments.is_empty() {
            path.push(':');
            path.push_str(&arguments);
        }
        self.store_path(&path, buffer, size)
    }

    fn path(&mut self, node: NodeId, buffer: u32, size: u32) -> Option<u32> {
        let path = self.tree.path(node)?;
        self.store_path(&path, buffer, size)
    }

    /// Stores as much of a path as there is room for, a NUL behind it if that fits too, and answers
    /// its length without the NUL.
    fn store_path(&mut self, path: &str, buffer: u32, size: u32) -> Option<u32> {
        let mut bytes = Vec::from(path);
        bytes.push(0);
        bytes.truncate(usize::try_from(size).ok()?);
        if !bytes.is_empty() {
            self.board.write(u64::from(buffer), &bytes).ok()?;
        }
        u32::try_from(path.len()).ok()
    }

    fn open(&mut self, path: u32) -> Option<u32> {
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

    /// There is no Forth, but for the words by which GRUB ends the machine
    /// (`grub-core/lib/ieee1275/halt.c`, `reboot.c`).
    fn interpret(&mut self, words: u32) -> u32 {
        let words = self.string(words).unwrap_or_default();
        let status = match words.as_str() {
            "power-off" | "shut-down" | "poweroff" => {
                // No event powers the machine on again.
                self.call_rtas(name::POWER_OFF, &[NONE, NONE])
            }
            "reset-all" => self.call_rtas(name::SYSTEM_REBOOT, &[]),
            _ => None,
        };
        if status == Some(0) {
            return 0;
        }
        let words = words.as_bytes().escape_ascii();
        self.complain(
            "interpret",
            format_args!("client call: 'interpret' of '{words}' is refused, there is no Forth"),
        );
        UNDEFINED_WORD
    }

    fn start_cpu(&mut self, package: u32, entry: u32, argument: u32) -> Result<u32, Ending> {
        let number = handles::node_of(&self.tree, package)
            .and_then(|node| self.tree.cells(node, "reg")?.next())
            .ok_or(Ending::Refused)?;
        let status = self.call_rtas(name::START_CPU, &[number, entry, argument]);
        if status != Some(0) {
            self.say(format_args!(
                "client call: 'start-cpu' of processor {number} failed: {status:?}"
            ));
            return Err(Ending::Refused);
        }
        Ok(0)
    }

    fn quiesce(&mut self) {
        if self.client.has_quiesced {
            return;
        }
        self.client.has_quiesced = true;
        self.update_qemu_tree();
        if self.call_rtas(name::QUIESCE, &[]) != Some(0) {
            self.say(format_args!(
                "quiesce: the hypervisor could not stop the virtual I/O queues"
            ));
        }
    }
}
