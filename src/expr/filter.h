/* SPDX-License-Identifier: MIT */
/*
 * Event filters: `report -F`, libtraceevent's language (trace-cmd-report(1)), and the kernel's:
 *
 *   EVENTS [':' EXPRESSION]     EVENTS: SYSTEM/EVENT, SYSTEM or EVENT, regexes, separated by commas
 *   EVENTS 'if' FILTER          FILTER: as in the kernel's triggers, see kfilter.h
 *
 * A text is compiled once, for each event it selects, into a program that reads the few fields it
 * needs straight from the raw record. Matching is thread-safe and allocates nothing (libc's regexec
 * may). The rules, and where they differ from trace-cmd's, are in docs/design/expr.md.
 */
#ifndef SONDE_EXPR_FILTER_H
#define SONDE_EXPR_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/out.h"
#include "event/event.h"

struct filter;
struct kfilter_kernel;

enum filter_flags {
	FILTER_NEGATE = 1 << 0, /* report -v: events that match this text are hidden */
	/*
	 * Read the text exactly as trace-cmd 3.1 does, also where that is a trap: `a == -1` is the
	 * difference a - 1, a condition without an operator before it replaces the one before, two
	 * fields cannot be compared, `if` is nothing.
	 */
	FILTER_COMPAT = 1 << 1,
	FILTER_STRICT = 1 << 2, /* behind `if`: as the kernel answers, bit for bit */
};

/* Borrows `db`, which must be sealed and outlive the filter. */
int filter_new(struct filter **ret_filter, const struct event_db *db) _must_check_;
void filter_free(struct filter *filter);
/* Whose language stands behind `if`: without it the newest kernel's. For texts added later. */
void filter_set_kernel(struct filter *filter, const struct kfilter_kernel *kernel);

/*
 * Add one -F text. Several are OR-ed: an event is shown when any of them matches. Negated ones are
 * tested after those and hide what they match. -EINVAL when the text cannot be understood (err
 * shows it with a caret below the place), -ENOENT when no event has such a name; the filter is then
 * as it was before.
 */
int filter_add(struct filter *filter, const char *text, unsigned int flags, struct err *err)
	_must_check_;

enum filter_result {
	FILTER_NONE,	 /* shown: there is no text that an event would have to match */
	FILTER_MATCH,	 /* shown */
	FILTER_MISS,	 /* hidden: no text matches */
	FILTER_EXCLUDED, /* hidden: a negated text matches */
};

/* One raw record. */
struct filter_record {
	const void *data; /* the payload, beginning with the common fields */
	uint32_t len;
	uint32_t cpu;
	uint64_t ts;
	const char *comm; /* the task's name as the report shows it; NULL: the recorded one */
};

/* Fast: an event without a filter costs a table lookup. A field beyond the record reads as 0. */
enum filter_result filter_match(const struct filter *filter, const struct event *event,
				const struct filter_record *record);

/*
 * False when no record of this event can be shown whatever it holds (stacks of shown events apart),
 * so that a reader may skip it by its id.
 */
bool filter_can_match(const struct filter *filter, const struct event *event);

/*
 * Stacks follow their event: a kernel_stack or user_stack record that no text matches is shown when
 * the record before it on its CPU was shown and is no stack shown by this rule itself; a negated
 * text that matches the stack still hides it. `last_shown` is the caller's, one a CPU, false at the
 * start; every record of that CPU must pass here in order.
 * `compat` is trace-cmd 3.1's rule, which forgets to look at records that no text matches: from the
 * first shown record of a CPU on, all of its stacks are shown, until a record is excluded.
 */
static inline bool filter_shows(enum filter_result result, const struct event *event,
				bool *last_shown, bool compat)
{
	bool shown = result <= FILTER_MATCH;

	if (result == FILTER_MISS) {
		if (event && (event->kind == EVENT_KERNEL_STACK || event->kind == EVENT_USER_STACK))
			shown = *last_shown;
		if (!compat)
			*last_shown = false;
		return shown;
	}
	*last_shown = shown;
	return shown;
}

/*
 * What `report -T` prints, in trace-cmd's words: for each text, one ` 'event: expression'` line for
 * each event it selects.
 */
void filter_print(const struct filter *filter, struct out *out);

#endif
