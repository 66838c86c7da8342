/* SPDX-License-Identifier: MIT */
/*
 * The metadata of a recording made inside programs: the events that the runtime writes, as the
 * kernel would describe them, so that every reader of trace.dat reads them.
 */
#ifndef SONDE_RECORD_PROGRAM_EVENTS_H
#define SONDE_RECORD_PROGRAM_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/out.h"
#include "tracedat/dat.h"

/*
 * What is added to the events' numbers to make their ids. The kernel gives ids from below, the
 * lowest that is free, so that it would have to know 65,000 events to come here.
 */
#define PROGRAM_EVENTS_BASE 0xff00u
#define PROGRAM_EVENTS_IDS  256u /* PROGRAM_PROBE_EVENTS: probes have all but the first 16 */

/* Those of functions, as filters name them: with --thresh, of -p function, of function_graph. */
struct program_watch_event;
const struct program_watch_event *program_events_watched(bool thresh, bool graph, size_t *ret_nr);

/* In the arena. -ENOMEM. */
int program_events_formats(struct arena *arena, uint16_t base,
			   const struct dat_format **ret_formats, size_t *ret_nr) _must_check_;
/* The text of header_page for sub-buffers of this size. */
void program_events_header_page(struct out *out, uint32_t subbuf_size);
const char *program_events_header_event(void);

#endif
