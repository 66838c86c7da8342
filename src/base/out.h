/* SPDX-License-Identifier: MIT */
/*
 * A growable output buffer with fast formatters: the text of a report is built here, millions of
 * lines a second, so nothing goes through printf and nothing is allocated per line once the buffer
 * has reached its size. A failed allocation sets `failed`; later appends are ignored, and the
 * owner checks the flag once, when it writes the buffer out.
 */
#ifndef SONDE_BASE_OUT_H
#define SONDE_BASE_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

struct out {
	char *buf; /* owned */
	size_t len, cap;
	bool failed; /* an allocation failed; the text is incomplete */
};

void out_done(struct out *out);
bool out_grow(struct out *out, size_t more); /* slow path of out_room */

/* True when `more` bytes can be appended without a check. */
static inline bool out_room(struct out *out, size_t more)
{
	return out->cap - out->len >= more || out_grow(out, more);
}

static inline void out_clear(struct out *out)
{
	out->len = 0;
}

static inline void out_char(struct out *out, char c)
{
	if (out_room(out, 1))
		out->buf[out->len++] = c;
}

static inline void out_mem(struct out *out, const void *data, size_t len)
{
	if (len && out_room(out, len)) {
		memcpy(out->buf + out->len, data, len);
		out->len += len;
	}
}

static inline void out_str(struct out *out, const char *text)
{
	out_mem(out, text, strlen(text));
}

#define out_lit(out, text) out_mem(out, text, sizeof(text) - 1)

void out_fill(struct out *out, char c, size_t nr);
void out_u64(struct out *out, uint64_t v);				     /* %llu */
void out_i64(struct out *out, int64_t v);				     /* %lld */
void out_u64_pad(struct out *out, uint64_t v, unsigned int width, char pad); /* %*llu or %0*llu */
void out_hex(struct out *out, uint64_t v);				     /* %llx */
void out_hex_pad(struct out *out, uint64_t v, unsigned int width, char pad);
void out_str_right(struct out *out, const char *text, size_t len, size_t width); /* %*s, not cut */
void out_str_left(struct out *out, const char *text, size_t len, size_t width);	 /* %-*s */
void out_printf(struct out *out, const char *fmt, ...) _printf_(2, 3); /* for rare things only */
const char *out_cstr(struct out *out); /* adds a NUL behind the text; valid until the next append */

#define _cleanup_out_ __attribute__((cleanup(out_done)))

#endif
