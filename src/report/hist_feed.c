/* SPDX-License-Identifier: MIT */
#include "report/hist_feed.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"

enum {
	MAX_STACK = 64, /* addresses; a histogram takes 16 */
	NR_CONTEXTS = 4,
	FLAG_HARDIRQ = 0x08,
	FLAG_SOFTIRQ = 0x10,
	FLAG_NMI = 0x40
};

struct waiting {
	struct hist_record record; /* event NULL: none */
	uint8_t *data;
	size_t cap;
};

struct waiting_cpu {
	struct waiting contexts[NR_CONTEXTS];
};

struct hist_feed {
	struct hist_set *set;
	const struct event_db *db;
	const struct event_field *caller; /* of kernel_stack */
	bool stacks;			  /* some trigger wants them */
	struct waiting_cpu *cpus;
	size_t nr_cpus, cap_cpus;
	uint64_t stack[MAX_STACK];
};

int hist_feed_new(struct hist_feed **ret_feed, struct hist_set *set, const struct event_db *db)
{
	const struct event *stack = event_db_by_name(db, "ftrace", "kernel_stack");
	struct hist_feed *feed = mem_zalloc(sizeof(*feed));

	if (!feed)
		return -ENOMEM;
	feed->set = set;
	feed->db = db;
	feed->caller = stack ? event_field_find(stack, "caller") : NULL;
	for (size_t i = 0; i < hist_set_count(set); i++) {
		bool wants_stack;

		hist_set_wants(set, hist_event(hist_set_at(set, i)), &wants_stack);
		feed->stacks |= wants_stack;
	}
	*ret_feed = feed;
	return 0;
}

void hist_feed_free(struct hist_feed *feed)
{
	if (!feed)
		return;
	for (size_t i = 0; i < feed->nr_cpus; i++)
		for (size_t j = 0; j < NR_CONTEXTS; j++)
			mem_free(feed->cpus[i].contexts[j].data);
	mem_free(feed->cpus);
	mem_free(feed);
}

/* 0 for a task, more for what interrupts it. */
static unsigned int context_of(const struct hist_feed *feed, const struct hist_record *record)
{
	const struct event_common *common = event_db_common(feed->db);
	uint8_t flags;

	if (common->flags_offset >= record->len)
		return 0;
	flags = ((const uint8_t *)record->data)[common->flags_offset];
	return flags & FLAG_NMI ? 3 : flags & FLAG_HARDIRQ ? 2 : flags & FLAG_SOFTIRQ ? 1 : 0;
}

static int give(struct hist_feed *feed, struct waiting *waiting)
{
	struct hist_record record = waiting->record;

	waiting->record.event = NULL;
	return record.event ? hist_set_record(feed->set, &record) : 0;
}

static int need_cpu(struct hist_feed *feed, uint32_t cpu)
{
	if (cpu < feed->nr_cpus)
		return 0;
	if (cpu >= LIMIT_CPUS ||
	    array_reserve(&feed->cpus, &feed->cap_cpus, (size_t)cpu + 1, sizeof(*feed->cpus)) < 0)
		return -ENOMEM;
	memset(feed->cpus + feed->nr_cpus, 0, (cpu + 1 - feed->nr_cpus) * sizeof(*feed->cpus));
	feed->nr_cpus = (size_t)cpu + 1;
	return 0;
}

static int keep(struct waiting *waiting, const struct hist_record *record)
{
	if (array_reserve(&waiting->data, &waiting->cap, (size_t)record->len + 1, 1) < 0)
		return -ENOMEM;
	memcpy(waiting->data, record->data, record->len);
	waiting->record = *record;
	waiting->record.data = waiting->data;
	return 0;
}

/* The addresses of a kernel_stack record, up to the end mark. */
static uint32_t read_stack(struct hist_feed *feed, const struct hist_record *record)
{
	bool big = event_db_big_endian(feed->db);
	uint32_t size = event_db_long_size(feed->db), nr = 0;
	const uint8_t *data = record->data;

	for (uint32_t at = feed->caller->offset; at + size <= record->len && nr < MAX_STACK;
	     at += size) {
		uint64_t address = size == 8 ? load_u64(data + at, big) : load_u32(data + at, big);

		if (address == (size == 8 ? UINT64_MAX : UINT32_MAX))
			break;
		feed->stack[nr++] = address;
	}
	return nr;
}

int hist_feed_record(struct hist_feed *feed, const struct hist_record *record)
{
	bool wants_stack, wanted = hist_set_wants(feed->set, record->event, &wants_stack);
	struct waiting *waiting;
	unsigned int context;
	int r;

	if (!feed->stacks || !feed->caller)
		return wanted ? hist_set_record(feed->set, record) : 0;
	r = need_cpu(feed, record->cpu);
	if (r < 0)
		return r;
	waiting = feed->cpus[record->cpu].contexts;
	context = context_of(feed, record);
	if (record->event->kind == EVENT_KERNEL_STACK && waiting[context].record.event) {
		waiting[context].record.stack = feed->stack;
		waiting[context].record.nr_stack = read_stack(feed, record);
		return give(feed, &waiting[context]);
	}
	for (unsigned int i = context; i < NR_CONTEXTS && r >= 0; i++)
		r = give(feed, &waiting[i]);
	if (r < 0 || !wanted)
		return r;
	return wants_stack ? keep(&waiting[context], record) : hist_set_record(feed->set, record);
}

int hist_feed_end(struct hist_feed *feed)
{
	int r = 0;

	for (size_t i = 0; i < feed->nr_cpus; i++)
		for (size_t j = 0; j < NR_CONTEXTS && r >= 0; j++)
			r = give(feed, &feed->cpus[i].contexts[j]);
	return r;
}
