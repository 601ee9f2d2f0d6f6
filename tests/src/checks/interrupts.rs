//! The four interrupt calls (LoPAR 7.3.10.1 to .4): what they tell, and what the interrupt
//! controller does, seen by the same calls made of the hypervisor directly.
//!
//! The hypervisor's view of a source is (server, effective priority): 0xff while it is masked.

use alloc::format;
use alloc::vec::Vec;

use guest::source::{Call, LEAST_FAVORED, Random, Source};
use guest::verdict::Verdict;
use guest::{fail, need, pass};

use super::{Check, check};
use crate::board::hypercall;
use crate::subject::{Machine, Rtas};
use crate::{clean, returned};

/// The checks, in order: the first two need sources that nobody has touched yet, and run once.
pub const FIRST: &[Check] = &[
    check("R1-7.3.10.1-4", "xive-initial", initial),
    check("R1-7.3.10.4-5", "xive-int-on-initial", on_initial),
];

/// The checks of every instance.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.10.2-4", "xive-set-while-masked", set_while_masked),
    check("R1-7.3.10.4-4", "xive-int-on", int_on),
    check("R1-7.3.10.2-4", "xive-set-while-enabled", set_while_enabled),
    check("R1-7.3.10.3-5", "xive-int-off", int_off),
    check("R1-7.3.10.3-5", "xive-int-off-twice", off_twice),
    check("R1-7.3.10.1-4", "xive-get-while-masked", get_while_masked),
    check("R1-7.3.10.4-5", "xive-set-least-favored", least_favored),
    check("R1-7.3.10.4-5", "xive-int-on-twice", on_twice),
    check("R1-7.3.10.2-4", "xive-every-server", every_server),
    check("R1-7.3.10.2-4", "xive-every-priority", every_priority),
    check("R1-7.3.10.2-4", "xive-others-unchanged", others),
    check("R1-7.3.10.1-5", "xive-bad-source-get", bad_source_get),
    check("R1-7.3.10.2-5", "xive-bad-source-set", bad_source_set),
    check("R1-7.3.10.3-6", "xive-bad-source-off", bad_source_off),
    check("R1-7.3.10.4-6", "xive-bad-source-on", bad_source_on),
    check("R1-7.2.8-1", "xive-bad-server", bad_server),
    check("R1-7.2.8-1", "xive-bad-priority", bad_priority),
    check("R1-7.2.8-1", "xive-bad-counts", bad_counts),
    check("R1-7.3.10.1-4", "xive-sequences", sequences),
];

/// The four calls of one instance.
#[derive(Clone, Copy)]
pub struct Calls {
    /// The instance.
    pub rtas: Rtas,
    /// Token of ibm,get-xive.
    pub get: u32,
    /// Token of ibm,set-xive.
    pub set: u32,
    /// Token of ibm,int-off.
    pub off: u32,
    /// Token of ibm,int-on.
    pub on: u32,
}

/// The calls, or why they are not there.
pub fn calls(machine: &mut Machine) -> Result<Calls, Verdict> {
    let rtas = machine
        .rtas
        .ok_or(Verdict::Skip("no instance of RTAS".into()))?;
    let token = |name: &str| {
        let why = || {
            Verdict::Skip(format!(
                "/rtas has no {name}: no PowerPC External Interrupt option"
            ))
        };
        machine.token(name).ok_or_else(why)
    };
    let calls = Calls {
        rtas,
        get: token("ibm,get-xive")?,
        set: token("ibm,set-xive")?,
        off: token("ibm,int-off")?,
        on: token("ibm,int-on")?,
    };
    if machine.sources.len() < 3 {
        return Err(Verdict::Skip(format!(
            "the tree names sources {:x?} only",
            machine.sources
        )));
    }
    // After XIVE was chosen the hypervisor refuses all four.
    let direct = hypercall::rtas(calls.get, &[machine.sources[0]], 3);
    if direct[0] != 0 {
        return Err(Verdict::Skip(format!(
            "the hypervisor answers {:x?}: not in XICS mode",
            direct[0] as i32
        )));
    }
    Ok(calls)
}

macro_rules! calls {
    ($machine:expr) => {
        match calls($machine) {
            Ok(calls) => calls,
            Err(verdict) => return verdict,
        }
    };
}

/// What is told of a source: by the instance, and by the hypervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct View {
    server: i64,
    priority: i64,
    effective: (u32, u32),
}

impl Calls {
    /// Makes one call that changes a source; the status.
    fn make(&self, machine: &mut Machine, source: u32, call: Call) -> i64 {
        let gate = &mut *machine.gate;
        match call {
            Call::Set(server, priority) => {
                self.rtas
                    .status(gate, self.set, &[source, server, priority], 1)
            }
            Call::Off => self.rtas.status(gate, self.off, &[source], 1),
            Call::On => self.rtas.status(gate, self.on, &[source], 1),
        }
    }

    fn view(&self, machine: &mut Machine, source: u32) -> Result<View, Verdict> {
        let run = |machine: &mut Machine| -> Verdict {
            let outcome = returned!(self.rtas.call(machine.gate, self.get, &[source], 3));
            clean!(outcome);
            need!(
                outcome.status() == 0,
                "status 0 of ibm,get-xive",
                "{:x?}",
                outcome.cells
            );
            machine.scratch_cells = outcome.cells;
            Verdict::Pass(Default::default())
        };
        match run(machine) {
            Verdict::Pass(_) => {}
            other => return Err(other),
        }
        let direct = hypercall::rtas(self.get, &[source], 3);
        Ok(View {
            server: machine.scratch_cells[1],
            priority: machine.scratch_cells[2],
            effective: (direct[1], direct[2]),
        })
    }

    /// Compares a source with what the specification has.
    fn compare(
        &self,
        machine: &mut Machine,
        number: u32,
        source: Source,
        when: &str,
    ) -> Result<(), Verdict> {
        let view = self.view(machine, number)?;
        let fail = |wanted, saw| Err(Verdict::Fail(wanted, saw));
        let seen = format!("{view:x?} of source {number:#x} {when}");
        if view.priority != i64::from(source.priority) {
            return fail(format!("priority {:#x} told", source.priority), seen);
        }
        if source
            .server
            .is_some_and(|server| view.server != i64::from(server))
        {
            return fail(format!("server {:x?} told", source.server), seen);
        }
        if view.effective.1 != source.effective() {
            return fail(
                format!("effective priority {:#x}", source.effective()),
                seen,
            );
        }
        // Where a masked interrupt would go, nothing says.
        let presented = source.effective() != LEAST_FAVORED;
        if presented
            && source
                .server
                .is_some_and(|server| view.effective.0 != server)
        {
            return fail(format!("effective server {:x?}", source.server), seen);
        }
        Ok(())
    }

    /// Makes the calls, each with status 0, and compares after each.
    fn follow(
        &self,
        machine: &mut Machine,
        number: u32,
        from: Source,
        steps: &[Call],
    ) -> Result<Source, Verdict> {
        let mut source = from;
        for (index, call) in steps.iter().enumerate() {
            let when = format!("after {:x?}", &steps[..=index]);
            let status = self.make(machine, number, *call);
            if status != 0 {
                return Err(Verdict::Fail("status 0".into(), format!("{status} {when}")));
            }
            source = source.after(*call);
            self.compare(machine, number, source, &when)?;
        }
        Ok(source)
    }

    /// A known state to begin from: masked, the boot server, priority 0xff. By calls that work
    /// the same in every reading of LoPAR.
    pub fn settle(&self, machine: &mut Machine, number: u32) -> Source {
        let server = machine.servers.first().copied().unwrap_or(0);
        for call in [Call::On, Call::Set(server, LEAST_FAVORED), Call::Off] {
            // What came of it, the first comparison shows.
            let _ = self.make(machine, number, call);
        }
        Source {
            server: Some(server),
            ..Source::BOOT
        }
    }
}

/// A check that is a sequence of calls on the source `index` of the tree.
fn sequence(machine: &mut Machine, steps: fn(u32) -> Vec<Call>) -> Verdict {
    let calls = calls!(machine);
    let number = machine.sources[0];
    let server = machine.servers.last().copied().unwrap_or(0);
    let from = calls.settle(machine, number);
    let steps = steps(server);
    let verdict = calls.follow(machine, number, from, &steps);
    calls.settle(machine, number);
    match verdict {
        Ok(source) => Verdict::Pass(format!("{steps:x?} ends in {source:x?}")),
        Err(verdict) => verdict,
    }
}

fn initial(machine: &mut Machine) -> Verdict {
    let calls = calls!(machine);
    for number in machine.sources.clone() {
        if let Err(verdict) = calls.compare(machine, number, Source::BOOT, "at boot") {
            return verdict;
        }
    }
    pass!("sources {:x?} masked, priority 0xff", machine.sources)
}

fn on_initial(machine: &mut Machine) -> Verdict {
    let calls = calls!(machine);
    let number = machine.sources[1];
    let verdict = calls.follow(machine, number, Source::BOOT, &[Call::On, Call::Off]);
    calls.settle(machine, number);
    match verdict {
        Ok(_) => pass!("int-on of a source that was never set leaves priority 0xff"),
        Err(verdict) => verdict,
    }
}

fn set_while_masked(machine: &mut Machine) -> Verdict {
    sequence(machine, |server| alloc::vec![Call::Set(server, 5)])
}

fn int_on(machine: &mut Machine) -> Verdict {
    sequence(machine, |server| {
        alloc::vec![Call::Set(server, 5), Call::On]
    })
}

fn set_while_enabled(machine: &mut Machine) -> Verdict {
    sequence(machine, |server| {
        alloc::vec![Call::On, Call::Set(server, 5), Call::Set(server, 6)]
    })
}

fn int_off(machine: &mut Machine) -> Verdict {
    sequence(machine, |server| {
        alloc::vec![Call::On, Call::Set(server, 5), Call::Off, Call::On]
    })
}

fn off_twice(machine: &mut Machine) -> Verdict {
    sequence(machine, |server| {
        alloc::vec![
            Call::On,
            Call::Set(server, 5),
            Call::Off,
            Call::Off,
            Call::On
        ]
    })
}

fn get_while_masked(machine: &mut Machine) -> Verdict {
    sequence(machine, |server| {
        alloc::vec![
            Call::On,
            Call::Set(server, 5),
            Call::Off,
            Call::Set(server, 7),
            Call::On
        ]
    })
}

fn least_favored(machine: &mut Machine) -> Verdict {
    // As a crashing kernel does it: off, then 0xff; then a new kernel: priority, then on.
    sequence(machine, |server| {
        alloc::vec![
            Call::On,
            Call::Set(server, 5),
            Call::Off,
            Call::Set(server, LEAST_FAVORED),
            Call::Off,
            Call::On,
            Call::Set(server, 5),
        ]
    })
}

fn on_twice(machine: &mut Machine) -> Verdict {
    sequence(machine, |server| {
        alloc::vec![Call::Set(server, 4), Call::On, Call::On, Call::Off]
    })
}

fn every_server(machine: &mut Machine) -> Verdict {
    let calls = calls!(machine);
    let number = machine.sources[0];
    let mut source = calls.settle(machine, number);
    for server in machine.servers.clone() {
        let steps = [
            Call::On,
            Call::Set(server, 5),
            Call::Off,
            Call::Set(server, 6),
        ];
        source = match calls.follow(machine, number, source, &steps) {
            Ok(source) => source,
            Err(verdict) => return verdict,
        };
    }
    calls.settle(machine, number);
    pass!("servers {:x?}", machine.servers)
}

fn every_priority(machine: &mut Machine) -> Verdict {
    let calls = calls!(machine);
    let number = machine.sources[0];
    let server = machine.servers.first().copied().unwrap_or(0);
    let mut source = calls.settle(machine, number);
    for priority in 0..=LEAST_FAVORED {
        let steps = [Call::Set(server, priority), Call::On, Call::Off];
        source = match calls.follow(machine, number, source, &steps) {
            Ok(source) => source,
            Err(verdict) => return verdict,
        };
    }
    calls.settle(machine, number);
    pass!("priorities 0 to 0xff, masked and enabled")
}

fn others(machine: &mut Machine) -> Verdict {
    let calls = calls!(machine);
    let server = machine.servers.first().copied().unwrap_or(0);
    let numbers = machine.sources.clone();
    let mut sources: Vec<Source> = Vec::new();
    for (index, number) in numbers.iter().enumerate() {
        let from = calls.settle(machine, *number);
        let steps = [Call::On, Call::Set(server, 1 + index as u32)];
        match calls.follow(machine, *number, from, &steps) {
            Ok(source) => sources.push(source),
            Err(verdict) => return verdict,
        }
    }
    for index in 0..numbers.len() {
        for call in [Call::Off, Call::Set(server, 0x40), Call::On] {
            let status = calls.make(machine, numbers[index], call);
            need!(status == 0, "status 0", "{status} of {call:x?}");
            sources[index] = sources[index].after(call);
            for (number, source) in numbers.iter().zip(&sources) {
                let when = format!("after {call:x?} on {:#x}", numbers[index]);
                if let Err(verdict) = calls.compare(machine, *number, *source, &when) {
                    return verdict;
                }
            }
        }
    }
    for number in numbers {
        calls.settle(machine, number);
    }
    pass!(
        "calls on one of {} sources leave the others",
        machine.sources.len()
    )
}

/// Numbers that no machine of this kind has: below and far above every source.
const BAD_SOURCES: [u32; 6] = [0, 2, 0x10, 0x10_0000, 0x7fff_ffff, 0xffff_ffff];

/// A call with each bad source answers -3 and no more.
fn bad_source(
    machine: &mut Machine,
    pick: fn(&Calls) -> u32,
    rest: &[u32],
    outputs: usize,
) -> Verdict {
    let calls = calls!(machine);
    for number in BAD_SOURCES {
        let mut inputs = alloc::vec![number];
        inputs.extend(rest);
        let outcome = returned!(
            calls
                .rtas
                .call(machine.gate, pick(&calls), &inputs, outputs)
        );
        clean!(outcome);
        need!(
            outcome.status() == -3,
            format!("-3 for source {number:#x}"),
            "{:x?}",
            outcome.cells
        );
    }
    pass!("-3 for {BAD_SOURCES:x?}")
}

fn bad_source_get(machine: &mut Machine) -> Verdict {
    bad_source(machine, |calls| calls.get, &[], 3)
}

fn bad_source_set(machine: &mut Machine) -> Verdict {
    bad_source(machine, |calls| calls.set, &[0, 5], 1)
}

fn bad_source_off(machine: &mut Machine) -> Verdict {
    bad_source(machine, |calls| calls.off, &[], 1)
}

fn bad_source_on(machine: &mut Machine) -> Verdict {
    bad_source(machine, |calls| calls.on, &[], 1)
}

/// set-xive with bad arguments answers -3 and changes nothing, on a masked and an enabled source.
fn bad_set(machine: &mut Machine, arguments: &[(u32, u32)]) -> Verdict {
    let calls = calls!(machine);
    let number = machine.sources[0];
    let server = machine.servers.first().copied().unwrap_or(0);
    for prepare in [
        &[Call::On, Call::Set(server, 5)][..],
        &[Call::On, Call::Set(server, 5), Call::Off],
    ] {
        calls.settle(machine, number);
        for call in prepare {
            let _ = calls.make(machine, number, *call);
        }
        let before = match calls.view(machine, number) {
            Ok(view) => view,
            Err(verdict) => return verdict,
        };
        for (bad_server, bad_priority) in arguments {
            let status = calls.make(machine, number, Call::Set(*bad_server, *bad_priority));
            let when = format!("set-xive({bad_server:#x}, {bad_priority:#x}) after {prepare:x?}");
            need!(status == -3, format!("-3 of {when}"), "{status}");
            match calls.view(machine, number) {
                Ok(view) => need!(
                    view == before,
                    format!("{before:x?} still, {when}"),
                    "{view:x?}"
                ),
                Err(verdict) => return verdict,
            }
        }
        // Enabling shows whether the saved values are still the good ones.
        let status = calls.make(machine, number, Call::On);
        need!(status == 0, "status 0 of int-on", "{status}");
        let after = match calls.view(machine, number) {
            Ok(view) => view,
            Err(verdict) => return verdict,
        };
        need!(
            after.effective == (server, 5),
            format!("effective ({server:#x}, 5) after int-on, {prepare:x?}"),
            "{after:x?}"
        );
    }
    calls.settle(machine, number);
    pass!("-3 for {arguments:x?}, masked and enabled, nothing changed")
}

fn bad_server(machine: &mut Machine) -> Verdict {
    let highest = machine.servers.iter().copied().max().unwrap_or(0);
    let bad = [
        (0xfff0, 5),
        (0x7fff_ffff, 5),
        (0xffff_ffff, 5),
        (highest + 0x1000, LEAST_FAVORED),
    ];
    bad_set(machine, &bad)
}

fn bad_priority(machine: &mut Machine) -> Verdict {
    let server = machine.servers.first().copied().unwrap_or(0);
    bad_set(
        machine,
        &[(server, 0x100), (server, 0x105), (server, 0xffff_ffff)],
    )
}

fn bad_counts(machine: &mut Machine) -> Verdict {
    let calls = calls!(machine);
    let number = machine.sources[0];
    let server = machine.servers.first().copied().unwrap_or(0);
    calls.settle(machine, number);
    let steps = [Call::On, Call::Set(server, 5)];
    for call in steps {
        let _ = calls.make(machine, number, call);
    }
    let wrong: [(u32, &[u32], usize); 8] = [
        (calls.set, &[number, server], 1),
        (calls.set, &[number, server, 6, 0], 1),
        (calls.set, &[number, server, 6], 2),
        (calls.off, &[number, 0], 1),
        (calls.off, &[number], 2),
        (calls.on, &[number], 3),
        (calls.get, &[number], 2),
        (calls.get, &[number, 0], 3),
    ];
    for (token, inputs, outputs) in wrong {
        let outcome = returned!(calls.rtas.call(machine.gate, token, inputs, outputs));
        clean!(outcome);
        need!(
            outcome.status() == -3 && outcome.untouched.len() == outputs - 1,
            format!(
                "-3 alone for token {token:#x} with {} inputs, {outputs} outputs",
                inputs.len()
            ),
            "{:x?}",
            outcome.cells
        );
    }
    let wanted = Source {
        server: Some(server),
        priority: 5,
        masked: false,
    };
    if let Err(verdict) = calls.compare(machine, number, wanted, "after calls with wrong counts") {
        return verdict;
    }
    calls.settle(machine, number);
    pass!("-3 alone eight times, the source as it was")
}

/// Long random sequences on three sources against the specification; the seed is fixed.
fn sequences(machine: &mut Machine) -> Verdict {
    const STEPS: usize = 2000;
    let calls = calls!(machine);
    let mut random = Random::new(0x0007_0310);
    let numbers = [machine.sources[0], machine.sources[1], machine.sources[2]];
    let mut sources = numbers.map(|number| calls.settle(machine, number));
    for step in 0..STEPS {
        let index = random.below(3) as usize;
        let server = machine.servers[random.below(machine.servers.len() as u64) as usize];
        let call = match random.below(5) {
            0 | 1 => Call::Set(
                server,
                [0, 5, 6, 0xfe, LEAST_FAVORED][random.below(5) as usize],
            ),
            2 | 3 => Call::Off,
            _ => Call::On,
        };
        let status = calls.make(machine, numbers[index], call);
        need!(
            status == 0,
            format!("status 0 of {call:x?}, step {step}"),
            "{status}"
        );
        sources[index] = sources[index].after(call);
        let when = format!("after {call:x?}, step {step}");
        if let Err(verdict) = calls.compare(machine, numbers[index], sources[index], &when) {
            return verdict;
        }
    }
    for number in numbers {
        calls.settle(machine, number);
    }
    pass!("{STEPS} calls on three sources, each result and effect as specified")
}
