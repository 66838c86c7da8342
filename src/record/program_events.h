/* SPDX-License-Identifier: MIT */
/*
 * The metadata of a recording made inside programs: the events that the runtime writes, as the
 * kernel would describe them, so that every reader of trace.dat reads them.
 */
#ifndef SONDE_RECORD_PROGRAM_EVENTS_H
#define SONDE_RECORD_PROGRAM_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/out.h"
#include "tracedat/dat.h"

/* *ret_formats are static. */
size_t program_events_formats(const struct dat_format **ret_formats);
/* The text of header_page for sub-buffers of this size. */
void program_events_header_page(struct out *out, uint32_t subbuf_size);
const char *program_events_header_event(void);

#endif
