#!/bin/busybox sh
# The first process of every test guest, of the kernel that is booted and of the kdump kernel.
# It prints lines that start with OXRTAS-, which transcript.rs reads:
#   PHASE name uptime       a step begins
#   FACT key value          something the host compares
#   VERDICT name pass|fail detail
#   DATA-BEGIN name bytes sha256, base64 lines, DATA-END name
#   DONE mode               the end of the mode; power-off follows
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1
# Only a panic may come between the lines from here on.
dmesg -n 1

say() { echo "OXRTAS-$*"; }
phase() { say "PHASE $1 $(cut -d' ' -f1 /proc/uptime)"; }
verdict() { say "VERDICT $*"; }
# check NAME DETAIL COMMAND...: the verdict is the status of the command.
check() {
  check_name=$1; check_detail=$2; shift 2
  if "$@" >/dev/null 2>&1; then
    verdict "$check_name" pass "$check_detail"
  else
    verdict "$check_name" fail "$check_detail"
  fi
}
# parameter NAME DEFAULT: the value of oxrtas.NAME= on the kernel's command line.
parameter() {
  for word in $(cat /proc/cmdline); do
    case $word in oxrtas.$1=*) echo "${word#*=}"; return;; esac
  done
  echo "$2"
}
# crash_lists PREFIX: what firmware lists as crash-safe, and how many of that the kernel uses.
crash_lists() {
  list=/proc/device-tree/rtas/oxrtas,crash-safe-functions
  say "FACT $1crash-safe $([ -e $list ] && tr '\0' '\n' <$list | sort | tr '\n' ',' | sed 's/,$//')"
  used=$(dmesg | sed -n 's/.* \([0-9]*\) functions can be called without a lock in a crash.*/\1/p')
  say "FACT $1lockless ${used:-0}"
}
load_modules() {
  [ -e /tmp/modules-loaded ] && return
  : >/tmp/modules-loaded
  [ -e /lib/modules/order ] || return
  for module in $(cat /lib/modules/order); do
    insmod /lib/modules/$module.ko || say "NOTE module $module does not load"
  done
}
# send_file NAME FILE: the content, for the host.
send_file() {
  say "DATA-BEGIN $1 $(wc -c <$2) $(sha256sum <$2 | cut -d' ' -f1)"
  base64 $2
  say "DATA-END $1"
}
# NVRAM holds marks of 32 characters, counted from its end: free space in every layout.
nvram_block() { echo $((($(dd if=/dev/nvram bs=4096 2>/dev/null | wc -c) - $1) / 32)); }
mark_nvram() {
  printf '%-32s' "$2" | dd of=/dev/nvram bs=32 seek=$(nvram_block $1) count=1 conv=notrunc 2>/dev/null
}
nvram_mark() {
  dd if=/dev/nvram bs=32 skip=$(nvram_block $1) count=1 2>/dev/null | tr -d ' \0'
}

# Only a kdump kernel has a dump to look at.
if [ -e /proc/vmcore ]; then
  phase second-kernel
  . /oxrtas/vmcore.sh
  say "DONE vmcore"
  if [ $(parameter again none) = sysrq-c ]; then
    phase second-crash
    echo c >/proc/sysrq-trigger
  fi
  poweroff -f
fi

phase init
mode=$(parameter mode summary)
say "FACT mode $mode"
if [ -e /oxrtas/mode-$mode.sh ]; then
  . /oxrtas/mode-$mode.sh
else
  verdict mode fail "this initramfs has no mode $mode"
fi
phase done
say "DONE $mode"
poweroff -f
