# Opens and closes a second console in a loop. Its interrupt is unmasked, given to a processor, and
# masked each time: all four interrupt calls, under the kernel's lock.
while :; do
  : </dev/hvc1
  : >/tmp/works-$1
done
