/* SPDX-License-Identifier: MIT */
/* ftrace's own events: function, func_repeats, kernel_stack, raw_data. */
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "event/handler.h"

enum {
	INDENT_BLANKS = 3,
	RAW_WORD_BYTES = 8
};

static void print_function(const struct rec *rec, uint64_t addr, struct out *out)
{
	const struct symbol *symbol = symbols_find(rec->db->symbols, addr);

	if (!symbol) {
		out_0x(out, addr);
		return;
	}
	out_mem(out, symbol->name, symbol->name_len);
	if (handler_options(rec)->function_offset) {
		out_lit(out, "+0x");
		out_hex(out, (uint32_t)(addr - symbol->addr));
		out_char(out, ' ');
	}
}

enum {
	FUNCTION_IP,
	FUNCTION_PARENT,
	REPEATS_COUNT,
	REPEATS_TOP,
	REPEATS_BOTTOM
};

static bool function_print(const struct rec *rec, struct out *out)
{
	uint64_t ip, parent;

	if (!handler_value(rec, FUNCTION_IP, true, &ip, out) ||
	    !handler_value(rec, FUNCTION_PARENT, true, &parent, out)) {
		out_char(out, '!');
		return true;
	}
	if (rec->context && handler_options(rec)->function_indent)
		out_fill(out, ' ',
			 (size_t)MIN(rec->context->indent, LIMIT_PRINT_WIDTH) * INDENT_BLANKS);
	print_function(rec, ip, out);
	if (handler_options(rec)->function_parent) {
		out_lit(out, " <-- ");
		print_function(rec, parent, out);
	}
	return false;
}

static void print_time(const struct rec *rec, uint64_t ts, struct out *out)
{
	switch (rec->context ? rec->context->time : EVENT_TIME_US) {
	case EVENT_TIME_US:
		ts = (ts + 500) / 1000;
		out_u64_pad(out, ts / 1000000, 5, ' ');
		out_char(out, '.');
		out_u64_pad(out, ts % 1000000, 6, '0');
		break;
	case EVENT_TIME_NS:
		out_u64_pad(out, ts / 1000000000, 5, ' ');
		out_char(out, '.');
		out_u64_pad(out, ts % 1000000000, 9, '0');
		break;
	default:
		out_u64_pad(out, ts, 12, ' ');
		break;
	}
}

static bool repeats_print(const struct rec *rec, struct out *out)
{
	uint64_t count, top, bottom;

	function_print(rec, out);
	if (!handler_value(rec, REPEATS_COUNT, true, &count, out) ||
	    !handler_value(rec, REPEATS_TOP, true, &top, out) ||
	    !handler_value(rec, REPEATS_BOTTOM, true, &bottom, out)) {
		out_char(out, '!');
		return true;
	}
	out_lit(out, " (count: ");
	out_i64(out, (int64_t)count);
	out_lit(out, "  last_ts: ");
	print_time(rec, (rec->context ? rec->context->ts : 0) - (top << 32 | bottom), out);
	out_char(out, ')');
	return false;
}

static bool stack_print(const struct rec *rec, struct out *out)
{
	const struct event_field *field = handler_field(rec, 0);
	uint32_t size = rec->long_size;

	if (!field) {
		out_lit(out, "<CANT FIND FIELD caller>");
		return false;
	}
	out_lit(out, "<stack trace >\n");
	for (uint32_t at = field->offset; at < rec->len && rec->len - at >= size; at += size) {
		uint64_t addr = load_uint(rec->data + at, size, rec->big);
		const struct symbol *symbol;

		if ((uint32_t)addr == UINT32_MAX)
			break;
		out_lit(out, "=> ");
		symbol = symbols_find(rec->db->symbols, addr);
		if (symbol) {
			print_function(rec, addr, out);
			out_lit(out, " (");
			out_hex(out, addr);
			out_char(out, ')');
		} else {
			out_hex(out, addr);
		}
		out_char(out, '\n');
	}
	return false;
}

enum {
	RAW_ID,
	RAW_BUF
};

static bool raw_data_print(const struct rec *rec, struct out *out)
{
	const struct event_field *buf = handler_field(rec, RAW_BUF);
	uint64_t id;

	if (!handler_value(rec, RAW_ID, true, &id, out)) {
		out_char(out, '!');
		return true;
	}
	out_lit(out, "# ");
	out_hex(out, id);
	if (!buf) {
		out_lit(out, "<CANT FIND FIELD buf>");
		return false;
	}
	/* Words of 8 bytes at every long: with longs of 4 trace-cmd shows bytes twice. */
	for (uint32_t at = buf->offset; at < rec->len; at += rec->long_size) {
		uint32_t nr = MIN((uint32_t)RAW_WORD_BYTES, rec->len - at);

		for (uint32_t i = 0; i < nr; i++) {
			out_char(out, ' ');
			out_hex_byte(out, rec->data[at + i]);
		}
	}
	return false;
}

const struct handler handlers_ftrace[] = {
	{"ftrace", "function", function_print, {"ip", "parent_ip"}, EVENT_FUNCTION},
	{"ftrace",
	 "func_repeats",
	 repeats_print,
	 {"ip", "parent_ip", "count", "top_delta_ts", "bottom_delta_ts"},
	 EVENT_PLAIN},
	{"ftrace", "kernel_stack", stack_print, {"caller"}, EVENT_KERNEL_STACK},
	{"ftrace", "raw_data", raw_data_print, {"id", "buf"}, EVENT_PLAIN},
	{0},
};
