/* SPDX-License-Identifier: MIT */
/*
 * Histograms of a recording while it is made, drawn again and again in their place on a terminal.
 * Private to src/cmd.
 */
#ifndef SONDE_CMD_HIST_WATCH_H
#define SONDE_CMD_HIST_WATCH_H

#include "cmd/cmd.h"
#include "cmd/redraw.h"
#include "cmd/words.h"
#include "record/record.h"

struct hist_watch {
	const struct command *command;
	const struct words *read; /* the command line for reading, with -i */
	bool counted;		  /* in the programs; else what has been recorded is */
	struct redraw redraw;
};

/* A record_look's look; its ctx is the struct. What cannot be shown yet is not. */
void hist_watch_look(void *ctx, const struct record_hist_key *keys, size_t nr);

#endif
