# drmgr: a processor and memory leave and come back, by set-indicator, get-sensor-state and
# ibm,configure-connector, which the kernel calls, and the programs for PCI slots.
. /oxrtas/user/common.sh
install_modules
# Of the 256 slots of a PCI bus, the first is enough.
normal() { sed -E -e '/^C[1-9][0-9]* .*Empty$/d' -e '/^ +C[0-9]+$/d'; }
online() { cat /sys/devices/system/cpu/online; }
blocks() { ls -d /sys/devices/system/memory/memory* | wc -l; }

phase cpu-leaves
ask cpu-remove 0 'Validating CPU DLPAR capability...yes' drmgr -c cpu -r -q 1
check cpu-removed "online: $(online)" [ $(online) = 0 ]
ask cpu-add 0 '^CPU 1$' drmgr -c cpu -a -s 0x10000001
check cpu-added "online: $(online)" [ $(online) = 0-1 ]
ask cpu-add-twice 1 'is already present' drmgr -c cpu -a -s 0x10000001
ask cpu-absent 1 'is unusable' drmgr -c cpu -a -s 0x10000003

before=$(blocks)
ask memory-remove 0 'DR_TOTAL_RESOURCES=1' drmgr -c mem -r -q 1
check memory-removed "$before blocks, then $(blocks)" [ $(blocks) -eq $((before - 1)) ]
ask memory-add 0 'DR_TOTAL_RESOURCES=1' drmgr -c mem -a -q 1
check memory-added "$(blocks) blocks" [ $(blocks) -eq $before ]

ask capabilities 0 'CPU DLPAR capability...yes' drmgr -C
ask slots-pci 0 '^C0 ' lsslot -c pci
ask slots-phb 0 '^PHB 0 ' lsslot -c phb
ask slots-memory 0 'LMB size 0x10000000' lsslot -c mem
end_user
