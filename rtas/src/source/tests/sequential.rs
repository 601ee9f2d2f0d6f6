//! One call at a time.

use crate::source::word::Word;
use crate::testing::{FIRST, Machine, SERVERS, SOURCES, token};
use proptest::prelude::*;

/// What LoPAR 7.3.10 says of a source, and what QEMU lets be done.
#[derive(Clone, Copy, Debug)]
struct Source {
    server: u32,
    priority: u32,
    masked: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Get(u32),
    Set(u32, u32, u32),
    Off(u32),
    On(u32),
    Plug(u32),
    Unplug(u32),
}

fn numbers() -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => FIRST..FIRST + 3,
        1 => Just(FIRST + SOURCES - 1),
        1 => Just(FIRST + SOURCES),
        1 => Just(FIRST - 1),
        1 => any::<u32>(),
    ]
}

fn servers() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..SERVERS + 2, 1 => 0xfff0u32..0x1_0010, 1 => any::<u32>()]
}

fn priorities() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0u32..8, 3 => Just(0xff), 1 => 0xf8u32..0x108, 1 => any::<u32>()]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => numbers().prop_map(Step::Get),
        4 => (numbers(), servers(), priorities()).prop_map(|(n, s, p)| Step::Set(n, s, p)),
        3 => numbers().prop_map(Step::Off),
        3 => numbers().prop_map(Step::On),
        1 => (1..SERVERS).prop_map(Step::Plug),
        1 => (1..SERVERS).prop_map(Step::Unplug),
    ]
}

/// The specification, step by step. `plugged` are the servers that QEMU takes.
struct Model {
    sources: Vec<Source>,
    plugged: Vec<bool>,
}

impl Model {
    fn source(&mut self, number: u32) -> Option<&mut Source> {
        self.sources.get_mut(number.checked_sub(FIRST)? as usize)
    }

    fn takes(&self, server: u32) -> bool {
        self.plugged.get(server as usize).copied().unwrap_or(false)
    }

    /// Status and outputs.
    fn step(&mut self, step: &Step) -> Option<Vec<u32>> {
        const REFUSED: u32 = -3i32 as u32;
        let changed = match *step {
            Step::Plug(server) => {
                self.plugged[server as usize] = true;
                return None;
            }
            Step::Unplug(server) => {
                self.plugged[server as usize] = false;
                return None;
            }
            Step::Get(number) => {
                return Some(match self.source(number) {
                    Some(source) => vec![0, source.server, source.priority],
                    None => vec![REFUSED, 0xdead_beef, 0xdead_beef],
                });
            }
            Step::Set(number, server, priority) => {
                self.source(number).copied().and_then(|source| {
                    let there = server == source.server || self.takes(server);
                    (priority <= 0xff && there).then_some((
                        number,
                        Source {
                            server,
                            priority,
                            ..source
                        },
                    ))
                })
            }
            Step::Off(number) => self.source(number).map(|source| {
                (
                    number,
                    Source {
                        masked: true,
                        ..*source
                    },
                )
            }),
            Step::On(number) => self.source(number).map(|source| {
                (
                    number,
                    Source {
                        masked: false,
                        ..*source
                    },
                )
            }),
        };
        let Some((number, source)) = changed else {
            return Some(vec![REFUSED]);
        };
        if !source.masked && source.priority != 0xff && !self.takes(source.server) {
            return Some(vec![REFUSED]);
        }
        *self.source(number).unwrap() = source;
        Some(vec![0])
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_four_calls_are_those_of_lopar_7_3_10(steps in prop::collection::vec(steps(), 1..40)) {
        let machine = Machine::new();
        let reset = Source { server: 0, priority: 0xff, masked: true };
        let mut model = Model {
            sources: vec![reset; SOURCES as usize],
            plugged: (0..SERVERS).map(|server| server < SERVERS / 2).collect(),
        };
        let by = &machine.hypervisor;
        for step in &steps {
            let expected = model.step(step);
            let got = match *step {
                Step::Plug(server) => {
                    by.state().plugged.insert(server);
                    None
                }
                Step::Unplug(server) => {
                    by.state().plugged.remove(&server);
                    None
                }
                Step::Get(number) => Some(machine.call_by(by, "ibm,get-xive", &[number], 3)),
                Step::Set(number, server, priority) => {
                    let inputs = [number, server, priority];
                    Some(machine.call_by(by, "ibm,set-xive", &inputs, 1))
                }
                Step::Off(number) => Some(machine.call_by(by, "ibm,int-off", &[number], 1)),
                Step::On(number) => Some(machine.call_by(by, "ibm,int-on", &[number], 1)),
            };
            prop_assert_eq!(got, expected, "{:?} of {:?}", step, steps);
            for (index, source) in model.sources.iter().enumerate() {
                let number = FIRST + index as u32;
                let effective = if source.masked || source.priority == 0xff {
                    (0, 0xff)
                } else {
                    (source.server, source.priority as u8)
                };
                prop_assert_eq!(by.source(number), effective, "after {:?} of {:?}", step, steps);
            }
        }
    }
}

#[test]
fn a_source_is_masked_at_boot_and_set_xive_does_not_enable_it() {
    let machine = Machine::new();
    assert_eq!(machine.get_xive(FIRST), Ok((0, 0xff)), "R1-7.3.10.1-4");
    assert_eq!(machine.call("ibm,set-xive", &[FIRST, 1, 5]), 0);
    assert_eq!(machine.hypervisor.source(FIRST), (0, 0xff), "R1-7.3.10.2-4");
    assert_eq!(machine.get_xive(FIRST), Ok((1, 5)));
    assert_eq!(machine.call("ibm,int-on", &[FIRST]), 0);
    assert_eq!(machine.hypervisor.source(FIRST), (1, 5));
}

#[test]
fn int_off_twice_keeps_the_priority() {
    let machine = Machine::new();
    machine.call("ibm,set-xive", &[FIRST, 1, 5]);
    machine.call("ibm,int-on", &[FIRST]);
    assert_eq!(machine.call("ibm,int-off", &[FIRST]), 0);
    assert_eq!(machine.call("ibm,int-off", &[FIRST]), 0);
    assert_eq!(machine.hypervisor.source(FIRST), (0, 0xff));
    assert_eq!(machine.get_xive(FIRST), Ok((1, 5)), "R1-7.3.10.3-5");
    assert_eq!(machine.call("ibm,int-on", &[FIRST]), 0);
    assert_eq!(machine.hypervisor.source(FIRST), (1, 5), "R1-7.3.10.4-5");
}

#[test]
fn get_xive_makes_no_hypercall() {
    let machine = Machine::new();
    assert_eq!(machine.get_xive(FIRST + 1), Ok((0, 0xff)));
    assert_eq!(machine.hypervisor.tokens(), []);
}

#[test]
fn a_call_that_changes_nothing_is_written_all_the_same() {
    let machine = Machine::new();
    for (name, inputs) in [
        ("ibm,int-off", vec![FIRST]),
        ("ibm,int-on", vec![FIRST]),
        ("ibm,int-on", vec![FIRST]),
        ("ibm,set-xive", vec![FIRST, 0, 0xff]),
    ] {
        machine.hypervisor.forget();
        assert_eq!(machine.call(name, &inputs), 0);
        assert_eq!(
            machine.hypervisor.tokens(),
            [token("ibm,set-xive")],
            "{name}"
        );
    }
    machine.call("ibm,set-xive", &[FIRST, 1, 5]);
    machine.hypervisor.set(FIRST, 2, 9);
    machine.call("ibm,set-xive", &[FIRST, 1, 5]);
    assert!(
        machine.agrees(FIRST),
        "what somebody else wrote is put right"
    );
}

#[test]
fn a_bad_server_is_refused_on_a_masked_and_on_an_enabled_source() {
    let unplugged = SERVERS - 1;
    for masked in [true, false] {
        let machine = Machine::new();
        machine.call("ibm,set-xive", &[FIRST, 1, 5]);
        if !masked {
            machine.call("ibm,int-on", &[FIRST]);
        }
        let word = machine.word(FIRST);
        for server in [unplugged, SERVERS, 0xffff, 0x1_0000, 0x1_0001, u32::MAX] {
            assert_eq!(machine.call("ibm,set-xive", &[FIRST, server, 5]), -3);
            assert_eq!(machine.call("ibm,set-xive", &[FIRST, server, 0xff]), -3);
        }
        assert_eq!(machine.word(FIRST), word, "refused before the commit");
        assert!(machine.agrees(FIRST));
    }
}

#[test]
fn only_a_server_that_differs_is_asked_for() {
    let machine = Machine::new();
    let (query, write) = (token("query-cpu-stopped-state"), token("ibm,set-xive"));
    for (server, calls) in [
        (2, vec![query, write]),
        (2, vec![write]),
        (0, vec![write]),
        (SERVERS, vec![]),
    ] {
        machine.hypervisor.forget();
        machine.call("ibm,set-xive", &[FIRST, server, 5]);
        assert_eq!(machine.hypervisor.tokens(), calls, "server {server}");
    }
}

#[test]
fn without_query_cpu_stopped_state_the_refused_write_tells() {
    let mut machine = Machine::new();
    machine.config.tokens[crate::table::index::QUERY_CPU_STOPPED_STATE] = 0;
    machine.call("ibm,set-xive", &[FIRST, 1, 5]);
    machine.call("ibm,int-on", &[FIRST]);
    assert_eq!(machine.call("ibm,set-xive", &[FIRST, SERVERS - 1, 5]), -3);
    assert_eq!(machine.get_xive(FIRST), Ok((1, 5)), "taken back");
    assert!(machine.agrees(FIRST));
}

#[test]
fn masking_never_fails_for_an_unplugged_server() {
    let machine = Machine::new();
    machine.call("ibm,set-xive", &[FIRST, 2, 5]);
    machine.call("ibm,int-on", &[FIRST]);
    machine.hypervisor.state().plugged.remove(&2);
    assert_eq!(machine.call("ibm,int-off", &[FIRST]), 0);
    assert_eq!(machine.hypervisor.source(FIRST), (0, 0xff));
    assert_eq!(
        machine.call("ibm,set-xive", &[FIRST, 2, 0xff]),
        0,
        "as Linux masks"
    );
    assert_eq!(
        machine.call("ibm,int-on", &[FIRST]),
        0,
        "at the least favored priority"
    );
    assert_eq!(machine.call("ibm,int-off", &[FIRST]), 0);
    assert_eq!(
        machine.call("ibm,set-xive", &[FIRST, 2, 5]),
        0,
        "masked, server kept"
    );
    let word = machine.word(FIRST);
    assert_eq!(machine.call("ibm,int-on", &[FIRST]), -3);
    assert_eq!(
        machine.word(FIRST),
        word.int_on().take_back(word),
        "still masked"
    );
    assert!(machine.agrees(FIRST));
    assert_eq!(
        machine.call("ibm,set-xive", &[FIRST, 1, 5]),
        0,
        "a server that is there"
    );
    assert_eq!(machine.call("ibm,int-on", &[FIRST]), 0);
    assert_eq!(machine.hypervisor.source(FIRST), (1, 5));
}

#[test]
fn an_enabled_source_of_an_unplugged_server_is_masked_by_set_xive() {
    let machine = Machine::new();
    machine.call("ibm,set-xive", &[FIRST, 2, 5]);
    machine.call("ibm,int-on", &[FIRST]);
    machine.hypervisor.state().plugged.remove(&2);
    assert_eq!(machine.call("ibm,set-xive", &[FIRST, 2, 0xff]), 0);
    assert_eq!(machine.hypervisor.source(FIRST), (0, 0xff));
    assert_eq!(machine.get_xive(FIRST), Ok((2, 0xff)));
}

#[test]
fn masking_where_the_hypervisor_fails_is_a_hardware_error_and_stands() {
    let mut machine = Machine::new();
    machine.config.tokens[crate::table::index::IBM_SET_XIVE] = 0;
    let memory = &mut crate::testing::Memory::new();
    memory.put(crate::testing::BUFFER, token("ibm,int-off"), &[FIRST], &[0]);
    let exit = machine.dispatch(
        &machine.hypervisor,
        memory,
        crate::memory::CellWidth::Bits32,
    );
    assert!(matches!(exit, crate::dispatch::Exit::Return(-1)));
    assert_eq!(machine.word(FIRST), Word::at_reset(0).int_off());
}
