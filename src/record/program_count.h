/* SPDX-License-Identifier: MIT */
/*
 * -p count: what the counters of a session have counted, as records: one for each function that was
 * called on a CPU since the last time, with how often.
 */
#ifndef SONDE_RECORD_PROGRAM_COUNT_H
#define SONDE_RECORD_PROGRAM_COUNT_H

#include <stdint.h>

#include "base/err.h"
#include "program/serve.h"
#include "ring/session.h"

struct program_count;

struct program_count_options {
	const struct ring_session *session; /* with counters; borrowed */
	struct program_server *server;	    /* borrowed */
	int32_t pid;			    /* whose the records are said to be */
	uint16_t event_base;		    /* of the session's events' ids */
	/* Takes a page of a CPU (or nr_cpus: of none) with so many records. */
	int (*store)(void *ctx, uint32_t cpu, const void *page, uint32_t nr);
};

int program_count_new(struct program_count **ret_count, const struct program_count_options *options)
	_must_check_;
void program_count_free(struct program_count *count);

/* Store what has been counted since the last call; `ctx` is options->store's. Counting may go on
 * meanwhile. */
int program_count_take(struct program_count *count, void *ctx) _must_check_;

#endif
