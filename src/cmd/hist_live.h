/* SPDX-License-Identifier: MIT */
/* `sonde hist 'hist:...' EVENT -- COMMAND`: a recording of the events, gone when it has been read.
 */
#ifndef SONDE_CMD_HIST_LIVE_H
#define SONDE_CMD_HIST_LIVE_H

#include "cmd/cmd.h"

/*
 * `reader` gets the words for reading (with -i) and what is to be called once the file is open; the
 * exit status of the whole.
 */
int hist_live_run(const struct command *command, int argc, char **argv,
		  int (*reader)(const struct command *command, int argc, char **argv,
				void (*opened)(void *arg), void *opened_arg));

#endif
