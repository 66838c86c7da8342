/* SPDX-License-Identifier: MIT */
/*
 * The reader of one ring: takes its pages in their order, while writers write, after they were
 * killed, or out of the memory of a recorder that was. One reader a ring at a time, any thread;
 * different rings can be read by different threads.
 *
 * entries + lost + overrun is the number of records that were written to the ring.
 */
#ifndef SONDE_RING_READER_H
#define SONDE_RING_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ring/session.h"
#include "ring/subbuf.h"

/* How far a reader has come; another one can go on from there. */
struct ring_place {
	uint64_t next;	    /* number of the page to take next */
	uint64_t passed;    /* records in all pages before it */
	uint64_t lost_told; /* of the ring's lost events, what pages so far said */
	uint64_t entries;   /* records in the pages that were taken */
	uint64_t overrun;   /* records overwritten before that, as the pages taken showed */
};

struct ring_reader {
	struct ring_control *control;
	struct ring_slot *slots;
	uint8_t *data; /* the ring's sub-buffers */
	uint32_t subbuf_size, nr_subbufs;
	enum ring_mode mode;
	struct ring_place place;
	uint8_t *copy; /* one page: for those that cannot be lent */
};

struct ring_page {
	const uint8_t *data; /* subbuf_size bytes: a complete sub-buffer, losses stamped */
	uint64_t ts;	     /* of the page */
	uint32_t length;     /* bytes of records */
	uint32_t entries;    /* records */
	uint64_t lost;	     /* events lost or overwritten between the page before and this one */
};

/*
 * `session` is borrowed. Begins where another reader was (`from`), or at the first page that none
 * has given back (NULL).
 */
int ring_reader_init(struct ring_reader *reader, const struct ring_session *session, uint32_t ring,
		     const struct ring_place *from) _must_check_; /* 0 or -ENOMEM */
void ring_reader_done(struct ring_reader *reader);

/* The layout of the pages. */
struct subbuf_layout ring_layout(const struct ring_session *session);

/* Complete pages that can be taken now. */
uint32_t ring_reader_complete(const struct ring_reader *reader);

/*
 * Take the next complete page: 1 and *ret_page, or 0 when there is none. The page is lent until
 * ring_reader_give_back, which lets writers use all pages again that were taken; in overwrite mode
 * it is a copy, valid until the next call.
 */
int ring_reader_take(struct ring_reader *reader, struct ring_page *ret_page) _must_check_;
void ring_reader_give_back(struct ring_reader *reader);

/* Whether the next page is complete, and all its records are of this time or before. */
bool ring_reader_ends_by(const struct ring_reader *reader, uint64_t until);

/*
 * The next page, which may be the one that is being written, with its records of up to this time,
 * as a copy, valid until the next call: 1, or 0 when there are none. It is not taken, nor part of
 * `entries`. For the end of a recording (RING_NO_LIMIT), after the complete pages, and for a
 * snapshot, after those that ended by then.
 */
#define RING_NO_LIMIT UINT64_MAX
int ring_reader_partial(struct ring_reader *reader, uint64_t until, struct ring_page *ret_page)
	_must_check_;

/*
 * At the end, behind the last page: one without records that says what was lost after the last that
 * was begun: 1, or 0 when nothing was. Valid until the next call.
 */
int ring_reader_tail(struct ring_reader *reader, struct ring_page *ret_page) _must_check_;

/* Events lost in this ring so far; records that were overwritten before they were taken. */
uint64_t ring_reader_lost(const struct ring_reader *reader);
uint64_t ring_reader_overrun(const struct ring_reader *reader);

#endif
