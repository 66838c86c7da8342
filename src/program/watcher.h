/* SPDX-License-Identifier: MIT */
/*
 * The recorder's side of program/watch.h: filters, triggers and commands of functions are compiled
 * for the events of programs, and for
 * each module it is decided which functions have to be asked.
 *
 * The language of filters is the kernel's (expr/kfilter.h) over the fields common_pid, ip,
 * parent_ip, sp and depth (how many calls that are followed are around this one on its stack), of
 * func_exit and func_long duration (ns), of func_long also calltime and rettime, and COMM and CPU.
 * `ip.function == NAME` takes names as -l does. What depends on the function alone is answered
 * when its module is planned: a function of which nothing would be recorded is not patched, and
 * one of which everything is, is not asked.
 */
#ifndef SONDE_PROGRAM_WATCHER_H
#define SONDE_PROGRAM_WATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "event/event.h"
#include "program/functions.h"
#include "program/hist_plan.h"
#include "program/image.h"
#include "program/watch.h"

struct program_rule {
	const char *events;	     /* as -e has them; NULL: all events of functions */
	const char *filter;	     /* or NULL; a later rule's takes its place */
	bool off;		     /* the events are not recorded */
	bool probes;		     /* the events are those of probes (probes.h) */
	const char *const *triggers; /* as in the kernel's trigger files */
	size_t nr_triggers;
};

/* An event of functions that is made in this mode. */
struct program_watch_event {
	const char *name;
	uint16_t number; /* below PROGRAM_WATCH_EVENTS */
	bool begins;	 /* a function begins: commands of functions act */
	bool ends;	 /* a call has ended: how long it took is known */
};

struct program_watch_options {
	enum program_mode mode;
	const struct program_watch_event *events; /* borrowed as long as the watcher */
	size_t nr_events;
	bool thresh;  /* only long calls are recorded */
	bool limited; /* calls are followed to some depth only */
	const struct program_rule *rules;
	size_t nr_rules;
	const char *const *commands; /* FUNCTION:COMMAND, as in set_ftrace_filter */
	size_t nr_commands;
	/* Hist triggers on calls (hist_plan.h), with `if`: these are counted, nothing is recorded.
	 */
	const char *const *hists;
	size_t nr_hists;
	uint32_t mult, shift; /* ns = units of the clock * mult >> shift */
};

struct program_watcher;

/*
 * *ret_watcher is NULL when there is nothing to ask. Borrows the texts of rules for probes and of
 * triggers, nothing else of the options. What cannot be carried out is refused: -EINVAL, -ENOENT,
 * -ENOTSUP.
 */
int program_watcher_new(struct program_watcher **ret_watcher,
			const struct program_watch_options *options, struct err *err) _must_check_;
void program_watcher_free(struct program_watcher *watcher);

/* How much of a session's memory it needs. */
uint64_t program_watcher_bytes(const struct program_watcher *watcher);
/* Put it into the memory of a session (zeros), where functions are added from then on. */
void program_watcher_begin(struct program_watcher *watcher, struct program_watch *memory);

/*
 * A module whose functions have these choices (program_select_apply) and get these addresses: leave
 * out those that need not be patched, add those that have commands, and mark those that are to be
 * asked PROGRAM_CHOICE_WATCHED. -ENOSPC when there are too many functions with names that are asked
 * for.
 */
int program_watcher_apply(struct program_watcher *watcher, const struct program_elf *elf,
			  uint32_t base, uint8_t *choices) _must_check_;

/* An event of probes that has come up. */
struct program_watch_event_of_probes {
	const char *system, *name, *format; /* the text, as in a file */
	uint16_t number;
	const struct program_probe_arg *args;
	size_t nr_args;
	const bool *rules; /* which of the rules for probes mean it, in their order */
};

/*
 * Compile what is asked of it, before a process has such a probe. -EINVAL when its filter does not
 * fit its arguments.
 */
int program_watcher_probe(struct program_watcher *watcher,
			  const struct program_watch_event_of_probes *probe, struct err *err)
	_must_check_;

/* Whether anything is asked of probes. */
bool program_watcher_asks_probes(const struct program_watcher *watcher);

/*
 * Tracing is off until a trigger switches it on: the first of those that switch it is a traceon.
 */
bool program_watcher_starts_off(const struct program_watcher *watcher);

/* A trigger may want a snapshot (ring_want_snapshot). */
bool program_watcher_wants_snapshots(const struct program_watcher *watcher);

/*
 * Hist triggers: of an event of functions, or of a rule for probes, all together. They are counted
 * in the programs, or (`why` not) left to whoever reads the recording.
 */
struct program_watcher_hists {
	const char *const *texts;
	size_t nr_texts;
	const char *format; /* of the event, with all fields that are counted by */
	const char *why;    /* or NULL */
	size_t nr_events;   /* of probes: that have come up */
};
size_t program_watcher_nr_hists(const struct program_watcher *watcher);
void program_watcher_hists_at(const struct program_watcher *watcher, size_t index,
			      struct program_watcher_hists *ret);
void program_watcher_hists_event(const struct program_watcher *watcher, size_t index, size_t event,
				 const char **ret_system, const char **ret_name);
/* Whether what was counted in a slot (program_hist_counted) is of these; of which of them. */
bool program_watcher_hist_is(const struct program_watcher *watcher, size_t index, uint32_t slot,
			     size_t *ret_hist);

/* What has been counted; program_hists_each. */
int program_watcher_counted(const struct program_watcher *watcher,
			    int (*each)(void *ctx, const struct program_hist_counted *counted),
			    void *ctx) _must_check_;

/* What filters are compiled for: an event with all the fields that can be asked for here. */
const struct event *program_watcher_event(const struct program_watcher *watcher);

/* The first name that no function has had so far, or NULL. */
const char *program_watcher_unmatched(const struct program_watcher *watcher);

#endif
