/* SPDX-License-Identifier: MIT */
/* What `sonde split` is asked to do; parsed in split_args.c, done in split.c. */
#ifndef SONDE_CMD_SPLIT_H
#define SONDE_CMD_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmd/report_session.h"

enum split_by {
	SPLIT_BY_NOTHING, /* one file */
	SPLIT_BY_TIME,	  /* amount in ns */
	SPLIT_BY_EVENTS,
	SPLIT_BY_PAGES,
};

/* A time on the command line: seconds with decimals, or a plain number for a clock like counter. */
struct split_time {
	bool given;
	uint64_t ns, plain;
	uint64_t unit_ns; /* weight of the last decimal: the time is that exact */
};

struct split_buffer {
	const char *name;     /* "" for the top instance */
	const char *new_name; /* NULL: as it is */
};

struct split_args {
	const struct command *command;
	const char *output; /* NULL: named after the input */
	enum split_by by;
	uint64_t amount;
	bool repeat, per_cpu;
	struct split_time start, end;
	struct split_buffer *buffers; /* none: all */
	size_t nr_buffers, cap_buffers;
	uint32_t *cpus; /* none: all */
	size_t nr_cpus, cap_cpus;
};

/* `s`: of the one file, its options parsed and not yet open. Returns the exit status. */
int split_run(const struct split_args *args, struct report_session *s);

#endif
