/* SPDX-License-Identifier: MIT */
/*
 * What survives the recorder of traced programs: how far each ring has come into OUT.partial, in
 * memory that is shared with a keeper, which goes on from there when the recorder was killed.
 *
 * A ring has two states. The one that is current says what is in its stream; the other one is
 * filled, with the size that the stream will have, before anything of it is written, and becomes
 * current, in one store, when all is. After a kill the stream's size says which of the two is true;
 * when neither is, the stream is cut back to the current one. Pages are given back to writers only
 * then, so what is cut off is still in the ring.
 *
 * Counters (-p count) are never set back, so what was told of each is kept, too, beside the address
 * of its function. What a page tells is pending until the page is in its ring's stream, whose state
 * says whether it is.
 */
#ifndef SONDE_RECORD_PROGRAM_KEPT_H
#define SONDE_RECORD_PROGRAM_KEPT_H

#include "record/program_store.h"
#include "ring/reader.h"
#include "ring/shared.h"

struct program_kept_state {
	uint64_t bytes;		 /* of the stream; set last */
	struct ring_place place; /* of the ring's reader */
	uint64_t read;		 /* records in the stream */
	uint64_t page_bytes;	 /* in the stream, before they were compressed */
	bool rest;		 /* also what came after the last complete page: the end */
};

struct program_kept_ring {
	struct program_kept_state states[2];
	uint32_t current;
};

struct program_kept {
	struct program_store store;
	struct program_kept_ring rings[];
};

#define PROGRAM_KEPT_PENDING_MAX (RING_SUBBUF_MAX / 24u)

/* What a page that is being made says. `target` is set first: what follows belongs to that page. */
struct program_kept_pending {
	uint64_t target; /* the page_bytes that its ring will have */
	uint32_t cpu, nr;
	struct {
		uint32_t counter;
		uint64_t told;
	} counters[PROGRAM_KEPT_PENDING_MAX];
};

/* Only what is used of it has memory. */
struct program_kept_counts {
	struct program_kept_pending pending;
	uint32_t addresses[RING_COUNTERS_MAX]; /* trace address of each counter's function; 0: none
						*/
	uint64_t told[][RING_COUNTERS_MAX];    /* of each CPU, and of none */
};

/* NULL: no memory. */
struct program_kept_counts *program_kept_counts_new(uint32_t nr_sets);
void program_kept_counts_free(struct program_kept_counts *counts, uint32_t nr_sets);

/* NULL: no memory. */
struct program_kept *program_kept_new(uint32_t nr_rings);
void program_kept_free(struct program_kept *kept, uint32_t nr_rings);

/*
 * Start the keeper of a side whose session has its partial and its names; `buffer` is the index of
 * its buffer there. All is borrowed by it as it is now; to be dismissed when everything is stored.
 */
int program_keeper_start(struct program_side *side, size_t buffer, struct err *err) _must_check_;

#endif
