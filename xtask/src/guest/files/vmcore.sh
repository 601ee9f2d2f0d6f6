# In the kdump kernel: what the dump holds. The host reads the notes, makedumpfile the kernel log.
say "FACT second.release $(uname -r)"
crash_lists second.
say "FACT second.memory-kib $(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo)"
check vmcore-present "$(stat -c %s /proc/vmcore) bytes" [ -s /proc/vmcore ]
# /proc/vmcore begins with the ELF header; Linux merges all notes into the first program header, at
# offset 64 (p_offset at 72, p_filesz at 96), and writes its own byte order, which is ours.
double_word() { od -An -tu8 -j $1 -N 8 /proc/vmcore | tr -d ' '; }
end=$(($(double_word 72) + $(double_word 96)))
say "FACT vmcore.head-bytes $end"
if [ $end -gt 0 ] && [ $end -lt 4194304 ]; then
  head -c $end /proc/vmcore >/tmp/head
  send_file vmcore-head /tmp/head
  verdict vmcore-head pass "$end bytes"
else
  verdict vmcore-head fail "the notes would end at $end"
fi
phase vmcore-read
if makedumpfile --dump-dmesg /proc/vmcore /tmp/dmesg >/tmp/makedumpfile.log 2>&1; then
  verdict makedumpfile pass "$(wc -l </tmp/dmesg) lines"
  tail -n 120 /tmp/dmesg >/tmp/tail
  send_file dmesg-tail /tmp/tail
else
  verdict makedumpfile fail "$(tail -n 1 /tmp/makedumpfile.log)"
fi
phase checked
