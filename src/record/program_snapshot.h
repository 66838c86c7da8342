/* SPDX-License-Identifier: MIT */
/*
 * A snapshot that a trigger in a program has asked for: how much of each ring's stream belongs to
 * it, and the records behind that, on pages that are not complete, or are by now but hold later
 * ones too. These pages are in the snapshot alone. The thread that drains makes it at once, and
 * holds what is kept of the streams for it; the recorder writes the file.
 */
#ifndef SONDE_RECORD_PROGRAM_SNAPSHOT_H
#define SONDE_RECORD_PROGRAM_SNAPSHOT_H

#include "base/err.h"
#include "tracedat/partial.h"

/* How many pages can be added for a ring: its next one, and one that says what was lost then. */
#define PROGRAM_SNAPSHOT_PAGES 2u

struct program_snapshot {
	struct dat_partial *partial; /* held */
	struct dat_partial_end *ends;
	uint8_t **pages; /* of each ring, NULL: none */
	uint32_t nr_rings, page_size;
};

/* NULL: no memory. */
struct program_snapshot *program_snapshot_new(struct dat_partial *partial, uint32_t nr_rings,
					      uint32_t page_size);
int program_snapshot_add(struct program_snapshot *snapshot, uint32_t ring, const void *page)
	_must_check_;
/* NULL is legal. */
void program_snapshot_free(struct program_snapshot *snapshot);

#endif
