/* SPDX-License-Identifier: MIT */
/*
 * `sonde hist`: how often each call chain led to a function or an event, for each task.
 *
 * - function_graph: each call counts when it ends, with its callers on the task's stack.
 * - function: a record names a function and its caller; chains are put together from these, and a
 *   chain counts when the task leaves its innermost function.
 * - any other event counts with the kernel stack recorded behind it, else with the functions that
 *   the task is in; a function record with a stack behind it counts so, too.
 */
#ifndef SONDE_REPORT_CHAINS_H
#define SONDE_REPORT_CHAINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/out.h"
#include "event/event.h"
#include "report/report.h"

struct chains_print {
	enum report_format format;
	const char *buffer; /* which file or instance, or NULL */
	uint64_t limit;	    /* histograms, most frequent first; 0: all */
	/* The name of a task, or NULL; borrowed until chains_print returns. */
	const char *(*comm)(void *arg, int32_t pid);
	void *comm_arg;
};

struct chains;

/*
 * Borrows `db`, sealed. `all_pids`: all tasks together. -ENOMEM. Memory grows with the distinct
 * chains of each task.
 */
int chains_new(struct chains **ret_chains, const struct event_db *db, bool all_pids) _must_check_;
void chains_free(struct chains *chains);

/* One record, in time order. -ENOMEM. */
int chains_event(struct chains *chains, const struct report_item *item) _must_check_;

/* The line of names of a CSV table; nothing in the other formats. */
void chains_heading(struct out *out, enum report_format format, bool with_buffer);
/* To be called once, after the last record. -ENOMEM. */
int chains_print(struct chains *chains, const struct chains_print *how, struct out *out)
	_must_check_;

#endif
