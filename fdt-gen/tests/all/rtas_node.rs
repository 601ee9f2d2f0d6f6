//! What oxrtas says in /rtas.

use crate::common::{dual, text, xive};
use fdt_gen::rtas_node::{
    Additions, CapabilityError, RtasNodeError, apply, bind, capability_properties,
};
use fdt_gen::{Origin, Tree};
use rtas::layout::Layout;
use rtas::table::{self, Call};
use rtas_abi::capability::Capability;

fn layout() -> Layout {
    Layout::new(0x89c, 0x4000, 8, 0x1000).unwrap()
}

#[test]
fn the_size_of_the_area_and_the_version_are_said() {
    let mut tree = dual();
    let rtas = tree.find("/rtas").unwrap();
    let before: Vec<(String, Vec<u8>)> = tree
        .properties(rtas)
        .map(|it| (it.name.into(), it.value.into()))
        .collect();
    let additions = Additions {
        layout: &layout(),
        calls: &[],
        display: None,
        vpd_size: 0x123,
        capabilities: &[],
    };
    apply(&mut tree, &additions).unwrap();
    let size = tree.u32(rtas, "rtas-size").map(u64::from);
    assert_eq!(size, Some(layout().size));
    assert_eq!(tree.u32(rtas, "rtas-version"), Some(1));
    assert_eq!(
        tree.properties(rtas).count(),
        before.len() + 6,
        "the version, the size of vital product data, sensors with their locations, types of \
         indicators and of sensors"
    );
    for (name, value) in before {
        if name != "rtas-size" {
            assert_eq!(tree.property(rtas, &name), Some(&value[..]), "{name}");
        }
    }
    let once = tree.clone();
    apply(&mut tree, &additions).unwrap();
    assert_eq!(tree, once);
    tree.merge(&dual()).unwrap();
    apply(&mut tree, &additions).unwrap();
    assert!(tree.properties(rtas).eq(once.properties(rtas)));
}

#[test]
fn the_display_and_the_blobs_own_calls_are_said() {
    let mut tree = dual();
    let calls: Vec<_> = rtas::tokens::own_calls().collect();
    let additions = Additions {
        layout: &layout(),
        calls: &calls,
        display: Some(0x2222),
        vpd_size: 0x123,
        capabilities: &[],
    };
    apply(&mut tree, &additions).unwrap();
    let cell = |name| tree.u32(tree.find("/rtas").unwrap(), name);
    assert_eq!(cell("rtas-display-device"), Some(0x2222), "R1-7.2.6-3");
    assert_eq!(cell("ibm,display-line-length"), Some(16), "R1-7.3.5.1-2");
    assert_eq!(cell("ibm,form-feed"), Some(0), "R1-7.3.5.3-5");
    let rtas = tree.find("/rtas").unwrap();
    let sensors = tree.property(rtas, "rtas-sensors");
    assert_eq!(sensors, Some(&[0, 0, 0, 9, 0, 0, 0, 0][..]), "R1-10.2.2-1");
    assert_eq!(tree.property(rtas, "ibm,sensor-9"), Some(&b"\0"[..]));
    assert!(cell("rtas-last-error").is_some(), "R1-7.2.6-4");
    assert!(cell("ibm,get-indices").is_some(), "R1-7.3.17-1");
    for (name, token) in calls {
        assert_eq!(cell(name), Some(token));
    }
}

#[test]
fn a_call_of_the_blob_is_added_where_qemu_does_not_offer_it() {
    let calls = [("ibm,int-on", 0x2100)];
    let token = |mut tree: Tree| {
        let additions = Additions {
            layout: &layout(),
            calls: &calls,
            display: None,
            vpd_size: 0x123,
            capabilities: &[],
        };
        apply(&mut tree, &additions).unwrap();
        tree.u32(tree.find("/rtas").unwrap(), "ibm,int-on")
    };
    assert_eq!(token(xive()), Some(0x2100));
    assert_eq!(token(dual()), Some(0x200d), "QEMU's own token stays");
}

#[test]
fn calls_that_are_not_the_blobs_and_taken_tokens_are_refused() {
    let refused = |calls: &[(&str, u32)]| {
        let mut tree = xive();
        let before = tree.clone();
        let additions = Additions {
            layout: &layout(),
            calls,
            display: None,
            vpd_size: 0x123,
            capabilities: &[],
        };
        let error = apply(&mut tree, &additions).expect_err("refused");
        assert_eq!(tree, before);
        error
    };
    let (on, off) = (("ibm,int-on", 0x2100), ("ibm,int-off", 0x2100));
    assert_eq!(
        refused(&[on, ("nvram-fetch", 0x2101)]),
        RtasNodeError::NotNative(1)
    );
    assert_eq!(refused(&[("none", 0x2101)]), RtasNodeError::NotNative(0));
    assert_eq!(
        refused(&[("ibm,int-on", 0x202c)]),
        RtasNodeError::TokenTaken(0)
    );
    assert_eq!(refused(&[on, off]), RtasNodeError::TokenTaken(1));
}

#[test]
fn a_tree_without_rtas_is_refused_by_name() {
    let mut tree = Tree::new();
    let error = bind(&mut tree, 0x1000, 0x2000).expect_err("no /rtas");
    assert!(error.to_string().contains("no node /rtas"), "{error}");
}

#[test]
fn the_hand_over_says_where_rtas_is() {
    let mut tree = dual();
    bind(&mut tree, 0x2fe0_0000, 0x2fe0_1000).unwrap();
    let rtas = tree.find("/rtas").unwrap();
    assert_eq!(tree.u32(rtas, "linux,rtas-base"), Some(0x2fe0_0000));
    assert_eq!(tree.u32(rtas, "linux,rtas-entry"), Some(0x2fe0_1000));
    let origin = tree.property_origin(rtas, "linux,rtas-base");
    assert_eq!(origin, Some(Origin::Firmware));
}

fn find(name: &str) -> Call {
    *table::calls().find(|call| call.name == name).expect(name)
}

#[test]
fn without_a_proved_function_nothing_is_promised() {
    assert_eq!(capability_properties(table::calls(), &[], 8), Ok(vec![]));
    let claims_nothing = &["event-scan"];
    let promised = capability_properties(table::calls(), claims_nothing, 8);
    assert_eq!(promised, Ok(vec![]));
}

#[test]
fn only_proved_functions_are_listed_and_only_for_what_they_claim() {
    let mut calls = [find("stop-self"), find("nvram-fetch"), find("ibm,int-on")];
    calls[0].capability = Capability::CONCURRENT;
    calls[1].capability = Capability::CONCURRENT | Capability::CRASH_SAFE;
    calls[2].capability = Capability::all();
    let list = |proved: &[&'static str]| {
        let properties = capability_properties(&calls, proved, 8).unwrap();
        let pairs = properties.into_iter().map(|it| (it.name, it.value));
        pairs.collect::<Vec<_>>()
    };
    let version = ("oxrtas,capability-version", vec![0, 0, 0, 1]);
    let calls_at_once = ("oxrtas,max-concurrent-calls", vec![0, 0, 0, 8]);
    assert_eq!(
        list(&["stop-self"]),
        [
            version.clone(),
            calls_at_once.clone(),
            ("oxrtas,concurrent-functions", text("stop-self")),
        ]
    );
    assert_eq!(
        list(&["ibm,int-on", "nvram-fetch"]),
        [
            version,
            calls_at_once,
            ("oxrtas,reentrant-functions", text("ibm,int-on")),
            (
                "oxrtas,concurrent-functions",
                text("nvram-fetch\0ibm,int-on")
            ),
            (
                "oxrtas,crash-safe-functions",
                text("nvram-fetch\0ibm,int-on")
            ),
        ]
    );
}

#[test]
fn crash_safe_without_concurrent_is_refused_proved_or_not() {
    let mut wrong = find("ibm,int-on");
    wrong.capability = Capability::CRASH_SAFE | Capability::REENTRANT;
    let calls = [find("ibm,int-off"), wrong];
    for proved in [&[][..], &["ibm,int-off"], &["ibm,int-on"]] {
        assert_eq!(
            capability_properties(&calls, proved, 8),
            Err(CapabilityError::CrashSafeNotConcurrent("ibm,int-on"))
        );
    }
}

#[test]
fn a_proof_of_no_call_of_the_table_is_refused() {
    assert_eq!(
        capability_properties(table::calls(), &["ibm,int-of"], 8),
        Err(CapabilityError::NotInTable("ibm,int-of"))
    );
}

#[test]
fn the_call_table_keeps_the_rule_and_lists_as_a_kernel_finds_them() {
    let proved: Vec<&str> = table::calls().map(|call| call.name).collect();
    let properties = capability_properties(table::calls(), &proved, 8).unwrap();
    assert_eq!(properties.len(), 5);
    let mut tree = dual();
    let additions = Additions {
        layout: &layout(),
        calls: &[],
        display: None,
        vpd_size: 0x123,
        capabilities: &properties,
    };
    apply(&mut tree, &additions).unwrap();
    let rtas = tree.find("/rtas").unwrap();
    assert_eq!(tree.u32(rtas, "oxrtas,max-concurrent-calls"), Some(8));
    for name in ["ibm,int-on", "ibm,int-off", "ibm,get-xive", "ibm,set-xive"] {
        for list in ["reentrant", "concurrent", "crash-safe"] {
            let list = format!("oxrtas,{list}-functions");
            assert!(tree.strings(rtas, &list).any(|it| it == name));
        }
    }
}
