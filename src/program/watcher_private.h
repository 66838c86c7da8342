/* SPDX-License-Identifier: MIT */
/* Inside of the watcher: what its texts were compiled to, for who applies it to modules. */
#ifndef SONDE_PROGRAM_WATCHER_PRIVATE_H
#define SONDE_PROGRAM_WATCHER_PRIVATE_H

#include "program/select.h"
#include "program/watcher.h"

struct program_watcher {
	enum program_mode mode;
	const struct program_watch_event *events;
	size_t nr_events;
	bool thresh, limited;
	struct event_db *db;
	const struct event *event;  /* with all that can be asked of one */
	const struct event *calls;  /* what histograms are of */
	struct program_watch *plan; /* without its functions */
	struct program_watch *memory;
	char *names[PROGRAM_WATCH_NAMES_MAX]; /* of functions that are asked for: their bits */
	size_t nr_names;
	struct program_marks *marks; /* of these names */
	uint32_t commanded;	     /* bits of names that have commands */
	uint32_t called_by;	     /* bits of names that are asked for as callers */
	uint32_t switched;	     /* events that triggers enable or disable, bits */
	bool asks_duration;	     /* the condition that was compiled last */
	bool switches, starts_off;   /* there is a traceon or traceoff; the first is a traceon */
	bool snapshots;		     /* a trigger may want one */
	size_t nr_functions;	     /* in the table */
	uint32_t nr_callers;
	struct program_hist_plan hists;
};

#endif
