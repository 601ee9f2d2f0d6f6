# Removes and adds the last core by DLPAR in a loop: ibm,configure-connector at every addition, and
# set-indicator, get-sensor-state, stop-self, start-cpu.
core=$(ls -d /proc/device-tree/cpus/*@* | tail -n 1)
index=0x$(od -An -tx1 $core/ibm,my-drc-index | tr -d ' \n')
dlpar() {
  echo "cpu $1 index $index" >/sys/kernel/dlpar || echo "OXRTAS-VERDICT dlpar fail cpu $1 $index"
}
round=0
while :; do
  dlpar remove
  round=$((round + 1))
  if [ $round -eq 3 ]; then
    : >/tmp/works-$1
    # Everybody else is stopped soon after the crash begins, and only then this processor at its next
    # addition: a removal would wait for the others.
    if [ "$2" = held ]; then
      while [ ! -e /tmp/crashing ]; do sleep 0.1; done
      sleep 2
    fi
  fi
  dlpar add
done
