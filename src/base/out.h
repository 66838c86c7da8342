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

/* Room for any number. */
enum {
	OUT_NUMBER = 24
};

extern const char out_digit_pairs[201]; /* "00" to "99" */

static inline unsigned int out_count_digits(uint64_t v)
{
	static const uint64_t powers[] = {
		0,
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
		10000000000000000000ull,
	};
	unsigned int guess = ((64 - (unsigned int)__builtin_clzll(v | 1)) * 1233) >> 12;

	return guess + (v >= powers[guess]);
}

/* %llu */
static inline void out_u64(struct out *out, uint64_t v)
{
	unsigned int nr;
	char *p;

	if (__builtin_expect(!out_room(out, OUT_NUMBER), 0))
		return;
	nr = v ? out_count_digits(v) : 1;
	p = out->buf + out->len + nr;
	out->len += nr;
	while (v >= 100) {
		p -= 2;
		memcpy(p, &out_digit_pairs[v % 100 * 2], 2);
		v /= 100;
	}
	if (v >= 10)
		memcpy(p - 2, &out_digit_pairs[v * 2], 2);
	else
		p[-1] = (char)('0' + v);
}

/* %lld */
static inline void out_i64(struct out *out, int64_t v)
{
	if (v < 0)
		out_char(out, '-');
	out_u64(out, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

/* %llx */
static inline void out_hex(struct out *out, uint64_t v)
{
	unsigned int nr = (64 - (unsigned int)__builtin_clzll(v | 1) + 3) / 4;
	char *p;

	if (__builtin_expect(!out_room(out, OUT_NUMBER), 0))
		return;
	p = out->buf + out->len + nr;
	out->len += nr;
	do {
		*--p = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v);
}

/* 0x%llx */
static inline void out_0x(struct out *out, uint64_t v)
{
	out_lit(out, "0x");
	out_hex(out, v);
}

/* %02x */
static inline void out_hex_byte(struct out *out, uint8_t byte)
{
	if (__builtin_expect(!out_room(out, 2), 0))
		return;
	out->buf[out->len] = "0123456789abcdef"[byte >> 4];
	out->buf[out->len + 1] = "0123456789abcdef"[byte & 15];
	out->len += 2;
}

void out_fill(struct out *out, char c, size_t nr);
void out_u64_pad(struct out *out, uint64_t v, unsigned int width, char pad); /* %*llu or %0*llu */
void out_hex_pad(struct out *out, uint64_t v, unsigned int width, char pad);
void out_str_right(struct out *out, const char *text, size_t len, size_t width); /* %*s, not cut */
void out_str_left(struct out *out, const char *text, size_t len, size_t width);	 /* %-*s */
/* A JSON string in quotes; bytes that are no UTF-8 become U+FFFD, so that the text is always valid.
 */
void out_json(struct out *out, const char *text, size_t len);
void out_printf(struct out *out, const char *fmt, ...) _printf_(2, 3); /* for rare things only */
const char *out_cstr(struct out *out); /* adds a NUL behind the text; valid until the next append */

#define _cleanup_out_ __attribute__((cleanup(out_done)))

#endif
