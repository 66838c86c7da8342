/* SPDX-License-Identifier: MIT */
/*
 * A trigger as the kernel's own are written, where sonde must act in its place:
 * COMMAND[:SYSTEM:EVENT][:COUNT] [if FILTER].
 */
#ifndef SONDE_RECORD_TRIGGERRULE_H
#define SONDE_RECORD_TRIGGERRULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum trigger_action {
	TRIGGER_TRACEON,
	TRIGGER_TRACEOFF,
	TRIGGER_SNAPSHOT,
	TRIGGER_ENABLE,
	TRIGGER_DISABLE,
};

#define TRIGGER_NAME_BYTES 128
#define TRIGGER_UNLIMITED  (-1)

struct trigger_rule {
	enum trigger_action action;
	char system[TRIGGER_NAME_BYTES], event[TRIGGER_NAME_BYTES]; /* enable, disable: of which */
	int64_t count;	    /* actions that are left, or TRIGGER_UNLIMITED */
	const char *filter; /* borrowed from the text, NULL: none */
};

/*
 * -EINVAL when it is none; -ENOTSUP for one that only the kernel can carry out (stacktrace, hist),
 * because it needs the moment of the event.
 */
int trigger_rule_parse(struct trigger_rule *ret_rule, const char *text, struct err *err)
	_must_check_;

/* Length of the command's name at the start of a trigger. */
size_t trigger_command_len(const char *text);

/* What a trigger acts on, as it is known to be. */
struct trigger_state {
	bool on; /* tracing */
};
/*
 * An event has come: shall the action be taken? Counts it when so. As in the kernel, traceoff does
 * not count while tracing is off, nor traceon while it is on. Updates the state.
 */
bool trigger_rule_fires(struct trigger_rule *rule, struct trigger_state *state);

#endif
