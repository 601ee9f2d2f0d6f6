/* SPDX-License-Identifier: GPL-2.0 */
/* What enter.S and the module share. */
#ifndef OXRTAS_ENTER_H
#define OXRTAS_ENTER_H

/* A landing: code, then what it restores. Offsets in bytes. */
#define LANDING_DATA	0x100
#define LANDING_STACK	0x100
#define LANDING_TOC	0x108
#define LANDING_PACA	0x110
#define LANDING_MSR	0x118
#define LANDING_ADDRESS	0x120

#ifndef __ASSEMBLY__
void oxrtas_enter(unsigned long arguments, unsigned long base, unsigned long entry,
		  void *landing, unsigned long landing_real);
extern const u32 oxrtas_landing[];
extern const u32 oxrtas_landing_end[];
#endif

#endif
