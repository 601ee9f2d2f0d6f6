# The host adds a core when it reads `PHASE await-add` and takes it away at `PHASE await-remove`.
online() { cat /sys/devices/system/cpu/online; }
count() { grep -c ^processor /proc/cpuinfo; }
await_count() {
  tries=0
  until [ $(count) -eq $1 ]; do
    tries=$((tries + 1))
    [ $tries -gt 300 ] && return 1
    usleep 100000
  done
}
start=$(count)
for round in $(seq 1 $(parameter rounds 1)); do
  before=$(online)
  phase await-add
  await_count $((start + 1))
  check added-$round "online: $before, then $(online)" [ $(count) -eq $((start + 1)) ]
  # Processors are numbered from 0 and the lowest free number is taken. Field 39 is the processor
  # that a process last ran on.
  ran=$(taskset -c $start sh -c 'cut -d" " -f39 /proc/$$/stat')
  check runs-there-$round "a process on processor $start ran on '$ran'" [ "$ran" = $start ]
  phase await-remove
  await_count $start
  check removed-$round "online: $(online)" [ $(count) -eq $start ]
done
. /oxrtas/summary.sh
