/* SPDX-License-Identifier: MIT */
#include "record/program_snapshot.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

struct program_snapshot *program_snapshot_new(struct dat_partial *partial, uint32_t nr_rings,
					      uint32_t page_size)
{
	struct program_snapshot *snapshot = mem_zalloc(sizeof(*snapshot));

	if (!snapshot)
		return NULL;
	snapshot->ends = mem_calloc(nr_rings, sizeof(*snapshot->ends));
	snapshot->pages = mem_calloc(nr_rings, sizeof(*snapshot->pages));
	snapshot->nr_rings = nr_rings;
	snapshot->page_size = page_size;
	if (!snapshot->ends || !snapshot->pages) {
		program_snapshot_free(snapshot);
		return NULL;
	}
	dat_partial_hold(partial);
	snapshot->partial = partial;
	return snapshot;
}

int program_snapshot_add(struct program_snapshot *snapshot, uint32_t ring, const void *page)
{
	struct dat_partial_end *end = &snapshot->ends[ring];
	uint8_t **pages = &snapshot->pages[ring];

	if (!*pages)
		*pages = mem_alloc((size_t)PROGRAM_SNAPSHOT_PAGES * snapshot->page_size);
	if (!*pages)
		return -ENOMEM;
	memcpy(*pages + end->len, page, snapshot->page_size);
	end->pages = *pages;
	end->len += snapshot->page_size;
	return 0;
}

void program_snapshot_free(struct program_snapshot *snapshot)
{
	if (!snapshot)
		return;
	if (snapshot->partial)
		dat_partial_release(snapshot->partial);
	for (uint32_t ring = 0; snapshot->pages && ring < snapshot->nr_rings; ring++)
		mem_free(snapshot->pages[ring]);
	mem_free(snapshot->pages);
	mem_free(snapshot->ends);
	mem_free(snapshot);
}
