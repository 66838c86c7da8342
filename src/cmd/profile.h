/* SPDX-License-Identifier: MIT */
/* What the parts of `sonde profile` share: the options, and the ways to get at records. */
#ifndef SONDE_CMD_PROFILE_H
#define SONDE_CMD_PROFILE_H

#include "cmd/cmd.h"
#include "cmd/profile_words.h"
#include "report/functions.h"

/* The functions of a buffer of --diff's file. */
struct profile_base {
	char *buffer;
	struct functions *functions;
};

struct profile_args {
	const struct command *command;
	/* the function profile */
	struct functions_print print;
	enum functions_group group;
	bool sort_given, columns_given, by_comm;
	bool only_functions, only_tasks; /* --only */
	const char *diff;		 /* --diff, or NULL */
	struct profile_base *bases;	 /* what it holds, once it has been read; owned */
	size_t nr_bases, cap_bases;
	/* where the records come from */
	struct words read, record;
	struct words hooks;	   /* -H */
	struct words pids;	   /* --pid: of either part */
	struct words options;	   /* the texts of options in both; owned */
	const char *record_option; /* the first that is about recording, or NULL */
	bool from_file;		   /* -i */
	bool only_given;	   /* -S */
	bool kernel;		   /* --kernel */
	bool tracer_given, functions_given, depth_given, graph_given;
	char **live_command; /* or NULL */
	bool quiet;
	/* where the profile goes */
	const char *output; /* -o, or NULL */
	bool to_stderr;
};

/* Columns of the function profile's text when none are chosen. */
#define PROFILE_COLUMNS                                                                            \
	(1u << FUNCTIONS_TOTAL | 1u << FUNCTIONS_AVG | 1u << FUNCTIONS_S2 | 1u << FUNCTIONS_SELF | \
	 1u << FUNCTIONS_MAX)

extern const struct command profile_record_part; /* the recording options, for their parser */

/* Read the file of --diff, with the same options; the exit status. */
int profile_read_base(struct profile_args *args) _must_check_;

/*
 * Read and print: the exit status. `opened`, when not NULL, is called once the file is open, so
 * that its name may go.
 */
int profile_show(struct profile_args *args, void (*opened)(void *arg), void *arg) _must_check_;
int profile_live(struct profile_args *args) _must_check_; /* record, then show */
/* With the kernel's own profiler; -ENOENT when it has none. Else an exit status. */
int profile_kernel(struct profile_args *args) _must_check_;

#endif
