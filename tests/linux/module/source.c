// SPDX-License-Identifier: GPL-2.0
/*
 * Rounds of calls on interrupt sources, and what LoPAR 7.3.10 says must come of them.
 *
 * Nobody but its caller touches an own source, so every answer is known. A shared source is touched
 * by all; what get-xive says of it must have been set by one set-xive, so each server comes with a
 * priority of its own.
 */
#include <linux/kernel.h>
#include "caller.h"

#define ROUND		16
#define LEAST_FAVORED	0xff

/* What a source was last told. */
struct source {
	u32 server;
	u32 priority;
};

static u32 priority_of(u32 server)
{
	return 0x20 + server % 0x80;
}

static void choose(struct caller *caller, u32 value[2])
{
	value[0] = oxrtas_server(oxrtas_random(caller));
	value[1] = priority_of(value[0]);
}

/* A status other than success, for a source that there is. */
static bool refused(struct caller *caller, enum call call, u32 source, int status)
{
	if (!status)
		return false;
	caller->refused++;
	oxrtas_deviation(caller, "call %d on source %#x: status %d", call, source, status);
	return true;
}

/* R1-7.3.10.2: int-off and int-on leave server and priority; set-xive leaves the mask. */
void oxrtas_private_round(struct caller *caller)
{
	u32 number = caller->first + oxrtas_random(caller) % OWN_SOURCES;
	struct source source;
	u32 value[2];
	int i;

	choose(caller, value);
	if (refused(caller, SET_XIVE, number, oxrtas_call(caller, SET_XIVE, number, value)))
		return;
	source.server = value[0];
	source.priority = value[1];
	for (i = 0; i < ROUND; i++) {
		enum call call = oxrtas_random(caller) % CALLS;

		if (call == SET_XIVE)
			choose(caller, value);
		if (refused(caller, call, number, oxrtas_call(caller, call, number, value)))
			return;
		if (call == SET_XIVE) {
			source.server = value[0];
			source.priority = value[1];
		} else if (call == GET_XIVE &&
			   (value[0] != source.server || value[1] != source.priority)) {
			oxrtas_deviation(caller, "source %#x: (%#x, %#x), told (%#x, %#x)", number,
					 value[0], value[1], source.server, source.priority);
		}
	}
}

void oxrtas_set_shared(struct caller *caller, u32 first)
{
	u32 number, value[2];

	for (number = first; number < first + SHARED_SOURCES; number++) {
		choose(caller, value);
		refused(caller, SET_XIVE, number, oxrtas_call(caller, SET_XIVE, number, value));
	}
}

void oxrtas_shared_round(struct caller *caller, u32 first)
{
	u32 value[2];
	int i;

	for (i = 0; i < ROUND; i++) {
		u32 number = first + oxrtas_random(caller) % SHARED_SOURCES;
		enum call call = oxrtas_random(caller) % CALLS;

		if (call == SET_XIVE)
			choose(caller, value);
		if (refused(caller, call, number, oxrtas_call(caller, call, number, value)))
			return;
		if (call == GET_XIVE && value[1] != priority_of(value[0]))
			oxrtas_deviation(caller, "shared source %#x: (%#x, %#x)", number, value[0],
					 value[1]);
	}
}

void oxrtas_silence(struct caller *caller, u32 first, u32 count)
{
	u32 number;

	for (number = first; number < first + count; number++) {
		u32 value[2] = { oxrtas_server(0), LEAST_FAVORED };

		oxrtas_call(caller, INT_OFF, number, value);
		oxrtas_call(caller, SET_XIVE, number, value);
	}
}
