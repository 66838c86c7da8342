/* SPDX-License-Identifier: MIT */
#include "record/interference.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "event/event.h"

#define NR_IDS 65536u

/*
 * Between the clock reading of user space and the one of the ring buffer lies the reading itself,
 * and both interpolate the same counter: an event may seem to be this much outside of its gap.
 */
#define SLACK_NS 100u

const struct interference_source interference_sources[] = {
	{INTERFERENCE_IRQ, "irq", "irq_handler_entry", NULL},
	{INTERFERENCE_IRQ, "irq_vectors", "*_entry", NULL},
	{INTERFERENCE_SOFTIRQ, "irq", "softirq_entry", NULL},
	{INTERFERENCE_NMI, "nmi", "nmi_handler", "delta_ns"},
	{INTERFERENCE_SWITCH, "sched", "sched_switch", "next_pid"},
	{INTERFERENCE_TIMER, "timer", "hrtimer_expire_entry", NULL},
	{INTERFERENCE_WAKING, "sched", "sched_waking", "pid"},
};
const size_t interference_nr_sources = ARRAY_SIZE(interference_sources);

struct known_event {
	struct event_db *db; /* of this one event: formats come one by one */
	const struct event *event;
	const struct event_field *value;
	enum interference_kind kind;
};

struct interference {
	struct subbuf_layout layout;
	struct known_event *known;
	size_t nr, cap;
	uint16_t by_id[NR_IDS]; /* index into known, plus 1 */
	unsigned int kinds;	/* one bit each */
};

int interference_new(struct interference **ret_what, const struct subbuf_layout *layout)
{
	struct interference *what = mem_zalloc(sizeof(*what));

	if (!what)
		return -ENOMEM;
	what->layout = *layout;
	*ret_what = what;
	return 0;
}

void interference_free(struct interference *what)
{
	if (!what)
		return;
	for (size_t i = 0; i < what->nr; i++)
		event_db_free(what->known[i].db);
	mem_free(what->known);
	mem_free(what);
}

static int parse_format(struct known_event *known, const struct interference *what,
			const char *system, const char *text, size_t len, struct err *err)
{
	struct event_db_options options = {
		.big_endian = what->layout.big_endian,
		.long_size = what->layout.long_size,
		.no_handlers = true,
	};
	int r = event_db_new(&known->db, &options);

	if (r == 0)
		r = event_db_add_format(known->db, system, text, len, err);
	if (r == 0)
		r = event_db_seal(known->db);
	if (r == -ENOMEM)
		err_sys(err, r, "cannot learn what disturbs the measurement");
	return r;
}

int interference_add(struct interference *what, const struct interference_source *source,
		     const char *text, size_t len, struct err *err)
{
	struct known_event known = {.kind = source->kind};
	int r = array_reserve(&what->known, &what->cap, what->nr + 1, sizeof(known));

	if (r < 0)
		return err_sys(err, r, "cannot learn what disturbs the measurement");
	r = parse_format(&known, what, source->system, text, len, err);
	if (r == 0) {
		known.event = event_db_at(known.db, 0);
		known.value = source->value ? event_field_find(known.event, source->value) : NULL;
		if (source->value && !known.value)
			r = err_set(err, -EBADMSG, "the event %s:%s has no field '%s'",
				    source->system, known.event->name, source->value);
	}
	if (r < 0) {
		event_db_free(known.db);
		return r;
	}
	what->known[what->nr++] = known;
	what->by_id[known.event->id] = (uint16_t)what->nr;
	what->kinds |= 1u << source->kind;
	return 0;
}

bool interference_knows(const struct interference *what, enum interference_kind kind)
{
	return what->kinds & (1u << kind);
}

static int push(struct interference_list *list, const struct interference_event *event)
{
	int r = array_reserve(&list->events, &list->cap, list->nr + 1, sizeof(*event));

	if (r < 0)
		return r;
	list->events[list->nr++] = *event;
	return 0;
}

static uint8_t small_field(const struct subbuf_record *record, uint32_t offset, uint32_t size)
{
	return size == 1 && offset < record->len ? record->data[offset] : 0;
}

static int scan_record(const struct interference *what, struct interference_list *list,
		       const struct subbuf_record *record)
{
	const struct event_common *common = event_db_common(what->known[0].db);
	const bool big = what->layout.big_endian;
	const struct known_event *known;
	struct interference_event event = {.ts = record->ts};
	uint16_t index;

	list->last_ts = record->ts;
	if (record->len < common->type_offset + 2 || record->len < common->pid_offset + 4)
		return 0;
	index = what->by_id[load_u16(record->data + common->type_offset, big)];
	if (!index)
		return 0;
	known = &what->known[index - 1];
	event.kind = (uint8_t)known->kind;
	event.pid = (int32_t)load_u32(record->data + common->pid_offset, big);
	event.flags = small_field(record, common->flags_offset, common->flags_size);
	event.preempt_count = small_field(record, common->preempt_offset, common->preempt_size);
	if (known->value)
		event.value = (int64_t)event_field_u64(known->event, known->value, record->data,
						       record->len);
	return push(list, &event);
}

int interference_scan(const struct interference *what, struct interference_list *list,
		      const void *page, uint32_t page_size)
{
	struct subbuf_layout layout = what->layout;
	struct subbuf_cursor cursor;
	struct subbuf_record record;
	int r = 0;

	layout.size = page_size;
	if (!what->nr || subbuf_open(&cursor, &layout, page, page_size) < 0)
		return 0;
	if (cursor.lost) {
		struct interference_event lost = {
			.ts = cursor.ts,
			.value = (int64_t)list->last_ts,
			.kind = INTERFERENCE_LOST,
		};

		r = push(list, &lost);
	}
	while (r == 0 && subbuf_next(&cursor, &record) > 0)
		r = scan_record(what, list, &record);
	return r;
}

void interference_forget(struct interference_list *list, uint64_t ts)
{
	size_t before = interference_find(list, ts);

	if (!before)
		return;
	list->nr -= before;
	memmove(list->events, list->events + before, list->nr * sizeof(*list->events));
}

void interference_list_done(struct interference_list *list)
{
	mem_free(list->events);
	*list = (struct interference_list){0};
}

size_t interference_find(const struct interference_list *list, uint64_t ts)
{
	size_t low = 0, high = list->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->events[middle].ts < ts)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void interference_count(const struct interference_list *list, uint64_t start, uint64_t end,
			int32_t own_pid, struct interference_counts *ret_counts)
{
	struct interference_counts counts = {0};

	for (size_t i = interference_find(list, start); i < list->nr; i++) {
		const struct interference_event *event = &list->events[i];

		/* A loss ends at its event, but began before: it may stand behind the end. */
		if (event->kind == INTERFERENCE_LOST)
			counts.lost |= (uint64_t)event->value <= end;
		if (event->ts > end)
			break;
		if (event->kind == INTERFERENCE_SWITCH && event->value == own_pid)
			continue;
		counts.by_kind[event->kind]++;
		if (event->kind == INTERFERENCE_NMI)
			counts.nmi_ns += (uint64_t)MAX(event->value, (int64_t)0);
	}
	*ret_counts = counts;
}

bool interference_explains(const struct interference_list *list, uint64_t start, uint64_t end,
			   bool nmi_too)
{
	for (size_t i = interference_find(list, start - MIN(start, (uint64_t)SLACK_NS));
	     i < list->nr && list->events[i].ts <= end + SLACK_NS; i++) {
		enum interference_kind kind = list->events[i].kind;

		if (kind <= INTERFERENCE_TIMER && (nmi_too || kind != INTERFERENCE_NMI))
			return true;
	}
	return false;
}
