// SPDX-License-Identifier: GPL-2.0
/*
 * One call at a time, by hand. A line "ibm,set-xive SOURCE SERVER PRIORITY" that is written to
 * /proc/oxrtas_source, or the name of another of the four calls and a source, makes that call under
 * the kernel's lock. "hypervisor SOURCE" asks what is behind the firmware instead. What is read is
 * the answer to the last line: the status, and server and priority from those that tell them.
 */
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/hvcall.h>
#include "caller.h"

/* QEMU's own call, by which firmware passes RTAS calls on (its docs/specs/ppc-spapr-hcalls). */
#define H_RTAS		0xf000
/* The largest buffer of an RTAS call, and a power of two so that it crosses no page. */
#define BUFFER		256

static struct {
	int status;
	u32 value[2];
	bool has_value;
} last;
/* Protects @last: a line and its answer. Nothing is called with it that could take it. */
static DEFINE_MUTEX(last_lock);

/* ibm,get-xive of the hypervisor: firmware has its tokens. */
static int ask_hypervisor(u32 number, u32 value[2])
{
	__be32 *cells = kzalloc(BUFFER, GFP_KERNEL);
	long error;
	int status;

	if (!cells)
		return -ENOMEM;
	cells[0] = cpu_to_be32(oxrtas_token(GET_XIVE));
	cells[1] = cpu_to_be32(1);
	cells[2] = cpu_to_be32(3);
	cells[3] = cpu_to_be32(number);
	error = plpar_hcall_norets(H_RTAS, __pa(cells));
	status = error ? -EIO : be32_to_cpu(cells[4]);
	value[0] = be32_to_cpu(cells[5]);
	value[1] = be32_to_cpu(cells[6]);
	kfree(cells);
	return status;
}

static ssize_t ask(struct file *file, const char __user *from, size_t count, loff_t *at)
{
	bool hypervisor;
	enum call call;
	char line[64], name[24] = "";
	u32 number, value[2] = { 0, 0 };
	int words;

	if (count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, count))
		return -EFAULT;
	line[count] = 0;
	words = sscanf(line, "%23s %i %i %i", name, &number, &value[0], &value[1]);
	hypervisor = !strcmp(name, "hypervisor");
	call = hypervisor ? GET_XIVE : oxrtas_named(name);
	if (call == CALLS || words != (call == SET_XIVE ? 4 : 2))
		return -EINVAL;
	mutex_lock(&last_lock);
	last.status = hypervisor ? ask_hypervisor(number, value) :
				   oxrtas_call_locked(call, number, value);
	last.value[0] = value[0];
	last.value[1] = value[1];
	last.has_value = call == GET_XIVE && !last.status;
	mutex_unlock(&last_lock);
	return count;
}

static int show(struct seq_file *file, void *unused)
{
	mutex_lock(&last_lock);
	seq_printf(file, "%d", last.status);
	if (last.has_value)
		seq_printf(file, " %u %u", last.value[0], last.value[1]);
	seq_puts(file, "\n");
	mutex_unlock(&last_lock);
	return 0;
}

static int open(struct inode *inode, struct file *file)
{
	return single_open(file, show, NULL);
}

static const struct proc_ops operations = {
	.proc_open = open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = ask,
};

int oxrtas_ask_init(void)
{
	return proc_create("oxrtas_source", 0600, NULL, &operations) ? 0 : -ENOMEM;
}

void oxrtas_ask_exit(void)
{
	remove_proc_entry("oxrtas_source", NULL);
}
