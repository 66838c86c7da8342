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

/* What stands for the calls of functions in place of an event: src/report/hist_calls. */
#define HIST_CALLS_EVENT "calls"

enum {
	HIST_OPT_LIMIT = 2000,
	HIST_OPT_STRICT,
	HIST_OPT_ONLY,
	HIST_OPT_TRANSLATE
};

/* The synthetic event of a SELECT without -n, as sqlhist names it. */
#define HIST_SELECT_NAME "Anonymous"

extern const struct command cmd_hist;

#endif
