/* SPDX-License-Identifier: MIT */
/* `sonde record --in program`: the options that are about traced programs, and the choice. */
#ifndef SONDE_CMD_RECORD_PROGRAM_H
#define SONDE_CMD_RECORD_PROGRAM_H

#include "cmd/record_args.h"

/* clang-format off */
#define RECORD_OPTIONS_PROGRAM \
	{OPT_IN, 0, "in", CMD_ARG_REQUIRED, "kernel|program|both", \
	 "whose functions -p traces: the kernel's (default where tracefs can be used) or those of " \
	 "COMMAND and what it starts, which takes no root; both: those, and the kernel's events " \
	 "(-e) beside them", "In programs"}, \
	RECORD_OPTIONS_IN_PROGRAM

#define RECORD_OPTIONS_IN_PROGRAM \
	{OPT_LIBS, 0, "libs", CMD_ARG_NONE, NULL, \
	 "with --in program: all functions of all libraries, not only those that COMMAND calls", \
	 NULL}, \
	{OPT_ON_FULL, 0, "on-full", CMD_ARG_REQUIRED, "block|drop|overwrite", \
	 "with --in program, when a buffer is full: wait for the recorder (default), lose what is " \
	 "new, or what is old", NULL}, \
	{OPT_LIST_SKIPPED, 0, "list-skipped", CMD_ARG_NONE, NULL, \
	 "with --in program: say which functions were chosen and not traced, and why", NULL},
/* clang-format on */

/* One of these options: 1 done, 0 not one of them, -1 after a message. */
int record_args_in_program(struct record_args *args, int id, const char *arg) _must_check_;
/*
 * Where the tracer is to work, once all options are known: args->in_program. False after a message,
 * when they do not fit it.
 */
bool record_args_choose_place(struct record_args *args) _must_check_;

#endif
