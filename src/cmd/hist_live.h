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
 * `reader` gets the words for reading (with -i) and what is to be called once the file is open; the
 * exit status of the whole.
 */
int hist_live_run(const struct command *command, int argc, char **argv,
		  int (*reader)(const struct command *command, int argc, char **argv,
				void (*opened)(void *arg), void *opened_arg));

#endif
