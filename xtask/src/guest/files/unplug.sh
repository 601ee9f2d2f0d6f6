# Gives spare sources to a processor that the host adds (PHASE await-add) and takes away again (PHASE
# await-remove), and says what the four interrupt calls answer before and after:
# FACT unplugged.STEP STATUS [SERVER PRIORITY], with the names of the two servers, and then
# STATUS SERVER PRIORITY of the hypervisor.
# The three sources are: on at the processor that goes, on and then masked by its priority alone, off.
on=0x1e00 direct=0x1e01 off=0x1e02
core_nodes() { echo /proc/device-tree/cpus/*@*; }
server_of() { echo $((0x$(od -An -tx1 -N 4 "$1/ibm,ppc-interrupt-server#s" | tr -d ' \n'))); }
answer() {
  echo "$1" >/proc/oxrtas_source
  read -r status server priority </proc/oxrtas_source
  case $server in
  $boot) server=boot;;
  $gone) server=gone;;
  esac
  echo $status $server $priority
}
# step NAME CALL SOURCE [SERVER PRIORITY]
step() { say "FACT unplugged.$1 $(answer "$2 $3 $4 $5"), $(answer "hypervisor $3")"; }
await() {
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    [ $tries -gt 300 ] && return 1
    usleep 100000
  done
}
cpus_are() { [ $(grep -c ^processor /proc/cpuinfo) -eq $1 ]; }
is_gone() { ! [ -e "$1" ]; }

run_unplug() {
  insmod /lib/oxrtas_hammer.ko processors=none || verdict unplugged fail "the module does not load"
  before=" $(core_nodes) "
  count=$(grep -c ^processor /proc/cpuinfo)
  boot=0
  phase await-add
  await cpus_are $((count + 1)) || verdict unplugged fail "no processor was added"
  for node in $(core_nodes); do
    case $before in *" $node "*) ;; *) added=$node;; esac
  done
  gone=$(server_of $added)
  for source in $on $direct $off; do
    answer "ibm,set-xive $source $gone 5" >/dev/null
    answer "ibm,int-on $source" >/dev/null
  done
  step on-before ibm,get-xive $on
  step off-before ibm,int-off $off
  phase await-remove
  # The kernel has given the processor up by then, and the node goes last
  # (arch/powerpc/platforms/pseries/hotplug-cpu.c:dlpar_cpu_remove).
  await is_gone $added || verdict unplugged fail "the processor was not removed"
  step on-get ibm,get-xive $on
  step on-int-off ibm,int-off $on
  step on-get-off ibm,get-xive $on
  step on-set-0xff ibm,set-xive $on $gone 0xff
  step on-int-on ibm,int-on $on
  step on-get-least ibm,get-xive $on
  step direct-int-on ibm,int-on $direct
  step direct-set-0xff ibm,set-xive $direct $gone 0xff
  step direct-get-least ibm,get-xive $direct
  step off-int-on ibm,int-on $off
  step off-get ibm,get-xive $off
  step off-set-boot ibm,set-xive $off $boot 5
  step off-set-gone ibm,set-xive $off $gone 6
  step off-get-boot ibm,get-xive $off
  step off-int-on-boot ibm,int-on $off
  # As a crash masks (arch/powerpc/sysdev/xics/ics-rtas.c:ics_rtas_mask_real_irq).
  step off-mask-1 ibm,int-off $off
  step off-mask-2 ibm,set-xive $off $boot 0xff
}
