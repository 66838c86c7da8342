/* SPDX-License-Identifier: MIT */
/* Options that replay and graph share: which functions, threads and times. */
#ifndef SONDE_CMD_CALL_ARGS_H
#define SONDE_CMD_CALL_ARGS_H

#include "cmd/report.h"
#include "report/call_filter.h"

enum call_option {
	CALL_OPT_MATCH = 3000,
	CALL_OPT_DEPTH = 'D',
	CALL_OPT_ONLY = 'F',
	CALL_OPT_HIDE = 'N',
	CALL_OPT_MIN = 't'
};

struct call_args {
	const struct command *command;
	struct report_args *report;   /* where a range of times goes */
	struct patterns *only, *hide; /* owned; NULL: no such option */
	struct call_filter filter;
	bool regex;	 /* --match regex, for the patterns that follow */
	uint64_t min_ns; /* -t */
	char *from;	 /* the text of -r A~; owned */
};

/* For a table of options, behind REPORT_RANGE_ROWS. */
#define CALL_SELECTION_ROWS                                                                        \
	{                                                                                          \
		REPORT_OPT_TASK,                                                                   \
		0,                                                                                 \
		"tid",                                                                             \
		CMD_ARG_REQUIRED,                                                                  \
		"LIST",                                                                            \
		"the same: only these threads",                                                    \
		NULL},                                                                             \
		REPORT_PID_ROW, REPORT_COMM_ROW, REPORT_EVENT_FILTER_ROW,                          \
		{REPORT_OPT_RANGE,                                                                 \
		 'r',                                                                              \
		 "time-range",                                                                     \
		 CMD_ARG_REQUIRED,                                                                 \
		 "FROM~TO",                                                                        \
		 "--from and --to in one; either may be missing",                                  \
		 NULL},                                                                            \
		{'F',                                                                              \
		 'F',                                                                              \
		 "filter",                                                                         \
		 CMD_ARG_REQUIRED,                                                                 \
		 "LIST",                                                                           \
		 "only these functions and all that they call: names or globs, NAME@MODULE",       \
		 NULL},                                                                            \
		{'N',	    'N',                                                                   \
		 "notrace", CMD_ARG_REQUIRED,                                                      \
		 "LIST",    "without these functions and all that they call",                      \
		 NULL},                                                                            \
		{CALL_OPT_MATCH,                                                                   \
		 0,                                                                                \
		 "match",                                                                          \
		 CMD_ARG_REQUIRED,                                                                 \
		 "KIND",                                                                           \
		 "what the -F and -N that follow hold: globs (the default), or one regex each",    \
		 NULL},                                                                            \
		{'D',                                                                              \
		 'D',                                                                              \
		 "depth",                                                                          \
		 CMD_ARG_REQUIRED,                                                                 \
		 "N",                                                                              \
		 "only N levels of calls, counted from the functions of -F (graph: from FUNC)",    \
		 NULL},                                                                            \
	{                                                                                          \
		't', 't', "time-filter", CMD_ARG_REQUIRED, "TIME",                                 \
			"only calls that took at least TIME: microseconds, or with a unit s, ms, " \
			"us, ns",                                                                  \
			NULL                                                                       \
	}

/*
 * A time; without a unit it is in microseconds, as function_graph's and tracing_thresh are. False:
 * it is none.
 */
bool call_args_time(const char *text, uint64_t *ret_ns);

/*
 * -f: a list of fields in place of the default ones, which *nr counts; with a '+' in front, behind
 * them. `add` gets each word; what it returns, when not 0.
 */
int call_args_fields(const char *text, size_t *nr,
		     int (*add)(void *arg, const char *word, size_t len), void *arg) _must_check_;

/* One option: 0, -ENOMEM, an exit status after a message, or REPORT_NOT_OWN. */
int call_args_take(struct call_args *args, int id, const char *text) _must_check_;
void call_args_done(struct call_args *args);

#endif
