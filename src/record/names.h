/* SPDX-License-Identifier: MIT */
/*
 * Task names out of the trace itself. The kernel remembers only the last tasks (128 by default),
 * but scheduler and task events carry names; and a task that still lives can be asked. Draining
 * threads look at each page as it passes, which costs a few nanoseconds a record.
 */
#ifndef SONDE_RECORD_NAMES_H
#define SONDE_RECORD_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "record/comms.h"
#include "tracedat/dat.h"

struct names;	     /* which events carry names; shared, read-only */
struct names_reader; /* one thread's findings */

/* From the formats that are recorded, which are borrowed only during the call. */
int names_new(struct names **ret_names, const struct dat_format *formats, size_t nr,
	      const struct subbuf_layout *layout) _must_check_;
void names_free(struct names *names);
/* Records of this event are looked out for; not one that names tasks. Before the readers run. */
void names_watch(struct names *names, uint16_t id);

int names_reader_new(struct names_reader **ret_reader, const struct names *names) _must_check_;
void names_reader_free(struct names_reader *reader);

/* Look through one page. Short memory only costs names. */
void names_scan(struct names_reader *reader, const void *page, uint32_t page_size);

/* How many names it has taken so far, also again. */
uint64_t names_taken(const struct names_reader *reader);

/* Whether it has met a record of a watched event. */
bool names_watched(const struct names_reader *reader);

/*
 * Add what the reader found for pids that `comms` does not know: names from events, then, where
 * this process shares the kernel's own pid namespace, names of tasks that still live.
 */
int names_merge(const struct names_reader *reader, struct comms *comms) _must_check_;

#endif
