//! Random clients: whatever they call with whatever arguments, the firmware does not panic, writes
//! nothing but the results and the buffer that the service was given, and serves the next call.
//!
//! The sequences are the same in every run. `OXRTAS_FUZZ_CASES=1000000 cargo test -p oxrtas fuzz`
//! makes more of them.

use std::ops::Range;

use fdt_gen::Origin;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::machine::{Guest, MIB, NONE, Setup};
use crate::ClientReturn;

/// Sequences without the option.
const CASES: u32 = 96;

/// The same cases in every run, as many as the environment asks for.
fn config() -> ProptestConfig {
    let asked = std::env::var("OXRTAS_FUZZ_CASES").ok();
    ProptestConfig {
        cases: asked.and_then(|cases| cases.parse().ok()).unwrap_or(CASES),
        rng_seed: RngSeed::Fixed(0x0066_7572),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

const SERVICES: [&str; 28] = [
    "test",
    "peer",
    "child",
    "parent",
    "instance-to-package",
    "getproplen",
    "getprop",
    "nextprop",
    "setprop",
    "finddevice",
    "instance-to-path",
    "package-to-path",
    "call-method",
    "open",
    "close",
    "read",
    "write",
    "seek",
    "claim",
    "release",
    "boot",
    "enter",
    "exit",
    "quiesce",
    "start-cpu",
    "interpret",
    "milliseconds",
    "make-coffee",
];

const TEXTS: [&str; 22] = [
    "",
    "/",
    "/chosen",
    "/rtas",
    "/memory@0",
    "/cpus",
    "/vdevice/vty@71000000",
    "/vdevice/vty",
    "/no/such/node",
    "//@,:",
    "name",
    "reg",
    "compatible",
    "stdout",
    "linux,rtas-base",
    "available",
    "instantiate-rtas",
    "instantiate-rtas-64",
    "ibm,client-architecture-support",
    "size",
    "write",
    "x23456789012345678901234567890123456789012345678901234567890123456789",
];

/// One argument; what it is, the guest decides when it calls.
#[derive(Clone, Debug)]
enum Argument {
    Number(u32),
    /// A text, by number.
    Text(usize),
    /// A result of an earlier call, or a handle of the tree.
    Earlier(prop::sample::Index),
    /// Room of its own.
    Room(u32),
    /// Close to the end of memory, before it or behind.
    End(u32),
}

fn argument() -> impl Strategy<Value = Argument> {
    let edges = prop_oneof![
        Just(NONE),
        Just(0x7fff_ffff),
        Just(0x8000_0000),
        any::<u32>(),
        0..0x20_0000u32,
        0x1_0000..0x1000_0000u32,
    ];
    prop_oneof![
        2 => (0..80u32).prop_map(Argument::Number),
        1 => edges.prop_map(Argument::Number),
        3 => (0..TEXTS.len()).prop_map(Argument::Text),
        3 => any::<prop::sample::Index>().prop_map(Argument::Earlier),
        3 => (0..ROOM).prop_map(Argument::Room),
        1 => (0..80u32).prop_map(Argument::End),
    ]
}

/// A call: service, arguments, number of results.
type Call = (usize, Vec<Argument>, usize);

fn call() -> impl Strategy<Value = Call> {
    (0..SERVICES.len(), vec(argument(), 0..7), 0..6usize)
}

/// Where QEMU put its tree: the firmware's own memory, with its buffer for hypercalls.
const TREE: Range<u64> = 254 * MIB..256 * MIB;
/// Bytes that room has.
const ROOM: u32 = 0x400;

/// A client with what it knows.
struct Client {
    guest: Guest,
    texts: Vec<u32>,
    room: u32,
    earlier: Vec<u32>,
    rtas_size: u64,
}

impl Client {
    fn new() -> Self {
        let mut setup = Setup::new();
        // A property that the client may change, of a node that it may find.
        let node = setup.tree.find("/chosen").unwrap();
        setup
            .tree
            .set(node, "changed", b"0", Origin::Board)
            .unwrap();
        let mut guest = setup.boot().unwrap();
        let texts = TEXTS.map(|text| guest.text(text)).to_vec();
        let room = guest.buffer(2 * ROOM);
        let mut earlier = vec![0];
        for path in ["/", "/chosen", "/rtas", "/cpus", "/memory@0"] {
            earlier.push(guest.find(path));
        }
        for path in ["/", "/rtas", "/vdevice/vty@71000000"] {
            earlier.push(guest.open(path));
        }
        Self {
            rtas_size: guest.rtas_size().into(),
            guest,
            texts,
            room,
            earlier,
        }
    }

    fn cell(&self, argument: &Argument) -> u32 {
        match argument {
            Argument::Number(number) => *number,
            Argument::Text(index) => self.texts[*index],
            Argument::Earlier(index) => *index.get(&self.earlier),
            Argument::Room(offset) => self.room + offset,
            Argument::End(distance) => (256 * MIB) as u32 + 40 - distance,
        }
    }

    /// Makes a call and looks at what was written.
    fn make(&mut self, (service, arguments, results): &Call) -> Result<(), TestCaseError> {
        let cells: Vec<u32> = arguments.iter().map(|one| self.cell(one)).collect();
        let service = SERVICES[*service];
        self.guest.board().writes.clear();
        let (answer, values) = self.guest.call(service, &cells, *results);
        let writes = std::mem::take(&mut self.guest.board().writes);
        for write in writes.iter().filter(|write| !write.is_empty()) {
            let legal = self.may_write(service, &cells);
            let own = self.guest.array_room();
            let inside = |range: &Range<u64>| range.start <= write.start && write.end <= range.end;
            prop_assert!(
                legal.as_ref().is_some_and(inside) || inside(&own) || inside(&TREE),
                "{service} {cells:x?} wrote {write:x?}"
            );
        }
        match answer {
            ClientReturn::Return(0) => self.earlier.extend(values),
            ClientReturn::Return(code) => {
                prop_assert_eq!(code, -1);
                prop_assert!(values.iter().all(|value| *value == 0x5a5a_5a5a));
            }
            ClientReturn::Exit => prop_assert_eq!(service, "exit"),
        }
        Ok(())
    }

    /// The memory that the service may write beside its results.
    fn may_write(&self, service: &str, cells: &[u32]) -> Option<Range<u64>> {
        let cell = |index: usize| cells.get(index).map(|cell| u64::from(*cell));
        let (start, length) = match service {
            "getprop" => (cell(2)?, cell(3)?),
            // IEEE 1275 wants 32 bytes; Linux has 64, and there are names of more than 31.
            "nextprop" => (cell(2)?, 64),
            "instance-to-path" | "package-to-path" | "read" => (cell(1)?, cell(2)?),
            // Its only methods that write make an RTAS area.
            "call-method" => (cell(2)?, self.rtas_size),
            _ => return None,
        };
        Some(start..start + length)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn fuzz_of_the_client_interface(calls in vec(call(), 1..60)) {
        let mut client = Client::new();
        for call in &calls {
            client.make(call)?;
        }
        let root = client.guest.find("/");
        prop_assert_ne!(root, NONE);
        prop_assert!(client.guest.board().text().len() < 64 * 1024, "complaints are bounded");
    }
}
