# rtas_errd: what the platform reports reaches the kernel by check-exception, and the kernel hands
# it on. The host causes an event when it reads a phase.
. /oxrtas/user/common.sh
install_modules
modprobe rpadlpar_io
# Times, and how long drmgr looked for the slot.
normal() {
  sed -E -e '/ =\? /d' -e 's/^#+ .* #+$/# now #/' \
    -e 's/^(Date|Time): .*/\1: now/' -e 's/^(RTAS 2:) [0-9]{8} [0-9]{8}/\1 today now/'
}
: >/var/log/messages
# What the kernel starts when it is told to shut down.
printf '#!/bin/sh\necho "$0 $*" >>/tmp/shutdown\n' >/sbin/poweroff
chmod +x /sbin/poweroff
# What rtas_errd's /etc/rc.powerfail starts for what the EPOW sensor says.
printf '#!/bin/sh\necho "$0 $*" >>/tmp/planned\n' >/sbin/shutdown
chmod +x /sbin/shutdown
devices() { ls /sys/bus/pci/devices | wc -l; }
kib() { sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo; }
is() { [ "$($1)" -eq $2 ]; }

rtas_errd -d >/tmp/errd 2>&1 &
errd=$!
await 300 [ -s /var/log/epow_status ]
check rtas-errd-runs "$(tail -n 1 /tmp/errd)" kill -0 $errd

before=$(devices)
phase await-pci-add
await 600 is devices $((before + 1))
check pci-added "$before devices, then $(devices)" is devices $((before + 1))
phase await-pci-remove
await 600 is devices $before
check pci-removed "$(devices) devices" is devices $before

before=$(kib)
phase await-memory-add
await 600 is kib $((before + 262144))
check memory-added "$before KiB, then $(kib)" is kib $((before + 262144))
phase await-memory-remove
await 600 is kib $before
check memory-removed "$(kib) KiB" is kib $before

phase await-powerdown
await 600 [ -s /tmp/shutdown ]
check shutdown-asked "$(cat /tmp/shutdown)" grep -q poweroff /tmp/shutdown
# The last of the three events that the kernel hands on: the others were for the slot.
await 300 grep -q 'Received EPOW' /tmp/errd
await 100 grep -q shutdown /tmp/planned
ask shutdown-planned 0 '^/sbin/shutdown' cat /tmp/planned
# Its status is a number of characters.
ask events-decoded 0 'Normal System Shutdown' \
  sh -c 'rtas_event_decode -n 3 </var/log/platform || true'
ask events 0 'RTAS: 3 -+ RTAS event begin' cat /var/log/platform
ask handled 0 'drmgr call exited with 0' cat /tmp/errd
ask drmgr-log 0 'Configuring connector for drc index 40000000' cat /var/log/drmgr
kill $errd
end_user
