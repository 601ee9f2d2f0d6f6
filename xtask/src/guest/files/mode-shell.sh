. /oxrtas/summary.sh
cat <<'END'

A shell on Linux, with busybox. `poweroff` ends the machine, `reboot` boots it again.
END
ENV=/oxrtas/profile.sh setsid cttyhack sh
