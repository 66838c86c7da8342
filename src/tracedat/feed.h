/* SPDX-License-Identifier: MIT */
/* Pages from memory in place of the file: what streams need of it. Private to src/tracedat. */
#ifndef SONDE_TRACEDAT_FEED_H
#define SONDE_TRACEDAT_FEED_H

#include "tracedat/internal.h"

/* The next chunk of one CPU, whose reference the caller gets; NULL when there is none now. */
struct dat_chunk *dat_feed_take(struct dat_state *st, const struct dat_buffer *buffer,
				uint32_t cpu);
void dat_feed_end(struct dat_state *st);

#endif
