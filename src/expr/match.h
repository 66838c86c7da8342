/* SPDX-License-Identifier: MIT */
/*
 * Choosing events by name, as report's -r, -n, --event and -F do: POSIX basic regular expressions,
 * case-insensitive, tried on the event's and the system's name.
 */
#ifndef SONDE_EXPR_MATCH_H
#define SONDE_EXPR_MATCH_H

#include <stdbool.h>

#include "base/err.h"
#include "event/event.h"

struct event_match;

enum event_match_kind {
	/* -r, -n: the whole name, of the event or of its system */
	EVENT_MATCH_NAME,
	/* --event: a part of a name; SYSTEM:EVENT asks for both, one word for either */
	EVENT_MATCH_PART,
	/* -F: the whole name; SYSTEM/EVENT asks for both, one word for either */
	EVENT_MATCH_FILTER,
};

/* -EINVAL with a message when `pattern` is no regular expression or names nothing. */
int event_match_new(struct event_match **ret_match, const char *pattern, enum event_match_kind kind,
		    struct err *err) _must_check_;
void event_match_free(struct event_match *match);

/* Meant to be asked once an event, not once a record. Thread-safe. */
bool event_match_test(const struct event_match *match, const struct event *event);

#endif
