# What the kernel found: facts for the host to compare, verdicts where there is nothing to compare.
load_modules
say "FACT release $(uname -r)"
say "FACT cpus.online $(cat /sys/devices/system/cpu/online)"
say "FACT cpus.count $(grep -c ^processor /proc/cpuinfo)"
say "FACT cpu $(sed -n 's/^cpu[[:space:]]*: //p' /proc/cpuinfo | head -n 1)"
say "FACT memory-kib $(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo)"
say "FACT interrupt-controller $(grep -m 1 -o -E 'XICS|XIVE' /proc/interrupts | tr XICSVE xicsve)"
rtas=/proc/device-tree/rtas
for property in linux,rtas-base linux,rtas-entry rtas-size; do
  say "FACT rtas.$property 0x$(od -An -tx1 $rtas/$property 2>/dev/null | tr -d ' \n')"
done
say "FACT rtas.properties $(ls $rtas | wc -l)"
for property in $rtas/oxrtas,*; do
  [ -e $property ] && say "FACT rtas.${property##*/} $(wc -c <$property) bytes"
done
check rtas-instantiated "linux,rtas-base and linux,rtas-entry" \
  [ -s $rtas/linux,rtas-base -a -s $rtas/linux,rtas-entry ]

# get-time-of-day, from /proc and through the driver of the real-time clock.
clock=$(cat /proc/powerpc/rtas/clock); now=$(date +%s)
check rtas-clock "RTAS $clock, kernel $now" [ $((clock - now)) -ge -5 -a $((clock - now)) -le 5 ]
check hwclock "$(hwclock -r -u 2>&1)" hwclock -r -u
# set-time-of-day: one day on, and back.
now=$(date +%s)
echo $((now + 86400)) >/proc/powerpc/rtas/clock
moved=$(($(cat /proc/powerpc/rtas/clock) - now))
date +%s >/proc/powerpc/rtas/clock
check rtas-set-clock "moved by $moved s" [ $moved -ge 86400 -a $moved -le 86460 ]

# Linux calls an NVRAM that nobody has laid out corrupt; the host knows which firmware leaves it so.
case $(parameter blank-nvram forbidden) in
  allowed) dmesg | grep -v 'nvram corruption detected: 0-length partition' >/tmp/dmesg;;
  *) dmesg >/tmp/dmesg;;
esac
complaint=$(grep -E -m 1 'WARNING:|BUG:|Oops|Call Trace|rcu_sched.*stall|irq.*nobody cared' /tmp/dmesg)
if [ -n "$complaint" ]; then
  verdict kernel-log fail "$complaint"
  send_file kernel-log /tmp/dmesg
else
  verdict kernel-log pass "$(wc -l </tmp/dmesg) lines without a warning"
fi
