# lsvpd: vital product data, from the device tree and from ibm,get-vpd.
. /oxrtas/user/common.sh
# lsvpd and lscfg read a database that has the time of its making.
normal() { sed -E 's/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]+/now/'; }

ask refused-to-qemu 0 'is not supported on the pSeries KVM Guest' lsvpd
hide_qemu
ask rtas-get-vpd 0 'System VPD' rtas_ibm_get_vpd
ask vpdupdate 0 - vpdupdate
ask lsvpd 0 '^\*TM ' lsvpd
ask lscfg 0 'Model Architecture: chrp' lscfg
ask lsmcode 0 'oxrtas-[0-9.]+ \(b\)' lsmcode
ask sys-ident 2 'Could not open /proc/device-tree/system-id' sys_ident -s
end_user
