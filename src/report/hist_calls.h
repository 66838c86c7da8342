/* SPDX-License-Identifier: MIT */
/*
 * Calls of functions, kernel's or a program's, as events of a histogram: fields func, duration and
 * self (ns), depth. A call is an event when it returns.
 */
#ifndef SONDE_REPORT_HIST_CALLS_H
#define SONDE_REPORT_HIST_CALLS_H

#include "expr/hist.h"
#include "report/report.h"

/* The event that it defines, of system "synthetic". */
#define HIST_CALLS_NAME "calls"

struct hist_calls;

/* Borrows both. Before triggers are added to the event. */
int hist_calls_new(struct hist_calls **ret_calls, struct hist_set *set, const struct event_db *db,
		   struct err *err) _must_check_;
void hist_calls_free(struct hist_calls *calls);
/* All records, in order of time. */
int hist_calls_item(struct hist_calls *calls, const struct report_item *item) _must_check_;

#endif
