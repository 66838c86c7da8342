/* SPDX-License-Identifier: MIT */
/*
 * A threshold leaves one record of a call, at its end, which says when it began. For whoever looks
 * at calls it is put in a second time at that moment. They are as many as the recording has records
 * of this kind, which a threshold makes few; so they are kept, sorted, while it is read.
 */
#include "report/begins.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "report/source.h"

static int compare(const void *a, const void *b)
{
	const struct source_begin *x = a, *y = b;

	if (x->cpu != y->cpu)
		return x->cpu < y->cpu ? -1 : 1;
	if (x->ts != y->ts)
		return x->ts < y->ts ? -1 : 1;
	/* Begun at once: the one that ends last is around the other. */
	return x->order > y->order ? -1 : 1;
}

static int add(struct source *source, size_t *cap, const struct event_field *calltime,
	       const struct event *event, const struct source_record *rec)
{
	struct source_begin *begin;

	if (rec->len < sizeof(begin->data))
		return 0;
	if (array_reserve(&source->begins, cap, source->nr_begins + 1, sizeof(*source->begins)) < 0)
		return -ENOMEM;
	begin = &source->begins[source->nr_begins];
	*begin = (struct source_begin){
		.ts = source_time(source, event_field_u64(event, calltime, rec->data, rec->len),
				  rec->cpu),
		.order = source->nr_begins++,
		.cpu = rec->cpu,
	};
	memcpy(begin->data, rec->data, sizeof(begin->data));
	return 0;
}

static bool is_of(const struct event_db *db, const struct event *event,
		  const struct source_record *rec)
{
	const struct event_common *common = event_db_common(db);

	return rec->len >= (uint32_t)common->type_offset + sizeof(uint16_t) &&
	       load_u16(rec->data + common->type_offset, event_db_big_endian(db)) == event->id;
}

int source_find_begins(struct source *source, struct err *err)
{
	const struct event_db *db = source->input->db;
	const struct event *event = event_db_by_name(db, "sonde", "func_long");
	const struct event_field *calltime = event ? event_field_find(event, "calltime") : NULL;
	const struct source_record *rec;
	struct source all;
	size_t cap = 0;
	int r;

	if (!calltime)
		return 0;
	r = source_init(&all, source->input, source->buffer, err);
	if (r < 0)
		return r;
	all.offset = source->offset;
	all.sync = source->sync;
	r = source_start(&all, NULL, 0, 0, err);
	for (; r == 0 && (rec = source_peek(&all)); source_pop(&all))
		if (is_of(db, event, rec) && add(source, &cap, calltime, event, rec) < 0)
			r = err_set(err, -ENOMEM, "out of memory");
	source_done(&all);
	if (source->nr_begins)
		qsort(source->begins, source->nr_begins, sizeof(*source->begins), compare);
	return r;
}
