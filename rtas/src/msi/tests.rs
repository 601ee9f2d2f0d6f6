//! ibm,change-msi against a model of QEMU's.

use crate::testing::hypervisor::Device;
use crate::testing::{FIRST_MSI, Machine, token};

const DEVICE: [u32; 3] = [0x0001_0800, 0x0800_0000, 0x2000_0000];
const OTHER: [u32; 3] = [0x0001_1000, 0x0800_0000, 0x2000_0000];

fn machine() -> Machine {
    let machine = Machine::new();
    for key in [DEVICE, OTHER] {
        let device = Device {
            most: 40,
            block: None,
        };
        machine.hypervisor.state().devices.insert(key, device);
    }
    machine
}

fn change(machine: &Machine, device: [u32; 3], function: u32, count: u32) -> Vec<u32> {
    let [address, high, low] = device;
    let inputs = [address, high, low, function, count, 1];
    machine.call_by(&machine.hypervisor, "ibm,change-msi", &inputs, 4)
}

fn block(machine: &Machine, device: [u32; 3]) -> (u32, u32) {
    machine.hypervisor.state().devices[&device]
        .block
        .expect("has MSIs")
}

fn enable(machine: &Machine, number: u32) {
    assert_eq!(machine.call("ibm,set-xive", &[number, 1, 5]), 0);
    assert_eq!(machine.call("ibm,int-on", &[number]), 0);
}

/// Both the words and the hypervisor have the sources as at boot.
fn at_boot(machine: &Machine, (first, count): (u32, u32)) -> bool {
    (first..first + count).all(|number| {
        let word = machine.word(number);
        machine.hypervisor.source(number) == (0, 0xff)
            && word.is_masked()
            && (word.server(), word.priority()) == (0, 0xff)
    })
}

#[test]
fn a_source_that_changes_hands_starts_masked() {
    let machine = machine();
    assert_eq!(change(&machine, DEVICE, 3, 4), [0, 4, 2, 1]);
    let old = block(&machine, DEVICE);
    assert!(at_boot(&machine, old));
    (old.0..old.0 + old.1).for_each(|number| enable(&machine, number));
    assert_eq!(change(&machine, DEVICE, 3, 0)[..2], [0, 0]);
    assert!(at_boot(&machine, old), "released");
    // As QEMU leaves a source that it freed, had nobody masked it since.
    machine.hypervisor.set(old.0, 0, 0);
    assert_eq!(change(&machine, OTHER, 4, 8), [0, 8, 2, 2]);
    assert_eq!(block(&machine, OTHER).0, old.0, "the same numbers again");
    assert!(at_boot(&machine, block(&machine, OTHER)), "R1-7.3.10.1-4");
}

#[test]
fn words_of_the_old_and_of_the_new_block_are_reset() {
    for (before, after) in [(1, 1), (1, 2), (2, 1), (3, 16), (16, 3), (33, 40), (40, 33)] {
        let machine = machine();
        change(&machine, DEVICE, 4, before);
        let old = block(&machine, DEVICE);
        (old.0..old.0 + old.1).for_each(|number| enable(&machine, number));
        let strangers = [old.0 - 1, old.0 + old.1 + after];
        strangers
            .iter()
            .for_each(|number| enable(&machine, *number));
        let within = old.0 + old.1;
        enable(&machine, within);
        assert_eq!(change(&machine, DEVICE, 4, after)[..2], [0, after]);
        let new = block(&machine, DEVICE);
        assert_ne!(new.0, old.0);
        assert!(at_boot(&machine, old), "{before} to {after}");
        assert!(at_boot(&machine, new), "{before} to {after}");
        for number in strangers {
            assert_eq!(
                machine.get_xive(number),
                Ok((1, 5)),
                "{number:#x} is not theirs"
            );
        }
    }
}

#[test]
fn a_request_for_too_many_leaves_the_sources_in_use_alone() {
    let machine = machine();
    change(&machine, DEVICE, 3, 2);
    let (first, _) = block(&machine, DEVICE);
    enable(&machine, first);
    enable(&machine, first + 1);
    assert_eq!(change(&machine, DEVICE, 3, 41), [0, 40, 2, 1]);
    for number in [first, first + 1] {
        assert_eq!(machine.get_xive(number), Ok((1, 5)));
        assert_eq!(machine.hypervisor.source(number), (1, 5));
    }
    assert_eq!(
        change(&machine, OTHER, 3, 41),
        [0, 40, 2, 1],
        "without a block"
    );
}

#[test]
fn a_refused_change_touches_no_source() {
    let machine = machine();
    change(&machine, DEVICE, 3, 2);
    let (first, _) = block(&machine, DEVICE);
    enable(&machine, first);
    for (device, function, count, status) in [
        (DEVICE, 0, 2, -3i32),
        (DEVICE, 2, 2, -3),
        (OTHER, 3, 0, -1),
        ([1, 2, 3], 3, 1, -3),
    ] {
        machine.hypervisor.forget();
        let outputs = change(&machine, device, function, count);
        assert_eq!(outputs[0] as i32, status);
        assert_eq!(outputs[1..], [0xdead_beef; 3], "left alone");
        assert_eq!(
            machine.hypervisor.tokens().last(),
            Some(&token("ibm,change-msi")),
            "nothing is done after a failure"
        );
    }
    assert_eq!(machine.get_xive(first), Ok((1, 5)));
}

#[test]
fn three_outputs_are_three_outputs() {
    let machine = machine();
    let [address, high, low] = DEVICE;
    let inputs = [address, high, low, 1, 1, 1];
    let outputs = machine.call_by(&machine.hypervisor, "ibm,change-msi", &inputs, 3);
    assert_eq!(outputs, [0, 1, 2]);
    let call = machine
        .hypervisor
        .state()
        .calls
        .iter()
        .find(|call| call[0] == token("ibm,change-msi"))
        .cloned()
        .expect("forwarded");
    assert_eq!(call[..9], [call[0], 6, 3, address, high, low, 1, 1, 1]);
}

#[test]
fn the_search_for_a_block_makes_few_hypercalls() {
    for count in 1..=40u32 {
        let machine = machine();
        change(&machine, DEVICE, 4, count);
        machine.hypervisor.forget();
        change(&machine, DEVICE, 4, 0);
        let query = token("ibm,query-interrupt-source-number");
        let queries = machine
            .hypervisor
            .tokens()
            .iter()
            .filter(|call| **call == query)
            .count();
        assert!(
            queries as u32 <= 3 + 2 * count.ilog2() + 1,
            "{queries} for {count}"
        );
        assert!(
            at_boot(&machine, (FIRST_MSI, count)),
            "all {count} released"
        );
    }
}

#[test]
fn without_the_query_the_call_is_passed_on() {
    let mut machine = machine();
    machine.config.tokens[crate::table::index::IBM_QUERY_INTERRUPT_SOURCE_NUMBER] = 0;
    assert_eq!(change(&machine, DEVICE, 3, 4), [0, 4, 2, 1]);
    assert_eq!(machine.hypervisor.tokens(), [token("ibm,change-msi")]);
}

#[test]
fn what_a_dead_caller_leaves_half_done_the_next_call_on_each_source_repairs() {
    use crate::testing::platforms::dies_at;
    for steps in 0.. {
        let machine = machine();
        change(&machine, DEVICE, 4, 3);
        let (old, _) = block(&machine, DEVICE);
        (old..old + 3).for_each(|number| enable(&machine, number));
        let [address, high, low] = DEVICE;
        let died = dies_at(&machine.hypervisor, steps, |platform| {
            let inputs = [address, high, low, 4, 5, 1];
            machine.call_by(&platform, "ibm,change-msi", &inputs, 4);
        });
        for number in old..old + 8 {
            assert_eq!(machine.call("ibm,int-off", &[number]), 0);
            assert_eq!(machine.hypervisor.source(number), (0, 0xff), "step {steps}");
        }
        // The kernel after the crash releases and allocates as it likes.
        assert_eq!(change(&machine, DEVICE, 4, 0)[0], 0);
        assert_eq!(change(&machine, DEVICE, 4, 2)[0], 0);
        assert!(at_boot(&machine, block(&machine, DEVICE)), "step {steps}");
        if !died {
            break;
        }
    }
}
