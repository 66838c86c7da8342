/* SPDX-License-Identifier: MIT */
#include "tracedat/partial_pieces.h"

#include <string.h>

#include "base/mem.h"

int partial_pieces_add(struct partial_pieces *pieces, size_t stored, const void *pages, size_t len)
{
	int r;

	if (!pieces->bounded)
		return 0;
	r = array_reserve(&pieces->items, &pieces->cap, pieces->nr + 1, sizeof(*pieces->items));
	if (r < 0)
		return r;
	pieces->items[pieces->nr++] = (struct partial_piece){
		.stored = (uint32_t)stored,
		.pages = (uint32_t)len,
		.events = subbuf_count(&pieces->layout, pages, len),
	};
	return 0;
}

size_t partial_pieces_old(const struct partial_pieces *pieces, uint64_t more, uint64_t bytes,
			  uint64_t *ret_start)
{
	uint64_t start = pieces->start, kept = pieces->kept;
	size_t nr = 0;

	for (; nr < pieces->nr && kept + more > bytes; nr++) {
		start += pieces->items[nr].stored;
		kept -= pieces->items[nr].pages;
	}
	*ret_start = start;
	return nr;
}

void partial_pieces_let_go(struct partial_pieces *pieces, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		pieces->start += pieces->items[i].stored;
		pieces->kept -= pieces->items[i].pages;
		pieces->events_gone += pieces->items[i].events;
	}
	pieces->nr -= nr;
	memmove(pieces->items, pieces->items + nr, pieces->nr * sizeof(*pieces->items));
}
