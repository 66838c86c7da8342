/* SPDX-License-Identifier: MIT */
/* Showing calls in the order of time, for `sonde replay` and `sonde live`. */
#ifndef SONDE_CMD_REPLAY_H
#define SONDE_CMD_REPLAY_H

#include "cmd/call_args.h"
#include "cmd/option_rows.h"

enum {
	REPLAY_OPT_NO_MERGE = 2000,
	REPLAY_OPT_FOLD,
	REPLAY_OPT_FLAT,
	REPLAY_OPT_COLUMN_VIEW,
	REPLAY_OPT_COLUMN_OFFSET,
	REPLAY_OPT_TASK_NEWLINE,
	REPLAY_OPT_NO_COMMENT,
	REPLAY_OPT_TAIL,
	REPLAY_OPT_END,
};

/* clang-format off */
#define REPLAY_LAYOUT_ROWS \
	GROUP('f', 'f', "fields", ARG, "LIST", \
	      "the columns, of: cpu, duration, time, elapsed, delta, tid, task, addr, module; none; " \
	      "+LIST adds to the default, cpu,duration", "Layout"), \
	ROW(REPLAY_OPT_NO_MERGE, 0, "no-merge", NONE, NULL, \
	    "calls without calls in two lines, too"), \
	ROW(REPLAY_OPT_FOLD, 0, "fold", NONE, NULL, \
	    "equal calls in a row in one line, with their number and the sum of their times"), \
	ROW(REPLAY_OPT_FLAT, 0, "flat", NONE, NULL, "no indents, but the depth and an arrow"), \
	ROW(REPLAY_OPT_COLUMN_VIEW, 0, "column-view", NONE, NULL, "a column for each thread"), \
	ROW(REPLAY_OPT_COLUMN_OFFSET, 0, "column-offset", ARG, "N", \
	    "how far apart these are; default 8"), \
	ROW(REPLAY_OPT_TASK_NEWLINE, 0, "task-newline", NONE, NULL, \
	    "an empty line where another task runs, in place of its name"), \
	ROW(REPLAY_OPT_NO_COMMENT, 0, "no-comment", NONE, NULL, \
	    "no comments: neither events nor names behind braces"), \
	ROW(REPLAY_OPT_TAIL, 0, "tail", NONE, NULL, \
	    "the function's name behind every closing brace"), \
	ROW(REPORT_OPT_COLOR, 0, "color", CMD_ARG_OPTIONAL, "WHEN", "auto, always or never")
/* clang-format on */

/*
 * From the arguments to the exit status. `opened`, when not NULL, is called once the file is open,
 * so that its name may go.
 */
int replay_run(const struct command *command, int argc, char **argv, void (*opened)(void *arg),
	       void *arg) _must_check_;
/* The arguments alone, before there is a file: CMD_OK, or a status after a message. */
int replay_check(const struct command *command, int argc, char **argv) _must_check_;

#endif
