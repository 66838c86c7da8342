/* SPDX-License-Identifier: MIT */
/* Inside of sources: the begin of a call of which only the end was recorded. */
#ifndef SONDE_REPORT_BEGINS_H
#define SONDE_REPORT_BEGINS_H

#include <stddef.h>
#include <stdint.h>

/* A copy of the record at its end. */
struct source_begin {
	uint64_t ts;  /* of the begin, as displayed */
	size_t order; /* of the ends */
	uint32_t cpu; /* of the end */
	uint8_t data[32];
};

#endif
