/* SPDX-License-Identifier: MIT */
/*
 * One recording from set-up to the sealed file: instances, the command, draining, signals, and
 * giving everything back whatever happens.
 */
#ifndef SONDE_RECORD_RECORD_H
#define SONDE_RECORD_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "expr/hist.h"
#include "record/plan.h"

enum record_say {
	RECORD_SAY_WAITING, /* tracing is on and there is no command: until a signal */
	RECORD_SAY_STARTED, /* tracing is on */
	RECORD_SAY_TRACER,  /* text: the tracer that was set */
	RECORD_SAY_WARNING, /* text: one sentence */
	RECORD_SAY_ERROR,   /* text: recording has failed while the command runs on */
	RECORD_SAY_SKIPPED, /* text: a function that is not traced, with the reason */
};

/* Called from the thread of record_run. */
typedef void (*record_say_fn)(void *ctx, enum record_say what, const char *text);

struct record_cpu {
	const char *instance; /* "" the own one */
	uint32_t cpu;
	uint64_t events; /* read */
	uint64_t left;	 /* written and not read; 0 unless reading has failed */
	uint64_t overrun, commit_overrun, dropped;
	uint64_t lost;	    /* these three together */
	uint64_t unsaved;   /* written, not lost, and not in OUT.partial: recording has failed */
	uint64_t let_go;    /* stored, and let go of for newer ones (-m) */
	uint64_t bytes;	    /* of sub-buffers, uncompressed */
	uint64_t buffer_kb; /* what the CPU's buffer held */
};

/* Of a histogram that was counted in programs: a key, or what found no room. */
struct record_hist_key {
	size_t hist; /* of those that the event's triggers make, in their order */
	struct hist_counted counted;
};

/* What a hist trigger of an instance that is gone has counted: exactly one of the three. */
struct record_hist {
	const char *instance; /* "" the own one */
	char *event;	      /* SYSTEM:EVENT */
	char *text;	      /* of the kernel's `hist` file, all triggers of the event */
	const char *trigger;  /* nobody has counted it: to be counted from OUT */
	/* Counted in programs: all triggers of the event, with its fields there. */
	char *format;
	const char **triggers;
	size_t nr_triggers;
	struct record_hist_key *keys;
	size_t nr_keys, cap_keys;
};

struct record_result {
	struct record_cpu *cpus;
	size_t nr_cpus;
	uint64_t events, lost, unsaved;
	struct record_hist *hists;
	size_t nr_hists, cap_hists;
	uint64_t needed_kb;	    /* buffers that would have held what was lost; 0: not known */
	int command_status;	    /* -1: no command, or it was never run */
	bool sealed;		    /* the output is in place */
	const char *unknown_events; /* the -e that named no event, when that was the error */
	bool error_said; /* the error went to RECORD_SAY_ERROR while the command ran on */
};

/*
 * Where what is recorded goes when it is shown at once (plan->stream). Called from the thread of
 * record_run; a negative result ends the recording, which is then undone as always.
 */
struct record_stream {
	/*
	 * Tracing is about to begin. `path` is a trace.dat with all metadata and empty buffers,
	 * which is there only during the call; the machine has nr_cpus CPUs.
	 */
	int (*begin)(void *ctx, const char *path, uint32_t nr_cpus, struct err *err);
	/* Whole sub-buffers of one CPU, in order. */
	int (*pages)(void *ctx, size_t buffer, uint32_t cpu, const void *pages, size_t len,
		     struct err *err);
	/* The name of a task of which records may follow; said again now and then. */
	int (*name)(void *ctx, int32_t pid, const char *comm);
	/*
	 * All records up to these times (raw, by buffer) have been handed over and may be shown.
	 * NULL: everything, there will be no more.
	 */
	int (*until)(void *ctx, const uint64_t *until, struct err *err);
	void *ctx;
};

/*
 * Who looks at a recording while it is made, in the thread of record_run: OUT.partial can be read
 * then. `keys`: of the plan's histograms of calls in programs, as they are now; `hist` says which.
 */
struct record_look {
	unsigned int every_ms; /* about, from the end of one to the begin of the next */
	void (*look)(void *ctx, const struct record_hist_key *keys, size_t nr);
	void *ctx;
};

/*
 * Record. On failure nothing is left in tracefs and `err` says what happened and what remains of
 * the recording (OUT.partial, readable). The result is valid in both cases and to be
 * record_result_done. Blocks SIGINT, SIGTERM, SIGHUP and SIGCHLD while it runs; one thread only.
 */
int record_run(const struct record_plan *plan, record_say_fn say, void *ctx,
	       struct record_result *ret_result, struct err *err) _must_check_;
void record_result_done(struct record_result *result);

/*
 * The same inside the command and the programs that it starts, without the kernel's tracing and
 * without root: the first instance's tracer (function or function_graph) and its functions, the
 * plan's `program`.
 */
int record_program(const struct record_plan *plan, record_say_fn say, void *ctx,
		   struct record_result *ret_result, struct err *err) _must_check_;

/*
 * Set tracing up and leave it on, without recording (start, set): the plan says keep_after. With a
 * command: until it ends, unless the plan says do_not_wait. On failure nothing of this call is
 * left.
 */
int record_start(const struct record_plan *plan, record_say_fn say, void *ctx,
		 struct record_result *ret_result, struct err *err) _must_check_;

/*
 * Move what the buffers of the plan's instances (their source) hold into the output. What traces
 * there is stopped for that moment only.
 */
int record_extract(const struct record_plan *plan, record_say_fn say, void *ctx,
		   struct record_result *ret_result, struct err *err) _must_check_;

/* Whether a tracer's outcome is the text of its longest latency. */
bool record_is_latency(const char *tracer);

/* Join a further -f to a rule's filter: (a)&&(b). */
int record_rule_filter(struct record_rule *rule, const char *filter) _must_check_;

#endif
