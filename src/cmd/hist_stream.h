/* SPDX-License-Identifier: MIT */
/* `sonde hist` of what is being traced: counted record by record, nothing is stored. Private to
 * src/cmd.
 */
#ifndef SONDE_CMD_HIST_STREAM_H
#define SONDE_CMD_HIST_STREAM_H

#include "cmd/cmd.h"
#include "cmd/words.h"

struct hist_stream_plan {
	const struct command *command;
	const struct command *part; /* whose table has the options of the recorder */
	const struct words *read;   /* the command line for reading, without -i */
	const struct words *record;
	unsigned int refresh_ms; /* 0: tables at the end only */
};

/* The exit status. */
int hist_stream_run(const struct hist_stream_plan *plan);

#endif
