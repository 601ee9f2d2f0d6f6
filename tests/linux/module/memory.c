// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/oxrtas_memory is /dev/mem for a kernel that has none: librtas maps the buffer through it
 * that the kernel set aside below the RTAS limit for calls with a work area
 * (/proc/ppc64/rtas/rmo_buffer). It can be mapped and nothing else, and memory only.
 */
#include <linux/mm.h>
#include <linux/proc_fs.h>
#include "caller.h"

static int map(struct file *file, struct vm_area_struct *area)
{
	unsigned long pages = vma_pages(area);
	unsigned long page;

	for (page = 0; page < pages; page++)
		if (!pfn_valid(area->vm_pgoff + page))
			return -EINVAL;
	return remap_pfn_range(area, area->vm_start, area->vm_pgoff, pages << PAGE_SHIFT,
			       area->vm_page_prot);
}

static const struct proc_ops operations = {
	.proc_mmap = map,
};

int oxrtas_memory_init(void)
{
	return proc_create("oxrtas_memory", 0600, NULL, &operations) ? 0 : -ENOMEM;
}

void oxrtas_memory_exit(void)
{
	remove_proc_entry("oxrtas_memory", NULL);
}
