# What goes on in the guest while it crashes.
# start_work NAME PROCESSOR [held]: starts work-NAME.sh there, for good, and waits until it has begun.
start_work() {
  case $1 in
  # It is there already.
  hammer) return;;
  msi) load_modules;;
  errd | slots)
    load_modules
    # It may hammer already.
    [ -e /proc/oxrtas_slot ] || insmod /lib/oxrtas_hammer.ko processors=none ||
      verdict $1 fail "the module does not load"
    # The host plugs and unplugs from now on: what is there when the kernel starts is no hot plug. The
    # daemon of errd says it itself.
    [ $1 = errd ] || phase plug
    ;;
  esac
  if [ ! -e /oxrtas/work-$1.sh ]; then
    verdict work fail "there is no work $1"
    return
  fi
  taskset -c $2 sh /oxrtas/work-$1.sh $2 $3 &
  tries=0
  until [ -e /tmp/works-$2 ]; do
    tries=$((tries + 1))
    if [ $tries -gt 6000 ]; then
      verdict work fail "work $1 does not begin"
      return
    fi
    usleep 10000
  done
}
hammered() { sed -n "s/^$1 //p" /proc/oxrtas_hammer; }
# start_hammer PARAMETERS...: the module of tests/linux/module, which calls RTAS without a lock.
start_hammer() {
  if ! insmod /lib/oxrtas_hammer.ko "$@"; then
    verdict hammer fail "the module does not load"
    return
  fi
  tries=0
  until [ $(hammered least) -ge 1000 ] || [ $tries -gt 6000 ]; do
    tries=$((tries + 1))
    usleep 10000
  done
  check hammer "$(hammered least) calls of each thread" [ $(hammered least) -ge 1000 ]
}
say_hammered() {
  for fact in threads calls refused deviations; do
    say "FACT hammer.$fact $(hammered $fact)"
  done
  for property in linux,rtas-base rtas-size; do
    say "FACT rtas.$property 0x$(od -An -tx1 /proc/device-tree/rtas/$property | tr -d ' \n')"
  done
}
