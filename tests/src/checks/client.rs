//! The client interface (IEEE 1275 6.3.2, LoPAR C.8).

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;

use guest::verdict::Verdict;
use guest::{expect, fail, need, pass, skip};

use super::{Check, check};
use crate::board::gate::{self, Gate};
use crate::board::memory;
use crate::subject::client::{GUARD, Value};
use crate::subject::machine::walk_nodes;
use crate::subject::{Client, Machine};

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("LoPAR-C.8.1", "client-registers", registers),
    check(
        "IEEE1275-6.3.2.1",
        "client-unknown-service",
        unknown_service,
    ),
    check("IEEE1275-6.3.2.1", "client-test", test),
    check("R1-14.7-18", "client-services-beyond", services_beyond),
    check(
        "IEEE1275-6.3.2.2",
        "client-finddevice-root",
        finddevice_root,
    ),
    check(
        "IEEE1275-6.3.2.2",
        "client-finddevice-missing",
        finddevice_missing,
    ),
    check("IEEE1275-6.3.2.2", "client-walk-nodes", walk),
    check("IEEE1275-6.3.2.2", "client-walk-properties", properties),
    check(
        "IEEE1275-6.3.2.2",
        "client-nextprop-unknown",
        nextprop_unknown,
    ),
    check("IEEE1275-6.3.2.2", "client-getprop-cut", getprop_cut),
    check(
        "IEEE1275-6.3.2.2",
        "client-getprop-missing",
        getprop_missing,
    ),
    check("IEEE1275-6.3.2.2", "client-name-property", name_property),
    check("IEEE1275-6.3.2.2", "client-setprop", setprop),
    check(
        "IEEE1275-6.3.2.2",
        "client-package-to-path",
        package_to_path,
    ),
    check("IEEE1275-6.3.2.2", "client-path-cut", path_cut),
    check("IEEE1275-6.3.2.2", "client-instance-paths", instance_paths),
    check("IEEE1275-6.3.2.3", "client-open-close", open_close),
    check("IEEE1275-6.3.2.3", "client-open-missing", open_missing),
    check("IEEE1275-6.3.2.3", "client-write", write),
    check("IEEE1275-6.3.2.4", "client-claim-exact", claim_exact),
    check("IEEE1275-6.3.2.4", "client-claim-aligned", claim_aligned),
    check("IEEE1275-6.3.2.4", "client-claim-image", claim_image),
    check("IEEE1275-6.3.2.7", "client-milliseconds", milliseconds),
    check("IEEE1275-6.3.1", "client-outputs-exact", outputs_exact),
    check(
        "IEEE1275-6.3.2.4",
        "client-claim-beyond-memory",
        claim_beyond,
    ),
];

/// No such node or property.
const NONE: u32 = u32::MAX;

fn parts(machine: &mut Machine) -> Option<(&Client, &mut Gate)> {
    Some((machine.client.as_ref()?, machine.gate))
}

/// The client interface and the gate, or a skip.
macro_rules! parts {
    ($machine:expr) => {
        match parts($machine) {
            Some(parts) => parts,
            None => skip!("no client interface"),
        }
    };
}

fn registers(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    for service in ["peer", "finddevice", "no-such-service"] {
        let argument = client.string(1, "/chosen");
        let answer = match client.call(gate, service, &[argument], 1) {
            Ok(answer) => answer,
            Err(trap) => fail!("a return", "{trap:x?}"),
        };
        let (before, after) = (gate.entered_with(), answer.registers);
        for index in [1, 2].into_iter().chain(13..32) {
            // The client interface was called in 32-bit mode: the halves that exist there.
            let (wanted, saw) = (before.gpr[index] as u32, after.gpr[index] as u32);
            need!(
                wanted == saw,
                format!("{service}: r{index} {wanted:#x}"),
                "{saw:#x}"
            );
        }
        need!(
            (before.cr ^ after.cr) & 0x00ff_f000 == 0,
            format!("{service}: CR2-CR4 of {:#x}", before.cr),
            "{:#x}",
            after.cr
        );
        need!(
            before.msr == after.msr,
            format!("{service}: MSR {:#x}", before.msr),
            "{:#x}",
            after.msr
        );
        let (wanted, saw) = (
            [before.sprg0, before.sprg1, before.sprg3],
            [after.sprg0, after.sprg1, after.sprg3],
        );
        need!(
            wanted == saw,
            format!("{service}: SPRG0,1,3 {wanted:x?}"),
            "{saw:x?}"
        );
    }
    pass!("r1, r2, r13-r31, CR2-CR4, MSR, SPRG0, 1 and 3 kept by three services")
}

fn unknown_service(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    match client.call(gate, "oxrtas-no-such-service", &[1, 2], 1) {
        Ok(answer) => expect!("result", -1, answer.result),
        Err(trap) => fail!("result -1", "{trap:x?}"),
    }
}

fn test(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let mut ask = |name: &str| {
        let name = client.string(1, name);
        client.call(gate, "test", &[name], 1).ok()
    };
    match (ask("getprop"), ask("oxrtas-no-such-service")) {
        (Some(known), Some(unknown)) if known.result == 0 => {
            expect!(
                "missing flag of getprop is 0, of an unknown one not",
                (true, true),
                (known.cells[0] == 0, unknown.cells[0] != 0)
            )
        }
        (known, _) => fail!("result 0", "{:x?}", known.map(|answer| answer.result)),
    }
}

/// To the letter: Table 14.11 has no other service, though every operating system calls quiesce.
fn services_beyond(machine: &mut Machine) -> Verdict {
    const BEYOND: [&str; 6] = [
        "quiesce",
        "interpret",
        "chain",
        "set-callback",
        "set-symbol-lookup",
        "ibm,enable-ci64",
    ];
    let (client, gate) = parts!(machine);
    let mut has = |service: &str| {
        let name = client.string(1, service);
        client.one(gate, "test", &[name]) == 0
    };
    if !has("getprop") || has("no-such-service") {
        skip!("test does not tell which services there are")
    }
    let mut found = BEYOND.to_vec();
    found.retain(|service| has(service));
    need!(
        found.is_empty(),
        "no service that Table 14.11 does not have",
        "{found:?}"
    );
    pass!("none of {} other services", BEYOND.len())
}

fn finddevice_root(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let root = client.finddevice(gate, "/");
    need!(root != NONE && root != 0, "a phandle", "{root:#x}");
    let peer = client.step(gate, "peer", 0);
    need!(root == peer, format!("peer(0) = {root:#x}"), "{peer:#x}");
    for path in ["/chosen", "/rtas", "/cpus"] {
        let node = client.finddevice(gate, path);
        need!(
            node != NONE && node != 0,
            format!("a phandle for {path}"),
            "{node:#x}"
        );
    }
    pass!("root {root:#x}, /chosen, /rtas and /cpus found")
}

fn finddevice_missing(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    for path in ["/oxrtas-no-such-node", "/chosen/oxrtas/none", "/rtas@1234"] {
        let node = client.finddevice(gate, path);
        need!(node == NONE, format!("-1 for {path}"), "{node:#x}");
    }
    pass!("-1 three times")
}

fn walk(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let nodes = walk_nodes(client, gate);
    need!(
        nodes.len() < 4096,
        "a walk that ends",
        "{} nodes",
        nodes.len()
    );
    let distinct: BTreeSet<u32> = nodes.iter().copied().collect();
    need!(
        distinct.len() == nodes.len(),
        format!("{} distinct nodes", nodes.len()),
        "{}",
        distinct.len()
    );
    for node in &nodes {
        let mut child = client.step(gate, "child", *node);
        while child != 0 && child != NONE {
            let parent = client.step(gate, "parent", child);
            need!(
                parent == *node,
                format!("parent({child:#x}) = {node:#x}"),
                "{parent:#x}"
            );
            child = client.step(gate, "peer", child);
        }
    }
    let root = nodes.first().copied().unwrap_or(0);
    let above = client.step(gate, "parent", root);
    need!(above == 0, "parent of the root 0", "{above:#x}");
    pass!(
        "{} nodes, each once, each child's parent is its own",
        nodes.len()
    )
}

fn properties(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let mut count = 0;
    for node in walk_nodes(client, gate) {
        let mut names = BTreeSet::new();
        let mut name = String::new();
        loop {
            let (answer, next) = client.nextprop(gate, node, &name);
            if answer == 0 {
                break;
            }
            need!(
                answer == 1,
                format!("1 or 0 after \"{name}\" of {node:#x}"),
                "{answer}"
            );
            need!(
                names.insert(next.clone()),
                format!("each name once in {node:#x}"),
                "{next} twice"
            );
            let length = client.getproplen(gate, node, &next);
            need!(
                length >= 0,
                format!("a length of {next} in {node:#x}"),
                "{length}"
            );
            name = next;
            count += 1;
        }
    }
    pass!("{count} properties, each named once and with a length")
}

fn nextprop_unknown(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let root = client.finddevice(gate, "/");
    let (answer, _) = client.nextprop(gate, root, "oxrtas,no-such-property");
    expect!("nextprop after an unknown name", -1, answer)
}

fn getprop_cut(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let root = client.finddevice(gate, "/");
    let full = client.getprop(gate, root, "model", 256);
    let Some(bytes) = full.bytes().filter(|bytes| bytes.len() > 4) else {
        skip!("the root has no model of more than 4 bytes")
    };
    let length = client.getproplen(gate, root, "model");
    need!(
        length == full.length,
        format!("getproplen {}", full.length),
        "{length}"
    );
    for room in [0, 1, 4] {
        let cut = client.getprop(gate, root, "model", room);
        need!(
            cut.length == full.length,
            format!("the true length {}", full.length),
            "{}",
            cut.length
        );
        let (head, rest) = cut.buffer.split_at(room as usize);
        need!(
            head == &bytes[..room as usize],
            "the first bytes",
            "{head:x?}"
        );
        need!(
            rest.iter().all(|byte| *byte == 0xa5),
            format!("nothing behind {room} bytes"),
            "{rest:x?}"
        );
    }
    pass!("length {length} with room for 0, 1, 4 and 256 bytes")
}

fn getprop_missing(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let root = client.finddevice(gate, "/");
    let Value { length, .. } = client.getprop(gate, root, "oxrtas,none", 16);
    expect!(
        "getprop, getproplen",
        (-1, -1),
        (length, client.getproplen(gate, root, "oxrtas,none"))
    )
}

fn name_property(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    for node in walk_nodes(client, gate) {
        let path = client
            .path(gate, "package-to-path", node, 256)
            .text()
            .unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        let wanted = last.split('@').next().unwrap_or_default();
        let name = client.getprop(gate, node, "name", 256).text();
        // What the root's name is, IEEE 1275 leaves open.
        let right = name.as_deref() == Some(wanted) || (path == "/" && name.is_some());
        need!(right, format!("name \"{wanted}\" of {path}"), "{name:?}");
    }
    pass!("every node has the name that its path ends in")
}

fn setprop(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let chosen = client.finddevice(gate, "/chosen");
    for value in ["first", "a longer second value", ""] {
        let (name, text) = (client.string(1, "oxrtas,guest"), client.string(2, value));
        let length = client.one(gate, "setprop", &[chosen, name, text, value.len() as u32]);
        need!(
            length == value.len() as u32,
            format!("setprop {}", value.len()),
            "{length:#x}"
        );
        let read = client.property(gate, chosen, "oxrtas,guest");
        need!(
            read.as_deref() == Some(value.as_bytes()),
            format!("getprop {value:?}"),
            "{read:x?}"
        );
    }
    pass!("created, made longer, emptied; read back each time")
}

fn package_to_path(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let nodes = walk_nodes(client, gate);
    for node in &nodes {
        let path = client.path(gate, "package-to-path", *node, 256);
        let Some(text) = path.text() else {
            fail!(format!("a path of {node:#x}"), "{}", path.length);
        };
        let found = client.finddevice(gate, &text);
        need!(
            found == *node,
            format!("finddevice({text}) = {node:#x}"),
            "{found:#x}"
        );
    }
    let wrong = client
        .path(gate, "package-to-path", 0x1234_5677, 256)
        .length;
    need!(wrong == -1, "-1 for no phandle", "{wrong}");
    pass!("finddevice finds all {} paths", nodes.len())
}

fn path_cut(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let node = client.finddevice(gate, "/chosen");
    let cut = client.path(gate, "package-to-path", node, 3);
    need!(
        cut.length == 7,
        "the true length 7 of /chosen",
        "{}",
        cut.length
    );
    need!(
        cut.buffer[..3] == *b"/ch",
        "the first 3 bytes",
        "{:x?}",
        &cut.buffer[..3]
    );
    expect!(
        "nothing behind 3 bytes",
        true,
        cut.buffer[3..].iter().all(|byte| *byte == 0xa5)
    )
}

fn stdout(client: &Client, gate: &mut Gate) -> Option<u32> {
    let chosen = client.finddevice(gate, "/chosen");
    let value = client.property(gate, chosen, "stdout")?;
    Some(u32::from_be_bytes(value.get(..4)?.try_into().ok()?))
}

fn instance_paths(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let Some(stdout) = stdout(client, gate) else {
        fail!("/chosen stdout, an ihandle", "none")
    };
    let Some(path) = client.path(gate, "instance-to-path", stdout, 256).text() else {
        fail!("a path of stdout", "none")
    };
    let package = client.step(gate, "instance-to-package", stdout);
    let plain = path.split(':').next().unwrap_or_default();
    let found = client.finddevice(gate, plain);
    need!(
        package == found,
        format!("finddevice({plain}) = {package:#x}"),
        "{found:#x}"
    );
    let wrong = client.step(gate, "instance-to-package", 0x1234_5677);
    need!(wrong == NONE, "-1 for no ihandle", "{wrong:#x}");
    pass!("stdout is {path}")
}

fn open_close(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    for path in ["/", "/rtas"] {
        let text = client.string(1, path);
        let instance = client.one(gate, "open", &[text]);
        need!(
            instance != NONE && instance != 0,
            format!("an ihandle of {path}"),
            "{instance:#x}"
        );
        let package = client.step(gate, "instance-to-package", instance);
        let node = client.finddevice(gate, path);
        need!(
            package == node,
            format!("its package {node:#x}"),
            "{package:#x}"
        );
        match client.call(gate, "close", &[instance], 0) {
            Ok(answer) if answer.result == 0 && answer.beyond == [GUARD; 4] => {}
            other => fail!("close with result 0 and no cell written", "{other:x?}"),
        }
    }
    pass!("/ and /rtas opened and closed")
}

fn open_missing(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let text = client.string(1, "/oxrtas-no-such-node");
    let instance = client.one(gate, "open", &[text]);
    // IEEE 1275 says 0; several implementations say -1, and clients take both.
    need!(
        instance == 0 || instance == NONE,
        "0 or -1",
        "{instance:#x}"
    );
    pass!("{:#x}", instance)
}

fn write(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let Some(stdout) = stdout(client, gate) else {
        fail!("/chosen stdout, an ihandle", "none")
    };
    let text = "guest: written by the client interface\r\n";
    let at = client.string(1, text);
    let written = client.one(gate, "write", &[stdout, at, text.len() as u32]);
    expect!("bytes", text.len() as u32, written)
}

/// A megabyte that can be claimed.
fn free_place(client: &Client, gate: &mut Gate) -> Option<u32> {
    let address = client.claim(gate, 0, 0x10_0000, 0x10_0000);
    (address != NONE && address != 0).then_some(address)
}

fn claim_exact(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let Some(place) = free_place(client, gate) else {
        fail!("1 MiB somewhere", "-1")
    };
    client.release(gate, place, 0x10_0000);
    let exact = client.claim(gate, place, 0x10_0000, 0);
    need!(exact == place, format!("exactly {place:#x}"), "{exact:#x}");
    for (address, size) in [
        (place, 0x10_0000),
        (place + 0xf_f000, 0x2000),
        (place + 0x1000, 0x1000),
    ] {
        let again = client.claim(gate, address, size, 0);
        need!(
            again == NONE,
            format!("-1 for the claimed {address:#x}+{size:#x}"),
            "{again:#x}"
        );
    }
    client.release(gate, place, 0x10_0000);
    let again = client.claim(gate, place + 0x1000, 0x1000, 0);
    need!(
        again == place + 0x1000,
        "a page of it after release",
        "{again:#x}"
    );
    client.release(gate, place + 0x1000, 0x1000);
    pass!("{place:#x} claimed, refused three times, released, claimed")
}

fn claim_aligned(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    for align in [1u32, 0x1000, 0x1_0000, 0x100_0000] {
        let (one, two) = (
            client.claim(gate, 0, 0x3000, align),
            client.claim(gate, 0, 0x3000, align),
        );
        for address in [one, two] {
            need!(
                address != NONE,
                format!("a place aligned to {align:#x}"),
                "-1"
            );
            need!(
                address.is_multiple_of(align),
                format!("aligned to {align:#x}"),
                "{address:#x}"
            );
        }
        let (one_end, two_end) = (one as u64 + 0x3000, two as u64 + 0x3000);
        let apart = !memory::overlap(&(one.into()..one_end), &(two.into()..two_end));
        client.release(gate, one, 0x3000);
        client.release(gate, two, 0x3000);
        need!(apart, "two claims apart", "{one:#x} and {two:#x}");
    }
    pass!("aligned to 1, 4 KiB, 64 KiB, 16 MiB")
}

fn claim_image(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let image = memory::image();
    let address = client.claim(gate, image.start as u32, 0x1000, 0);
    expect!("claim of the client's own image", NONE, address)
}

fn claim_beyond(machine: &mut Machine) -> Verdict {
    let end = machine.memory_end;
    if end == 0 || end >= 1 << 32 {
        skip!("memory ends at {end:#x}")
    }
    let (client, gate) = parts!(machine);
    let address = client.claim(gate, end as u32, 0x1000, 0);
    expect!("claim of the page behind memory", NONE, address)
}

fn milliseconds(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let mut read = || client.call(gate, "milliseconds", &[], 1).ok();
    let first = read();
    let Some(first) = first.filter(|answer| answer.result == 0) else {
        fail!("result 0", "an error")
    };
    // Wrapping, so that only going back is a failure.
    for _ in 0..2000 {
        if let Some(next) = read() {
            let passed = next.cells[0].wrapping_sub(first.cells[0]);
            need!(
                passed < 1 << 31,
                "a clock that does not go back",
                "{passed:#x}"
            );
            if passed > 0 {
                pass!("{} ms passed in at most 2000 calls", passed)
            }
        }
    }
    crate::board::processor::wait(1, || false);
    let passed = read().map(|next| next.cells[0].wrapping_sub(first.cells[0]));
    need!(
        passed.is_some_and(|passed| passed > 0),
        "a clock that goes on",
        "{passed:?}"
    );
    pass!("{passed:?} ms passed in a second")
}

fn outputs_exact(machine: &mut Machine) -> Verdict {
    let (client, gate) = parts!(machine);
    let root = client.finddevice(gate, "/");
    let (name, path) = (client.string(2, "model"), client.string(3, "/chosen"));
    let place = client.claim(gate, 0, 0x1000, 0x1000);
    let calls: [(&str, &[u32], usize); 7] = [
        ("finddevice", &[path], 1),
        ("getproplen", &[root, name], 1),
        ("peer", &[root], 1),
        ("milliseconds", &[], 1),
        ("release", &[place, 0x1000], 0),
        ("open", &[path], 1),
        ("no-such-service", &[root], 1),
    ];
    for (service, inputs, outputs) in calls {
        match client.call(gate, service, inputs, outputs) {
            Ok(answer) => need!(
                answer.beyond == [GUARD; 4],
                format!("{service}: nothing behind {outputs} outputs"),
                "{:x?}",
                answer.beyond
            ),
            Err(trap) => fail!("a return", "{service}: {trap:x?}"),
        }
    }
    need!(
        gate::msr() & gate::MSR_SF != 0,
        "64-bit mode after the calls",
        "32-bit"
    );
    pass!("seven services, no cell behind the outputs written")
}
