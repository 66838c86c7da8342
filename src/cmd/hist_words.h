/* SPDX-License-Identifier: MIT */
/* The words of `sonde hist` that are about hist triggers. Private to src/cmd. */
#ifndef SONDE_CMD_HIST_WORDS_H
#define SONDE_CMD_HIST_WORDS_H

#include "base/out.h"
#include "cmd/cmd.h"
#include "cmd/words.h"
#include "expr/sql.h"

/* One trigger, 'hist:...' EVENT [if FILTER], or a SELECT. */
struct hist_wanted {
	const char *event;
	struct out text;
	struct sql *sql;
	const char *name; /* of the synthetic event that a SELECT with JOIN makes */
};

struct hist_words {
	const struct command *command;
	struct hist_wanted *wanted;
	size_t nr_wanted, cap_wanted;
	struct words synthetics;
	const char *name; /* -n, for the next SELECT */
	bool strict, in_filter, translate, joins;
	bool counted;	    /* in programs: nothing is left to be filtered */
	bool titled;	    /* strict: the event's name goes before its text */
	const char *only;   /* the event whose histograms are shown; NULL: all */
	const char *events; /* -o: the file for synthetic events */
	uint64_t limit;
	/* What else the records of an event have to be like, as a kernel's filter; NULL: nothing.
	 */
	int (*narrow)(void *arg, const struct event *event, struct out *ret_filter,
		      struct err *err);
	void *narrow_arg;
};

/* An option or operand, as struct report_args.own; `own` is the struct, zeroed but for command. */
int hist_words_option(void *own, int id, const char *text);
void hist_words_done(struct hist_words *words);

#endif
