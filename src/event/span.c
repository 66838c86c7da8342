/* SPDX-License-Identifier: MIT */
/* Texts of print fmts: numbers and types in them. */
#include <string.h>

#include "event/internal.h"

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* The digits of a number and whether it has a sign; saturates at UINT64_MAX. */
static uint64_t span_digits(struct span span, bool *ret_negative)
{
	size_t i = 0;
	uint64_t value = 0;
	int base = 10;

	*ret_negative = false;
	if (i < span.len && (span.p[i] == '-' || span.p[i] == '+'))
		*ret_negative = span.p[i++] == '-';
	if (i + 2 < span.len && span.p[i] == '0' && (span.p[i + 1] | 0x20) == 'x' &&
	    digit_of(span.p[i + 2]) < 16) {
		base = 16;
		i += 2;
	} else if (i < span.len && span.p[i] == '0') {
		base = 8;
	}
	for (; i < span.len && digit_of(span.p[i]) < base; i++) {
		if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit_of(span.p[i]), &value))
			return UINT64_MAX;
	}
	return value;
}

uint64_t span_u64(struct span span)
{
	bool negative;
	uint64_t value = span_digits(span, &negative);

	return negative && value != UINT64_MAX ? -value : value;
}

int64_t span_i64(struct span span)
{
	bool negative;
	uint64_t value = span_digits(span, &negative);

	if (negative)
		return value > (uint64_t)INT64_MAX ? INT64_MIN : -(int64_t)value;
	return value > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)value;
}

uint64_t cast_mask(struct span type)
{
	if (type.len < 2 || type.p[type.len - 1] == '*')
		return UINT64_MAX;
	if (type.len > 9 && !memcmp(type.p, "unsigned ", 9)) {
		type.p += 9;
		type.len -= 9;
	} else if (span_is(type, "u8") || span_is(type, "s8")) {
		return 0xff;
	} else if (span_is(type, "u16") || span_is(type, "s16")) {
		return 0xffff;
	} else if (span_is(type, "u32") || span_is(type, "s32")) {
		return 0xffffffff;
	}
	if (span_is(type, "char"))
		return 0xff;
	if (span_is(type, "short"))
		return 0xffff;
	return span_is(type, "int") ? 0xffffffff : UINT64_MAX;
}

uint64_t cast_target_mask(struct span type)
{
	if (type.len < 2 || type.p[type.len - 1] != '*')
		return UINT64_MAX;
	type.len -= 2; /* " *" */
	return cast_mask(type);
}
