/* SPDX-License-Identifier: MIT */
/*
 * What moves what traced programs write from the session's rings into OUT.partial: a thread, or
 * after a recorder's kill its keeper, which takes what is left.
 */
#ifndef SONDE_RECORD_PROGRAM_DRAIN_H
#define SONDE_RECORD_PROGRAM_DRAIN_H

#include "base/err.h"
#include "record/comms.h"
#include "record/names.h"
#include "record/program_kept.h"
#include "record/program_snapshot.h"
#include "ring/session.h"
#include "tracedat/partial.h"

struct program_drain;

struct program_drain_options {
	struct ring_session *session; /* these three are borrowed */
	struct dat_partial *partial;
	size_t buffer; /* of the partial, with a CPU for each ring */
	const struct names *names;
	struct program_kept *kept; /* how far it has come; borrowed */
	unsigned int interval_ms;  /* data waits at most so long */
	bool salvage; /* no thread: program_drain_stop goes on from `kept` to the end, and writers
		       * get nothing back */
	/*
	 * Called in the thread when the interval is over and at the end, for records that the
	 * recorder makes (program_drain_store); or NULL.
	 */
	int (*due)(void *ctx, struct program_drain *drain);
	void *ctx;
};

int program_drain_new(struct program_drain **ret_drain, const struct program_drain_options *options,
		      struct err *err) _must_check_;
/* Within options->due: a page of this ring's CPU, with so many records. */
int program_drain_store(struct program_drain *drain, uint32_t ring, const void *page, uint32_t nr)
	_must_check_;
/* Readable when the thread has failed. */
int program_drain_failed_fd(const struct program_drain *drain);
/* The last that a trigger has asked for since the last call, or NULL; the caller frees it. */
struct program_snapshot *program_drain_snapshot(struct program_drain *drain);
/* Tracing is off: take the rest, end the thread. The first failure. */
int program_drain_stop(struct program_drain *drain, struct err *err) _must_check_;
/* After that, of one ring. */
struct program_drained {
	uint64_t read, lost, overrun, bytes;
};
struct program_drained program_drain_counts(const struct program_drain *drain, uint32_t ring);
int program_drain_names(const struct program_drain *drain, struct comms *comms) _must_check_;
/* Ends the thread, if it runs, without the rest. NULL is legal. */
void program_drain_free(struct program_drain *drain);

#endif
