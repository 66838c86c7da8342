/* SPDX-License-Identifier: MIT */
/*
 * A loop whose turns do not depend on one another, shared out among a few threads for as long as it
 * lasts.
 */
#ifndef SONDE_BASE_PARALLEL_H
#define SONDE_BASE_PARALLEL_H

#include <stddef.h>
#include <stdint.h>

typedef void parallel_fn(void *ctx, size_t index);

/* How many threads work at once: the CPUs that this process may use, within bounds. */
size_t parallel_threads(void);

/*
 * Call `fn` for each index below `nr`, in any order and some at the same time; return when all
 * calls have. The calling thread takes part, so it works without any other, only slower. What the
 * calls wrote is visible afterwards.
 */
void parallel_for(parallel_fn *fn, void *ctx, size_t nr);

/* How many pieces of `piece` things make `nr` of them. */
static inline size_t pieces_of(uint64_t nr, size_t piece)
{
	return (size_t)((nr + piece - 1) / piece);
}

#endif
