/* SPDX-License-Identifier: MIT */
/* Inside of the watcher: what its texts were compiled to, for who applies it to modules. */
#ifndef SONDE_PROGRAM_WATCHER_PRIVATE_H
#define SONDE_PROGRAM_WATCHER_PRIVATE_H

#include "expr/trigger.h"
#include "program/select.h"
#include "program/watcher.h"

#define WATCHER_SYSTEM "sonde" /* of the events of functions */

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
	bool counts_calls; /* in hists, and nothing is recorded; else they are of triggers: */
	struct program_hist_plan hists;
	struct watcher_hists *triggered; /* watcher_hists.c */
	size_t nr_triggered, cap_triggered;
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
/* The events of functions that -e means, bits; a filter of these. */
int watcher_events_of(const struct program_watcher *watcher, const char *text, uint32_t *ret_events,
		      struct err *err) _must_check_;
int watcher_compile_for(struct program_watcher *watcher, uint32_t events, const char *text,
			uint16_t *ret_entry, struct err *err) _must_check_;
/* The format of an event of functions with all that can be asked for; what a field there is. */
void watcher_put_format(const struct program_watcher *watcher, const char *name, uint32_t id,
			bool ends, struct out *out);
uint8_t watcher_source(struct program_watcher *watcher, uint32_t offset);
uint8_t watcher_source_of_probe(const struct program_watch_event_of_probes *probe, uint32_t offset);
struct program_hists *watcher_hists_in(struct program_watch *memory);

/*
 * watcher_hists.c: histograms of calls; hist triggers, when there is everything else; those of a
 * probe that has come up, and that this rule for probes means.
 */
int watcher_add_calls(struct program_watcher *watcher, const char *text, struct err *err)
	_must_check_;
int watcher_add_hists(struct program_watcher *watcher, const struct program_rule *rules, size_t nr,
		      struct err *err) _must_check_;
int watcher_probe_hists(struct program_watcher *watcher,
			const struct program_watch_event_of_probes *probe, uint32_t rule,
			struct err *err) _must_check_;
void watcher_free_hists(struct program_watcher *watcher);

/* watcher_probes.c */
/* A probe with as many arguments as there can be, and where they are. */
void watcher_put_any_probe(const char *name, uint32_t id, struct program_probe_arg *ret_args,
			   struct out *out);
/* A filter of a probe; whether one can be compiled, nothing of which stays. */
int watcher_compile_probe(struct program_watcher *watcher,
			  const struct program_watch_event_of_probes *probe, const char *filter,
			  uint16_t *ret_entry, struct err *err) _must_check_;
int watcher_check_probe_filter(struct program_watcher *watcher,
			       const struct program_watch_event_of_probes *probe,
			       const char *filter, struct err *err) _must_check_;
/* One more trigger of a probe that has come up. */
int watcher_put_probe_trigger(struct program_watcher *watcher,
			      const struct program_watch_event_of_probes *probe,
			      const struct program_watch_trigger *trigger, struct err *err)
	_must_check_;
int watcher_add_probe_rule(struct program_watcher *watcher, const struct program_rule *rule,
			   struct err *err) _must_check_;
bool watcher_is_probe(const struct trigger_rule *rule);
void watcher_switch_probes(struct program_watcher *watcher, uint32_t index,
			   const struct trigger_rule *rule);

#endif
