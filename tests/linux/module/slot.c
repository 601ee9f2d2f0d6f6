// SPDX-License-Identifier: GPL-2.0
/*
 * A line "INDICATOR INDEX STATE" that is written to /proc/oxrtas_slot is a call of set-indicator,
 * under the kernel's lock: what drmgr does before the kernel configures a connector, and after it
 * gave one back.
 */
#include <linux/kernel.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>
#include <asm/rtas.h>
#include "caller.h"

static ssize_t indicate(struct file *file, const char __user *from, size_t count, loff_t *at)
{
	int indicator, index, state, error;
	char line[40];

	if (count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, count))
		return -EFAULT;
	line[count] = 0;
	if (sscanf(line, "%i %i %i", &indicator, &index, &state) != 3)
		return -EINVAL;
	error = rtas_set_indicator(indicator, index, state);
	return error ? error : count;
}

static const struct proc_ops operations = {
	.proc_write = indicate,
};

int oxrtas_slot_init(void)
{
	return proc_create("oxrtas_slot", 0200, NULL, &operations) ? 0 : -ENOMEM;
}

void oxrtas_slot_exit(void)
{
	remove_proc_entry("oxrtas_slot", NULL);
}
