/* SPDX-License-Identifier: MIT */
/*
 * Which calls are shown: those of functions that -F names and all inside them, without those that
 * -N names and all inside them, down to a depth. What a call inherits is kept with it.
 */
#ifndef SONDE_REPORT_CALL_FILTER_H
#define SONDE_REPORT_CALL_FILTER_H

#include "report/calls.h"
#include "report/patterns.h"

struct call_filter {
	const struct patterns *only, *hide; /* NULL or borrowed */
	uint32_t max_depth;		    /* levels; 0: all */
};

/* Flags of struct call, here and (from CALL_OWNER on) the owner's. */
enum {
	CALL_INSIDE = 1 << 0, /* inside of what -F names */
	CALL_HIDDEN = 1 << 1, /* inside of what -N names */
	CALL_INHERITED = CALL_INSIDE | CALL_HIDDEN,
	CALL_SHOWN = 1 << 2,
	CALL_OWNER = 1 << 3
};

/* Whether the options name a function. */
struct call_named {
	bool only, hide;
};

static inline bool call_flags_show(const struct call_filter *filter, uint32_t flags, int32_t level)
{
	return (!filter->only || flags & CALL_INSIDE) && !(flags & CALL_HIDDEN) &&
	       (!filter->max_depth || level < (int32_t)filter->max_depth);
}

/*
 * The call that has just begun in `task`: sets its flags and its level, which counts from the
 * functions of -F. True when it is shown.
 */
static inline bool call_filter_begin(const struct call_filter *filter, struct call_task *task,
				     struct call_named named)
{
	struct call *call = &task->calls[task->nr - 1];
	const struct call *outer = task->nr > 1 ? call - 1 : NULL;

	call->level = call->depth;
	if (outer)
		call->flags = outer->flags & CALL_INHERITED;
	if (filter->only)
		call->level = call->flags & CALL_INSIDE ? outer->level + 1 : 0;
	if (named.only)
		call->flags |= CALL_INSIDE;
	if (named.hide)
		call->flags |= CALL_HIDDEN;
	if (!call_flags_show(filter, call->flags, call->level))
		return false;
	call->flags |= CALL_SHOWN;
	return true;
}

#endif
