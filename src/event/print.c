/* SPDX-License-Identifier: MIT */
/* Running print programs: the inner loop of a report. */
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "event/handler.h"
#include "event/program.h"

static inline uint64_t field_value(const struct rec *rec, const struct op *op)
{
	uint64_t value = rec_uint(rec, op->offset, op->size);

	return op->bits < 64 ? value & ((1ull << op->bits) - 1) : value;
}

static void print_signed(const struct rec *rec, const struct op *op, struct out *out)
{
	uint64_t value = rec_uint(rec, op->offset, op->size);
	unsigned int unused = 64u - op->bits;

	out_i64(out, (int64_t)(value << unused) >> unused);
}

static void print_chars(const struct rec *rec, const struct op *op, struct out *out)
{
	uint32_t offset = MIN(op->offset, rec->len), len = MIN(op->size, rec->len - offset);
	const char *text = (const char *)rec->data + offset;

	out_mem(out, text, strnlen(text, len));
}

static void print_dynamic(const struct rec *rec, const struct op *op, struct out *out)
{
	uint32_t offset, len;
	const char *text;

	rec_dynamic(rec, op->field, &offset, &len);
	if (!len)
		return;
	text = (const char *)rec->data + offset;
	out_mem(out, text, strnlen(text, rec->len - offset));
}

static int64_t star_value(const struct rec *rec, const struct op *op)
{
	return op->star ? (int32_t)num_eval(op->star, rec) : -1;
}

static void print_pointer(const struct rec *rec, const struct op *op, struct out *out)
{
	uint64_t value = num_eval(op->num, rec);

	if (value)
		out_0x(out, value);
	else
		out_lit(out, "(nil)");
}

static void print_bprint(const struct rec *rec, const struct op *op, struct out *out)
{
	struct op inner = *op;

	if (op->size < rec->nr_bprint && rec->bprint[op->size].is_string) {
		out_mem(out, rec->bprint[op->size].text.p, rec->bprint[op->size].text.len);
		return;
	}
	inner.code = op->bits;
	inner.size = 0;
	program_step(rec, &inner, out);
}

/* The conversions that are not in the fast part of program_run. */
static void print_other(const struct rec *rec, const struct op *op, struct out *out)
{
	switch (op->code) {
	case OP_NUMBER:
		number_print(out, &op->spec, star_value(rec, op), num_eval(op->num, rec));
		break;
	case OP_TEXT:
		text_print(rec, op->text, &op->spec, star_value(rec, op), out);
		break;
	case OP_POINTER:
		print_pointer(rec, op, out);
		break;
	case OP_ADDRESS:
		out_hex_pad(out, num_eval(op->num, rec), rec->long_size * 2u, '0');
		break;
	case OP_CALL: {
		const struct text call = {.kind = TEXT_CALL, .num = op->num};
		static const struct spec plain = {.conv = 's'};

		text_print(rec, &call, &plain, -1, out);
		break;
	}
	case OP_BPRINT:
		print_bprint(rec, op, out);
		break;
	case OP_END:
		break;
	default:
		pointer_print(rec, op, out);
		break;
	}
}

static inline void step(const struct rec *rec, const struct op *op, struct out *out)
{
	switch (op->code) {
	case OP_UNSIGNED:
		out_u64(out, field_value(rec, op));
		break;
	case OP_SIGNED:
		print_signed(rec, op, out);
		break;
	case OP_HEX:
		out_hex(out, field_value(rec, op));
		break;
	case OP_CHARS:
		print_chars(rec, op, out);
		break;
	case OP_DYNAMIC:
		print_dynamic(rec, op, out);
		break;
	case OP_SYMBOL:
		symbol_print(rec, num_eval(op->num, rec), op->variant == 'S', out);
		break;
	default:
		print_other(rec, op, out);
		break;
	}
}

void program_step(const struct rec *rec, const struct op *op, struct out *out)
{
	step(rec, op, out);
}

void program_run(const struct rec *rec, const struct event_program *program, struct out *out)
{
	const struct op *op = program->ops, *end = op + program->nr_ops;
	size_t limit = out->len + LIMIT_PRINT_BYTES;

	for (; op < end && out->len < limit; op++) {
		out_mem(out, op->literal.p, op->literal.len);
		step(rec, op, out);
	}
}

static const struct event_program *program_for(const struct rec *rec)
{
	return compat_of(rec->context) >= 34 ? rec->event->program_34 : rec->event->program_31;
}

/* Read the arguments of a bprint record as its format says they lie. */
static uint32_t bprint_args(const struct rec *rec, const struct event_program *program,
			    const struct event_field *ip, uint32_t at, struct bprint_arg *args)
{
	uint32_t nr = 0;

	args[nr++].value = ip ? rec_uint(rec, ip->offset, ip->size) : 0;
	for (; nr < program->nr_bprint_args; nr++) {
		uint8_t kind = program->bprint_args[nr];
		uint32_t size = kind == BPRINT_8 || kind == BPRINT_EITHER_8 ? 8 : 4;
		struct bprint_arg *arg = &args[nr];

		*arg = (struct bprint_arg){.text = {"", 0}};
		if (at >= rec->len)
			continue;
		if (kind == BPRINT_STRING ||
		    (kind >= BPRINT_EITHER_4 && rec->data[at] >= ' ' && rec->data[at] <= '~')) {
			const char *text = (const char *)rec->data + at;

			arg->is_string = true;
			arg->text = (struct span){text, strnlen(text, rec->len - at)};
			at += (uint32_t)arg->text.len + 1;
			continue;
		}
		at = (at + 3) & ~3u; /* numbers are aligned to 4 bytes */
		arg->value = rec_uint(rec, at, size);
		at += size;
	}
	return nr;
}

static void print_failed(struct rec *rec, struct out *out)
{
	out_lit(out, "[FAILED TO PARSE]");
	raw_print(rec, NULL, out);
}

static void print_no_printk(const struct rec *rec, uint64_t ip, uint64_t fmt, struct out *out)
{
	symbol_print(rec, ip, false, out);
	out_lit(out, ": (NO FORMAT FOUND at ");
	out_hex(out, fmt);
	out_lit(out, ")\n");
}

/* trace_printk: the format is found by its address, the arguments lie behind it. */
static void print_bprint_event(struct rec *rec, struct out *out)
{
	const struct event_field *fmt = rec->event->handler_fields[BPRINT_FMT];
	const struct event_field *buf = rec->event->handler_fields[BPRINT_BUF];
	const struct event_field *ip = rec->event->handler_fields[BPRINT_IP];
	struct bprint_arg args[BPRINT_MAX_ARGS] = {0};
	const struct event_program *program;
	const struct printk *printk;
	uint64_t addr;

	if (!fmt || !buf) {
		print_failed(rec, out);
		return;
	}
	addr = rec_uint(rec, fmt->offset, fmt->size);
	printk = db_printk(rec->db, addr);
	if (!printk) {
		print_no_printk(rec, ip ? rec_uint(rec, ip->offset, ip->size) : 0, addr, out);
		return;
	}
	program = compat_of(rec->context) >= 34 ? printk->program_34 : printk->program_31;
	if (!program) {
		print_failed(rec, out);
		return;
	}
	rec->nr_bprint = bprint_args(rec, program, ip, buf->offset, args);
	rec->bprint = args;
	program_run(rec, program, out);
}

void event_print_pretty(struct rec *rec, struct out *out)
{
	const struct event_program *program = program_for(rec);

	if (!program)
		print_failed(rec, out);
	else if (rec->event->is_bprint)
		print_bprint_event(rec, out);
	else
		program_run(rec, program, out);
}

void event_print(const struct event *event, const void *data, uint32_t len, unsigned int flags,
		 const struct event_context *context, struct out *out)
{
	const struct event_impl *impl = event_impl(event);
	const struct event_db *db = event->db;
	struct rec rec = {.db = db, .event = impl, .data = data, .len = len, .context = context};

	rec.big = db->options.big_endian;
	rec.long_size = db->options.long_size;
	if (__builtin_expect(flags & EVENT_PRINT_RAW, 0))
		raw_print(&rec, impl->is_bprint ? NULL : program_for(&rec), out);
	else if (!impl->handler || (flags & EVENT_PRINT_NO_HANDLER) ||
		 impl->handler->print(&rec, out))
		event_print_pretty(&rec, out);
}
