# Loads the kdump kernel and crashes the way that oxrtas.crash= says.
say "FACT release $(uname -r)"
say "FACT cpus.online $(cat /sys/devices/system/cpu/online)"
say "FACT cpus.count $(grep -c ^processor /proc/cpuinfo)"
say "FACT crashkernel-bytes $(cat /sys/kernel/kexec_crash_size)"
say "FACT interrupt-controller $(grep -m 1 -o -E 'XICS|XIVE' /proc/interrupts | tr XICSVE xicsve)"
crash_lists ""
# The shell panics itself: `echo` into sysrq-trigger is a builtin.
say "FACT panicking-pid $$"
crash=$(parameter crash sysrq-c)

# load_kdump: whether the kdump kernel is there to go to.
load_kdump() {
  append="console=hvc0 $(parameter second 'maxcpus=1,reset_devices,irqpoll,noirqdistrib' | tr , ' ')"
  kexec -p /kdump/vmlinux --initrd=/kdump/initrd --append="$append" >/tmp/kexec.log 2>&1
  if [ "$(cat /sys/kernel/kexec_crash_loaded)" = 1 ]; then
    verdict kexec-loaded pass "$(cat /sys/kernel/kexec_crash_size) bytes reserved"
  else
    verdict kexec-loaded fail "$(tail -n 1 /tmp/kexec.log)"
    return 1
  fi
}

crash_now() {
  # The host looks for the calls of these tokens.
  for inside in $(parameter inside "" | tr + ' '); do
    say "FACT token.$inside 0x$(od -An -tx1 /proc/device-tree/rtas/$inside 2>/dev/null | tr -d ' \n')"
  done
  # Some processors are busy with RTAS; this shell panics on another, once they have begun: one that
  # is still on its way there may need this processor for that.
  taskset -p -c 0 $$ >/dev/null
  . /oxrtas/work.sh
  if [ $(parameter unplug 0) = 1 ]; then
    . /oxrtas/unplug.sh
    run_unplug
  fi
  hammer=$(parameter hammer none)
  [ $hammer = none ] || start_hammer $(echo $hammer | tr + ' ')
  for other in $(parameter others "" | tr , ' '); do
    start_work ${other#*:} ${other%:*}
  done
  for victim in $(parameter victims "" | tr , ' '); do
    start_work ${victim#*:} ${victim%:*} held
  done
  [ $hammer = none ] || say_hammered
  phase crash
  : >/tmp/crashing
  case $crash in
  sysrq-c | no-kdump) echo c >/proc/sysrq-trigger;;
  sysrq-b) echo b >/proc/sysrq-trigger;;
  # The host does it, by QMP or gdb; this processor stays where it is.
  host) sleep 1000;;
  *) verdict crash fail "unknown way to crash: $crash";;
  esac
  verdict crash fail "the kernel went on after $crash"
}

case $crash in
# Nothing that a panic could start.
no-kdump | sysrq-b) crash_now;;
*) load_kdump && crash_now;;
esac
