/* SPDX-License-Identifier: MIT */
/*
 * The recorder's side of program/hists.h: hist triggers on calls, as they are counted inside the
 * programs, and what has been counted.
 *
 * A trigger is on an event `calls` with the fields func and duration (ns); its keys are these,
 * common_pid and the CPU, its value the duration. What needs more is refused with the reason.
 */
#ifndef SONDE_PROGRAM_HIST_PLAN_H
#define SONDE_PROGRAM_HIST_PLAN_H

#include <stdint.h>

#include "base/err.h"
#include "event/event.h"
#include "program/hists.h"

struct program_hist_plan {
	struct program_hists hists; /* as programs find it at first */
	uint64_t bytes;		    /* with all its tables */
};

/* Which source (program/watch.h) a field of `calls` is. */
typedef uint8_t program_hist_source_fn(const struct event_field *field);

/* One more: a trigger without its filter, which is the question at `condition`. */
int program_hist_plan_add(struct program_hist_plan *plan, const struct event *calls,
			  const char *text, uint16_t condition, program_hist_source_fn *source,
			  struct err *err) _must_check_;

/* What has been counted of a key: of all CPUs. Or, without hits: what found no room. */
struct program_hist_counted {
	uint32_t hist;
	uint64_t keys[PROGRAM_HIST_KEYS];
	uint64_t hits, duration, dropped;
};
/*
 * All of them, of the plan's tables in `memory`, which programs may have destroyed. Ends with the
 * first result that is negative, which it returns.
 */
int program_hists_each(const struct program_hist_plan *plan, const struct program_hists *memory,
		       int (*each)(void *ctx, const struct program_hist_counted *counted),
		       void *ctx) _must_check_;

#endif
