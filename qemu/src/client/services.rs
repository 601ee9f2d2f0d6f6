//! The services of the client interface, in the order of IEEE 1275, 6.3.2, with LoPAR's own.

use alloc::string::String;

use rtas_abi::name;

use super::array::{Call, string};
use super::handles::{self, Instance};
use super::{Cells, Ending, NONE};
use crate::board::Board;
use crate::firmware::Firmware;

/// Longest path or property name with its NUL, in bytes.
const STRING: u64 = 256;
/// Catch code of `interpret`: an undefined word (Forth-94, table 9.2). There is no Forth here.
const UNDEFINED_WORD: u32 = -13i32 as u32;

/// A service that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Test,
    TestMethod,
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
const SERVICES: [(Service, &str, usize); 28] = [
    (Service::Test, "test", 1),
    (Service::TestMethod, "test-method", 2),
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
            Service::TestMethod => self.test_method(first, second),
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

    pub(super) fn instance(&self, handle: u32) -> Option<&Instance> {
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
