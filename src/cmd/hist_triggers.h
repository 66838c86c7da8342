/* SPDX-License-Identifier: MIT */
/*
 * `sonde hist 'hist:keys=...' EVENT` and `sonde hist 'SELECT ...'`: histograms as the kernel's hist
 * triggers make them, of a file or of what a command does.
 */
#ifndef SONDE_CMD_HIST_TRIGGERS_H
#define SONDE_CMD_HIST_TRIGGERS_H

#include "cmd/cmd.h"

/* Whether the words hold a trigger's text, or a SELECT. */
bool hist_triggers_wanted(int argc, char **argv);
int hist_triggers_run(const struct command *command, int argc, char **argv);
/* Of a file; with --strict the event's name goes before its text. */
int hist_triggers_titled(const struct command *command, int argc, char **argv);

/* What stands for the calls of functions in place of an event: src/report/hist_calls. */
#define HIST_CALLS_EVENT "calls"

enum {
	HIST_OPT_LIMIT = 2000,
	HIST_OPT_ONLY,
	HIST_OPT_TRANSLATE,
	HIST_OPT_LIVE,
	HIST_OPT_REFRESH,
	HIST_OPT_IN_KERNEL,
	HIST_OPT_ON_STREAM
};

/* Rows of counting what happens now. */
#define HIST_LIVE_ROWS                                                                             \
	{HIST_OPT_LIVE,	    0,	  "live",                                                          \
	 CMD_ARG_NONE,	    NULL, "count what happens now, without COMMAND until Ctrl-C",          \
	 "What happens now"},                                                                      \
		{OPT_FOR, 0,                                                                       \
		 "for",	  CMD_ARG_REQUIRED,                                                        \
		 "TIME",  "the same for 10s, 500ms, ...; COMMAND is ended by SIGTERM then",        \
		 NULL},                                                                            \
		{HIST_OPT_REFRESH,                                                                 \
		 0,                                                                                \
		 "refresh",                                                                        \
		 CMD_ARG_REQUIRED,                                                                 \
		 "SECONDS",                                                                        \
		 "on a terminal draw the tables anew this often, in their place (default without " \
		 "COMMAND: 1)",                                                                    \
		 NULL},                                                                            \
		{HIST_OPT_IN_KERNEL,                                                               \
		 0,                                                                                \
		 "in-kernel",                                                                      \
		 CMD_ARG_NONE,                                                                     \
		 NULL,                                                                             \
		 "let the kernel count, or fail (default: where it can)",                          \
		 NULL},                                                                            \
	{                                                                                          \
		HIST_OPT_ON_STREAM, 0, "on-stream", CMD_ARG_NONE, NULL,                            \
			"count what is recorded, not in the kernel or program", NULL               \
	}

/* The synthetic event of a SELECT without -n, as sqlhist names it. */
#define HIST_SELECT_NAME "Anonymous"

extern const struct command cmd_hist;

/* The tables of a file or stream; and their text as they are while it comes in. -ENOMEM. */
struct summary;
struct out;
extern const struct summary_kind hist_triggers_kind;
int hist_triggers_draw(const struct summary *summary, struct out *out) _must_check_;
/* What programs have counted, in place of records. -ENOMEM. */
struct record_hist_key;
int hist_triggers_add(struct summary *summary, const struct record_hist_key *keys, size_t nr)
	_must_check_;

#endif
