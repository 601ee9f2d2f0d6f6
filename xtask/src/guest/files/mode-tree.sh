# The flat tree that the kernel was started with.
send_file flat-tree /sys/firmware/fdt
