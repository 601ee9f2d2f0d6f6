# Takes in the PCI device that the host plugs into slot 5, and gives it back, in a loop, as drmgr does:
# set-indicator, ibm,configure-connector, configuration space, ibm,change-msi.
index=0x40000028
device=/sys/bus/pci/devices/0000:00:05.0
isolate() { echo "9001 $index 0" >/proc/oxrtas_slot; }
round=0
while :; do
  # It fails while nothing is plugged.
  until echo "9001 $index 1" >/proc/oxrtas_slot 2>/tmp/said; do usleep 20000; done
  # It may have been unplugged just now.
  if ! echo "dt add index $index" >/sys/kernel/dlpar; then
    isolate
    continue
  fi
  round=$((round + 1))
  if [ $round -eq 3 ]; then
    : >/tmp/works-$1
    # As in work-cpus.sh.
    [ "$2" = held ] && sleep 2
  fi
  echo 1 >/sys/bus/pci/rescan
  [ -e $device/driver ] || echo "OXRTAS-VERDICT slots fail no driver for $device"
  echo 1 >$device/remove
  echo "dt remove index $index" >/sys/kernel/dlpar || echo "OXRTAS-VERDICT slots fail remove"
  isolate || echo "OXRTAS-VERDICT slots fail isolate"
done
