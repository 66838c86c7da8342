/* SPDX-License-Identifier: MIT */
#include "report/hist_calls.h"

#include <errno.h>

#include "base/mem.h"
#include "report/calls.h"

struct hist_calls {
	struct hist_set *set;
	struct calls *calls;
	const struct event *event;
};

int hist_calls_new(struct hist_calls **ret_calls, struct hist_set *set, const struct event_db *db,
		   struct err *err)
{
	const struct calls_owner owner = {0};
	struct hist_calls *calls = mem_zalloc(sizeof(*calls));
	int r;

	if (!calls)
		return err_set(err, -ENOMEM, "out of memory");
	calls->set = set;
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
