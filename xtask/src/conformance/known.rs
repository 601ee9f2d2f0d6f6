//! What each firmware is known to fail, and why. What SLOF and VOF fail is why oxrtas exists, so it
//! stays in the report; what oxrtas fails is work to do, or QEMU's.

use super::verdicts::Verdict;
use crate::build::Promise;
use crate::defaults;
use conformance_guest::runs::Run;

/// A firmware, as far as it is known what it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Ours.
    Oxrtas,
    /// QEMU's default.
    Slof,
    /// QEMU's small one.
    Vof,
    /// Any other: nothing is known to fail, and it deviates from nothing on purpose.
    Other,
}

impl Subject {
    /// What `firmware`, a name or a file of the command line, is.
    pub fn named(firmware: &str) -> Self {
        match firmware {
            "slof" => Self::Slof,
            "vof" => Self::Vof,
            ours if Promise::of_image(ours).is_some() => Self::Oxrtas,
            _ => Self::Other,
        }
    }
}

/// A check that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The requirement.
    pub requirement: &'static str,
    /// The name of the check.
    pub check: &'static str,
    /// The widths that it fails in; empty for each that it is made in.
    pub widths: &'static [&'static str],
    /// The name of the run that makes it for sure; others may make it, too.
    pub run: &'static str,
    /// Whether it fails in some runs only.
    pub varies: bool,
    /// Why.
    pub reason: &'static str,
}

impl Known {
    /// Whether `verdict` is on this check.
    pub fn is(&self, verdict: &Verdict) -> bool {
        let width = self.widths.is_empty() || self.widths.contains(&verdict.width.as_str());
        (self.requirement, self.check) == (&verdict.requirement, &verdict.check) && width
    }

    /// Whether it has to show in `run`.
    pub fn shows_in(&self, run: &Run) -> bool {
        self.run == run.name
    }
}

const fn known(requirement: &'static str, check: &'static str, reason: &'static str) -> Known {
    Known {
        requirement,
        check,
        widths: &[],
        run: defaults::GUEST_RUN,
        varies: false,
        reason,
    }
}

/// One that needs somebody outside.
const fn outside(requirement: &'static str, check: &'static str, reason: &'static str) -> Known {
    Known {
        run: "outside",
        ..known(requirement, check, reason)
    }
}

const fn varying(requirement: &'static str, check: &'static str, reason: &'static str) -> Known {
    Known {
        varies: true,
        ..known(requirement, check, reason)
    }
}

const NO_FUNCTION: &str = "QEMU answers -1 where no function is (spapr_pci.c, finish_read_pci_config and \
                           finish_write_pci_config)";
const NO_DISPLAY: &str = "QEMU says nothing of the display's size (spapr.c, spapr_dt_rtas)";
const NO_9005: &str = "left out: Linux would take rtas_lock on every secondary processor in a crash \
                       (xics_set_cpu_giq); QEMU does not have it (spapr_drc.c, rtas_set_indicator and \
                       rtas_get_sensor_state)";
const NO_LSI: &str = "QEMU leaves INTx to the operating system and knows MSIs only (spapr_pci.c, \
                      rtas_ibm_change_msi)";

/// oxrtas's own.
const OXRTAS: &[Known] = &[Known {
    // The only one with such an instance.
    widths: &["cells64"],
    ..outside(
        "R1-13.5.3.5-1",
        "plug-configures",
        "the work area has entries of eight bytes there (13.5.3.5), and is passed on to QEMU, which \
         knows those of four alone (spapr_rtas.c, rtas_ibm_configure_connector)",
    )
}];

/// Whatever the firmware: what QEMU does, and what none of them has yet.
const ALL: &[Known] = &[
    known(
        "R1-7.3.5.4-3",
        "indicator-tone",
        "the machine has no tone generator, and QEMU no such indicator (spapr_drc.c, \
         rtas_set_indicator)",
    ),
    known("R1-7.3.5.4.1.2-1", "indicator-9005", NO_9005),
    known("R1-7.3.5.5.1.4-1", "sensor-9005", NO_9005),
    known(
        "R1-7.3.10.1-5",
        "unlisted-source-get",
        "interrupt-ranges has two sources of the machine, and Linux needs the others \
         (spapr_events.c, spapr_dt_events)",
    ),
    known(
        "R1-7.3.2.3-2",
        "clock-set-nanoseconds",
        "QEMU sets whole seconds (spapr_rtc.c, rtas_set_time_of_day)",
    ),
    // VOF's test knows no service: there it is skipped.
    known(
        "R1-14.7-18",
        "client-services-beyond",
        "there is quiesce, which Linux calls, and SLOF has interpret and set-callback, too",
    ),
    outside(
        "R1-7.3.3.2-4",
        "epow-log-critical",
        "QEMU gives the whole log whatever Critical says (spapr_events.c, check_exception), and Linux \
         reads it then, too (ras.c, rtas_parse_epow_log)",
    ),
    known(
        "R1-7.3.14-9",
        "fwnmi-r3",
        "QEMU keeps r3 in the RTAS area and puts its address there, as Linux wants it (spapr.c, \
         spapr_do_system_reset_on_cpu)",
    ),
    known(
        "R1-7.3.8.1-2",
        "stopped-through-a-system-reset",
        "QEMU lets a stopped processor run the vector (spapr.c, spapr_do_system_reset_on_cpu)",
    ),
    outside(
        "R1-7.3.23-11",
        "suspend-disables-queues",
        "QEMU suspends the machine and leaves its queues as they are (spapr_rtas.c, \
         rtas_ibm_suspend_me)",
    ),
    outside(
        "R1-7.3.23-13",
        "suspend-known-to-adapters",
        "QEMU's adapters are compatible with IBM,v-scsi alone (spapr_vscsi.c, spapr_vscsi_class_init)",
    ),
    outside(
        "R1-7.3.10.5.1-11",
        "plug-msis-released",
        "QEMU keeps the MSIs of a device that is gone (spapr_pci.c, spapr_pci_unplug; only \
         rtas_ibm_change_msi frees them)",
    ),
    known(
        "R1-14.7-4",
        "partition-interrupt-ranges",
        "QEMU's only interrupt-ranges has two sources of the machine (spapr_events.c, spapr_dt_events)",
    ),
    known(
        "R1-14.10-10",
        "msi-message-kept",
        "QEMU writes what it is told, message data too (spapr_pci.c, finish_write_pci_config)",
    ),
    // QEMU 7.2 raises none for a load from nowhere: there it is skipped.
    varying(
        "R1-7.3.14-10",
        "fwnmi-machine-check",
        "under emulation a machine check goes to the vector, whatever is registered \
         (target/ppc/excp_helper.c, ppc_cpu_do_transaction_failed); only KVM's go to the handler \
         (spapr_events.c, spapr_mce_req_event)",
    ),
    known("R1-7.3.10.5.1-4", "msi-disables-lsi", NO_LSI),
    known("R1-7.3.10.5.1-5", "msi-gives-lsi-back", NO_LSI),
    known(
        "R1-7.3.23-8",
        "node-suspend-update-tree",
        "QEMU has ibm,suspend-me, and neither ibm,update-nodes nor ibm,update-properties \
         (spapr_rtas.c, core_rtas_register_types)",
    ),
    known(
        "R1-7.3.27.3-3",
        "window-default-comes-back",
        "QEMU brings it back by ibm,reset-pe-dma-window alone (spapr_rtas_ddw.c, \
         rtas_ibm_remove_pe_dma_window)",
    ),
    Known {
        // Where instantiate-rtas-64 made the instance, SF = 1 is right.
        widths: &["32", "64"],
        ..known(
            "R1-7.3.8.2-3",
            "start-cpu-msr",
            "QEMU starts a processor with MSR[SF] = 1 (spapr_rtas.c, rtas_start_cpu), Table 7.47 \
             wants 0",
        )
    },
];

const COUNTS: &str = "QEMU writes outputs without looking at their number (spapr_rtas.c, spapr_rtas_call \
                      leaves that to each call, and rtas_st to nobody)";
const MASK: &str = "QEMU keeps no mask beside the priority (xics.c, ics_write_xive): a set-xive unmasks, a \
                    masked source tells 0xff, a second int-off loses the priority (xics_spapr.c, \
                    rtas_set_xive, rtas_get_xive, rtas_int_off)";
const NO_VERSION: &str = "there is no rtas-version: neither QEMU (spapr.c, spapr_dt_rtas) nor SLOF \
                          (board-qemu/slof/rtas.fs) nor VOF (spapr_vof.c, spapr_vof_client_dt_finalize) makes one";

/// SLOF and VOF: both leave RTAS to QEMU.
const HYPERVISOR_RTAS: &[Known] = &[
    known("R1-7.3.5.1-2", "node-display-16-characters", NO_DISPLAY),
    known("R1-7.3.5.3-5", "node-form-feed", NO_DISPLAY),
    known(
        "R1-14.7-5",
        "partition-has-number",
        "QEMU gives no ibm,partition-no (spapr.c, spapr_build_fdt), and neither SLOF nor VOF makes one",
    ),
    known(
        "R1-7.3.16-10",
        "parameters-without-room",
        "QEMU answers -9999 to a length below 2 (spapr_rtas.c, sysparm_st)",
    ),
    outside(
        "R1-7.3.3.2-3",
        "epow-log-cut",
        "QEMU writes the whole log, however long the buffer is (spapr_events.c, check_exception)",
    ),
    known(
        "R1-7.3.2.3-3",
        "clock-impossible-dates",
        "QEMU counts days and months beyond the last on (spapr_rtc.c, rtas_set_time_of_day)",
    ),
    known(
        "R1-7.3.2.3-3",
        "clock-impossible-times",
        "QEMU counts hours and minutes beyond the last on (spapr_rtc.c, rtas_set_time_of_day)",
    ),
    known("R1-7.3.4.1-5", "pci-read-absent", NO_FUNCTION),
    known("R1-14.10-8", "pci-read-not-owned", NO_FUNCTION),
    known("R1-7.3.4.2-5", "pci-write-absent", NO_FUNCTION),
    known("R1-14.10-9", "pci-write-not-owned", NO_FUNCTION),
    known(
        "R1-7.3.10.5.2-2#2",
        "msi-none-assigned",
        "QEMU answers -1 (spapr_pci.c, rtas_ibm_query_interrupt_source_number)",
    ),
    known(
        "R1-7.3.2.2-1",
        "get-time-of-day-nanoseconds",
        "QEMU cuts a count of nanoseconds off at 32 bits (spapr_rtc.c, spapr_rtc_read)",
    ),
    known("R1-7.2.6-3", "rtas-properties", NO_VERSION),
    known(
        "R1-7.2.6-4",
        "rtas-required-functions",
        "QEMU has no rtas-last-error (spapr_rtas.c, core_rtas_register_types)",
    ),
    known(
        "LoPAR-B.5.3.1/rtas-display-device",
        "node-display-device",
        "there is no rtas-display-device: neither QEMU (spapr.c, spapr_dt_rtas) nor SLOF \
         (board-qemu/slof/rtas.fs) nor VOF (spapr_vof.c, spapr_vof_client_dt_finalize) makes one",
    ),
    known("LoPAR-B.5.3.1/rtas-version", "node-version", NO_VERSION),
    known(
        "R1-7.2.4-1",
        "instantiate-crossing",
        "a base that makes RTAS cross 256 MiB is taken (SLOF: board-qemu/slof/rtas.fs, \
         instantiate-rtas; VOF: pc-bios/vof/ci.c, prom_handle)",
    ),
    known("R1-7.2.8-1", "wrong-counts", COUNTS),
    known("R1-7.2.4-3", "no-outputs", COUNTS),
    known("R1-7.3.10.2-4", "xive-set-while-masked", MASK),
    known("R1-7.3.10.4-4", "xive-int-on", MASK),
    known("R1-7.3.10.3-5", "xive-int-off", MASK),
    known("R1-7.3.10.3-5", "xive-int-off-twice", MASK),
    known("R1-7.3.10.1-4", "xive-get-while-masked", MASK),
    known("R1-7.3.10.4-5", "xive-set-least-favored", MASK),
    known("R1-7.3.10.4-5", "xive-int-on-twice", MASK),
    known("R1-7.3.10.2-4", "xive-every-server", MASK),
    known("R1-7.3.10.2-4", "xive-every-priority", MASK),
    known("R1-7.3.10.2-4", "xive-others-unchanged", MASK),
    known("R1-7.3.10.1-4", "xive-sequences", MASK),
    // Which transitions meet is a matter of luck.
    varying("R1-7.3.10.1-4", "xive-concurrent-results", MASK),
    varying("R1-7.3.10.2-4", "xive-concurrent-private-effect", MASK),
    varying("R1-7.3.10.2-4", "xive-concurrent-shared-effect", MASK),
];

/// SLOF's own.
const SLOF: &[Known] = &[
    known(
        "IEEE1275-6.3.2.2",
        "client-finddevice-missing",
        "a unit address that does not exist finds a node (slof/fs/client.fs, finddevice)",
    ),
    known(
        "IEEE1275-6.3.2.2",
        "client-nextprop-unknown",
        "an unknown property has a successor (slof/fs/client.fs, nextprop)",
    ),
    known(
        "IEEE1275-6.3.2.2",
        "client-package-to-path",
        "what is no phandle has a path (slof/fs/client.fs, package-to-path)",
    ),
    known(
        "IEEE1275-6.3.2.2",
        "client-path-cut",
        "the length of a path that was cut is told, not its own (slof/fs/client.fs, package-to-path)",
    ),
    known(
        "IEEE1275-6.3.2.2",
        "client-instance-paths",
        "what is no ihandle has a path (slof/fs/client.fs, instance-to-path)",
    ),
    known(
        "IEEE1275-6.3.2.4",
        "client-claim-aligned",
        "no aligned place is found, although there is one (slof/fs/claim.fs, (claim-best-fit))",
    ),
];

/// VOF's own.
const VOF: &[Known] = &[
    known(
        "R1-14.8-2",
        "partition-nvram-free-space",
        "the NVRAM stays as QEMU makes it, without partitions (spapr_nvram.c, spapr_nvram_realize)",
    ),
    known(
        "LoPAR-B.9.5.2/test-method",
        "start-test-method",
        "there is no test-method (QEMU: vof.c, vof_client_handle)",
    ),
    known(
        "LoPAR-C.8.1",
        "client-registers",
        "r2 is not preserved (pc-bios/vof/entry.S, _prom_entry)",
    ),
    known(
        "IEEE1275-6.3.2.1",
        "client-unknown-service",
        "an unknown service succeeds (QEMU: vof.c, vof_client_call, which is what pc-bios/vof/ci.c, \
         prom_entry, ends with)",
    ),
    known(
        "IEEE1275-6.3.2.1",
        "client-test",
        "there is no test: it answers -1 of every service (QEMU: vof.c, vof_client_handle)",
    ),
    known(
        "IEEE1275-6.3.2.2",
        "client-nextprop-unknown",
        "an unknown property is the last one (QEMU: vof.c, vof_nextprop)",
    ),
    known(
        "IEEE1275-6.3.2.2",
        "client-path-cut",
        "the length of a path counts its end (QEMU: vof.c, get_path), and all of it is written, \
         however much room there is (vof_package_to_path)",
    ),
    known(
        "IEEE1275-6.3.2.3",
        "client-write",
        "write tells no length (QEMU: vof.c, vof_write)",
    ),
    known(
        "IEEE1275-6.3.2.4",
        "client-claim-beyond-memory",
        "memory that does not exist can be claimed (QEMU: vof.c, vof_claim)",
    ),
];

/// The known failures of a firmware.
pub fn of(subject: Subject) -> Vec<&'static Known> {
    let lists: [&[Known]; 3] = match subject {
        Subject::Oxrtas => [ALL, OXRTAS, &[]],
        Subject::Slof => [ALL, HYPERVISOR_RTAS, SLOF],
        Subject::Vof => [ALL, HYPERVISOR_RTAS, VOF],
        Subject::Other => [&[], &[], &[]],
    };
    lists.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::case::run_named;
    use super::*;

    const KNOWN: [Subject; 3] = [Subject::Oxrtas, Subject::Slof, Subject::Vof];

    #[test]
    fn a_file_has_no_known_failures_and_every_image_of_ours_has_those_of_oxrtas() {
        for (name, subject) in [
            ("oxrtas", Subject::Oxrtas),
            ("oxrtas-silent", Subject::Oxrtas),
            ("oxrtas-claimed", Subject::Oxrtas),
            ("slof", Subject::Slof),
            ("vof", Subject::Vof),
            ("target/oxrtas.bin", Subject::Other),
        ] {
            assert_eq!(Subject::named(name), subject, "{name}");
        }
        assert!(of(Subject::Other).is_empty() && !of(Subject::Oxrtas).is_empty());
    }

    #[test]
    fn each_check_is_listed_once_for_a_firmware_with_a_reason() {
        for subject in KNOWN {
            let list = of(subject);
            for (index, known) in list.iter().enumerate() {
                let key = (known.requirement, known.check);
                let same = |other: &&&Known| (other.requirement, other.check) == key;
                assert_eq!(list.iter().filter(same).count(), 1, "{key:?}");
                assert!(!known.reason.is_empty(), "{index}");
                assert!(run_named(known.run).is_some(), "{key:?}");
            }
        }
    }

    #[test]
    fn only_oxrtas_keeps_the_mask_beside_the_priority() {
        let masks = |subject| of(subject).iter().filter(|k| k.reason == MASK).count();
        assert_eq!(KNOWN.map(masks), [0, 14, 14]);
    }
}
