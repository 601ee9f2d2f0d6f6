/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Into RTAS and back, without the kernel's own way (enter_rtas is not exported, and what a call
 * needs there is in the PACA, one for each processor).
 *
 * A call needs a landing: memory below 4 GiB, where RTAS returns to in real mode. It holds the code
 * between oxrtas_landing and oxrtas_landing_end, in the other byte order, since RTAS runs and
 * returns in big-endian mode, and behind that, in the kernel's byte order, what brings the
 * processor back to where it was.
 */
#include <asm/ppc_asm.h>
#include <asm/reg.h>
#include "enter.h"

#define FRAME		256
/* Registers 14 to 31: 18 double words behind the frame's head. */
#define SAVED(n)	(32 + ((n) - 14) * 8)
#define SAVED_CR	(SAVED(31) + 8)

/*
 * void oxrtas_enter(arguments, base, entry, landing, landing_real)
 *
 *   r3  real address of the argument buffer
 *   r4  real address of the RTAS area
 *   r5  real address of the entry point
 *   r6  the landing, as the kernel sees it
 *   r7  its real address
 *
 * External interrupts are off (MSR[EE] = 0). SRR0 and SRR1 are lost.
 */
_GLOBAL(oxrtas_enter)
	mflr	r0
	std	r0, 16(r1)
	stdu	r1, -FRAME(r1)
	.irp	n, 14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	std	\n, SAVED(\n)(r1)
	.endr
	mfcr	r0
	std	r0, SAVED_CR(r1)

	/* What the landing restores. */
	std	r1, LANDING_STACK(r6)
	std	r2, LANDING_TOC(r6)
	std	r13, LANDING_PACA(r6)
	mfmsr	r8
	std	r8, LANDING_MSR(r6)
	bcl	20, 31, 1f
1:	mflr	r9
	addi	r9, r9, (2f - 1b)
	std	r9, LANDING_ADDRESS(r6)

	/* SRR0 and SRR1 hold state from here to the rfid: MSR[RI] = 0. */
	li	r0, 0
	mtmsrd	r0, 1
	mtlr	r7
	mtspr	SPRN_SRR0, r5
	/* As the kernel enters: real mode, 32-bit, big endian, MSR[ME] and MSR[RI]. */
	li	r9, (MSR_ME | MSR_RI)
	mtspr	SPRN_SRR1, r9
	rfid
	b	.

2:	ld	r0, SAVED_CR(r1)
	mtcr	r0
	.irp	n, 14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	ld	\n, SAVED(\n)(r1)
	.endr
	addi	r1, r1, FRAME
	ld	r0, 16(r1)
	mtlr	r0
	blr

/*
 * Where RTAS returns to. Its own address is in no register that RTAS keeps. Runs in real mode, big
 * endian, 32-bit or 64-bit.
 */
	.balign	8
_GLOBAL(oxrtas_landing)
	bcl	20, 31, 3f
3:	mflr	r4
	/* 64-bit mode, and MSR[RI] = 0, since SRR0 and SRR1 will hold state. */
	mfmsr	r5
	li	r6, 1
	sldi	r6, r6, 63
	or	r5, r5, r6
	li	r6, MSR_RI
	andc	r5, r5, r6
	mtmsrd	r5
	isync
	clrldi	r4, r4, 32
	addi	r4, r4, LANDING_DATA - (3b - oxrtas_landing)
	li	r5, LANDING_STACK - LANDING_DATA
	ldbrx	r1, r4, r5
	li	r5, LANDING_TOC - LANDING_DATA
	ldbrx	r2, r4, r5
	li	r5, LANDING_PACA - LANDING_DATA
	ldbrx	r13, r4, r5
	li	r5, LANDING_ADDRESS - LANDING_DATA
	ldbrx	r6, r4, r5
	mtspr	SPRN_SRR0, r6
	li	r5, LANDING_MSR - LANDING_DATA
	ldbrx	r6, r4, r5
	mtspr	SPRN_SRR1, r6
	rfid
	b	.
_GLOBAL(oxrtas_landing_end)
	nop
