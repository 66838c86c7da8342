/* SPDX-License-Identifier: MIT */
/*
 * `sonde replay`: calls in the order of time, as the kernel's function_graph tracer prints them.
 * Records become lines at once, but for calls of which something must be known first that only
 * later records tell (docs/design/calls.md); those wait in a queue of bounded length, so memory
 * does not depend on the length of a recording.
 */
#ifndef SONDE_REPORT_REPLAY_H
#define SONDE_REPORT_REPLAY_H

#include "report/call_filter.h"
#include "report/report.h"

/* Columns before the function. */
enum replay_field {
	REPLAY_CPU,
	REPLAY_DURATION,
	REPLAY_TIME,	/* seconds, as report shows them */
	REPLAY_ELAPSED, /* since the first record */
	REPLAY_DELTA,	/* since the line before of the same task */
	REPLAY_TID,
	REPLAY_TASK,
	REPLAY_ADDR,
	REPLAY_MODULE,
	REPLAY_NR_FIELDS
};

struct replay_options {
	enum report_format format; /* REPORT_TEXT or REPORT_JSON */
	enum replay_field fields[REPLAY_NR_FIELDS];
	size_t nr_fields;
	struct call_filter filter;
	uint64_t min_ns; /* calls that took less are not shown */
	bool no_merge;	 /* leaves in two lines, too */
	bool fold;	 /* equal leaves in a row in one line */
	bool flat, column_view, task_newline;
	uint32_t column_offset;
	bool no_comment, tail; /* tail: a name behind every brace */
	bool colour;
	const char *(*comm)(void *arg, int32_t pid); /* `arg`: the struct input */
	/* As report_look_ahead; borrows as long as replay_item or replay_end runs. */
	bool (*look_ahead)(void *arg, const struct source *source, uint32_t cpu,
			   struct report_item *ret_next);
	void *look_ahead_arg;
};

struct replay;

/* Borrows `sources` and what `options` points to. -ENOMEM. */
int replay_new(struct replay **ret_replay, const struct replay_options *options,
	       const struct source *sources, size_t nr_sources) _must_check_;
void replay_free(struct replay *replay);

/* What stands above the first line. */
void replay_heading(struct replay *replay, struct out *out);

/* One item of report_scan; appends the lines that are ready to `out`. -ENOMEM. */
int replay_item(struct replay *replay, const struct report_item *item, struct out *out)
	_must_check_;

/* After the last record: what still waits, and the calls that did not end. -ENOMEM. */
int replay_end(struct replay *replay, struct out *out) _must_check_;

/* Names of fields; -1 when there is none of this name. */
int replay_field_find(const char *name, size_t len);

#endif
