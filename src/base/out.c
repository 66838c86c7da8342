/* SPDX-License-Identifier: MIT */
#include "base/out.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

const char out_digit_pairs[201] = "0001020304050607080910111213141516171819"
				  "2021222324252627282930313233343536373839"
				  "4041424344454647484950515253545556575859"
				  "6061626364656667686970717273747576777879"
				  "8081828384858687888990919293949596979899";

void out_done(struct out *out)
{
	mem_free(out->buf);
	*out = (struct out){0};
}

bool out_grow(struct out *out, size_t more)
{
	size_t want;

	if (out->failed || size_add(out->len, more, &want) ||
	    array_reserve(&out->buf, &out->cap, MAX(want, (size_t)256), 1)) {
		out->failed = true;
		return false;
	}
	return true;
}

void out_fill(struct out *out, char c, size_t nr)
{
	if (nr && out_room(out, nr)) {
		memset(out->buf + out->len, c, nr);
		out->len += nr;
	}
}

/* Writes the decimal digits of v so that they end before `end`; returns where they start. */
static char *put_dec(char *end, uint64_t v)
{
	while (v >= 100) {
		unsigned int pair = (unsigned int)(v % 100);

		v /= 100;
		end -= 2;
		memcpy(end, &out_digit_pairs[pair * 2], 2);
	}
	if (v >= 10) {
		end -= 2;
		memcpy(end, &out_digit_pairs[v * 2], 2);
	} else {
		*--end = (char)('0' + v);
	}
	return end;
}

static char *put_hex(char *end, uint64_t v)
{
	do {
		*--end = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v);
	return end;
}

static void padded(struct out *out, const char *p, size_t len, unsigned int width, char pad)
{
	if (len < width)
		out_fill(out, pad, width - len);
	out_mem(out, p, len);
}

void out_u64_pad(struct out *out, uint64_t v, unsigned int width, char pad)
{
	char tmp[24], *end = tmp + sizeof(tmp), *p = put_dec(end, v);

	padded(out, p, (size_t)(end - p), width, pad);
}

void out_hex_pad(struct out *out, uint64_t v, unsigned int width, char pad)
{
	char tmp[24], *end = tmp + sizeof(tmp), *p = put_hex(end, v);

	padded(out, p, (size_t)(end - p), width, pad);
}

void out_str_right(struct out *out, const char *text, size_t len, size_t width)
{
	if (len < width)
		out_fill(out, ' ', width - len);
	out_mem(out, text, len);
}

void out_str_left(struct out *out, const char *text, size_t len, size_t width)
{
	out_mem(out, text, len);
	if (len < width)
		out_fill(out, ' ', width - len);
}

void out_printf(struct out *out, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!out_room(out, 128))
		return;
	va_start(ap, fmt);
	n = vsnprintf(out->buf + out->len, out->cap - out->len, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= out->cap - out->len) {
		if (!out_room(out, (size_t)n + 1))
			return;
		va_start(ap, fmt);
		vsnprintf(out->buf + out->len, out->cap - out->len, fmt, ap);
		va_end(ap);
	}
	out->len += (size_t)n;
}

const char *out_cstr(struct out *out)
{
	if (!out_room(out, 1))
		return "";
	out->buf[out->len] = '\0';
	return out->buf;
}
