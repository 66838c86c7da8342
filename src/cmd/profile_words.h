/* SPDX-License-Identifier: MIT */
/*
 * What is recorded for a profile, as options of the recorder: function_graph one level deep, the
 * events that the task profile is made of, and those that hooks connect. For `sonde profile` and
 * `record --profile`.
 */
#ifndef SONDE_CMD_PROFILE_WORDS_H
#define SONDE_CMD_PROFILE_WORDS_H

#include "cmd/words.h"

struct profile_wanted {
	const struct command *command; /* for messages */
	bool quiet;
	bool functions, tasks; /* the tracer, the events; else only what hooks need */
	bool only_functions;   /* without the tracer there is nothing to show */
	bool functions_given, graph_given, depth_given; /* -l, -g, --max-graph-depth */
	const char *const *hooks;			/* -H */
	size_t nr_hooks;
};

struct profile_command {
	struct words words; /* the caller begins and ends it */
	struct words texts; /* made for them; owned */
};

/* Append the options to out->words. -EINVAL for a malformed hook, -ENOMEM, or tracefs' error. */
int profile_words_make(const struct profile_wanted *wanted, struct profile_command *out,
		       struct err *err) _must_check_;
void profile_words_done(struct profile_command *out);

#endif
