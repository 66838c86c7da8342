/* SPDX-License-Identifier: MIT */
/*
 * Records to hist triggers, with the kernel stack that was recorded behind them. An interrupt may
 * come between a record and its stack, so a record waits for it, one a CPU and context; another
 * record of that context, or of one that it would have interrupted, says that no stack comes.
 */
#ifndef SONDE_REPORT_HIST_FEED_H
#define SONDE_REPORT_HIST_FEED_H

#include "expr/hist.h"

struct hist_feed;

/* Borrows both. */
int hist_feed_new(struct hist_feed **ret_feed, struct hist_set *set, const struct event_db *db)
	_must_check_;
void hist_feed_free(struct hist_feed *feed);

/* All records of all events, in order of time. As hist_set_record. */
int hist_feed_record(struct hist_feed *feed, const struct hist_record *record) _must_check_;
/* After the last. */
int hist_feed_end(struct hist_feed *feed) _must_check_;

#endif
