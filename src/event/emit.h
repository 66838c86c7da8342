/* SPDX-License-Identifier: MIT */
/*
 * Appending to an `out` where every nanosecond counts: room is asked for once and the text is
 * written in place.
 */
#ifndef SONDE_EVENT_EMIT_H
#define SONDE_EVENT_EMIT_H

#include <string.h>

#include "base/out.h"

enum {
	EMIT_NUMBER = 24
}; /* room for any number */

extern const char emit_digit_pairs[201];

static inline void emit_mem(struct out *out, const char *text, size_t len)
{
	if (__builtin_expect(!len || !out_room(out, len), 0))
		return;
	memcpy(out->buf + out->len, text, len);
	out->len += len;
}

static inline unsigned int emit_count_digits(uint64_t v)
{
	static const uint64_t powers[] = {0,
					  10ull,
					  100ull,
					  1000ull,
					  10000ull,
					  100000ull,
					  1000000ull,
					  10000000ull,
					  100000000ull,
					  1000000000ull,
					  10000000000ull,
					  100000000000ull,
					  1000000000000ull,
					  10000000000000ull,
					  100000000000000ull,
					  1000000000000000ull,
					  10000000000000000ull,
					  100000000000000000ull,
					  1000000000000000000ull,
					  10000000000000000000ull};
	unsigned int guess = ((64 - (unsigned int)__builtin_clzll(v | 1)) * 1233) >> 12;

	return guess + (v >= powers[guess]);
}

static inline void emit_u64(struct out *out, uint64_t v)
{
	unsigned int nr;
	char *p;

	if (__builtin_expect(!out_room(out, EMIT_NUMBER), 0))
		return;
	nr = v ? emit_count_digits(v) : 1;
	p = out->buf + out->len + nr;
	out->len += nr;
	while (v >= 100) {
		p -= 2;
		memcpy(p, &emit_digit_pairs[v % 100 * 2], 2);
		v /= 100;
	}
	if (v >= 10)
		memcpy(p - 2, &emit_digit_pairs[v * 2], 2);
	else
		p[-1] = (char)('0' + v);
}

static inline void emit_i64(struct out *out, int64_t v)
{
	if (v < 0)
		out_char(out, '-');
	emit_u64(out, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

static inline void emit_hex(struct out *out, uint64_t v)
{
	unsigned int nr = (64 - (unsigned int)__builtin_clzll(v | 1) + 3) / 4;
	char *p;

	if (__builtin_expect(!out_room(out, EMIT_NUMBER), 0))
		return;
	p = out->buf + out->len + nr;
	out->len += nr;
	do {
		*--p = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v);
}

static inline void emit_0x(struct out *out, uint64_t v)
{
	out_lit(out, "0x");
	emit_hex(out, v);
}

static inline void emit_hex_byte(struct out *out, uint8_t byte)
{
	if (__builtin_expect(!out_room(out, 2), 0))
		return;
	out->buf[out->len] = "0123456789abcdef"[byte >> 4];
	out->buf[out->len + 1] = "0123456789abcdef"[byte & 15];
	out->len += 2;
}

#endif
