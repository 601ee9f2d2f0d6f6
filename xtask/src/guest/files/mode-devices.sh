# Uses each device of oxrtas.devices=. The host compares the digests with what it wrote.
load_modules
# interrupts PATTERN: how often the interrupts came whose line in /proc/interrupts matches.
interrupts() {
  grep -E "$1" /proc/interrupts |
    awk '{ for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }'
}
# more_interrupts NAME PATTERN BEFORE
more_interrupts() {
  after=$(interrupts "$2")
  check $1-interrupts "$3 before, $after after" [ $after -gt $3 ]
}
await() {
  tries=0
  until [ -e $1 ]; do
    tries=$((tries + 1))
    [ $tries -gt 100 ] && return 1
    usleep 100000
  done
}
# disk NAME DEVICE PATTERN
disk() {
  if await $2; then
    before=$(interrupts "$3")
    say "FACT $1.sha256 $(sha256sum <$2 | cut -d' ' -f1)"
    more_interrupts $1 "$3" $before
  else
    verdict $1-interrupts fail "there is no $2"
  fi
}
random_bytes() { dd if=/dev/hwrng bs=32 count=1 2>/dev/null | od -An -tx1 | tr -d ' \n'; }

for device in $(parameter devices "" | tr , ' '); do
  phase device-$device
  case $device in
  virtio)
    disk virtio-blk /dev/vda 'virtio[0-9]+-req'
    pattern='virtio[0-9]+-(input|output)'
    before=$(interrupts "$pattern")
    ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
    # 10.0.2.2 is QEMU's own end of user networking.
    ping -c 3 -w 20 10.0.2.2 >/tmp/ping 2>&1
    check virtio-net-ping "$(grep received /tmp/ping)" grep -q '3 packets received' /tmp/ping
    tftp -g -l /tmp/fetched -r file 10.0.2.2
    say "FACT virtio-net.sha256 $(sha256sum </tmp/fetched | cut -d' ' -f1)"
    more_interrupts virtio-net "$pattern" $before;;
  vscsi) disk vscsi /dev/sda ibmvscsi;;
  nvram)
    mark=$(parameter nvram none)
    say "FACT nvram.bytes $(dd if=/dev/nvram bs=4096 2>/dev/null | wc -c)"
    mark_nvram 512 "$mark"
    seen=$(nvram_mark 512)
    check nvram-write "wrote $mark, read $seen" [ "$seen" = "$mark" ];;
  rng)
    current=$(cat /sys/class/misc/hw_random/rng_current 2>&1)
    check rng-driver "$current" [ "$current" = pseries_rng -o "$current" = pseries-rng ]
    first=$(random_bytes); second=$(random_bytes)
    check rng-read "${#first} digits, twice" [ ${#first} -eq 64 -a "$first" != "$second" ];;
  *) verdict devices fail "unknown device $device";;
  esac
done
. /oxrtas/summary.sh
