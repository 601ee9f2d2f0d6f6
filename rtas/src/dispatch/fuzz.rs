//! Random callers: whatever lies in whatever buffer, a call ends with a status that is its own or the
//! hypervisor's, writes nothing but its outputs, names the hypervisor no memory that the caller may
//! not have, and leaves every source as its word says.
//!
//! The sequences are the same in every run. `OXRTAS_FUZZ_CASES=100000 cargo test -p rtas fuzz` makes
//! more of them.

use core::fmt;
use core::ops::Range;
use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use super::*;
use crate::decode::EARLY_DISPLAY_CHARACTER;
use crate::memory::Bounds;
use crate::platform::HypervisorBuffer;
use crate::table::Length;
use crate::testing::hypervisor::{Device, PRIVATE};
use crate::testing::{FIRST, Machine, Memory, SERVERS, SOURCES, UNKNOWN_TOKEN};
use crate::vpd;

/// Sequences without the option.
const CASES: u32 = 300;

/// The same cases in every run, as many as the environment asks for.
fn config() -> ProptestConfig {
    let asked = std::env::var("OXRTAS_FUZZ_CASES").ok();
    ProptestConfig {
        cases: asked.and_then(|cases| cases.parse().ok()).unwrap_or(CASES),
        rng_seed: RngSeed::Fixed(0x6469_7370),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Where good pointers point to.
const DATA: u32 = 0x3000;
/// A function that can have MSIs.
const DEVICE: [u32; 3] = [0x10, 0x2000_0000, 0];

/// What the token cell holds.
#[derive(Clone, Copy, Debug)]
enum Token {
    /// The token of a call of the table.
    Of(usize),
    /// Anything.
    Number(u32),
}

/// What an input holds.
#[derive(Clone, Copy, Debug)]
enum Input {
    /// What the call takes there, one of several.
    Good(u32),
    /// Anything.
    Number(u32),
}

/// One call.
#[derive(Clone)]
struct Call {
    token: Token,
    /// Numbers of inputs and outputs, if they are not what the call takes.
    counts: (Option<u32>, Option<u32>),
    inputs: Vec<Input>,
    /// The upper half of this cell, if cells have 64 bits.
    upper: Option<(usize, u32)>,
    wide: bool,
    address: u64,
    /// What the hypervisor answers, if it has no model of the call.
    answer: Vec<u32>,
    /// There is no context for it.
    exhausted: bool,
}

impl fmt::Debug for Call {
    /// On one line: a sequence has many.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.token {
            Token::Of(index) => table::CALLS[index].name,
            Token::Number(_) => "",
        };
        let width = self.width();
        let Self {
            counts,
            inputs,
            upper,
            address,
            answer,
            exhausted,
            ..
        } = self;
        write!(
            to,
            "{name} {:#x} {width:?} at {address:#x}, counts {counts:?}, {inputs:x?}, upper {upper:x?}, \
             answered {answer:x?}, exhausted {exhausted}",
            self.token(),
        )
    }
}

/// Numbers at the edges of types, of the memory and of the private area.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![
        0..32u32,
        prop::sample::select(vec![0xff, 0x100, 0xffff, 0x1_0000, 0x7fff_ffff]),
        prop::sample::select(vec![0x8000_0000, u32::MAX - 1, u32::MAX]),
        FIRST..FIRST + SOURCES + 2,
        0x7f00..0x9100u32,
        0xff00..0x1_0100u32,
        any::<u32>(),
    ]
}

fn address() -> impl Strategy<Value = u64> {
    prop_oneof![
        12 => (1..0x600u64).prop_map(|at| 8 * at),
        2 => 0..0x3000u64,
        // Across the ends of the private area and of memory.
        2 => (0..40u64).prop_map(|cells| 0x8000 - 4 * cells),
        1 => (0..40u64).prop_map(|cells| 0x9010 - 4 * cells),
        2 => (0..40u64).prop_map(|cells| 0x1_0000 - 4 * cells),
        1 => any::<u64>(),
        1 => (0..0x100u64).prop_map(|distance| u64::MAX - distance),
        1 => (1..0x600u64, 32..64u32).prop_map(|(at, bit)| (8 * at) | (1 << bit)),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    // The calls with work of the blob's own, as often as all others.
    let native: Vec<usize> = (0..table::COUNT)
        .filter(|index| table::CALLS[*index].shape.handler != Handler::Forward)
        .collect();
    let token = prop_oneof![
        8 => prop::sample::select(native).prop_map(Token::Of),
        8 => (0..table::COUNT).prop_map(Token::Of),
        1 => prop::sample::select(vec![0, EARLY_DISPLAY_CHARACTER, UNKNOWN_TOKEN]).prop_map(Token::Number),
        1 => (0x1ff0..0x2060u32).prop_map(Token::Number),
        1 => number().prop_map(Token::Number),
    ];
    let count = || {
        prop::option::weighted(
            0.07,
            prop_oneof![2 => Just(0), 4 => 0..20u32, 1 => number()],
        )
    };
    let input = prop_oneof![
        10 => (0..8u32).prop_map(Input::Good),
        1 => number().prop_map(Input::Number),
    ];
    let legal = vec![
        status::SUCCESS,
        status::HARDWARE_ERROR,
        status::PARAMETER_ERROR,
        status::NOT_AUTHORIZED,
        status::SYSTEM_PARAMETER_ERROR,
        status::NOTHING_FOUND,
        status::EXTENDED_DELAY,
    ];
    let answer = (
        prop::sample::select(legal).prop_map(|status| status as u32),
        vec(any::<u32>(), 0..8),
    );
    let answer = prop_oneof![
        8 => answer.prop_map(|(status, rest)| [vec![status], rest].concat()),
        // A hypercall that stores nothing.
        1 => Just(vec![]),
    ];
    (
        token,
        (count(), count()),
        vec(input, 16),
        prop::option::weighted(0.1, (0..19usize, any::<u32>())),
        any::<bool>(),
        address(),
        answer,
        prop::bool::weighted(0.05),
    )
        .prop_map(
            |(token, counts, inputs, upper, wide, address, answer, exhausted)| Call {
                token,
                counts,
                inputs,
                upper,
                wide,
                address,
                answer,
                exhausted,
            },
        )
}

impl Call {
    fn token(&self) -> u32 {
        match self.token {
            Token::Of(index) => 0x2000 + index as u32,
            Token::Number(number) => number,
        }
    }

    fn width(&self) -> CellWidth {
        if self.wide {
            CellWidth::Bits64
        } else {
            CellWidth::Bits32
        }
    }

    /// What the call takes as input `index`, one of several.
    fn good(&self, index: usize, which: u32) -> u32 {
        let Token::Of(call) = self.token else {
            return which;
        };
        let call = &table::CALLS[call];
        match (call.shape.handler, index) {
            (Handler::GetVpd, 0) => return 0,
            (Handler::GetVpd, 3) => return 1 + (which & 1),
            _ => (),
        }
        for area in call.shape.areas {
            let Length::Input(length) = area.length else {
                continue;
            };
            if usize::from(length) == index {
                return which * 0x40;
            }
        }
        let is_pointer =
            |area: &table::Area| area.length != Length::Nothing && usize::from(area.input) == index;
        if call.shape.areas.iter().any(is_pointer) {
            return DATA + which;
        }
        let source = FIRST + (which & 3) + if which < 4 { 0 } else { 0x40 };
        let priorities = [0, 1, 5, 5, 7, 0xfe, 0xff, 0xff];
        let function = [3, 3, 1, 4];
        match (call.shape.handler, index) {
            (Handler::SetXive, 1) => which % SERVERS,
            (Handler::SetXive, 2) => priorities[which as usize & 7],
            (Handler::SetXive | Handler::GetXive | Handler::IntOff | Handler::IntOn, _) => source,
            (Handler::ChangeMsi | Handler::QuerySource, 0..3) => DEVICE[index],
            (Handler::ChangeMsi, 3) => function[which as usize & 3],
            (Handler::SetPowerLevel | Handler::ConfigureConnector, _) => 0,
            (Handler::SetTimeOfDay, 1 | 2) => 1 + which,
            _ => which,
        }
    }

    /// Writes the buffer into the caller's memory, as far as it lies there.
    fn write(&self, memory: &mut Memory) {
        let shape = match self.token {
            Token::Of(index) => table::CALLS[index].shape,
            Token::Number(_) => Shape::ANY,
        };
        let least = |counts: table::Counts| counts.iter().next().unwrap_or_default();
        let inputs = self.counts.0.unwrap_or_else(|| least(shape.inputs));
        // A status has room, unless the call is to have none.
        let outputs = self.counts.1.unwrap_or_else(|| least(shape.outputs).max(1));
        let mut cells = vec![self.token(), inputs, outputs];
        cells.extend(
            self.inputs
                .iter()
                .enumerate()
                .map(|(at, input)| match input {
                    Input::Good(which) => self.good(at, *which),
                    Input::Number(number) => *number,
                }),
        );
        for (index, cell) in cells.into_iter().enumerate() {
            let mut value = u64::from(cell);
            if index % 2 == 1 {
                // As LoPAR has it; the other half as callers do it with addresses.
                value = i64::from(cell as i32) as u64;
            }
            match self.upper {
                Some((changed, bits)) if changed == index => value ^= u64::from(bits) << 32,
                _ => (),
            }
            let bytes = value.to_be_bytes();
            let bytes = if self.wide { &bytes[..] } else { &bytes[4..] };
            let at = self.address.wrapping_add((index * bytes.len()) as u64);
            for (offset, byte) in bytes.iter().enumerate() {
                let at = usize::try_from(at.wrapping_add(offset as u64)).unwrap_or(usize::MAX);
                if let Some(place) = memory.bytes.get_mut(at) {
                    *place = *byte;
                }
            }
        }
    }
}

/// What the buffer says, worked out without the code under test.
struct Seen {
    bounds: Bounds,
    address: u64,
    width: u64,
    bytes: Vec<u8>,
}

impl Seen {
    fn new(memory: &Memory, call: &Call) -> Self {
        Self {
            bounds: memory.bounds.clone(),
            address: call.address,
            width: call.width().bytes(),
            bytes: memory.bytes.clone(),
        }
    }

    /// Whether these bytes are memory that the caller may have.
    fn may_have(&self, start: u64, length: u64) -> bool {
        let (start, length) = (u128::from(start), u128::from(length));
        let Range { start: from, end } = &self.bounds.private;
        let apart = start + length <= u128::from(*from) || start >= u128::from(*end);
        start + length <= u128::from(self.bounds.memory_end) && apart
    }

    /// Address of cell `index`, if it and all before it may be touched.
    fn place(&self, index: u64) -> Option<u64> {
        let end = (index + 1) * self.width;
        (self.address != 0 && self.may_have(self.address, end))
            .then(|| self.address + end - self.width)
    }

    /// Cell `index` as a signed number.
    fn cell(&self, index: u64) -> Option<i64> {
        Some(signed(&self.bytes, self.place(index)?, self.width))
    }

    /// Where the status goes: behind 16 inputs at most, if one output is wanted.
    fn status_place(&self) -> Option<u64> {
        let (inputs, outputs) = (self.cell(1)?, self.cell(2)?);
        let index = 3 + u64::try_from(inputs).ok().filter(|inputs| *inputs <= 16)?;
        (outputs >= 1).then(|| self.place(index)).flatten()
    }

    /// The inputs; `None` if one has more than 32 bits.
    fn inputs(&self) -> Option<Vec<u32>> {
        let cells = (0..self.cell(1)? as u64).map(|index| self.cell(3 + index));
        let narrow = |cell: i64| {
            let signed = i32::try_from(cell).map(|cell| cell as u32);
            signed.ok().or(u32::try_from(cell).ok())
        };
        cells.map(|cell| cell.and_then(narrow)).collect()
    }

    /// The call, if token and counts are one's.
    fn callee(&self) -> Option<Shape> {
        if !self.address.is_multiple_of(self.width) {
            return None;
        }
        let mask = if self.width == 4 {
            0xffff_ffff
        } else {
            u64::MAX
        };
        let cell = |index| Some(self.cell(index)? as u64 & mask);
        let token = cell(0)?;
        let shape = match token.checked_sub(0x2000) {
            Some(index) if index < table::COUNT as u64 => table::CALLS[index as usize].shape,
            _ if token == u64::from(EARLY_DISPLAY_CHARACTER) => table::CALLS[0].shape,
            _ if token == u64::from(UNKNOWN_TOKEN) => Shape::ANY,
            _ => return None,
        };
        let (inputs, outputs) = (cell(1)?, cell(2)?);
        let taken = shape.inputs.allow(inputs) && shape.outputs.allow(outputs);
        let fits = || inputs + outputs <= 16 && self.place(2 + inputs + outputs).is_some();
        (taken && fits()).then_some(shape)
    }
}

fn signed(bytes: &[u8], place: u64, width: u64) -> i64 {
    let cell = &bytes[place as usize..][..width as usize];
    match width {
        4 => i32::from_be_bytes(cell.try_into().unwrap()).into(),
        _ => i64::from_be_bytes(cell.try_into().unwrap()),
    }
}

/// Status of an interrupt call with these inputs (LoPAR R1-7.3.10.1-5, 7.3.10.2-5, 7.3.10.3-6,
/// 7.3.10.4-6). The servers below half of [`SERVERS`] are plugged.
fn of_interrupt_call(inputs: &[u32]) -> i32 {
    let good = match inputs {
        [number, server, priority] => {
            is_source(*number) && *server < SERVERS / 2 && *priority <= 0xff
        }
        [number, ..] => is_source(*number),
        [] => false,
    };
    if good { 0 } else { status::PARAMETER_ERROR }
}

fn is_source(number: u32) -> bool {
    (FIRST..FIRST + SOURCES).contains(&number)
}

/// How often calls with a handler were refused, failed, did their work.
type Reached = BTreeMap<String, [u64; 3]>;

/// Makes a call and looks at everything that came of it.
fn make(
    machine: &Machine,
    memory: &mut Memory,
    call: &Call,
    reached: &mut Reached,
) -> Result<(), TestCaseError> {
    call.write(memory);
    memory.stores.clear();
    memory.loads.borrow_mut().clear();
    machine.hypervisor.forget();
    machine
        .hypervisor
        .state()
        .answers
        .insert(call.token(), call.answer.clone());
    let seen = Seen::new(memory, call);
    let place = seen.status_place();
    let callee = seen.callee();
    if call.exhausted {
        exhausted(
            &machine.config.last_error,
            memory,
            call.width(),
            call.address,
        );
        prop_assert!(machine.hypervisor.tokens().is_empty());
        if let Some(place) = place.filter(|_| memory.bytes != seen.bytes) {
            prop_assert_eq!(signed(&memory.bytes, place, seen.width), -1);
        }
        return unchanged(&seen, memory, place.map(|place| place..place + seen.width));
    }
    let mut cells = HypervisorBuffer::new();
    let exit = super::call(
        machine.instance(),
        &machine.hypervisor,
        memory,
        call.width(),
        call.address,
        &mut cells,
    );
    let made = machine.hypervisor.state().calls.clone();
    for sent in &made {
        told(&seen, sent)?;
    }
    let status = match exit {
        Exit::Return(status) => status,
        Exit::Leave(_) => {
            let handler = callee.map(|shape| shape.handler);
            let leaving = [
                Handler::StopSelf,
                Handler::SystemReboot,
                Handler::PowerOff,
                Handler::SetPowerLevel,
            ];
            prop_assert!(handler.is_some_and(|handler| leaving.contains(&handler)));
            prop_assert!(made.is_empty());
            if let Some(handler) = handler {
                reached.entry(format!("{handler:?}")).or_default()[2] += 1;
            }
            return unchanged(&seen, memory, None);
        }
    };
    if let Some(place) = place {
        let stored = signed(&memory.bytes, place, seen.width);
        prop_assert_eq!(stored, i64::from(status), "r3 is the status");
    }
    let Some(shape) = callee else {
        prop_assert_eq!(status, status::PARAMETER_ERROR);
        prop_assert!(made.is_empty(), "a call that is none: {:x?}", made);
        reached.entry("none".to_owned()).or_default()[0] += 1;
        return unchanged(&seen, memory, place.map(|place| place..place + seen.width));
    };
    let inputs = seen.inputs();
    if inputs.is_none() {
        prop_assert_eq!(
            status,
            status::PARAMETER_ERROR,
            "an input of more than 32 bits"
        );
        prop_assert!(made.is_empty());
    }
    let own = shape.handler.is_interrupt_call();
    let answered = if own {
        None
    } else {
        made.iter().rfind(|sent| sent[0] == call.token())
    };
    match answered {
        Some(_) if shape.handler == Handler::ChangeMsi => {
            prop_assert!([0, -1, -3].contains(&status))
        }
        Some(sent) => {
            prop_assert_eq!(made.len(), 1);
            let modelled = [
                "query-cpu-stopped-state",
                "ibm,query-interrupt-source-number",
            ];
            if !modelled.map(crate::testing::token).contains(&sent[0]) {
                let answer = call.answer.first().map(|status| *status as i32);
                if shape.handler == Handler::PciConfig && answer == Some(-1) {
                    // Of what is not there: all ones, or a wrong size.
                    prop_assert!([0, -3].contains(&status));
                } else if asks_whether_there_is(shape.handler, inputs.as_deref())
                    && answer == Some(status::SYSTEM_PARAMETER_ERROR)
                {
                    prop_assert_eq!(status, status::SUCCESS);
                } else {
                    prop_assert_eq!(status, answer.unwrap_or(-1), "the hypervisor's status");
                }
            }
        }
        // Nobody asked the hypervisor: there was something wrong, or nothing to do.
        None if own => {
            let wanted = inputs.as_deref().map_or(-3, of_interrupt_call);
            prop_assert_eq!(status, wanted);
        }
        None if shape.handler == Handler::Nvram => prop_assert!([0, -3].contains(&status)),
        None if shape.handler.is_own() => prop_assert!([0, 1, -3].contains(&status)),
        None if call.token() == EARLY_DISPLAY_CHARACTER => (),
        None => prop_assert_eq!(status, -3),
    }
    let outcome = match (status, answered) {
        (0, _) => 2,
        (_, Some(_)) => 1,
        _ => 0,
    };
    reached.entry(format!("{:?}", shape.handler)).or_default()[outcome] += 1;
    let outputs = match seen.cell(2) {
        // A failed call of the blob's own leaves the other outputs.
        Some(_) if own && status != 0 => 1,
        Some(outputs) => outputs as u64,
        None => 0,
    };
    let cells = place.map(|place| place..place + outputs * seen.width);
    let area = inputs.and_then(|inputs| area(&seen, shape, &inputs));
    unchanged(&seen, memory, cells.into_iter().chain(area))
}

/// The memory beside its cells that the blob itself writes in a call of this shape.
fn area(seen: &Seen, shape: Shape, inputs: &[u32]) -> Option<Range<u64>> {
    let area = match shape.handler {
        Handler::LastError | Handler::CheckException => shape.areas[0],
        Handler::GetVpd => shape.areas[1],
        _ => return None,
    };
    let Length::Input(length) = area.length else {
        return None;
    };
    let input = |index: u8| inputs.get(usize::from(index)).copied().map(u64::from);
    let (start, length) = (input(area.input)?, input(length)?);
    seen.may_have(start, length).then(|| start..start + length)
}

/// Nothing but `written` differs from what was there before.
fn unchanged(
    seen: &Seen,
    memory: &Memory,
    written: impl IntoIterator<Item = Range<u64>>,
) -> Result<(), TestCaseError> {
    let written: Vec<Range<u64>> = written.into_iter().collect();
    let mut expected = seen.bytes.clone();
    for range in &written {
        let range = range.start as usize..range.end as usize;
        expected[range.clone()].copy_from_slice(&memory.bytes[range]);
    }
    let differ = || {
        expected
            .iter()
            .zip(&memory.bytes)
            .position(|(one, other)| one != other)
    };
    prop_assert!(
        expected == memory.bytes,
        "wrote {:x?}, may {:x?}",
        differ(),
        written
    );
    for (at, length) in &memory.stores {
        let inside = |range: &Range<u64>| range.start <= *at && at + length <= range.end;
        prop_assert!(written.iter().any(inside), "{at:x}");
    }
    Ok(())
}

/// The hypervisor was told of no memory that the caller may not have, and of a call that it has.
fn told(seen: &Seen, sent: &[u32]) -> Result<(), TestCaseError> {
    let Some(shape) = sent[0]
        .checked_sub(0x2000)
        .and_then(|index| table::shape(index as usize))
    else {
        prop_assert_eq!(sent[0], UNKNOWN_TOKEN);
        return Ok(());
    };
    let input = |index: u8| u64::from(sent[3 + usize::from(index)]);
    for area in shape.areas {
        let length = match area.length {
            Length::Nothing => continue,
            Length::Bytes(bytes) => bytes.into(),
            Length::Input(index) => input(index),
        };
        let start = input(area.input);
        if shape.handler == Handler::CheckException {
            // Memory of the blob's own.
            prop_assert_eq!(start, u64::from(PRIVATE));
            continue;
        }
        prop_assert!(length == 0 || seen.may_have(start, length), "{:x?}", sent);
    }
    Ok(())
}

/// Whether it is an `ibm,get-system-parameter` without room.
fn asks_whether_there_is(handler: Handler, inputs: Option<&[u32]>) -> bool {
    handler == Handler::GetSystemParameter && matches!(inputs, Some([_, _, 0]))
}

#[test]
fn fuzz_of_the_dispatcher() {
    let reached = RefCell::new(Reached::new());
    let mut runner = TestRunner::new(config());
    let result = runner.run(&vec(call(), 1..80), |calls| {
        let mut machine = Machine::new();
        machine.vpd = vpd::record("U1", b"a text").collect();
        // With an extended part of 40 bytes.
        let log = [0, 4, 0, 0, 0, 0, 0, 40].into_iter().chain([7; 40]);
        machine.hypervisor.state().written = log.collect();
        let device = Device {
            most: 8,
            block: None,
        };
        machine.hypervisor.state().devices.insert(DEVICE, device);
        let mut memory = Memory::new();
        for call in &calls {
            make(&machine, &mut memory, call, &mut reached.borrow_mut())?;
            // No call is in flight, so word and hypervisor agree (docs/concurrency.md).
            for number in FIRST..FIRST + SOURCES {
                prop_assert!(machine.agrees(number), "source {number:#x}");
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let reached = reached.into_inner();
    println!("refused, failed, done: {reached:?}");
    // What is never reached is not tested.
    for call in table::calls() {
        let handler = format!("{:?}", call.shape.handler);
        let [refused, _, done] = reached.get(&handler).copied().unwrap_or_default();
        // There is nothing that it could be done for.
        let nothing = call.shape.handler == Handler::GetIndices;
        let counted = if nothing { refused } else { done };
        assert!(counted > 0, "{handler} was never reached");
    }
    assert!(reached["none"][0] > 0);
}
