/* SPDX-License-Identifier: MIT */
/* OUT.partial of a recording made inside programs: what is in it beside the pages. */
#ifndef SONDE_RECORD_PROGRAM_STORE_H
#define SONDE_RECORD_PROGRAM_STORE_H

#include "kernel/tsc.h"
#include "program/serve.h"
#include "record/session.h"
#include "ring/session.h"

struct program_drain;
struct program_side;

/* How the time stamp counter becomes ns: what the kernel says, else measured against its clock. */
struct program_store {
	uint64_t begin_tsc, begin_ns;
	bool clock_stored;
	bool counts_stored; /* or about to be */
};

/* For session_store_make: a CPU for each ring. */
int program_store_create(struct session *session, const struct ring_session *ring, struct err *err)
	_must_check_;
/*
 * A buffer beside the kernel's in *ret_buffer, and the events in session->metadata, with ids that
 * no other event there has.
 */
int program_store_beside(struct program_side *side, struct dat_partial_buffer *ret_buffer,
			 struct err *err) _must_check_;
int program_store_names_reader(struct session *session, struct err *err) _must_check_;
/* The names that came up since the last call, if any. */
int program_store_symbols(struct program_side *side, struct err *err) _must_check_;
/* The events of probes that came up since then, before a record of one can be there. */
int program_store_events(struct program_side *side, struct err *err) _must_check_;
/* A span of time in units of the rings' clock, at least 1. Measures it where nobody tells. */
uint64_t program_store_ticks(uint64_t ns);
/* How spans of time in these units become ns. */
struct kernel_tsc program_store_scale(void);
void program_store_clock_begin(struct program_store *store);
/* Stores the scale once it is known well enough; `last`: as well as it is known. */
int program_store_clock(struct session *session, struct program_store *store, bool last,
			struct err *err) _must_check_;
/* Statistics of all rings that were used, of the buffer of this name, to the file and the result.
 */
int program_store_counts(struct session *session, const struct program_drain *drain,
			 const struct ring_session *ring, const char *buffer,
			 struct record_result *result, struct err *err) _must_check_;

#endif
