/* SPDX-License-Identifier: MIT */
/*
 * `report -w`: the time from a task's wake-up to the moment it runs, behind each sched_switch line
 * and as a summary at the end, in trace-cmd's words.
 */
#ifndef SONDE_REPORT_WAKEUP_H
#define SONDE_REPORT_WAKEUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/out.h"
#include "event/event.h"

struct wakeup;

/*
 * Borrows `db`. Without the sched_wakeup and sched_switch formats there is nothing to measure:
 * returns 0 and a wakeup that never says anything.
 */
int wakeup_new(struct wakeup **ret_wakeup, const struct event_db *db) _must_check_;
void wakeup_free(struct wakeup *wakeup);

/*
 * One shown record, in the order of the output; `ts` in ns. Appends ` Latency: U.NNN usecs` to
 * `out` when the record is the switch to a task whose wake-up was seen. -ENOMEM when the table of
 * waking tasks cannot grow.
 */
int wakeup_event(struct wakeup *wakeup, const struct event *event, const void *data, uint32_t len,
		 uint64_t ts, struct out *out) _must_check_;

/* The summary behind the last line; nothing when no latency was seen. */
void wakeup_summary(const struct wakeup *wakeup, struct out *out);

#endif
