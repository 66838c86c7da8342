/* SPDX-License-Identifier: MIT */
/*
 * For the test and the fuzzer of watchers: a module of three functions, and questions asked of a
 * record with the fields that filters know, as the runtime asks them.
 */
#ifndef SONDE_PROGRAM_WATCHER_SCENE_TEST_H
#define SONDE_PROGRAM_WATCHER_SCENE_TEST_H

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "expr/glob_match.h"
#include "program/select.h"
#include "program/watcher.h"

static char scene_names[] = "\0main\0outer\0inner";
static struct program_function scene_functions[] = {
	{.address = 0x1010, .size = 16, .name = 1},
	{.address = 0x1020, .size = 16, .name = 6},
	{.address = 0x1030, .size = 16, .name = 12},
};
static struct program_elf scene_elf = {
	.path = (char *)"/usr/bin/tool",
	.name = "tool",
	.text_low = 0x1000,
	.text_high = 0x2000,
	.functions = scene_functions,
	.nr_functions = 3,
	.names = scene_names,
	.inode = 1,
};
#define SCENE_BASE  0x500000u
#define SCENE_OUTER (SCENE_BASE + 0x20)

/* Numbers as the runtime has them. */
enum {
	SCENE_ENTRY = 1,
	SCENE_EXIT = 2,
	SCENE_LONG = 8
};
static const struct program_watch_event scene_events[] = {
	{"func_entry", SCENE_ENTRY, true},
	{"func_exit", SCENE_EXIT, false, true},
};
static const struct program_watch_event scene_long[] = {{"func_long", SCENE_LONG, false, true}};

#define SCENE_RECORD_BYTES 64
struct scene_moment {
	uint8_t record[SCENE_RECORD_BYTES]; /* the fields, where watcher.c has them */
	uint32_t cpu, names;
	const char *comm;
};

static inline uint64_t scene_value(const struct program_watch *watch,
				   const struct scene_moment *moment, uint8_t source)
{
	static const uint8_t offsets[] = {
		[PROGRAM_WATCH_IP] = 8,
		[PROGRAM_WATCH_SP] = 12,
		[PROGRAM_WATCH_DEPTH] = 16,
	};
	uint64_t comms = 0;

	switch (source) {
	case PROGRAM_WATCH_TYPE:
		return load_uint(moment->record, 2, HOST_BIG);
	case PROGRAM_WATCH_PID:
		return (uint64_t)load_int(moment->record + 4, 4, HOST_BIG);
	case PROGRAM_WATCH_CPU:
		return moment->cpu;
	case PROGRAM_WATCH_NAMES:
		return moment->names;
	case PROGRAM_WATCH_CALLTIME:
		return load_uint(moment->record + 24, 8, HOST_BIG);
	case PROGRAM_WATCH_RETTIME:
		return load_uint(moment->record + 32, 8, HOST_BIG);
	case PROGRAM_WATCH_DURATION:
		return load_uint(moment->record + 48, 8, HOST_BIG);
	case PROGRAM_WATCH_PARENT:
		return load_uint(moment->record + 56, 8, HOST_BIG);
	case PROGRAM_WATCH_ZERO:
	case PROGRAM_WATCH_CALLERS:
		return 0;
	case PROGRAM_WATCH_COMMS:
		for (uint32_t i = 0; i < watch->nr_comms; i++)
			comms |= (uint64_t)glob_match(watch->comms[i], moment->comm, 16) << i;
		return comms;
	default:
		return load_uint(moment->record + offsets[source], 4, HOST_BIG);
	}
}

/* The answer of an event's filter; ends the process where a step does not go to an earlier one. */
static inline bool scene_holds(const struct program_watch *watch, const struct scene_moment *moment,
			       uint32_t event)
{
	uint32_t at = watch->filters[event], limit = watch->nr_ops;

	while (at < PROGRAM_WATCH_NO) {
		const struct program_watch_op *op = &watch->ops[at];

		if (at >= limit)
			abort();
		limit = at;
		at = program_watch_compare(op, scene_value(watch, moment, op->source))
			     ? op->on_true
			     : op->on_false;
	}
	return at == PROGRAM_WATCH_YES;
}

#endif
