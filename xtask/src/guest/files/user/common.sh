# What every user of RTAS begins with. What its programs print goes to the host in sections, one a
# question, which are compared with those on another firmware.
mkdir -p /sbin /run /var/log /var/lib/lsvpd /var/lock
: >/tmp/sections

# normal: passes on what a program printed, without what differs from one run to the next.
normal() { cat; }
# section NAME: keeps standard input.
section() { { echo "## $1"; normal; } >>/tmp/sections; }
# ask NAME STATUS PATTERN COMMAND...: the command has to end with STATUS, and a line that it prints
# to match PATTERN; `-` stands for nothing printed at all.
ask() {
  ask_name=$1; ask_status=$2; ask_pattern=$3; shift 3
  timeout 120 "$@" </dev/null >/tmp/said 2>&1
  ask_seen=$?
  { echo "\$ $*"; cat /tmp/said; echo "status $ask_seen"; } | section $ask_name
  if [ $ask_seen -ne $ask_status ]; then
    verdict $ask_name fail "status $ask_seen: $(tail -n 1 /tmp/said)"
  elif [ "$ask_pattern" = - ]; then
    check $ask_name "status $ask_seen: $(head -n 1 /tmp/said)" [ ! -s /tmp/said ]
  elif ! grep -q -E -e "$ask_pattern" /tmp/said; then
    verdict $ask_name fail "no line like $ask_pattern: $(tail -n 1 /tmp/said)"
  else
    verdict $ask_name pass "status $ask_seen: $(grep -m 1 -E -e "$ask_pattern" /tmp/said)"
  fi
}
# await TENTHS COMMAND...: until it succeeds.
await() {
  tries=$1; shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || return 1
    usleep 100000
  done
}
# The programs refuse to work where /proc/cpuinfo speaks of QEMU, and ask RTAS nothing before. This
# hides it.
hide_qemu() {
  sed 's/ (emulated by qemu)//' /proc/cpuinfo >/tmp/cpuinfo
  mount --bind /tmp/cpuinfo /proc/cpuinfo
}
# The modules that came with the user, for its own modprobe.
install_modules() {
  ln -s /bin/busybox /sbin/modprobe
  ln -s /bin/busybox /sbin/lsmod
  mkdir -p /lib/modules/$(uname -r)
  mv /lib/modules/user/* /lib/modules/$(uname -r)
  depmod
}
end_user() {
  say "FACT release $(uname -r)"
  send_file sections /tmp/sections
}
