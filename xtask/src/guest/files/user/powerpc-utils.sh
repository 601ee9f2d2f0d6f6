# powerpc-utils and librtas: NVRAM, system parameters, sensors, flash.
. /oxrtas/user/common.sh
install_modules
# What dmesg says is asked for one line only; where RTAS is differs with its size.
normal() {
  sed -E -e '/^linux,rtas-(base|entry)/d' -e '/^\[ *[0-9.]+\]/{/rtas_flash:/!d;s/^[^]]*\] //}'
}

# Partitions of an NVRAM that Linux has laid out as it wants, and a variable that another process
# reads back.
ask nvram-partitions 0 ' 70 .* common$' nvram --partitions
ask nvram-write 0 - nvram -p common --update-config oxrtas=12:34
ask nvram-read 0 '^oxrtas=12:34$' nvram -p common --print-config
ask nvram-read-one 0 '^12:34$' nvram --print-config=oxrtas
ask nvram-no-vpd 255 'there is no ibm,vpd partition' nvram --print-vpd
ask nvram-no-error-log 255 'there is no ibm,err-log partition' nvram --print-err-log
ask bootlist 0 - bootlist -m normal -r

# There is no flash to write: the kernel's module and the program say so, and nothing is written.
echo "no image" >/tmp/image
ask update-flash-access 7 'could not load rtas_flash' update_flash -s
ask update-flash-validate 7 'could not load rtas_flash' update_flash -v -f /tmp/image
ask update-flash-write 6 'did not create /proc/ppc64/rtas/firmware_update' update_flash -f /tmp/image
ask update-flash-commit 7 'could not load rtas_flash' update_flash -c
ask update-flash-reason 0 'rtas_flash: no firmware flash support' dmesg

# As they answer a guest of QEMU.
refused='is not supported on the Power KVM pSeries Guest'
ask refused-by-serv_config 1 "$refused" serv_config
ask refused-by-uesensor 1 "$refused" uesensor
ask refused-by-lparstat 1 "$refused" lparstat
ask refused-by-activate_firmware 1 "$refused" activate_firmware
ask set-poweron-time 2 'is not available on this system' set_poweron_time -d 1h
ask errinjct 1 'does not exist' errinjct open

# As they answer a machine that may be PowerVM.
hide_qemu
# Parameters 20 (characteristics) and 42 (run mode of diagnostics) are QEMU's.
ask serv-config-list 0 '^platform-processor-diagnostics-run-mode=0$' serv_config -l
ask serv-config-wake-on-lan 0 'does not exist on this system' serv_config -r
ask uesensor 0 - uesensor -a
# Its status is the low byte of ibm,get-indices' status, or librtas' for a call that is not there.
ask usysident 0 'not supported on this system' sh -c 'usysident || true'
ask activate-firmware-policy 7 'not supported' activate_firmware -e
ask run-mode 0 '^run-mode=0$' ppc64_cpu --run-mode
ask smt 255 'not SMT capable' ppc64_cpu --smt
ask rtas-node 0 '^ibm,get-xive' lsprop /proc/device-tree/rtas
end_user
