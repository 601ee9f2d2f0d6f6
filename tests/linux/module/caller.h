/* SPDX-License-Identifier: GPL-2.0 */
#ifndef OXRTAS_CALLER_H
#define OXRTAS_CALLER_H

#include <linux/types.h>

/* The four calls on interrupt sources (LoPAR 7.3.10), in the order of their names in hammer.c. */
enum call {
	GET_XIVE,
	SET_XIVE,
	INT_OFF,
	INT_ON,
	CALLS
};

/* Someone who calls RTAS: one thread. */
struct caller {
	/* A page below 4 GiB: the landing and, behind it, the argument buffer. */
	void *page;
	/* State of the generator of random numbers, never 0. */
	u64 seed;
	/* The number of this caller's first source; the next ones are its own too. */
	u32 first;
	/* What it did: written by its thread, read by anybody. */
	u64 calls;
	u64 refused;
	u64 deviations;
};

/*
 * One of the four calls on @source. @value holds server and priority, given to set-xive and taken
 * from get-xive. Returns the status.
 */
int oxrtas_call(struct caller *caller, enum call call, u32 source, u32 value[2]);

/* The same through the kernel's rtas_call(), which takes its lock. */
int oxrtas_call_locked(enum call call, u32 source, u32 value[2]);

/* The call of that name, or CALLS. */
enum call oxrtas_named(const char *name);
u32 oxrtas_token(enum call call);

/* Counts what does not follow LoPAR, and says so in the log, a few times. */
__printf(2, 3) void oxrtas_deviation(struct caller *caller, const char *format, ...);

u32 oxrtas_random(struct caller *caller);

/* The number by which firmware knows a processor; there is more than one. */
u32 oxrtas_server(u32 index);

/* One round of calls on the sources of @caller alone, and on those that all share. */
void oxrtas_private_round(struct caller *caller);
/* Tells all shared sources something, before anybody asks. */
void oxrtas_set_shared(struct caller *caller, u32 first);
void oxrtas_shared_round(struct caller *caller, u32 first);
/* Makes @count sources silent again. */
void oxrtas_silence(struct caller *caller, u32 first, u32 count);

/* /proc/oxrtas_slot. */
int oxrtas_slot_init(void);
void oxrtas_slot_exit(void);

/* /proc/oxrtas_source. */
int oxrtas_ask_init(void);
void oxrtas_ask_exit(void);

/* /proc/oxrtas_memory. */
int oxrtas_memory_init(void);
void oxrtas_memory_exit(void);

/* Sources of each caller, and sources that all share. */
#define OWN_SOURCES	4
#define SHARED_SOURCES	4

#endif
