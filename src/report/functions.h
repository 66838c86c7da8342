/* SPDX-License-Identifier: MIT */
/*
 * `sonde profile`, the function profile: how often each traced function ran and how long it took,
 * from function_graph records (or counts only, from function records), in the layout of the
 * kernel's own function profiler. Where records come late or not at all:
 *
 * - A call is counted when it ends, also one whose begin was not recorded: function_graph's exit
 *   says when the call began. A call that did not end is counted as a hit without a time, as the
 *   kernel does, but does not make the average smaller.
 * - Behind a loss nothing is known of the calls that are open: of those that end later only the
 *   whole time counts, not the time of their own. A call whose end was lost is lost.
 */
#ifndef SONDE_REPORT_FUNCTIONS_H
#define SONDE_REPORT_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/out.h"
#include "event/event.h"
#include "report/report.h"

enum functions_group {
	FUNCTIONS_ALL, /* one table */
	FUNCTIONS_BY_TASK,
	FUNCTIONS_BY_COMM, /* tasks of one name are one */
	FUNCTIONS_BY_CPU /* of the CPU on which a call ended; the kernel's trace_stat/function<N> */
};

enum functions_column {
	FUNCTIONS_HITS,
	FUNCTIONS_TOTAL,
	FUNCTIONS_AVG,
	FUNCTIONS_S2, /* sample variance, as the kernel's */
	FUNCTIONS_SELF,
	FUNCTIONS_MIN,
	FUNCTIONS_P50, /* percentiles, to within 3 % */
	FUNCTIONS_P90,
	FUNCTIONS_P95,
	FUNCTIONS_P99,
	FUNCTIONS_MAX,
	FUNCTIONS_NR_COLUMNS,
	FUNCTIONS_NAME = FUNCTIONS_NR_COLUMNS /* only a sort key */
};

struct functions_print {
	enum report_format format;
	const char *buffer;	    /* which file or instance, or NULL */
	enum functions_column sort; /* largest first; names from a to z */
	uint64_t limit;		    /* lines of a table; 0: all */
	unsigned int columns;	    /* of the text, 1 << functions_column; JSON and CSV have all */
	/* The name of a task, or NULL; borrowed until functions_print returns. */
	const char *(*comm)(void *arg, int32_t pid);
	void *comm_arg;
};

struct functions;

/*
 * Borrows `db`, sealed. -ENOMEM. Memory grows with the functions of each group, the tasks and the
 * depth of their calls.
 */
int functions_new(struct functions **ret_functions, const struct event_db *db,
		  enum functions_group group) _must_check_;
void functions_free(struct functions *functions);

/*
 * The same for numbers that somebody else has counted (the kernel's profiler), by names instead of
 * addresses. Extremes, percentiles and time of their own are not known.
 */
struct functions_sum {
	uint64_t hits;
	bool timed;
	uint64_t total_ns, s2_ns2;
};
int functions_new_names(struct functions **ret_functions, enum functions_group group) _must_check_;
int functions_add(struct functions *functions, uint32_t cpu, const char *name, size_t len,
		  const struct functions_sum *sum) _must_check_;

/* Whether an event is one of the tracers function and function_graph. */
bool functions_knows(const struct functions *functions, const struct event *event);

/* One record, in time order; events were lost on `cpu` before it when `lost`. -ENOMEM. */
int functions_event(struct functions *functions, const struct report_item *item) _must_check_;

bool functions_empty(const struct functions *functions); /* no such record so far */
bool functions_timed(const struct functions *functions); /* not only counts */

/* A copy by names, which needs the events no more; after the last record. -ENOMEM. */
int functions_named(struct functions *functions, struct functions **ret_named) _must_check_;

/*
 * The differences from `base`, made by functions_named. how->sort: the largest difference first.
 * To be called once, after the last record. -ENOMEM.
 */
int functions_diff(struct functions *base, struct functions *functions,
		   const struct functions_print *how, struct out *out) _must_check_;
void functions_diff_heading(struct out *out, enum report_format format, bool with_buffer);

/* Names of columns and sort keys; -1 when there is none of this name. */
int functions_column_find(const char *name);
const char *functions_column_name(enum functions_column column);

/* The line of names of a CSV table; nothing in the other formats. */
void functions_heading(enum functions_group group, struct out *out, enum report_format format,
		       bool with_buffer);
/* To be called once, after the last record. -ENOMEM. */
int functions_print(struct functions *functions, const struct functions_print *how, struct out *out)
	_must_check_;

#endif
