/* SPDX-License-Identifier: MIT */
/*
 * Numbers of a print program. All arithmetic is on unsigned 64-bit values, and fields are
 * zero-extended: that is how trace-cmd computes, and a conversion cuts the result to its own size.
 */
#include "event/program.h"

#include "base/mem.h"

void rec_dynamic(const struct rec *rec, const struct event_field *field, uint32_t *ret_offset,
		 uint32_t *ret_len)
{
	uint32_t offset = 0, len = 0;
	uint64_t value;

	if (field->offset <= rec->len && field->size <= rec->len - field->offset) {
		value = load_uint(rec->data + field->offset, field->size, rec->big);
		offset = value & 0xffff;
		/* Two bytes are the oldest form, without a length. */
		len = field->size == 2 ? rec->len - MIN(offset, rec->len)
				       : (uint32_t)(value >> 16) & 0xffff;
		if (offset + len > rec->len)
			len = 0;
		if (offset > rec->len)
			offset = 0;
		if (field->flags & EVENT_FIELD_RELATIVE)
			offset += field->offset + field->size;
		if (offset > rec->len)
			offset = rec->len;
		if (len > rec->len - offset)
			len = rec->len - offset;
	}
	*ret_offset = offset;
	*ret_len = len;
}

static uint64_t dynamic_address(const struct rec *rec, const struct event_field *field)
{
	uint32_t offset, len;

	rec_dynamic(rec, field, &offset, &len);
	return (uint64_t)(uintptr_t)(rec->data + offset);
}

static uint64_t dynamic_len(const struct rec *rec, const struct event_field *field)
{
	uint32_t offset, len;

	rec_dynamic(rec, field, &offset, &len);
	return len;
}

static uint64_t element(const struct num *num, const struct rec *rec)
{
	uint64_t index = num_eval(num->a, rec);
	uint32_t offset, len;

	if (num->op == NUM_INDEX_DYNAMIC) {
		rec_dynamic(rec, num->field, &offset, &len);
		offset += (uint32_t)index;
	} else {
		offset = num->offset + (uint32_t)index * num->size;
	}
	return rec_uint(rec, offset, num->size) & num->value;
}

static uint64_t call(const struct num *num, const struct rec *rec)
{
	uint64_t args[CALL_MAX_ARGS] = {0};
	unsigned int nr = 0;

	for (const struct num *arg = num->a; arg && nr < CALL_MAX_ARGS; arg = arg->next_arg)
		args[nr++] = num_eval(arg, rec);
	return num->helper->value ? num->helper->value(rec, args) : 0;
}

static uint64_t same_text(const struct num *num, const struct rec *rec)
{
	static const struct spec plain = {.conv = 's'};
	_cleanup_out_ struct out a = {0}, b = {0};
	bool same;

	text_print(rec, num->text_a, &plain, -1, &a);
	text_print(rec, num->text_b, &plain, -1, &b);
	same = a.len == b.len && (!a.len || !memcmp(a.buf, b.buf, a.len));
	return same != (bool)num->value;
}

static uint64_t operate(const struct num *num, uint64_t a, uint64_t b)
{
	switch (num->op) {
	case NUM_NOT:
		return !b;
	case NUM_INVERT:
		return ~b;
	case NUM_ADD:
		return a + b;
	case NUM_SUB:
		return a - b;
	case NUM_MUL:
		return a * b;
	case NUM_DIV:
		return b ? a / b : 0;
	case NUM_MOD:
		return b ? a % b : 0;
	case NUM_AND:
		return a & b;
	case NUM_OR:
		return a | b;
	case NUM_XOR:
		return a ^ b;
	case NUM_SHL:
		return a << (b & 63);
	case NUM_SHR:
		return a >> (b & 63);
	case NUM_EQ:
		return a == b;
	case NUM_NE:
		return a != b;
	case NUM_LT:
		return a < b;
	case NUM_LE:
		return a <= b;
	case NUM_GT:
		return a > b;
	case NUM_GE:
		return a >= b;
	case NUM_BOTH:
		return a && b;
	case NUM_EITHER:
		return a || b;
	default:
		return 0;
	}
}

uint64_t num_eval(const struct num *num, const struct rec *rec)
{
	switch (num->op) {
	case NUM_CONST:
	case NUM_PENDING:
		return num->value;
	case NUM_FIELD:
		return rec_uint(rec, num->offset, num->size);
	case NUM_MASK:
		return num_eval(num->a, rec) & num->value;
	case NUM_COND:
		return num_eval(num_eval(num->a, rec) ? num->b : num->c, rec);
	case NUM_BPRINT:
		return num->value < rec->nr_bprint ? rec->bprint[num->value].value : 0;
	case NUM_DYNAMIC:
		return dynamic_address(rec, num->field);
	case NUM_DYNAMIC_LEN:
		return dynamic_len(rec, num->field);
	case NUM_INDEX_FIELD:
	case NUM_INDEX_DYNAMIC:
		return element(num, rec);
	case NUM_CALL:
		return call(num, rec);
	case NUM_SAME_TEXT:
		return same_text(num, rec);
	default:
		return operate(num, num_eval(num->a, rec), num_eval(num->b, rec));
	}
}
