# rtas_errd takes in the PCI device that the host plugs into slot 5 and gives it back when the host
# wants it: by drmgr, which calls set-indicator, get-sensor-state and ibm,configure-connector from user
# space (sys_rtas), with a buffer that it maps by /dev/mem.
mkdir -p /sbin /run /var/log /var/lock
: >/var/log/messages
[ -e /dev/mem ] || ln -s /proc/oxrtas_memory /dev/mem
if [ -d /lib/modules/user ]; then
  ln -s /bin/busybox /sbin/modprobe
  mkdir -p /lib/modules/$(uname -r)
  mv /lib/modules/user/* /lib/modules/$(uname -r)
  depmod
  modprobe rpadlpar_io
fi
# Says when it begins for the second time: all went well once, device taken in and given back.
mv /usr/sbin/drmgr /usr/sbin/drmgr-itself
cat >/usr/sbin/drmgr <<END
#!/bin/sh
case "\$*" in *-a*)
  echo >>/tmp/added
  if [ \$(wc -l </tmp/added) -eq 2 ]; then
    : >/tmp/works-$1
    # As in work-cpus.sh.
    if [ "$2" = held ]; then
      while [ ! -e /tmp/crashing ]; do usleep 100000; done
      sleep 2
    fi
  fi
  ;;
esac
exec /usr/sbin/drmgr-itself "\$@"
END
chmod +x /usr/sbin/drmgr
rtas_errd -d >/tmp/errd 2>&1 &
until [ -s /var/log/epow_status ]; do usleep 20000; done
# What is there when the daemon starts is no hot plug.
echo "OXRTAS-PHASE plug $(cut -d' ' -f1 /proc/uptime)"
wait
echo "OXRTAS-VERDICT errd fail $(tail -n 1 /tmp/errd)"
