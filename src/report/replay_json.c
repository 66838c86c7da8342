/* SPDX-License-Identifier: MIT */
/* Lines as JSON objects, one a line. */
#include <stdio.h>

#include "base/mem.h"
#include "report/replay_data.h"
#include "report/rows.h"

static const char *const kinds[] = {
	[LINE_BEGIN] = "begin",	   [LINE_LEAF] = "call",     [LINE_END] = "end",
	[LINE_POINT] = "function", [LINE_COMMENT] = "event", [LINE_UNFINISHED] = "unfinished",
	[LINE_LOST] = "lost",
};

static void put_func(struct rows *rows, const struct replay_line *line)
{
	const struct replay_func *func = line->func;
	char addr[OUT_NUMBER];

	snprintf(addr, sizeof(addr), "0x%llx", (unsigned long long)func->addr);
	rows_i64(rows, "depth", line->depth);
	rows_text(rows, "function", func->name ? func->name : addr);
	if (func->module)
		rows_text(rows, "module", func->module);
	rows_text(rows, "addr", addr);
	if (line->kind == LINE_LEAF || line->kind == LINE_END) {
		if (line->timed)
			rows_u64(rows, "duration_ns", line->ns);
		else
			rows_none(rows, "duration_ns");
	}
	if (line->count > 1)
		rows_u64(rows, "count", line->count);
	if (line->count > 1 && line->kind == LINE_LEAF && line->timed) {
		rows_u64(rows, "min_ns", line->min_ns);
		rows_u64(rows, "max_ns", line->max_ns);
	}
}

static void put_caller(struct rows *rows, const struct replay_line *line)
{
	const struct replay_func *parent =
		line->parent ? replay_func(line->source, line->parent) : NULL;

	if (parent && parent->name)
		rows_text(rows, "caller", parent->name);
}

void replay_json(struct replay *replay, const struct replay_line *line)
{
	struct rows rows = {
		.format = REPORT_JSON, .out = replay->out, .buffer = line->source->title};

	rows_begin(&rows);
	rows_text(&rows, "type", kinds[line->kind]);
	rows_u64(&rows, "ts", line->ts);
	rows_u64(&rows, "cpu", line->cpu);
	if (line->kind == LINE_LOST) {
		if (line->lost > 0)
			rows_i64(&rows, "lost", line->lost);
		else
			rows_none(&rows, "lost");
		rows_end(&rows);
		return;
	}
	rows_text(&rows, "task", replay_comm(line->source, line->cpu, line->pid));
	rows_i64(&rows, "pid", line->pid);
	if (line->kind == LINE_COMMENT) {
		rows_text(&rows, "event", line->event);
		out_lit(replay->out, ",\"text\":");
		out_json(replay->out, line->text, line->text_len);
	} else {
		put_func(&rows, line);
	}
	put_caller(&rows, line);
	rows_end(&rows);
}
