/* SPDX-License-Identifier: MIT */
/* What copying needs of a stream beside dat.h. */
#ifndef SONDE_TRACEDAT_STREAM_H
#define SONDE_TRACEDAT_STREAM_H

#include "tracedat/dat.h"

/* A CPU's data as it lies in a file: whole pages, or whole chunks without their count. */
struct dat_raw_area {
	int fd;
	uint64_t offset, size;
	uint32_t nr_chunks;
};

/* False when the area is not whole and must be read page by page. */
bool dat_stream_raw(struct dat_stream *stream, struct dat_raw_area *ret_area);

#endif
