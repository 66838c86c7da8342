/* SPDX-License-Identifier: MIT */
/* Hist triggers of `sonde hist` that the kernel counts itself. Private to src/cmd. */
#ifndef SONDE_CMD_HIST_KERNEL_H
#define SONDE_CMD_HIST_KERNEL_H

#include "cmd/cmd.h"
#include "cmd/words.h"

struct hist_kernel_plan {
	const struct command *command;
	const struct words *read; /* the command line, without -i and COMMAND */
	char **run;		  /* NULL: until a signal */
	unsigned int refresh_ms;  /* 0: tables at the end only */
	uint64_t for_ns;	  /* 0: until that */
};

/*
 * True when the kernel has counted, or the words are wrong and that has been said; *ret_status is
 * the exit status. False when it cannot: the command has not run, and `err` says why.
 */
bool hist_kernel_run(const struct hist_kernel_plan *plan, int *ret_status, struct err *err);

#endif
