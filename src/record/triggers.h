/* SPDX-License-Identifier: MIT */
/*
 * Triggers that the kernel lacks. Each has an instance of its own, in which only its event is
 * enabled, with its filter, so that whatever comes out of it is a hit and the filter is the
 * kernel's. One thread sleeps until there is one, and acts.
 */
#ifndef SONDE_RECORD_TRIGGERS_H
#define SONDE_RECORD_TRIGGERS_H

#include "expr/trigger.h"
#include "kernel/control.h"
#include "kernel/events.h"
#include "kernel/instance.h"

struct triggers;

struct triggers_options { /* borrowed until triggers_free */
	const struct tracefs *fs;
	struct kernel_journal *journal;
	const struct kernel_events *events;
	/* In the thread: a snapshot of what has been stored. */
	int (*take_snapshot)(void *ctx, struct err *err);
	void *ctx;
	unsigned int interval_ms; /* so long recorded events may wait in the kernel */
	bool no_filter;		  /* our own threads may hit too */
};

/*
 * -ENOTSUP when only the kernel can carry it out (stacktrace, hist), because it needs the moment of
 * the event; what is no trigger is not judged.
 */
int triggers_can_stand_in(const char *text, struct err *err) _must_check_;
/* One trigger for the events hits[] of the instance `inst`, which is borrowed; not yet active. */
int triggers_add(struct triggers **triggers, const struct kernel_events *events,
		 struct kernel_instance *inst, const bool *hits, const char *text, struct err *err)
	_must_check_;
/* Number of those that were added; 0 for NULL. */
size_t triggers_count(const struct triggers *triggers);
/* Index of the event that a trigger switches, events->nr when it switches none. */
size_t triggers_event(const struct triggers *triggers, size_t index);
const char *triggers_text(const struct triggers *triggers, size_t index);

/*
 * Make the instances, after those of the recording, and the thread. Call with signals blocked.
 * `pids` are threads whose events shall be no hits.
 */
int triggers_open(struct triggers *triggers, const struct triggers_options *options,
		  const pid_t *pids, size_t nr, struct err *err) _must_check_;
pid_t triggers_tid(const struct triggers *triggers); /* of the thread; 0 for NULL */
/* Tracing has been switched on. NULL is legal here and below. */
int triggers_start(struct triggers *triggers, struct err *err) _must_check_;
/* End the thread: hits so far have been acted upon. Its first failure. */
int triggers_stop(struct triggers *triggers, struct err *err) _must_check_;
int triggers_free(struct triggers *triggers, struct err *err);

#endif
