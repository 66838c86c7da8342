/* SPDX-License-Identifier: MIT */
/*
 * What a stream of OUT.partial has of a CPU's pages where only the newest are kept: the pieces that
 * can be let go of. Private to src/tracedat; one thread at a time.
 */
#ifndef SONDE_TRACEDAT_PARTIAL_PIECES_H
#define SONDE_TRACEDAT_PARTIAL_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/subbuf.h"

struct partial_piece {
	uint32_t stored, pages; /* bytes in the file, bytes of pages */
	uint64_t events;
};

struct partial_pieces {
	bool bounded; /* false: all is kept, and none of this is used */
	struct subbuf_layout layout;
	struct partial_piece *items;
	size_t nr, cap;
	uint64_t start, kept; /* of the first one in the file; bytes of pages */
	uint64_t events_gone; /* in those that were let go of */
};

/* One more behind the others: `pages`, of `len` bytes, takes `stored` in the file. Or -ENOMEM. */
int partial_pieces_add(struct partial_pieces *pieces, size_t stored, const void *pages, size_t len)
	_must_check_;
/*
 * How many of the oldest have to go so that with `more` bytes of pages it is within `bytes`; where
 * it begins then.
 */
size_t partial_pieces_old(const struct partial_pieces *pieces, uint64_t more, uint64_t bytes,
			  uint64_t *ret_start);
/* They are gone. */
void partial_pieces_let_go(struct partial_pieces *pieces, size_t nr);

#endif
