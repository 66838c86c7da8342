/* SPDX-License-Identifier: MIT */
/*
 * `sonde hist 'hist:...' EVENT -- COMMAND`: what happens now, counted in the kernel where that can
 * be, else as it is traced; calls of functions and spans of time from a recording, gone when it has
 * been read.
 */
#ifndef SONDE_CMD_HIST_LIVE_H
#define SONDE_CMD_HIST_LIVE_H

#include "cmd/cmd.h"

/* Whether the words are about what happens now: a command behind --, or such an option. */
bool hist_live_wanted(const struct command *command, int argc, char **argv);

/*
 * Reads what was recorded: the words have -i FILE; `counted` in the programs; `opened` is called
 * once the file is open. The exit status.
 */
typedef int hist_read_fn(const struct command *command, int argc, char **argv, bool counted,
			 void (*opened)(void *arg), void *opened_arg);

/* The exit status of the whole. */
int hist_live_run(const struct command *command, int argc, char **argv, hist_read_fn *reader);

#endif
