/* SPDX-License-Identifier: MIT */
/*
 * -p count: what the counters of a session have counted, as records: one for each function that was
 * called on a CPU since the last time, with how often.
 */
#ifndef SONDE_RECORD_PROGRAM_COUNT_H
#define SONDE_RECORD_PROGRAM_COUNT_H

#include <stdint.h>

#include "base/err.h"
#include "record/program_drain.h"
#include "ring/session.h"

struct program_count;

struct program_count_options {
	const struct ring_session *session; /* with counters; borrowed */
	const struct program_kept *kept;    /* of the drain that takes them; borrowed */
	struct program_kept_counts *counts; /* what has been told so far; borrowed */
	int32_t pid;			    /* whose the records are said to be */
	uint16_t event_base;		    /* of the session's events' ids */
};

int program_count_new(struct program_count **ret_count, const struct program_count_options *options)
	_must_check_;
void program_count_free(struct program_count *count);

/*
 * Store what has been counted since the last call, also if that was another process's, in the
 * drain, whose `due` this is; `ctx` is a struct program_count. Counting may go on meanwhile.
 */
int program_count_take(void *ctx, struct program_drain *drain) _must_check_;

#endif
