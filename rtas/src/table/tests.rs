//! The table against LoPAR and against QEMU.

use super::*;
use std::collections::HashSet;

#[test]
fn names_are_unique_and_found_at_their_place() {
    let names: HashSet<_> = calls().map(|call| call.name).collect();
    assert_eq!(names.len(), COUNT);
    for (place, call) in calls().enumerate() {
        assert_eq!(index_of(call.name), Some(place));
        assert_eq!(shape(place), Some(&call.shape));
    }
    assert_eq!(index_of("ibm,int-of"), None);
    assert_eq!(index_of(""), None);
    assert_eq!(shape(COUNT), None);
}

/// Names and tokens as `-M dumpdtb` of QEMU 7.2 shows them; the last one by QEMU 10.2's source.
#[test]
fn the_index_is_qemus_token_less_0x2000() {
    for (token, name) in [
        (0x2000, "display-character"),
        (0x2001, "get-time-of-day"),
        (0x2002, "set-time-of-day"),
        (0x2003, "power-off"),
        (0x2004, "system-reboot"),
        (0x2005, "query-cpu-stopped-state"),
        (0x2006, "start-cpu"),
        (0x2007, "stop-self"),
        (0x2008, "ibm,get-system-parameter"),
        (0x2009, "ibm,set-system-parameter"),
        (0x200a, "ibm,set-xive"),
        (0x200b, "ibm,get-xive"),
        (0x200c, "ibm,int-off"),
        (0x200d, "ibm,int-on"),
        (0x200e, "check-exception"),
        (0x200f, "event-scan"),
        (0x2010, "ibm,set-tce-bypass"),
        (0x2011, "quiesce"),
        (0x2012, "nvram-fetch"),
        (0x2013, "nvram-store"),
        (0x2014, "read-pci-config"),
        (0x2015, "write-pci-config"),
        (0x2016, "ibm,read-pci-config"),
        (0x2017, "ibm,write-pci-config"),
        (0x2018, "ibm,query-interrupt-source-number"),
        (0x2019, "ibm,change-msi"),
        (0x201a, "set-indicator"),
        (0x201b, "set-power-level"),
        (0x201c, "get-power-level"),
        (0x201d, "get-sensor-state"),
        (0x201e, "ibm,configure-connector"),
        (0x201f, "ibm,os-term"),
        (0x2020, "ibm,set-eeh-option"),
        (0x2021, "ibm,get-config-addr-info2"),
        (0x2022, "ibm,read-slot-reset-state2"),
        (0x2023, "ibm,set-slot-reset"),
        (0x2024, "ibm,configure-pe"),
        (0x2025, "ibm,slot-error-detail"),
        (0x2026, "ibm,query-pe-dma-window"),
        (0x2027, "ibm,create-pe-dma-window"),
        (0x2028, "ibm,remove-pe-dma-window"),
        (0x2029, "ibm,reset-pe-dma-window"),
        (0x202a, "ibm,suspend-me"),
        (0x202b, "ibm,nmi-register"),
        (0x202c, "ibm,nmi-interlock"),
        (0x202d, "ibm,configure-kernel-dump"),
    ] {
        assert_eq!(index_of(name), Some(token - 0x2000), "{name}");
    }
}

/// The counts of LoPAR's argument buffer tables, call by call.
#[test]
fn counts_are_those_of_lopars_tables() {
    let lopar: [(&str, &[u32], &[u32]); 45] = [
        ("nvram-fetch", &[3], &[2]),
        ("nvram-store", &[3], &[2]),
        ("get-time-of-day", &[0], &[8]),
        ("set-time-of-day", &[7], &[1]),
        ("event-scan", &[4], &[1]),
        ("rtas-last-error", &[2], &[1]),
        ("ibm,get-vpd", &[4], &[3]),
        ("ibm,get-indices", &[5], &[2]),
        ("check-exception", &[6, 7], &[1]),
        ("ibm,read-pci-config", &[4], &[2]),
        ("ibm,write-pci-config", &[5], &[1]),
        ("display-character", &[1], &[1]),
        ("set-indicator", &[3], &[1]),
        ("get-sensor-state", &[2], &[2]),
        ("ibm,set-system-parameter", &[2], &[1]),
        ("ibm,get-system-parameter", &[3], &[1]),
        ("set-power-level", &[2], &[2]),
        ("get-power-level", &[1], &[2]),
        ("power-off", &[2], &[1]),
        ("system-reboot", &[0], &[1]),
        ("stop-self", &[0], &[1]),
        ("start-cpu", &[3], &[1]),
        ("query-cpu-stopped-state", &[1], &[2]),
        ("ibm,os-term", &[1], &[1]),
        ("ibm,get-xive", &[1], &[3]),
        ("ibm,set-xive", &[3], &[1]),
        ("ibm,int-off", &[1], &[1]),
        ("ibm,int-on", &[1], &[1]),
        ("ibm,configure-connector", &[2], &[1]),
        ("ibm,set-eeh-option", &[4], &[1]),
        ("ibm,set-slot-reset", &[4], &[1]),
        ("ibm,read-slot-reset-state2", &[3], &[4, 5]),
        ("ibm,get-config-addr-info2", &[4], &[2]),
        ("ibm,slot-error-detail", &[8], &[1]),
        ("ibm,nmi-register", &[2], &[1]),
        ("ibm,nmi-interlock", &[0], &[1]),
        ("ibm,configure-pe", &[3], &[1]),
        ("ibm,change-msi", &[6], &[3, 4]),
        ("ibm,suspend-me", &[0], &[1]),
        ("ibm,configure-kernel-dump", &[3], &[1]),
        ("ibm,query-pe-dma-window", &[3], &[5, 6]),
        ("ibm,create-pe-dma-window", &[5], &[4]),
        ("ibm,remove-pe-dma-window", &[1], &[1]),
        ("ibm,reset-pe-dma-window", &[3], &[1]),
        ("ibm,query-interrupt-source-number", &[4], &[3]),
    ];
    for (name, inputs, outputs) in lopar {
        let call = CALLS[index_of(name).expect(name)];
        assert_eq!(call.shape.inputs.iter().collect::<Vec<_>>(), inputs);
        assert_eq!(call.shape.outputs.iter().collect::<Vec<_>>(), outputs);
        assert!(matches!(call.specification, Lopar(_)), "{name}");
    }
    let private: Vec<_> = calls()
        .filter(|call| matches!(call.specification, Qemu(_)))
        .map(|call| call.name)
        .collect();
    assert_eq!(
        private,
        [
            "ibm,set-tce-bypass",
            "quiesce",
            "read-pci-config",
            "write-pci-config"
        ]
    );
}

#[test]
fn every_count_fits_a_buffer() {
    for call in calls() {
        let shape = call.shape;
        assert!(
            shape.inputs.iter().all(|count| count <= 16),
            "{}",
            call.name
        );
        assert!(shape.outputs.iter().all(|count| count <= 16));
        assert!(shape.inputs.iter().next().is_some());
        assert!(shape.outputs.iter().next().is_some());
    }
    assert!(!Counts::any().allow(17));
    assert!(Counts::any().allow(0) && Counts::any().allow(16));
    assert!(!Counts::exactly(1).allow(33) && !Counts::exactly(1).allow(0x1_0000_0001));
    assert_eq!(Counts::exactly(1).check(1), Some(1));
    assert_eq!(Counts::between(6, 7).check(7), Some(7));
    assert_eq!(Counts::between(6, 7).check(8), None);
}

#[test]
fn crash_safe_implies_concurrent() {
    for call in calls() {
        assert!(
            !call.capability.contains(Capability::CRASH_SAFE)
                || call.capability.contains(Capability::CONCURRENT),
            "{}: a panicking processor calls before the others have stopped",
            call.name
        );
    }
}

#[test]
fn what_lopar_wants_from_handlers_is_crash_safe_and_the_four_are_reentrant() {
    for name in [
        "nvram-fetch",
        "nvram-store",
        "check-exception",
        "display-character",
        "system-reboot",
        "set-power-level",
        "power-off",
        "ibm,set-eeh-option",
        "ibm,set-slot-reset",
        "ibm,read-slot-reset-state2",
        "ibm,os-term",
        "ibm,nmi-interlock",
    ] {
        let call = CALLS[index_of(name).expect(name)];
        assert!(call.capability.contains(Capability::CRASH_SAFE), "{name}");
    }
    let reentrant: Vec<_> = calls()
        .filter(|call| call.capability.contains(Capability::REENTRANT))
        .map(|call| (call.name, call.shape.handler.implementer()))
        .collect();
    assert_eq!(
        reentrant,
        [
            ("ibm,set-xive", Implementer::Native),
            ("ibm,get-xive", Implementer::Native),
            ("ibm,int-off", Implementer::Native),
            ("ibm,int-on", Implementer::Native),
            ("ibm,get-vpd", Implementer::Native),
            ("ibm,get-indices", Implementer::Native),
        ],
        "R1-7.3.10.1-2 to R1-7.3.10.4-2, and what changes nothing"
    );
}
