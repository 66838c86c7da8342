/* SPDX-License-Identifier: MIT */
/*
 * The recorder's side of program/hists.h: hist triggers as they are counted inside the programs,
 * and what has been counted.
 *
 * Keys are fields whose values are at hand where the event is, and the CPU; one such field is
 * summed up. What needs more is refused with the reason.
 */
#ifndef SONDE_PROGRAM_HIST_PLAN_H
#define SONDE_PROGRAM_HIST_PLAN_H

#include <stdint.h>

#include "base/err.h"
#include "event/event.h"
#include "expr/hist.h"
#include "program/hists.h"

struct program_hist_plan {
	struct program_hists hists; /* as programs find it at first */
	uint64_t bytes;		    /* with all its tables */
};

/* Which source (program/watch.h) a field of the event is; ZERO: of no use. */
struct program_hist_fields {
	uint8_t (*source)(void *ctx, const struct event_field *field);
	void *ctx;
	uint8_t always; /* what is summed up also if nobody asks for it, and nothing else; or 0 */
};

/* One more; its filter is the question at `condition`. */
int program_hist_plan_take(struct program_hist_plan *plan, const struct hist *hist,
			   uint16_t condition, const struct program_hist_fields *fields,
			   struct err *err) _must_check_;
/* The index-th has other fields, and the same size: those of an event that has come up. */
int program_hist_plan_again(struct program_hist_plan *plan, uint32_t index, const struct hist *hist,
			    const struct program_hist_fields *fields, struct err *err) _must_check_;
/* One more, of the calls of functions: a trigger on the event `calls`, without its filter. */
int program_hist_plan_add(struct program_hist_plan *plan, const struct event *calls,
			  const char *text, uint16_t condition,
			  const struct program_hist_fields *fields, struct err *err) _must_check_;

/* What has been counted of a key: of all CPUs. Or, without hits: what found no room. */
struct program_hist_counted {
	uint32_t hist;
	uint64_t keys[PROGRAM_HIST_KEYS];
	uint64_t hits, value, dropped;
};
/*
 * All of them, of the plan's tables in `memory`, which programs may have destroyed. Ends with the
 * first result that is negative, which it returns.
 */
int program_hists_each(const struct program_hist_plan *plan, const struct program_hists *memory,
		       int (*each)(void *ctx, const struct program_hist_counted *counted),
		       void *ctx) _must_check_;

#endif
