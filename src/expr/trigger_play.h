/* SPDX-License-Identifier: MIT */
/*
 * Triggers over a recording: which records would have been there, had these triggers been set while
 * all of it was recorded. `report --trigger EVENTS:TRIGGER`.
 */
#ifndef SONDE_EXPR_TRIGGER_PLAY_H
#define SONDE_EXPR_TRIGGER_PLAY_H

#include <stdbool.h>

#include "base/err.h"
#include "event/event.h"
#include "expr/filter.h"
#include "expr/kfilter.h"

struct trigger_play;

/* Borrows `db`, which must be sealed and outlive it. `strict`: filters answer as the kernel's do.
 */
int trigger_play_new(struct trigger_play **ret_play, const struct event_db *db,
		     const struct kfilter_kernel *kernel, bool strict) _must_check_;
void trigger_play_free(struct trigger_play *play);

/*
 * EVENTS as in filter_add, then the trigger in the kernel's words. Tracing is on at first, unless
 * the first trigger that switches it is a traceon; an event that one enables is off at first.
 * -EINVAL or -ENOENT when the text cannot be understood; -ENOTSUP for triggers that choose no
 * records. After an error only trigger_play_free may follow.
 */
int trigger_play_add(struct trigger_play *play, const char *text, struct err *err) _must_check_;

/*
 * The next record in the order of time: was it recorded? As in the kernel, the record behind a
 * traceoff is the last, and the one behind a traceon the first unless that has an `if`; one
 * that disables its own event is not there. One thread.
 */
bool trigger_play_record(struct trigger_play *play, const struct event *event,
			 const struct filter_record *record);

#endif
