/* SPDX-License-Identifier: MIT */
/*
 * Triggers as they are written into the kernel's `trigger` files:
 * [!]COMMAND[:SYSTEM:EVENT][:COUNT] [if FILTER], and when one acts. The kernel has no message for
 * a trigger that it refuses but those of the filter (kfilter.h) and of hist.
 */
#ifndef SONDE_EXPR_TRIGGER_H
#define SONDE_EXPR_TRIGGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum trigger_action {
	TRIGGER_TRACEON,
	TRIGGER_TRACEOFF,
	TRIGGER_SNAPSHOT,
	TRIGGER_STACKTRACE,
	TRIGGER_HIST,
	TRIGGER_ENABLE,
	TRIGGER_DISABLE,
	TRIGGER_ENABLE_HIST,
	TRIGGER_DISABLE_HIST,
};

#define TRIGGER_NAME_BYTES 128
#define TRIGGER_UNLIMITED  (-1)

struct trigger_rule {
	enum trigger_action action;
	bool removes; /* '!': takes one of this kind away */
	char system[TRIGGER_NAME_BYTES], event[TRIGGER_NAME_BYTES]; /* enable, disable: of which */
	int64_t count;	    /* actions that are left, or TRIGGER_UNLIMITED */
	const char *filter; /* borrowed from the text, NULL: none */
	const char *hist;   /* TRIGGER_HIST: what follows `hist:`, with its `if`; borrowed too */
};

/*
 * As the kernel reads it: a blank does for a colon, and what follows a count and a colon is passed
 * over. -EINVAL when it is none, -ENOENT when there is no such command (where the kernel says
 * EINVAL too). The filter and the hist are not looked into.
 */
int trigger_rule_parse(struct trigger_rule *ret_rule, const char *text, struct err *err)
	_must_check_;

/* A command for functions, as it is written into set_ftrace_filter: FUNCTION:COMMAND. */
struct function_command {
	const char *function; /* borrowed from the text */
	size_t function_len;
	struct trigger_rule rule;
};

/*
 * COMMAND is a trigger, which may have an `if` here. FUNCTION ends at the first colon behind which
 * one begins, so that it may have others (NAME:mod:LIBRARY). Errors as trigger_rule_parse.
 */
int function_command_parse(struct function_command *ret_command, const char *text, struct err *err)
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
