//! Every number pinned a second time, against the literals of the specification.

use rtas_abi::{buffer, capability, hcall, interrupt, name, status};

#[test]
fn status_words_are_those_of_table_7_6_and_of_the_calls() {
    assert_eq!(status::SUCCESS, 0);
    assert_eq!(status::HARDWARE_ERROR, -1);
    assert_eq!(status::BUSY, -2);
    assert_eq!(status::PARAMETER_ERROR, -3);
    assert_eq!(status::UNEXPECTED_STATE_CHANGE, -7);
    assert_eq!(status::MULTI_LEVEL_ISOLATION, -9000);
    assert_eq!(status::VALID_OUTSTANDING_TRANSLATION, -9001);
    assert_eq!(status::NOT_AUTHORIZED, -9002);
    assert_eq!(status::CONNECTOR_UNUSABLE, -9003);
    assert_eq!(status::NOT_SUSPENDABLE, -9004);
    assert_eq!(status::MULTIPLE_PROCESSORS_ACTIVE, -9005);
    assert_eq!(status::SYSTEM_PARAMETER_ERROR, -9999);
    assert_eq!(status::NOTHING_FOUND, 1);
    assert_eq!(status::MORE_DATA, 1);
    assert_eq!(status::SUSPENSION_ABORTED, 9000);
    assert_eq!(status::EXTENDED_DELAY, 9900);
}

#[test]
fn the_argument_buffer_is_that_of_table_7_5() {
    let cells = [
        buffer::TOKEN,
        buffer::INPUTS,
        buffer::OUTPUTS,
        buffer::ARGUMENTS,
    ];
    assert_eq!(cells, [0, 1, 2, 3], "cell numbers, counted from zero");
    assert_eq!(buffer::ALIGNMENT, 8, "R1-7.2.7-1");
    assert_eq!(buffer::MAX_CELLS, 16);
}

#[test]
fn hypercalls_are_those_of_lopar_14_and_of_qemu() {
    assert_eq!(hcall::H_GET_TERM_CHAR, 0x54);
    assert_eq!(hcall::H_PUT_TERM_CHAR, 0x58);
    assert_eq!(hcall::H_CEDE, 0xe0);
    assert_eq!(hcall::H_SIGNAL_SYS_RESET, 0x380);
    assert_eq!(hcall::H_RTAS, 0xf000);
    assert_eq!(hcall::H_LOGICAL_MEMOP, 0xf001);
    assert_eq!(hcall::H_CAS, 0xf002);
    assert_eq!(hcall::H_UPDATE_DT, 0xf003);
    assert_eq!(hcall::H_SUCCESS, 0);
    assert_eq!(hcall::H_HARDWARE, -1);
    assert_eq!(hcall::H_FUNCTION, -2);
    assert_eq!(hcall::H_PARAMETER, -4);
}

#[test]
fn interrupt_numbers_are_those_of_7_3_10() {
    assert_eq!(interrupt::LEAST_FAVORED_PRIORITY, 0xff, "R1-7.3.10.3-5");
    let functions = [
        interrupt::change_msi::QUERY,
        interrupt::change_msi::CHANGE,
        interrupt::change_msi::RESET,
        interrupt::change_msi::CHANGE_MSI,
        interrupt::change_msi::CHANGE_MSIX,
        interrupt::change_msi::CHANGE_32_BIT_MSI,
    ];
    assert_eq!(functions, [0, 1, 2, 3, 4, 5], "Table 7.57");
}

#[test]
fn the_promise_is_published_under_its_names() {
    assert_eq!(capability::VERSION_PROPERTY, "oxrtas,capability-version");
    assert_eq!(capability::VERSION, 1);
    assert_eq!(
        capability::MAX_CONCURRENT_CALLS_PROPERTY,
        "oxrtas,max-concurrent-calls"
    );
    assert_eq!(capability::REENTRANT_PROPERTY, "oxrtas,reentrant-functions");
    assert_eq!(
        capability::CONCURRENT_PROPERTY,
        "oxrtas,concurrent-functions"
    );
    assert_eq!(
        capability::CRASH_SAFE_PROPERTY,
        "oxrtas,crash-safe-functions"
    );
}

#[test]
fn the_four_interrupt_calls_are_spelled_as_in_7_3_10() {
    assert_eq!(name::IBM_GET_XIVE, "ibm,get-xive");
    assert_eq!(name::IBM_SET_XIVE, "ibm,set-xive");
    assert_eq!(name::IBM_INT_OFF, "ibm,int-off");
    assert_eq!(name::IBM_INT_ON, "ibm,int-on");
    assert_eq!(name::RTAS_LAST_ERROR, "rtas-last-error");
    assert_eq!(name::IBM_GET_VPD, "ibm,get-vpd");
    assert_eq!(name::IBM_GET_INDICES, "ibm,get-indices");
}
