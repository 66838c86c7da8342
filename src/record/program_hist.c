/* SPDX-License-Identifier: MIT */
/*
 * The records go to the last of the rings, which is lent only when all others are in use, behind
 * what is there: their times are later.
 */
#include "record/program_hist.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "ring/page_writer.h"
#include "ring/raw.h"
#include "ring/reader.h"
#include "runtime/events.h"

struct key_record {
	uint16_t type;
	uint8_t flags, preempt_count;
	int32_t pid;
	uint32_t hist, pad;
	uint64_t keys[PROGRAM_HIST_KEYS];
	uint64_t hits, duration, dropped;
};
_Static_assert(sizeof(struct key_record) == 64, "as its format says");

struct storing {
	struct page_writer writer;
	struct program_drain *drain;
	uint32_t ring, nr_records;
	uint16_t type;
	uint8_t *page;
};

static int end_page(struct storing *storing)
{
	int r = 0;

	if (page_writer_finish(&storing->writer))
		r = program_drain_store(storing->drain, storing->ring, storing->page,
					storing->nr_records);
	page_writer_next(&storing->writer);
	storing->nr_records = 0;
	return r;
}

static int put_counted(void *ctx, const struct program_hist_counted *counted)
{
	struct storing *storing = ctx;
	struct key_record record = {
		.type = storing->type,
		.hist = counted->hist,
		.hits = counted->hits,
		.duration = counted->value,
		.dropped = counted->dropped,
	};

	memcpy(record.keys, counted->keys, sizeof(record.keys));
	while (!page_writer_add(&storing->writer, raw_counter(), &record, sizeof(record))) {
		int r = storing->nr_records ? end_page(storing) : -EOVERFLOW;

		if (r < 0)
			return r;
	}
	storing->nr_records++;
	return 0;
}

int program_hist_store(const struct program_watcher *watcher, const struct ring_session *session,
		       uint16_t event_base, struct program_drain *drain)
{
	const struct subbuf_layout layout = ring_layout(session);
	_cleanup_free_ uint8_t *page = mem_alloc(session->shape.subbuf_size);
	struct storing storing = {
		.drain = drain,
		.ring = session->shape.nr_rings - 1,
		.type = (uint16_t)(event_base + RT_EVENT_HIST),
		.page = page,
	};
	int r;

	if (!page)
		return -ENOMEM;
	page_writer_init(&storing.writer, &layout, page);
	r = program_watcher_counted(watcher, put_counted, &storing);
	return r < 0 ? r : end_page(&storing);
}
