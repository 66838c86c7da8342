/* SPDX-License-Identifier: MIT */
/* ` name=value` for every field: -R, and events whose print fmt cannot be understood. */
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "event/program.h"

static bool is_text(const uint8_t *bytes, uint32_t len)
{
	for (uint32_t i = 0; i < len && bytes[i]; i++)
		if ((bytes[i] < ' ' || bytes[i] > '~') && (bytes[i] < '\t' || bytes[i] > '\r'))
			return false;
	return true;
}

/*
 * trace-cmd 3.1 treats a char array as numbers from the first time on that it did not hold text;
 * so did the reports people compare with. Newer text does not depend on what came before.
 */
static bool was_binary(const struct rec *rec, const struct event_field *field)
{
	return compat_of(rec->context) < 34 &&
	       __atomic_load_n(&rec->event->seen_binary[field - rec->event->pub.fields],
			       __ATOMIC_RELAXED);
}

static void print_array(const struct rec *rec, const struct event_field *field, struct out *out)
{
	bool chars = field_extra(&rec->event->pub, field)->traits & FIELD_CHARS;
	uint32_t offset = field->offset, len = field->size;
	const uint8_t *bytes;

	if (field->flags & (EVENT_FIELD_DYNAMIC | EVENT_FIELD_RELATIVE))
		rec_dynamic(rec, field, &offset, &len);
	offset = MIN(offset, rec->len);
	bytes = rec->data + offset;
	/* `char buf[]` at the end of print and its like: the rest of the record, text or not. */
	if (chars && !field->size) {
		out_mem(out, (const char *)bytes, strnlen((const char *)bytes, rec->len - offset));
		return;
	}
	len = MIN(len, rec->len - offset);
	if (chars && is_text(bytes, len) && !was_binary(rec, field)) {
		if (compat_of(rec->context) < 34)
			len = rec->len - offset; /* 3.1 goes on to the next NUL */
		out_mem(out, (const char *)bytes, strnlen((const char *)bytes, len));
		return;
	}
	__atomic_store_n(&rec->event->seen_binary[field - rec->event->pub.fields], 1,
			 __ATOMIC_RELAXED);
	out_lit(out, "ARRAY[");
	for (uint32_t i = 0; i < len; i++) {
		if (i)
			out_lit(out, ", ");
		out_hex_byte(out, bytes[i]);
	}
	out_char(out, ']');
}

static void print_signed(const struct event_field *field, bool wide, uint64_t value,
			 struct out *out)
{
	switch (field->size) {
	case 4:
		if (wide)
			out_0x(out, (uint32_t)value);
		else
			out_i64(out, (int32_t)value);
		break;
	case 2:
		number_print(out, &(struct spec){.conv = 'd', .size = -1, .width = 2}, -1, value);
		break;
	case 1:
		out_i64(out, (int8_t)value);
		break;
	default:
		out_i64(out, (int64_t)value);
		break;
	}
}

static void print_bytes(const struct rec *rec, const struct event_field *field, struct out *out)
{
	bool wide = field_extra(&rec->event->pub, field)->traits & FIELD_WIDE;
	uint64_t value;

	if (field->flags & EVENT_FIELD_ARRAY) {
		print_array(rec, field, out);
		return;
	}
	value = rec_uint(rec, field->offset, field->size);
	if (field->flags & EVENT_FIELD_POINTER)
		out_0x(out, value);
	else if (field->flags & EVENT_FIELD_SIGNED)
		print_signed(field, wide, value, out);
	else if (wide)
		out_0x(out, value);
	else
		out_u64(out, value);
}

void raw_print(struct rec *rec, const struct event_program *program, struct out *out)
{
	const struct event *event = &rec->event->pub;
	size_t limit = out->len + LIMIT_PRINT_BYTES;

	for (uint32_t i = event->nr_common; i < event->nr_fields && out->len < limit; i++) {
		const struct event_field *field = &event->fields[i];
		const struct raw_field *raw = program ? &program->raw[i - event->nr_common] : NULL;

		out_char(out, ' ');
		out_str(out, field->name);
		out_char(out, '=');
		if (!raw || raw->op < 0) {
			print_bytes(rec, field, out);
			continue;
		}
		if (raw->has_0x)
			out_lit(out, "0x");
		program_step(rec, &program->ops[raw->op], out);
	}
}
