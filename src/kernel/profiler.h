/* SPDX-License-Identifier: MIT */
/*
 * The kernel's function profiler (CONFIG_FUNCTION_PROFILER): one for the machine, its switch and
 * the filter it shares with the top instance's function tracer borrowed through the journal.
 */
#ifndef SONDE_KERNEL_PROFILER_H
#define SONDE_KERNEL_PROFILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "kernel/tracefs.h"

/* Which functions are counted; patterns as kernel_functions_choose has them. */
struct kernel_profiler_choice {
	const char *const *functions, *const *no_functions;
	size_t nr_functions, nr_no_functions;
	const char *module; /* NULL: of all */
};

/* A line of a table. */
struct kernel_profiler_line {
	uint32_t cpu;
	const char *name; /* the kernel cuts it after 30 characters */
	size_t name_len;
	uint64_t hits;
	bool timed;
	uint64_t total_ns, s2_ns2; /* as far as the text has digits: 7 of each, in microseconds */
};

struct kernel_profiler;

bool kernel_profiler_exists(const struct tracefs *fs);

/*
 * Choose the functions; nothing counts yet. Borrows `fs`. -ENOENT when the kernel has no profiler,
 * -EBUSY when somebody is profiling.
 */
int kernel_profiler_open(struct kernel_profiler **ret_profiler, const struct tracefs *fs,
			 const struct kernel_profiler_choice *choice, struct err *err) _must_check_;
/* Begin to count, from zero; end. */
int kernel_profiler_start(struct kernel_profiler *profiler, struct err *err) _must_check_;
int kernel_profiler_stop(struct kernel_profiler *profiler, struct err *err) _must_check_;
/* After stop: every line of every CPU. `each` returns 0, or an error that ends it. */
int kernel_profiler_read(const struct kernel_profiler *profiler,
			 int (*each)(void *arg, const struct kernel_profiler_line *line), void *arg,
			 struct err *err) _must_check_;
/* Give everything back. NULL is legal. */
int kernel_profiler_close(struct kernel_profiler *profiler, struct err *err);

/* One line of a table's text; false for a heading. */
bool kernel_profiler_parse(const char *text, size_t len, struct kernel_profiler_line *ret_line);

#endif
