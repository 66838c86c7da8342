/* SPDX-License-Identifier: MIT */
/*
 * A task's clock starts at its sched_wakeup (or sched_wakeup_new) and stops when a sched_switch
 * makes it the next one; a second wake-up restarts it. Tasks of a real-time priority (below 100)
 * are also summed on their own.
 */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/map.h"
#include "base/mem.h"
#include "report/wakeup.h"

enum {
	LOWEST_RT_PRIO = 99
};

struct wakeup_kind {
	const struct event *event;
	const struct event_field *pid, *success; /* success: kernels before 4.x */
};

struct wakeup_sum {
	uint64_t nr, total;
	uint64_t max, max_ts, min, min_ts;
};

struct wakeup {
	struct wakeup_kind wakeup, wakeup_new;
	const struct event *sched_switch;
	const struct event_field *next_pid, *next_prio;
	struct map waking; /* pid -> time of its wake-up */
	struct wakeup_sum all, rt;
	bool active, big_endian;
};

/* False when the event is there but has no pid. */
static bool find_wakeup(struct wakeup_kind *kind, const struct event_db *db, const char *name)
{
	kind->event = event_db_by_name(db, "sched", name);
	if (!kind->event)
		return true;
	kind->pid = event_field_find(kind->event, "pid");
	kind->success = event_field_find(kind->event, "success");
	return kind->pid != NULL;
}

int wakeup_new(struct wakeup **ret_wakeup, const struct event_db *db)
{
	struct wakeup *wakeup = mem_zalloc(sizeof(*wakeup));
	bool known;

	if (!wakeup)
		return -ENOMEM;
	wakeup->big_endian = event_db_big_endian(db);
	wakeup->all.min = wakeup->rt.min = UINT64_MAX;
	known = find_wakeup(&wakeup->wakeup, db, "sched_wakeup") && wakeup->wakeup.event &&
		find_wakeup(&wakeup->wakeup_new, db, "sched_wakeup_new");
	wakeup->sched_switch = event_db_by_name(db, "sched", "sched_switch");
	if (known && wakeup->sched_switch) {
		wakeup->next_pid = event_field_find(wakeup->sched_switch, "next_pid");
		wakeup->next_prio = event_field_find(wakeup->sched_switch, "next_prio");
		wakeup->active = wakeup->next_pid && wakeup->next_prio;
	}
	*ret_wakeup = wakeup;
	return 0;
}

void wakeup_free(struct wakeup *wakeup)
{
	if (!wakeup)
		return;
	map_done(&wakeup->waking);
	mem_free(wakeup);
}

static bool read_number(const struct wakeup *wakeup, const struct event_field *field,
			const uint8_t *data, uint32_t len, uint64_t *ret_value)
{
	if (!field || field->size > 8 || (uint64_t)field->offset + field->size > len)
		return false;
	*ret_value = load_uint(data + field->offset, field->size, wakeup->big_endian);
	return true;
}

static void add(struct wakeup_sum *sum, uint64_t latency, uint64_t ts)
{
	sum->nr++;
	sum->total += latency;
	if (latency > sum->max) {
		sum->max = latency;
		sum->max_ts = ts;
	}
	if (latency < sum->min) {
		sum->min = latency;
		sum->min_ts = ts;
	}
}

static int waking(struct wakeup *wakeup, const struct wakeup_kind *kind, const void *data,
		  uint32_t len, uint64_t ts)
{
	uint64_t pid, success;

	if (read_number(wakeup, kind->success, data, len, &success) && !success)
		return 0;
	if (!read_number(wakeup, kind->pid, data, len, &pid))
		return 0;
	return map_set(&wakeup->waking, pid, ts);
}

static void switched(struct wakeup *wakeup, const void *data, uint32_t len, uint64_t ts,
		     struct out *out)
{
	uint64_t pid, prio, latency, *start;

	if (!read_number(wakeup, wakeup->next_prio, data, len, &prio) ||
	    !read_number(wakeup, wakeup->next_pid, data, len, &pid))
		return;
	start = map_find(&wakeup->waking, pid);
	if (!start)
		return;
	latency = ts - *start;
	add(&wakeup->all, latency, ts);
	if (prio <= LOWEST_RT_PRIO)
		add(&wakeup->rt, latency, ts);
	map_remove(&wakeup->waking, pid);

	out_lit(out, " Latency: ");
	out_u64(out, latency / 1000);
	out_char(out, '.');
	out_u64_pad(out, latency % 1000, 3, '0');
	out_lit(out, " usecs");
}

int wakeup_event(struct wakeup *wakeup, const struct event *event, const void *data, uint32_t len,
		 uint64_t ts, struct out *out)
{
	if (!wakeup->active || !event)
		return 0;
	if (event == wakeup->wakeup.event)
		return waking(wakeup, &wakeup->wakeup, data, len, ts);
	if (event == wakeup->wakeup_new.event)
		return waking(wakeup, &wakeup->wakeup_new, data, len, ts);
	if (event == wakeup->sched_switch)
		switched(wakeup, data, len, ts, out);
	return 0;
}

static void print_usecs(struct out *out, const char *what, uint64_t ns)
{
	out_printf(out, "%s: %llu.%03llu usecs", what, (unsigned long long)(ns / 1000),
		   (unsigned long long)(ns % 1000));
}

/* The rounding up does not carry into the seconds; trace-cmd's text has it so. */
static void print_at(struct out *out, uint64_t ts)
{
	out_printf(out, " at timestamp: %llu.%06llu\n", (unsigned long long)(ts / 1000000000),
		   (unsigned long long)((ts + 500) % 1000000000 / 1000));
}

static void print_sum(struct out *out, const struct wakeup_sum *sum)
{
	out_char(out, '\n');
	print_usecs(out, "Average wakeup latency", sum->total / sum->nr);
	out_char(out, '\n');
	print_usecs(out, "Maximum Latency", sum->max);
	print_at(out, sum->max_ts);
	print_usecs(out, "Minimum Latency", sum->min);
	print_at(out, sum->min_ts);
	out_char(out, '\n');
}

void wakeup_summary(const struct wakeup *wakeup, struct out *out)
{
	if (!wakeup->all.nr)
		return;
	print_sum(out, &wakeup->all);
	if (!wakeup->rt.nr)
		return;
	out_lit(out, "RT task timings:\n");
	print_sum(out, &wakeup->rt);
}
