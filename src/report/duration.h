/* SPDX-License-Identifier: MIT */
/* Durations as function_graph prints them: microseconds, at most 7 digits and the point. */
#ifndef SONDE_REPORT_DURATION_H
#define SONDE_REPORT_DURATION_H

#include <stdint.h>

#include "base/out.h"

/* "12.345 us", 8 columns wide before the unit's end: what stands in front of the '|'. */
static inline void duration_put(uint64_t ns, struct out *out)
{
	uint64_t us = ns / 1000;
	unsigned int rest = (unsigned int)(ns % 1000), digits = us ? out_count_digits(us) : 1;
	const char fraction[] = {'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
				 (char)('0' + rest % 10)};
	size_t nr = digits > 6 ? 0 : digits > 4 ? 8 - digits : sizeof(fraction);

	out_u64(out, us);
	out_mem(out, fraction, nr);
	out_lit(out, " us ");
	if (digits + nr < 8)
		out_fill(out, ' ', 8 - digits - nr);
}

/* The same without blanks behind it. */
static inline void duration_put_bare(uint64_t ns, struct out *out)
{
	duration_put(ns, out);
	while (out->len && out->buf[out->len - 1] == ' ')
		out->len--;
}

/* What marks a long call. */
static inline char duration_mark(uint64_t ns)
{
	return ns > 1000000000	? '$'
	       : ns > 100000000 ? '@'
	       : ns > 10000000	? '*'
	       : ns > 1000000	? '#'
	       : ns > 100000	? '!'
	       : ns > 10000	? '+'
				: ' ';
}

#endif
