/* SPDX-License-Identifier: MIT */
/* `sonde hist 'hist:...' calls`: whether programs can count by themselves. Private to src/cmd. */
#ifndef SONDE_CMD_HIST_PROGRAM_H
#define SONDE_CMD_HIST_PROGRAM_H

#include "cmd/cmd.h"
#include "cmd/words.h"

/*
 * What the words (for reading, without -i) ask for, as options of the recorder: added to *record,
 * the texts kept in *texts. -EOPNOTSUPP: it has to be counted from records, *err says why. -ENOMEM.
 */
int hist_program_plan(const struct command *command, const struct words *read, struct words *record,
		      struct words *texts, struct err *err) _must_check_;

/* The recorder's option for each of them, of no other command. */
#define HIST_PROGRAM_ROW                                                                           \
	{                                                                                          \
		OPT_HIST, 0, "hist", CMD_ARG_REQUIRED, "TRIGGER",                                  \
			"count calls in the programs, and record nothing", NULL                    \
	}

#endif
