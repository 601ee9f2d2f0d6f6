# Takes the driver of a PCI device away and gives it back in a loop: ibm,change-msi each time, and
# configuration space.
device=$(ls /sys/bus/pci/devices | head -n 1)
driver() {
  echo $device >/sys/bus/pci/drivers/virtio-pci/$1 || echo "OXRTAS-VERDICT msi fail $1 $device"
}
round=0
while :; do
  driver unbind
  round=$((round + 1))
  if [ $round -eq 3 ]; then
    : >/tmp/works-$1
    # As in work-cpus.sh.
    [ "$2" = held ] && sleep 2
  fi
  driver bind
done
