/* SPDX-License-Identifier: MIT */
/* Inside of the watcher: what its texts were compiled to, for who applies it to modules. */
#ifndef SONDE_PROGRAM_WATCHER_PRIVATE_H
#define SONDE_PROGRAM_WATCHER_PRIVATE_H

#include "expr/trigger.h"
#include "program/select.h"
#include "program/watcher.h"

/* Of an event of probes. */
struct watcher_name {
	char system[TRIGGER_NAME_BYTES], event[TRIGGER_NAME_BYTES];
};

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
	/* Of probes: rules, and what has come up; watcher_probes.c. */
	struct program_rule *probe_rules;
	size_t nr_probe_rules;
	const struct program_watch_event_of_probes *compiling; /* whose filter it is just now */
	struct watcher_name probes[PROGRAM_WATCH_PROBES];      /* by number; "": none yet */
	struct watcher_name switched_probes[PROGRAM_WATCH_TRIGGERS_MAX]; /* by triggers */
};

/* watcher.c: of a filter, the question; of a trigger, what it does. */
int watcher_compile(struct program_watcher *watcher, const struct event *event, const char *text,
		    uint16_t *ret_entry, struct err *err) _must_check_;
int watcher_read_action(struct program_watcher *watcher, const struct trigger_rule *rule,
			struct program_watch_trigger *trigger, struct err *err) _must_check_;
int watcher_check_trigger(const struct program_watcher *watcher, const struct trigger_rule *rule,
			  struct err *err) _must_check_;
/* watcher_probes.c */
int watcher_add_probe_rule(struct program_watcher *watcher, const struct program_rule *rule,
			   struct err *err) _must_check_;
bool watcher_is_probe(const struct trigger_rule *rule);
void watcher_switch_probes(struct program_watcher *watcher, uint32_t index,
			   const struct trigger_rule *rule);

#endif
