//! The client interface: single services, then what a kernel's early boot asks for, up to quiesce.
//! Only what passes between the guest's jump and the firmware's return is counted.
//!
//! `guest: bench client SERVICE CALLS TICKS`; the service `boot` is the sum of a whole boot, in the
//! order of Linux's `arch/powerpc/kernel/prom_init.c:prom_init`.

use alloc::string::String;
use alloc::vec::Vec;

use crate::board::gate::Gate;
use crate::board::hypercall::no_rtas;
use crate::board::memory::{self, Scratch};
use crate::say;
use crate::subject::{Client, Machine};

/// Calls of each single service.
const CALLS: u32 = 64;
/// Bytes of the buffer for names and values.
const ROOM: u64 = 0x8000;

/// Calls and ticks so far.
#[derive(Clone, Copy, Default)]
struct Meter {
    calls: u32,
    ticks: u64,
}

/// A client that counts.
struct Counting<'a> {
    client: &'a Client,
    gate: &'a mut Gate,
    meter: Meter,
    room: Scratch,
}

impl Counting<'_> {
    /// A service with one result; -1 if it failed.
    fn call(&mut self, service: &str, inputs: &[u32]) -> u32 {
        self.call_for(service, inputs, 1)
            .first()
            .copied()
            .unwrap_or(u32::MAX)
    }

    /// A service: its results, none if it failed.
    fn call_for(&mut self, service: &str, inputs: &[u32], outputs: usize) -> Vec<u32> {
        let Ok(answer) = self.client.call(self.gate, service, inputs, outputs) else {
            return Vec::new();
        };
        let entered = self.gate.entered_with().timebase;
        self.meter.calls += 1;
        self.meter.ticks += answer.registers.timebase.wrapping_sub(entered);
        match answer.result {
            0 => answer.cells,
            _ => Vec::new(),
        }
    }

    fn string(&self, text: &str) -> u32 {
        self.client.string(1, text)
    }

    fn room(&self) -> u32 {
        self.room.address as u32
    }

    /// The name that nextprop left behind the first half of the room.
    fn name(&self) -> String {
        let bytes = (0..64).map(|at| memory::read_u8(self.room.address + at));
        let bytes: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// All properties of a node: `visit` is called for each name.
    fn properties(&mut self, node: u32, mut visit: impl FnMut(&mut Self, &str)) {
        let mut name = String::new();
        // A walk that does not end is a verdict of its own, elsewhere.
        for _ in 0..512 {
            let previous = self.string(&name);
            let room = self.room();
            if self.call("nextprop", &[node, previous, room]) != 1 {
                return;
            }
            name = self.name();
            visit(self, &name);
        }
    }

    /// All nodes, as prom_init walks: the node, its children, its next sibling.
    fn nodes(&mut self, visit: &mut dyn FnMut(&mut Self, u32)) {
        let mut node = self.call("peer", &[0]);
        let ends = |node: u32| node == 0 || node == u32::MAX;
        let mut above = Vec::new();
        while !ends(node) && above.len() < 32 {
            visit(self, node);
            let child = self.call("child", &[node]);
            if !ends(child) {
                above.push(node);
                node = child;
                continue;
            }
            node = self.call("peer", &[node]);
            while ends(node) {
                let Some(parent) = above.pop() else {
                    return;
                };
                node = self.call("peer", &[parent]);
            }
        }
    }
}

/// Prints what the services cost, and ends the client interface.
pub fn run(machine: &mut Machine) {
    let Some(client) = machine.client.take() else {
        say!("guest: bench failed no client interface");
        return;
    };
    let token = machine.token("ibm,get-xive");
    let size = machine.rtas_size() as u32;
    let nothing = Client::new(no_rtas());
    let mut idle = Counting {
        client: &nothing,
        gate: machine.gate,
        meter: Meter::default(),
        room: Scratch::new(ROOM, 64),
    };
    for _ in 0..CALLS {
        idle.call("peer", &[0]);
    }
    report("nothing", idle.meter);
    let mut counting = Counting {
        client: &client,
        gate: machine.gate,
        meter: Meter::default(),
        room: Scratch::new(ROOM, 64),
    };
    services(&mut counting);
    counting.meter = Meter::default();
    boot(&mut counting, size);
    report("boot", counting.meter);
    if token.is_none() {
        say!("guest: bench failed no XICS");
    }
}

fn report(service: &str, meter: Meter) {
    say!(
        "guest: bench client {service} {} {}",
        meter.calls,
        meter.ticks
    );
}

/// Single services, each on the deepest node and on one with many properties.
fn services(counting: &mut Counting) {
    let mut deepest = String::new();
    counting.nodes(&mut |counting, node| {
        let room = counting.room();
        let length = counting.call("package-to-path", &[node, room, 256]);
        let bytes = (0..u64::from(length.min(255))).map(|at| memory::read_u8(room as u64 + at));
        let path: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
        let path = String::from_utf8_lossy(&path).into_owned();
        let depth = |path: &str| path.matches('/').count();
        if depth(&path) > depth(&deepest) {
            deepest = path;
        }
    });
    say!("guest: bench deepest {deepest}");
    let path = counting.string(&deepest);
    let node = counting.call("finddevice", &[path]);
    let mut names = Vec::new();
    counting.properties(node, |_, name| names.push(String::from(name)));
    let last = names.last().cloned().unwrap_or_default();
    let before = names
        .len()
        .checked_sub(2)
        .and_then(|at| names.get(at))
        .cloned()
        .unwrap_or_default();
    let room = counting.room();
    /// The inputs of a call about a string.
    type Inputs<'a> = &'a dyn Fn(u32) -> Vec<u32>;
    let cases: [(&str, &str, Inputs<'_>); 4] = [
        ("finddevice", &deepest, &|text| Vec::from([text])),
        ("getproplen", &last, &|text| Vec::from([node, text])),
        ("getprop", &last, &|text| {
            Vec::from([node, text, room, ROOM as u32])
        }),
        ("nextprop", &before, &|text| Vec::from([node, text, room])),
    ];
    for (service, text, inputs) in cases {
        counting.meter = Meter::default();
        for _ in 0..CALLS {
            let text = counting.string(text);
            if counting.call(service, &inputs(text)) == u32::MAX {
                say!("guest: bench failed {service}");
                return;
            }
        }
        report(service, counting.meter);
    }
}

/// What prom_init asks for, without its own work between the calls: the chosen node and the root,
/// ibm,client-architecture-support, memory, RTAS, the tree twice, quiesce.
fn boot(counting: &mut Counting, rtas_size: u32) {
    let room = counting.room();
    let find = |counting: &mut Counting, path: &str| {
        let path = counting.string(path);
        counting.call("finddevice", &[path])
    };
    let get = |counting: &mut Counting, node: u32, name: &str| {
        let name = counting.string(name);
        counting.call("getprop", &[node, name, room, 256])
    };
    let open = |counting: &mut Counting, path: &str| {
        let path = counting.string(path);
        counting.call("open", &[path])
    };
    let chosen = find(counting, "/chosen");
    let root = find(counting, "/");
    get(counting, chosen, "stdout");
    get(counting, root, "compatible");
    get(counting, root, "device_type");
    get(counting, chosen, "bootargs");
    get(counting, chosen, "ibm,arch-vec-5-platform-support");
    let instance = open(counting, "/");
    let vector = architecture_vector();
    memory::write(room.into(), &vector);
    let method = counting.string("ibm,client-architecture-support");
    let answer = counting.call_for("call-method", &[method, instance, room], 2);
    if answer.as_slice() != [0, 0] {
        say!("guest: bench failed ibm,client-architecture-support: {answer:x?}");
    }
    counting.call_for("close", &[instance], 0);
    counting.nodes(&mut |counting, node| {
        get(counting, node, "device_type");
        get(counting, node, "reg");
    });
    let base = counting.call("claim", &[0, rtas_size, 0x1000]);
    let instance = open(counting, "/rtas");
    let method = counting.string("instantiate-rtas");
    let answer = counting.call_for("call-method", &[method, instance, base], 2);
    if !matches!(answer.as_slice(), [0, entry] if *entry != 0) {
        say!("guest: bench failed instantiate-rtas: {answer:x?}");
    }
    counting.nodes(&mut |counting, node| counting.properties(node, |_, _| ()));
    counting.nodes(&mut |counting, node| {
        counting.call("package-to-path", &[node, room, 256]);
        counting.properties(node, |counting, name| {
            let name = counting.string(name);
            counting.call("getproplen", &[node, name]);
            counting.call("getprop", &[node, name, room, ROOM as u32]);
        });
    });
    counting.call_for("quiesce", &[], 0);
}

/// The vector for ibm,client-architecture-support (LoPAR B.6.2.3): POWER8 to POWER10, and five
/// option vectors that ask for nothing.
fn architecture_vector() -> Vec<u8> {
    let processors: [[u32; 2]; 4] = [
        [0xffff_0000, 0x004d_0000],
        [0xffff_0000, 0x004e_0000],
        [0xffff_0000, 0x0080_0000],
        // The end: a value outside its mask.
        [0, u32::MAX],
    ];
    let mut bytes = Vec::new();
    for word in processors.as_flattened() {
        bytes.extend(word.to_be_bytes());
    }
    // The number of vectors and the length of each are one less than what they stand for.
    bytes.push(4);
    for length in [2, 1, 1, 1, 26] {
        bytes.push(length - 1);
        bytes.extend((0..length).map(|_| 0));
    }
    bytes
}
