//! Names of the RTAS functions, as their token properties in `/rtas` are called (LoPAR B.5.3.1).
//!
//! In the order of QEMU's tokens (`include/hw/ppc/spapr.h:RTAS_*`).

/// LoPAR 7.3.5.3.
pub const DISPLAY_CHARACTER: &str = "display-character";
/// LoPAR 7.3.2.2.
pub const GET_TIME_OF_DAY: &str = "get-time-of-day";
/// LoPAR 7.3.2.3.
pub const SET_TIME_OF_DAY: &str = "set-time-of-day";
/// LoPAR 7.3.6.3.
pub const POWER_OFF: &str = "power-off";
/// LoPAR 7.3.7.1.
pub const SYSTEM_REBOOT: &str = "system-reboot";
/// LoPAR 7.3.8.3.
pub const QUERY_CPU_STOPPED_STATE: &str = "query-cpu-stopped-state";
/// LoPAR 7.3.8.2.
pub const START_CPU: &str = "start-cpu";
/// LoPAR 7.3.8.1.
pub const STOP_SELF: &str = "stop-self";
/// LoPAR 7.3.16.1.
pub const IBM_GET_SYSTEM_PARAMETER: &str = "ibm,get-system-parameter";
/// LoPAR 7.3.16.2.
pub const IBM_SET_SYSTEM_PARAMETER: &str = "ibm,set-system-parameter";
/// LoPAR 7.3.10.2.
pub const IBM_SET_XIVE: &str = "ibm,set-xive";
/// LoPAR 7.3.10.1.
pub const IBM_GET_XIVE: &str = "ibm,get-xive";
/// LoPAR 7.3.10.3.
pub const IBM_INT_OFF: &str = "ibm,int-off";
/// LoPAR 7.3.10.4.
pub const IBM_INT_ON: &str = "ibm,int-on";
/// LoPAR 7.3.3.2.
pub const CHECK_EXCEPTION: &str = "check-exception";
/// LoPAR 7.3.3.1.
pub const EVENT_SCAN: &str = "event-scan";
/// QEMU's own (`hw/ppc/spapr_vio.c:rtas_set_tce_bypass`).
pub const IBM_SET_TCE_BYPASS: &str = "ibm,set-tce-bypass";
/// QEMU's own (`hw/ppc/spapr_vio.c:rtas_quiesce`).
pub const QUIESCE: &str = "quiesce";
/// LoPAR 7.3.1.1.
pub const NVRAM_FETCH: &str = "nvram-fetch";
/// LoPAR 7.3.1.2.
pub const NVRAM_STORE: &str = "nvram-store";
/// PCI without a unit id, older than LoPAR (`hw/ppc/spapr_pci.c:rtas_read_pci_config`).
pub const READ_PCI_CONFIG: &str = "read-pci-config";
/// PCI without a unit id, older than LoPAR (`hw/ppc/spapr_pci.c:rtas_write_pci_config`).
pub const WRITE_PCI_CONFIG: &str = "write-pci-config";
/// LoPAR 7.3.4.1.
pub const IBM_READ_PCI_CONFIG: &str = "ibm,read-pci-config";
/// LoPAR 7.3.4.2.
pub const IBM_WRITE_PCI_CONFIG: &str = "ibm,write-pci-config";
/// LoPAR 7.3.10.5.2.
pub const IBM_QUERY_INTERRUPT_SOURCE_NUMBER: &str = "ibm,query-interrupt-source-number";
/// LoPAR 7.3.10.5.1.
pub const IBM_CHANGE_MSI: &str = "ibm,change-msi";
/// LoPAR 7.3.5.4.
pub const SET_INDICATOR: &str = "set-indicator";
/// LoPAR 7.3.6.1.
pub const SET_POWER_LEVEL: &str = "set-power-level";
/// LoPAR 7.3.6.2.
pub const GET_POWER_LEVEL: &str = "get-power-level";
/// LoPAR 7.3.5.5.
pub const GET_SENSOR_STATE: &str = "get-sensor-state";
/// LoPAR 13.5.3.5.
pub const IBM_CONFIGURE_CONNECTOR: &str = "ibm,configure-connector";
/// LoPAR 7.3.9.1.
pub const IBM_OS_TERM: &str = "ibm,os-term";
/// LoPAR 7.3.11.1.
pub const IBM_SET_EEH_OPTION: &str = "ibm,set-eeh-option";
/// LoPAR 7.3.11.4.
pub const IBM_GET_CONFIG_ADDR_INFO2: &str = "ibm,get-config-addr-info2";
/// LoPAR 7.3.11.3.
pub const IBM_READ_SLOT_RESET_STATE2: &str = "ibm,read-slot-reset-state2";
/// LoPAR 7.3.11.2.
pub const IBM_SET_SLOT_RESET: &str = "ibm,set-slot-reset";
/// LoPAR 7.3.12.2.
pub const IBM_CONFIGURE_PE: &str = "ibm,configure-pe";
/// LoPAR 7.3.11.5.
pub const IBM_SLOT_ERROR_DETAIL: &str = "ibm,slot-error-detail";
/// LoPAR 7.3.27.1.
pub const IBM_QUERY_PE_DMA_WINDOW: &str = "ibm,query-pe-dma-window";
/// LoPAR 7.3.27.2.
pub const IBM_CREATE_PE_DMA_WINDOW: &str = "ibm,create-pe-dma-window";
/// LoPAR 7.3.27.3.
pub const IBM_REMOVE_PE_DMA_WINDOW: &str = "ibm,remove-pe-dma-window";
/// LoPAR 7.3.27.4.1 calls it `ibm,reset-pe-dma-windows`; this is the name of QEMU's property. Its
/// callers find the token in `ibm,ddw-extensions` of the host bridge.
#[doc(alias = "ibm,reset-pe-dma-windows")]
pub const IBM_RESET_PE_DMA_WINDOW: &str = "ibm,reset-pe-dma-window";
/// LoPAR 7.3.23.
pub const IBM_SUSPEND_ME: &str = "ibm,suspend-me";
/// LoPAR 7.3.14.
pub const IBM_NMI_REGISTER: &str = "ibm,nmi-register";
/// LoPAR 7.3.14.
pub const IBM_NMI_INTERLOCK: &str = "ibm,nmi-interlock";
/// LoPAR 7.3.26. QEMU has it from 10.2 on.
pub const IBM_CONFIGURE_KERNEL_DUMP: &str = "ibm,configure-kernel-dump";
/// LoPAR 7.3.3.3. QEMU does not have it.
pub const RTAS_LAST_ERROR: &str = "rtas-last-error";
/// LoPAR 7.3.20. QEMU does not have it.
pub const IBM_GET_VPD: &str = "ibm,get-vpd";
/// LoPAR 7.3.17. QEMU does not have it.
pub const IBM_GET_INDICES: &str = "ibm,get-indices";
