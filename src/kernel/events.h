/* SPDX-License-Identifier: MIT */
/*
 * The events this kernel offers, and which of them a pattern names: what -e takes.
 */
#ifndef SONDE_KERNEL_EVENTS_H
#define SONDE_KERNEL_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "kernel/tracefs.h"

struct kernel_event {
	const char *system, *name;
	size_t first_of_system; /* index of the first event of its system, events being grouped */
	size_t nr_in_system;
};

struct kernel_events {
	struct arena arena;
	struct kernel_event *list; /* grouped by system, in order of name */
	size_t nr;
};

int kernel_events_load(struct kernel_events *events, const struct tracefs *fs, struct err *err)
	_must_check_;
/* From the text of an available_events file. */
int kernel_events_parse(struct kernel_events *events, const char *text) _must_check_;
void kernel_events_done(struct kernel_events *events);

/*
 * Mark in hits[events->nr] (true is added, nothing is cleared) the events a pattern names:
 *   SYSTEM:EVENT  both, either may be a glob or empty (any)
 *   WORD          a system, or an event of any system, by name or glob
 *   all           every event
 * Returns how many it names; 0 when none.
 */
size_t kernel_events_match(const struct kernel_events *events, const char *pattern, bool *hits);

/* Why a pattern names nothing; returns -ENOENT. */
int kernel_events_explain(const struct kernel_events *events, const char *pattern, struct err *err);

#endif
