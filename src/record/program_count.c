/* SPDX-License-Identifier: MIT */
/*
 * Counters are never set back, since a writer's addition is not atomic to anybody but its CPU: what
 * was there the last time is kept, and the differences are told. Their sum is exact however often,
 * and whenever, they are read, and whoever reads them: the recorder, or its keeper.
 */
#include "record/program_count.h"

#include <errno.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "ring/page_writer.h"
#include "ring/raw.h"
#include "ring/reader.h"
#include "runtime/events.h"

struct program_count {
	struct program_count_options options;
	struct program_drain *drain; /* of the call under way */
	struct page_writer writer;   /* of the set that is being read */
	uint8_t *page;
};

struct count_record {
	uint16_t type;
	uint8_t flags, preempt_count;
	int32_t pid;
	uint32_t ip, pad;
	uint64_t count;
};
_Static_assert(sizeof(struct count_record) == 24, "as its format says");
_Static_assert(PROGRAM_KEPT_PENDING_MAX >= RING_SUBBUF_MAX / sizeof(struct count_record),
	       "what a page holds");

int program_count_new(struct program_count **ret_count, const struct program_count_options *options)
{
	struct program_count *count = mem_zalloc(sizeof(*count));

	if (!count)
		return -ENOMEM;
	count->options = *options;
	count->page = mem_alloc(options->session->shape.subbuf_size);
	if (!count->page) {
		program_count_free(count);
		return -ENOMEM;
	}
	*ret_count = count;
	return 0;
}

void program_count_free(struct program_count *count)
{
	if (!count)
		return;
	mem_free(count->page);
	mem_free(count);
}

/* --- what has been told, for whoever comes after a kill at any point --- */

static uint64_t stored_bytes(const struct program_count *count, uint32_t cpu)
{
	const struct program_kept_ring *ring = &count->options.kept->rings[cpu];

	return ring->states[ring->current].page_bytes;
}

/* What the last page says has been told once it is in its stream. To do it twice does no harm. */
static void settle(struct program_count *count)
{
	struct program_kept_counts *counts = count->options.counts;
	const struct program_kept_pending *pending = &counts->pending;

	if (!pending->target || pending->target != stored_bytes(count, pending->cpu))
		return;
	for (uint32_t i = 0; i < pending->nr; i++)
		counts->told[pending->cpu][pending->counters[i].counter] =
			pending->counters[i].told;
}

/* After a kill between any two of these stores, what is pending is of no page that was stored. */
static void begin_page(struct program_count *count, uint32_t cpu)
{
	struct program_kept_pending *pending = &count->options.counts->pending;

	__atomic_store_n(&pending->target, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&pending->cpu, cpu, __ATOMIC_RELEASE);
	__atomic_store_n(&pending->nr, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&pending->target,
			 stored_bytes(count, cpu) + count->options.session->shape.subbuf_size,
			 __ATOMIC_RELEASE);
}

/* --- pages --- */

static int end_page(struct program_count *count, uint32_t cpu)
{
	const struct program_kept_pending *pending = &count->options.counts->pending;
	int r = 0;

	if (page_writer_finish(&count->writer))
		r = program_drain_store(count->drain, cpu, count->page, pending->nr);
	page_writer_next(&count->writer);
	if (r == 0)
		settle(count);
	return r;
}

static int put_record(struct program_count *count, uint32_t cpu, uint32_t counter, uint64_t now)
{
	struct program_kept_counts *counts = count->options.counts;
	struct program_kept_pending *pending = &counts->pending;
	struct count_record record = {
		.type = (uint16_t)(count->options.event_base + RT_EVENT_COUNT),
		.pid = count->options.pid,
		.ip = __atomic_load_n(&counts->addresses[counter], __ATOMIC_ACQUIRE),
		.count = now - counts->told[cpu][counter],
	};
	int r;

	if (!record.ip)
		return 0; /* written wildly by the program: nobody's counter */
	if (!page_writer_add(&count->writer, raw_counter(), &record, sizeof(record))) {
		r = end_page(count, cpu);
		if (r < 0)
			return r;
		begin_page(count, cpu);
		if (!page_writer_add(&count->writer, raw_counter(), &record, sizeof(record)))
			return -EOVERFLOW;
	}
	pending->counters[pending->nr].counter = counter;
	pending->counters[pending->nr++].told = now;
	return 0;
}

/* The counters from `first` to before `end` of one set. */
static int take_range(struct program_count *count, uint32_t cpu, size_t first, size_t end)
{
	const uint64_t *counters = ring_counters(count->options.session->header, cpu);
	int r = 0;

	for (size_t i = first; i < end && r == 0; i++) {
		uint64_t now = __atomic_load_n(&counters[i], __ATOMIC_RELAXED);

		if (now != count->options.counts->told[cpu][i])
			r = put_record(count, cpu, (uint32_t)i, now);
	}
	return r;
}

/* Only what was written has memory, and is looked at: to look at the rest would give it some. */
static int take_set(struct program_count *count, uint32_t cpu)
{
	const struct ring_session *session = count->options.session;
	const off_t begin =
		(off_t)(session->shape.counters_at + ((uint64_t)cpu << RING_COUNTERS_SHIFT));
	const off_t end = begin + (1 << RING_COUNTERS_SHIFT);
	off_t at = begin;

	for (;;) {
		off_t from = lseek(session->fd, at, SEEK_DATA), to;
		int r;

		if (from < 0 || from >= end)
			return from < 0 && errno != ENXIO ? -errno : 0;
		to = lseek(session->fd, from, SEEK_HOLE);
		if (to < 0)
			return -errno;
		at = MIN(to, end);
		r = take_range(count, cpu, (size_t)(from - begin) / sizeof(uint64_t),
			       (size_t)(at - begin) / sizeof(uint64_t));
		if (r < 0)
			return r;
	}
}

int program_count_take(void *ctx, struct program_drain *drain)
{
	struct program_count *count = ctx;
	const struct ring_session *session = count->options.session;
	const struct subbuf_layout layout = ring_layout(session);
	int r = 0;

	count->drain = drain;
	settle(count);
	for (uint32_t cpu = 0; cpu <= session->shape.nr_cpus && r == 0; cpu++) {
		page_writer_init(&count->writer, &layout, count->page);
		begin_page(count, cpu);
		r = take_set(count, cpu);
		if (r == 0)
			r = end_page(count, cpu);
	}
	return r;
}
