/* SPDX-License-Identifier: MIT */
#include "report/hist_calls.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "report/calls.h"

struct hist_calls {
	struct hist_set *set;
	struct calls *calls;
	const struct event *event;
	const struct event *counted; /* that has been counted in programs; or NULL */
	const struct event_field *hist, *key, *hits, *duration, *dropped; /* of that */
};

/* A recording of histograms has no calls in it, but this event. */
static void find_counted(struct hist_calls *calls, const struct event_db *db)
{
	const struct event *event = event_db_by_name(db, "sonde", "func_hist");

	if (!event)
		return;
	calls->hist = event_field_find(event, "hist");
	calls->key = event_field_find(event, "key");
	calls->hits = event_field_find(event, "hits");
	calls->duration = event_field_find(event, "duration");
	calls->dropped = event_field_find(event, "dropped");
	if (calls->hist && calls->key && calls->hits && calls->duration && calls->dropped)
		calls->counted = event;
}

int hist_calls_new(struct hist_calls **ret_calls, struct hist_set *set, const struct event_db *db,
		   struct err *err)
{
	const struct calls_owner owner = {0};
	struct hist_calls *calls = mem_zalloc(sizeof(*calls));
	int r;

	if (!calls)
		return err_set(err, -ENOMEM, "out of memory");
	calls->set = set;
	find_counted(calls, db);
	r = calls_new(&calls->calls, db, &owner);
	if (r < 0)
		err_set(err, r, "out of memory");
	else
		r = hist_set_synthetic(set,
				       HIST_CALLS_NAME
				       " unsigned long func; u64 duration; u64 self; int depth",
				       err);
	if (r < 0) {
		hist_calls_free(calls);
		return r;
	}
	calls->event = hist_set_event(set, "synthetic", HIST_CALLS_NAME);
	hist_set_calls(set, calls->event);
	*ret_calls = calls;
	return 0;
}

void hist_calls_free(struct hist_calls *calls)
{
	if (!calls)
		return;
	calls_free(calls->calls);
	mem_free(calls);
}

static uint64_t number(const struct report_item *item, const struct event_field *field)
{
	return event_field_u64(item->event, field, item->rec->data, item->rec->len);
}

/* The triggers are those that were counted, in their order, and all of them on calls. */
static int add_counted(const struct hist_calls *calls, const struct report_item *item)
{
	struct hist_counted counted = {
		.hits = number(item, calls->hits),
		.dropped = number(item, calls->dropped),
	};
	uint32_t len = 0;
	const uint8_t *keys =
		event_field_bytes(item->event, calls->key, item->rec->data, item->rec->len, &len);

	for (uint32_t i = 0; i < HIST_PLAIN_KEYS && keys && 8 * (i + 1) <= len; i++)
		counted.keys[i] =
			load_u64(keys + (size_t)8 * i, event_db_big_endian(item->event->db));
	for (uint32_t i = 0; i < HIST_PLAIN_VALUES; i++)
		counted.sums[i] = number(item, calls->duration);
	return hist_set_add(calls->set, number(item, calls->hist), &counted);
}

int hist_calls_item(struct hist_calls *calls, const struct report_item *item)
{
	const struct hist_record cause = {
		.event = item->event,
		.data = item->rec->data,
		.len = item->rec->len,
		.cpu = item->rec->cpu,
		.ts = item->rec->ts,
	};
	struct call_step step;
	int r;

	if (item->event && item->event == calls->counted)
		return add_counted(calls, item);
	do {
		uint64_t values[4];

		r = calls_record(calls->calls, item, &step);
		if (r < 0 || step.kind != CALL_END || !step.timed)
			continue;
		values[0] = step.func;
		values[1] = step.ns;
		values[2] = step.self_known ? step.self_ns : 0;
		values[3] = (uint64_t)(int64_t)step.depth;
		r = hist_set_fire(calls->set, calls->event, &cause, values);
	} while (r >= 0 && step.kind == CALL_END && step.more);
	return r;
}
