/* SPDX-License-Identifier: MIT */
/*
 * Counters are never set back, since a writer's addition is not atomic to anybody but its CPU: what
 * was there the last time is kept here, and the differences are told. Their sum is exact however
 * often, and whenever, they are read.
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

struct set {
	uint64_t *before;
	size_t cap;
};

struct program_count {
	struct program_count_options options;
	void *ctx;	  /* of the call under way */
	struct set *sets; /* of each CPU, and one more */
	uint32_t nr_sets;
	struct page_writer writer; /* of the set that is being read */
	uint32_t nr_records;	   /* in its page */
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

int program_count_new(struct program_count **ret_count, const struct program_count_options *options)
{
	struct program_count *count = mem_zalloc(sizeof(*count));

	if (!count)
		return -ENOMEM;
	count->options = *options;
	count->nr_sets = options->session->shape.nr_cpus + 1;
	count->sets = mem_calloc(count->nr_sets, sizeof(*count->sets));
	count->page = mem_alloc(options->session->shape.subbuf_size);
	if (!count->sets || !count->page) {
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
	for (uint32_t i = 0; count->sets && i < count->nr_sets; i++)
		mem_free(count->sets[i].before);
	mem_free(count->sets);
	mem_free(count->page);
	mem_free(count);
}

static int end_page(struct program_count *count, uint32_t cpu)
{
	int r = 0;

	if (page_writer_finish(&count->writer))
		r = count->options.store(count->ctx, cpu, count->page, count->nr_records);
	page_writer_next(&count->writer);
	count->nr_records = 0;
	return r;
}

static int put_record(struct program_count *count, uint32_t cpu, uint32_t counter, uint64_t calls)
{
	struct count_record record = {
		.type = (uint16_t)(count->options.event_base + RT_EVENT_COUNT),
		.pid = count->options.pid,
		.count = calls,
	};
	int r;

	if (!program_server_counter(count->options.server, counter, &record.ip))
		return 0; /* written wildly by the program: nobody's counter */
	if (!page_writer_add(&count->writer, raw_counter(), &record, sizeof(record))) {
		r = end_page(count, cpu);
		if (r < 0)
			return r;
		if (!page_writer_add(&count->writer, raw_counter(), &record, sizeof(record)))
			return -EOVERFLOW;
	}
	count->nr_records++;
	return 0;
}

/* The counters from `first` to before `end` of one set. */
static int take_range(struct program_count *count, uint32_t cpu, size_t first, size_t end)
{
	const uint64_t *counters = ring_counters(count->options.session->header, cpu);
	struct set *set = &count->sets[cpu];
	size_t had = set->cap;
	int r = array_reserve(&set->before, &set->cap, end, sizeof(*set->before));

	if (r < 0)
		return r;
	for (; had < set->cap; had++)
		set->before[had] = 0;
	for (size_t i = first; i < end && r == 0; i++) {
		uint64_t now = __atomic_load_n(&counters[i], __ATOMIC_RELAXED);

		if (now == set->before[i])
			continue;
		r = put_record(count, cpu, (uint32_t)i, now - set->before[i]);
		set->before[i] = now;
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

int program_count_take(struct program_count *count, void *ctx)
{
	const struct subbuf_layout layout = ring_layout(count->options.session);
	int r = 0;

	count->ctx = ctx;
	for (uint32_t cpu = 0; cpu < count->nr_sets && r == 0; cpu++) {
		page_writer_init(&count->writer, &layout, count->page);
		r = take_set(count, cpu);
		if (r == 0)
			r = end_page(count, cpu);
	}
	return r;
}
