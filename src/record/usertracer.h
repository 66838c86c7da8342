/* SPDX-License-Identifier: MIT */
/*
 * The tracers hwlat, osnoise and timerlat in user space, for kernels that were built without them:
 * pinned threads measure, and one thread joins what they found with the kernel's events (which
 * interrupt, which task was it) and writes the records into a buffer of the recording.
 */
#ifndef SONDE_RECORD_USERTRACER_H
#define SONDE_RECORD_USERTRACER_H

#include "kernel/control.h"
#include "record/comms.h"
#include "record/userevents.h"
#include "record/usersettings.h"
#include "tracedat/partial.h"

struct user_tracer;

struct user_tracer_options { /* everything is borrowed until user_tracer_free */
	enum user_tracer_kind kind;
	struct user_settings settings;
	const char *clock;   /* trace clock of the recording: one that user space has too */
	const char *cpumask; /* of -M; NULL: all */
	const struct tracefs *fs;
	struct kernel_journal *journal;
	const struct kernel_events *events;
	const struct dat_format *formats; /* of the system ftrace */
	size_t nr_formats;
	uint64_t marker_ip; /* as in user_records_options */
	struct dat_partial *partial;
	size_t buffer; /* of the partial, into which the records go */
	struct subbuf_layout layout;
	unsigned int interval_ms;		/* a record waits at most so long for its page */
	const struct kernel_targets *instances; /* to be stopped at a threshold */
};

/* Whether a trace clock can be read from user space; err says which can. */
int user_tracer_check_clock(enum user_tracer_kind kind, const char *clock, struct err *err)
	_must_check_;

/*
 * Make the threads, which wait, and the instance of events, which is off. Call with all signals
 * blocked. Free it also when it fails.
 */
int user_tracer_new(struct user_tracer **ret_tracer, const struct user_tracer_options *options,
		    struct err *err) _must_check_;
/* One sentence: what is measured, and how it differs from the kernel's tracer. */
const char *user_tracer_text(const struct user_tracer *tracer);
int user_tracer_start(struct user_tracer *tracer, struct err *err) _must_check_;
/* Readable as soon as a thread has failed; the reason comes from user_tracer_stop. */
int user_tracer_failed_fd(const struct user_tracer *tracer);
/* End the threads and write what they still had. NULL is legal. */
int user_tracer_stop(struct user_tracer *tracer, struct err *err) _must_check_;
/* After stop. */
uint64_t user_tracer_written(const struct user_tracer *tracer, uint32_t cpu);
uint64_t user_tracer_lost(const struct user_tracer *tracer, uint32_t cpu);
uint64_t user_tracer_bytes(const struct user_tracer *tracer, uint32_t cpu);
int user_tracer_names(const struct user_tracer *tracer, struct comms *comms) _must_check_;
/* Removes the instance; NULL is legal. */
int user_tracer_free(struct user_tracer *tracer, struct err *err);

#endif
