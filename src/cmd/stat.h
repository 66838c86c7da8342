/* SPDX-License-Identifier: MIT */
/* What the text and the JSON of `sonde stat` share. Private to it. */
#ifndef SONDE_CMD_STAT_H
#define SONDE_CMD_STAT_H

#include <stdbool.h>
#include <stddef.h>

#include "cmd/target.h"
#include "kernel/status.h"

struct stat_args {
	struct cmd_target target;
	bool options, json;
};

enum stat_layout {
	STAT_INLINE,   /* "Heading: value" */
	STAT_INDENTED, /* lines below the heading */
	STAT_PLAIN,    /* the same, not indented */
};

struct stat_section {
	enum kernel_control control;
	enum stat_layout layout;
	const char *heading, *key; /* of the text, of the JSON */
	bool list;		   /* JSON: an array of lines */
	bool if_changed;	   /* text: only when it is not as the kernel starts */
	bool with_option;	   /* text: only with -o */
};

/* In the order of the text, after tracer, events, filters and triggers. */
extern const struct stat_section stat_sections[];
extern const size_t stat_nr_sections;

/*
 * What is shown of a setting that has a text: the current clock out of all, of the dynamic events
 * the kinds that have no list of their own. New string, NULL when memory is short.
 */
char *stat_shown(const struct kernel_status *status, enum kernel_control control);
/* The event's triggers, or its filter; NULL when it has none. */
const char *stat_rule(const struct kernel_event_status *status, bool triggers);

/* One object on a line of stdout; an exit status. */
int stat_print_json(const struct stat_args *stat, const struct kernel_target *target,
		    const struct kernel_status *status);

#endif
