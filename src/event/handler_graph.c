/* SPDX-License-Identifier: MIT */
/*
 * funcgraph_entry and funcgraph_exit. An entry whose exit is the next event is shown with it on one
 * line; the reader finds that out and hands the exit over in the context.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "event/handler.h"

enum {
	DEPTH_BLANKS = 2,
	DURATION_WIDTH = 7
};

enum {
	GRAPH_FUNC,
	GRAPH_DEPTH,
	GRAPH_CALLTIME,
	GRAPH_RETTIME,
	GRAPH_RETVAL
};

static void print_mark(uint64_t duration, struct out *out)
{
	char mark = duration > 1000000000 ? '$'
		    : duration > 1000000  ? '#'
		    : duration > 100000	  ? '!'
		    : duration > 10000	  ? '+'
					  : ' ';

	out_char(out, mark);
	out_char(out, ' ');
}

/* At least 7 wide, with three decimals where they fit. */
static void print_duration(uint64_t duration, struct out *out)
{
	uint64_t us = duration / 1000;
	unsigned int ns = (unsigned int)(duration % 1000);
	size_t start = out->len, len;

	out_u64(out, us);
	if (out->len - start < DURATION_WIDTH) {
		out_char(out, '.');
		out_char(out, (char)('0' + ns / 100));
		out_char(out, (char)('0' + ns / 10 % 10));
		out_char(out, (char)('0' + ns % 10));
	}
	len = out->len - start;
	out_lit(out, " us ");
	if (len < DURATION_WIDTH)
		out_fill(out, ' ', DURATION_WIDTH - len);
	out_lit(out, "|  ");
}

static void print_depth_blanks(uint64_t depth, struct out *out)
{
	int32_t blanks = (int32_t)(depth * DEPTH_BLANKS);

	if (blanks > 0)
		out_fill(out, ' ', MIN((size_t)blanks, (size_t)LIMIT_PRINT_WIDTH));
}

static void print_depth_number(const struct rec *rec, uint64_t depth, struct out *out)
{
	if (!handler_options(rec)->graph_depth)
		return;
	out_lit(out, " (");
	out_i64(out, (int64_t)depth);
	out_char(out, ')');
}

/* What the function returned, where the kernel records it and trace-cmd (from 3.2 on) shows it. */
static void print_retval(const struct rec *rec, const struct event *exit, const uint8_t *data,
			 uint32_t len, struct out *out)
{
	const struct event_field *field = event_impl(exit)->handler_fields[GRAPH_RETVAL];
	const struct event_options *options = handler_options(rec);
	int64_t value;

	if (!field || compat_of(rec->context) < 34 || options->graph_retval_skip)
		return;
	if (field->offset > len || field->size > len - field->offset)
		return;
	value = load_int(data + field->offset, field->size, rec->big);
	out_lit(out, " (ret=");
	if (options->graph_retval_dec || (!options->graph_retval_hex && value < 0 && value > -4096))
		out_i64(out, value);
	else
		out_0x(out, (uint64_t)value);
	out_char(out, ')');
}

/* A number of the leaf's exit, 0 when the record is too short. */
static uint64_t leaf_value(const struct rec *rec, unsigned int i)
{
	const struct event_context *context = rec->context;
	const struct event_field *field = event_impl(context->leaf_exit)->handler_fields[i];

	if (!field || field->offset > context->leaf_len ||
	    field->size > context->leaf_len - field->offset)
		return 0;
	return load_uint((const uint8_t *)context->leaf_data + field->offset, field->size,
			 rec->big);
}

static void print_leaf_time(const struct rec *rec, struct out *out)
{
	uint64_t duration = leaf_value(rec, GRAPH_RETTIME) - leaf_value(rec, GRAPH_CALLTIME);

	print_mark(duration, out);
	print_duration(duration, out);
}

static bool entry_print(const struct rec *rec, struct out *out)
{
	bool leaf = rec->context && rec->context->leaf_exit;
	uint64_t depth, func;
	const struct symbol *symbol;

	if (!handler_value(rec, GRAPH_FUNC, true, &func, out)) {
		out_char(out, '!');
		return true;
	}
	if (leaf)
		print_leaf_time(rec, out);
	else
		out_lit(out, "             |  ");
	if (!handler_value(rec, GRAPH_DEPTH, true, &depth, out)) {
		out_char(out, '!');
		return true;
	}
	print_depth_blanks(depth, out);
	symbol = symbols_find(rec->db->symbols, func);
	if (symbol)
		out_mem(out, symbol->name, symbol->name_len);
	else
		out_hex(out, func);
	if (leaf)
		out_lit(out, "();");
	else
		out_lit(out, "() {");
	print_depth_number(rec, depth, out);
	if (leaf)
		print_retval(rec, rec->context->leaf_exit, rec->context->leaf_data,
			     rec->context->leaf_len, out);
	return false;
}

static bool exit_print(const struct rec *rec, struct out *out)
{
	uint64_t rettime, calltime, depth, func;

	if (!handler_value(rec, GRAPH_RETTIME, true, &rettime, out) ||
	    !handler_value(rec, GRAPH_CALLTIME, true, &calltime, out)) {
		out_char(out, '!');
		return true;
	}
	print_mark(rettime - calltime, out);
	print_duration(rettime - calltime, out);
	if (!handler_value(rec, GRAPH_DEPTH, true, &depth, out)) {
		out_char(out, '!');
		return true;
	}
	print_depth_blanks(depth, out);
	out_char(out, '}');
	if (handler_options(rec)->graph_tailprint) {
		const struct symbol *symbol;

		if (!handler_value(rec, GRAPH_FUNC, false, &func, out))
			return false;
		symbol = symbols_find(rec->db->symbols, func);
		if (!symbol)
			return false;
		out_lit(out, " /* ");
		out_mem(out, symbol->name, symbol->name_len);
		out_lit(out, " */");
	}
	print_depth_number(rec, depth, out);
	print_retval(rec, &rec->event->pub, rec->data, rec->len, out);
	return false;
}

const struct handler handlers_graph[] = {
	{"ftrace", "funcgraph_entry", entry_print, {"func", "depth"}, EVENT_GRAPH_ENTRY},
	{"ftrace",
	 "funcgraph_exit",
	 exit_print,
	 {"func", "depth", "calltime", "rettime", "retval"},
	 EVENT_GRAPH_EXIT},
	{0},
};
