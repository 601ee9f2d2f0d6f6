# Boots twice. NVRAM outlives a reset and memory need not, so the first boot leaves its mark there.
boot=$(parameter boot none)
if [ "$(nvram_mark 1024)" = "$boot" ]; then
  verdict rebooted pass "this is the second boot"
  . /oxrtas/summary.sh
else
  mark_nvram 1024 "$boot"
  if [ "$(nvram_mark 1024)" = "$boot" ]; then
    phase reboot
    reboot -f
    sleep 60
    verdict rebooted fail "reboot -f did nothing for a minute"
  else
    verdict rebooted fail "NVRAM does not keep the mark of the first boot"
  fi
fi
