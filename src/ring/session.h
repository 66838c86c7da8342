/* SPDX-License-Identifier: MIT */
/*
 * The recorder's side of a session's life: create its memory, say that the recorder lives, switch
 * tracing, close it.
 */
#ifndef SONDE_RING_SESSION_H
#define SONDE_RING_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ring/shared.h"

struct ring_options {
	enum ring_mode mode;
	enum ring_clock clock;
	uint32_t subbuf_size; /* a power of two, RING_SUBBUF_MIN to RING_SUBBUF_MAX */
	uint32_t nr_subbufs;  /* of each ring; a power of two, RING_NR_SUBBUFS_MIN to _MAX */
	uint32_t nr_cpus;     /* 0: all possible */
	uint32_t nr_fallback; /* rings of threads without restartable sequences */
	uint16_t event_base;  /* what is added to the events' numbers */
	bool counters;
	uint32_t watch_bytes; /* behind all else, at ring_header's watch_at */
};

/* The geometry, checked: a program that writes wildly must not lead a reader out of the mapping. */
struct ring_shape {
	enum ring_mode mode;
	enum ring_clock clock;
	uint32_t nr_cpus, nr_rings, subbuf_size, nr_subbufs;
	bool counters;
	uint64_t slots_at, data_at, counters_at, watch_at, watch_bytes, bytes;
};

struct ring_session {
	int fd; /* the memfd: what traced processes get; CLOEXEC, cannot shrink */
	struct ring_header *header; /* the mapping */
	struct ring_shape shape;    /* what writers cannot change any more */
	bool alive;		    /* this thread holds the `alive` mutex */
};

/*
 * Create a session that this thread keeps alive: when the thread ends, writers that wait give up.
 * Tracing is off. Memory is sparse: a ring that nobody writes to costs its control.
 */
int ring_session_create(struct ring_session *ret_session, const struct ring_options *options,
			struct err *err) _must_check_;

/*
 * Map a session that somebody else created, to salvage what it holds: its header is checked, so
 * that no reader of it leaves the mapping. `fd` is borrowed (dup'ed).
 */
int ring_session_open(struct ring_session *ret_session, int fd, struct err *err) _must_check_;

/* For the thread that created it, or any other for an opened one. Writers that wait give up. */
void ring_session_close(struct ring_session *session);

/*
 * Let records in, or keep them out. Off, writers that wait go on without having written, and this
 * waits until no restartable sequence that began before is under way (the calling thread visits
 * each CPU that it may run on), so that what readers find then is final for the CPUs' rings.
 */
void ring_session_switch(struct ring_session *session, bool on);

/* Whether the thread that created the session lives. */
bool ring_session_alive(const struct ring_session *session);

/* Whoever waits for room in this ring looks again. */
void ring_wake(struct ring_control *control);

/*
 * A snapshot of what was written up to `until` (ring_snapshot_until) has been taken, unless a later
 * one is wanted by now. Who waited for it to overwrite a page goes on.
 */
void ring_session_snapshot_done(struct ring_session *session, uint64_t until);

/*
 * Sleep until a ring has wake_pages complete pages or a snapshot is wanted, at most `timeout_ms`.
 * For the one thread of the recorder that waits; it may also return early.
 */
void ring_session_wait(struct ring_session *session, int timeout_ms);

#endif
