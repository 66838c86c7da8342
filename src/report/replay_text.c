/* SPDX-License-Identifier: MIT */
/* Lines as text, in the layout of the kernel's function_graph tracer. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "report/duration.h"
#include "report/replay_data.h"

#define COLOUR_OFF   "\033[0m"
#define COLOUR_QUIET "\033[2m"
#define COLOUR_TASK  "\033[1;32m"
#define COLOUR_SLOW  "\033[33m"
#define COLOUR_WORST "\033[31m"
#define COLOUR_LOST  "\033[1;31m"
#define RULE	     " ------------------------------------------\n"

enum {
	PROC_WIDTH = 14,   /* as the kernel's */
	MAX_BRACES = 4096, /* whose functions are kept: a depth beyond this may be a wrong one */
	SLOW_NS = 100000,
	WORST_NS = 1000000
};

static const struct {
	const char *name, *first, *second; /* the two lines of the heading */
} fields[REPLAY_NR_FIELDS] = {
	[REPLAY_CPU] = {"cpu", " CPU", " |  "},
	[REPLAY_DURATION] = {"duration", "  DURATION   ", "   |   |      "},
	[REPLAY_TIME] = {"time", "     TIME       ", "      |         "},
	[REPLAY_ELAPSED] = {"elapsed", "   REL TIME     ", "      |         "},
	[REPLAY_DELTA] = {"delta", "   DELTA      ", "     |        "},
	[REPLAY_TID] = {"tid", "     TID   ", "      |    "},
	[REPLAY_TASK] = {"task", "  TASK/PID       ", "   |    |        "},
	[REPLAY_ADDR] = {"addr", "      ADDRESS       ", "         |          "},
	[REPLAY_MODULE] = {"module", "      MODULE       ", "        |          "},
};

int replay_field_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (strlen(fields[i].name) == len && !memcmp(fields[i].name, name, len))
			return (int)i;
	return -1;
}

void replay_heading(struct replay *replay, struct out *out)
{
	const struct replay_options *options = &replay->options;

	if (options->format != REPORT_TEXT)
		return;
	out_char(out, '#');
	for (size_t i = 0; i < options->nr_fields; i++)
		out_str(out, fields[options->fields[i]].first);
	out_lit(out, "               FUNCTION CALLS\n#");
	for (size_t i = 0; i < options->nr_fields; i++)
		out_str(out, fields[options->fields[i]].second);
	out_lit(out, "               |   |   |   |\n");
}

/* --- columns --- */

static void colour(const struct replay *replay, const char *code)
{
	if (replay->options.colour)
		out_str(replay->out, code);
}

static void put_cpu(const struct replay_source *source, uint32_t cpu, struct out *out)
{
	out_char(out, ' ');
	out_u64_pad(out, cpu, source->cpu_digits, ' ');
	out_lit(out, ") ");
}

/* "comm-pid" in the middle of 14 columns. */
static void put_proc(struct replay_source *source, uint32_t cpu, int32_t pid, struct out *out)
{
	const char *comm = replay_comm(source, cpu, pid);
	size_t len = strnlen(comm, REPLAY_COMM), all, spaces;
	char number[OUT_NUMBER];

	snprintf(number, sizeof(number), "-%d", pid);
	all = len + strlen(number);
	spaces = all < PROC_WIDTH ? PROC_WIDTH - all : 0;
	out_fill(out, ' ', spaces / 2);
	out_mem(out, comm, len);
	out_str(out, number);
	out_fill(out, ' ', spaces - spaces / 2);
}

static void put_time(const struct replay_source *source, uint64_t ts, struct out *out)
{
	if (source->source->usecs) {
		out_u64_pad(out, ts / 1000000000, 5, ' ');
		out_char(out, '.');
		out_u64_pad(out, ts % 1000000000 / 1000, 6, '0');
	} else {
		out_u64_pad(out, ts, 12, ' ');
	}
	out_lit(out, " |  ");
}

static void put_duration(const struct replay *replay, uint64_t ns, struct out *out)
{
	bool slow = replay->options.colour && ns > SLOW_NS;

	if (slow)
		out_str(out, ns > WORST_NS ? COLOUR_WORST : COLOUR_SLOW);
	out_char(out, duration_mark(ns));
	out_char(out, ' ');
	duration_put(ns, out);
	if (slow)
		out_lit(out, COLOUR_OFF);
	out_lit(out, "|  ");
}

static void put_delta(const struct replay_line *line, struct out *out)
{
	const struct replay_task *task = replay_task(line->source, line->pid);

	out_lit(out, "  ");
	if (task && task->any)
		duration_put(line->ts - task->last_ts, out);
	else
		out_fill(out, ' ', 12);
	out_lit(out, "|  ");
}

static void put_module(const struct replay_func *func, struct out *out)
{
	const char *module = !func ? "" : func->module ? func->module : func->name ? "kernel" : "?";

	out_char(out, ' ');
	out_str_left(out, module, strnlen(module, 14), 14);
	out_lit(out, " |  ");
}

static void put_addr(const struct replay_func *func, struct out *out)
{
	out_char(out, ' ');
	if (func)
		out_hex_pad(out, func->addr, 16, '0');
	else
		out_fill(out, ' ', 16);
	out_lit(out, " |  ");
}

static void put_field(struct replay *replay, const struct replay_line *line,
		      enum replay_field field)
{
	struct out *out = replay->out;

	switch (field) {
	case REPLAY_CPU:
		put_cpu(line->source, line->cpu, out);
		break;
	case REPLAY_TIME:
		put_time(line->source, line->ts, out);
		break;
	case REPLAY_ELAPSED:
		out_u64_pad(out, (line->ts - replay->first_ts) / 1000, 9, ' ');
		out_lit(out, " us |  ");
		break;
	case REPLAY_DELTA:
		put_delta(line, out);
		break;
	case REPLAY_TID:
		out_char(out, ' ');
		out_u64_pad(out, (uint32_t)line->pid, 7, ' ');
		out_lit(out, " | ");
		break;
	case REPLAY_TASK:
		put_proc(line->source, line->cpu, line->pid, out);
		out_lit(out, " | ");
		break;
	case REPLAY_ADDR:
		put_addr(line->func, out);
		break;
	case REPLAY_MODULE:
		put_module(line->func, out);
		break;
	default:
		if (line->timed)
			put_duration(replay, line->ns, out);
		else
			out_lit(out, "              |  ");
	}
}

static void put_fields(struct replay *replay, const struct replay_line *line)
{
	for (size_t i = 0; i < replay->options.nr_fields; i++)
		put_field(replay, line, replay->options.fields[i]);
}

/* --- what stands between lines --- */

static void put_switch(struct replay *replay, const struct replay_line *line, int32_t from)
{
	struct out *out = replay->out;

	if (replay->options.task_newline) {
		out_char(out, '\n');
		return;
	}
	out_lit(out, RULE);
	put_cpu(line->source, line->cpu, out);
	colour(replay, COLOUR_TASK);
	put_proc(line->source, line->cpu, from, out);
	out_lit(out, " => ");
	put_proc(line->source, line->cpu, line->pid, out);
	colour(replay, COLOUR_OFF);
	out_lit(out, "\n" RULE "\n");
}

/* Another task on the CPU: told as the kernel does, unless the layout tells it. */
static void check_switch(struct replay *replay, const struct replay_line *line)
{
	struct replay_cpu *cpu = replay_cpu(line->source, line->cpu);
	int32_t from = cpu->last_pid;

	if (from == line->pid)
		return;
	cpu->last_pid = line->pid;
	if (from != -1 && !replay->options.column_view && !replay->options.flat)
		put_switch(replay, line, from);
}

static void check_source(struct replay *replay, const struct replay_line *line)
{
	if (!line->source->title || replay->shown_source == line->source->shown)
		return;
	replay->shown_source = line->source->shown;
	out_lit(replay->out, "# ");
	out_str(replay->out, line->source->title);
	out_char(replay->out, '\n');
}

/* The kernel's arrows at both ends of an interrupt. */
static void put_irq(struct replay *replay, const struct replay_line *line, const char *arrow)
{
	struct out *out = replay->out;

	if (replay->options.flat)
		return;
	for (size_t i = 0; i < replay->options.nr_fields; i++) {
		enum replay_field field = replay->options.fields[i];
		struct replay_line blank = *line;

		blank.func = NULL;
		if (field == REPLAY_DURATION)
			out_lit(out, "  ");
		else
			put_field(replay, &blank, field);
	}
	out_str(out, arrow);
	out_lit(out, " |\n");
}

static void put_lost(struct replay *replay, const struct replay_line *line)
{
	struct out *out = replay->out;

	colour(replay, COLOUR_LOST);
	out_lit(out, "CPU:");
	out_u64(out, line->cpu);
	out_lit(out, " [LOST ");
	if (line->lost > 0) {
		out_i64(out, line->lost);
		out_char(out, ' ');
	}
	out_lit(out, "EVENTS]");
	colour(replay, COLOUR_OFF);
	out_char(out, '\n');
}

/* --- the function --- */

static void put_name(const struct replay_func *func, struct out *out)
{
	if (!func->name) {
		out_0x(out, func->addr);
		return;
	}
	out_str(out, func->name);
	if (func->module) {
		out_lit(out, " [");
		out_str(out, func->module);
		out_char(out, ']');
	}
}

static void put_indent(struct replay *replay, const struct replay_line *line, int32_t levels)
{
	size_t width = 0;

	if (replay->options.column_view) {
		const struct replay_task *task = replay_task(line->source, line->pid);

		width = task ? (size_t)task->column * replay->options.column_offset : 0;
	}
	if (levels > 0)
		width += MIN((size_t)levels * REPLAY_INDENT, (size_t)LIMIT_PRINT_WIDTH);
	out_fill(replay->out, ' ', width);
}

/*
 * Whether the brace of a return is that of the last open one of its depth on this CPU: if not, the
 * function is named.
 */
static bool braces_match(const struct replay_cpu *cpu, const struct replay_line *line)
{
	return line->depth < 0 || (size_t)line->depth >= cpu->nr_funcs ||
	       cpu->funcs[line->depth] == line->func->addr;
}

static int note_brace(struct replay_cpu *cpu, int32_t depth, uint64_t addr)
{
	size_t old = cpu->nr_funcs;

	if (depth < 0 || depth >= MAX_BRACES || ((size_t)depth >= old && !addr))
		return 0;
	if (array_reserve(&cpu->funcs, &cpu->nr_funcs, (size_t)depth + 1, sizeof(*cpu->funcs)) < 0)
		return -1;
	for (; old < cpu->nr_funcs; old++)
		cpu->funcs[old] = 0;
	cpu->funcs[depth] = addr;
	return 0;
}

static void put_folded(const struct replay_line *line, struct out *out)
{
	out_lit(out, " /* ");
	out_u64(out, line->count);
	out_lit(out, " calls");
	if (line->timed) {
		out_lit(out, ", ");
		duration_put_bare(line->min_ns, out);
		out_lit(out, " to ");
		duration_put_bare(line->max_ns, out);
	}
	out_lit(out, " */");
}

static void put_end(struct replay *replay, const struct replay_line *line)
{
	struct replay_cpu *cpu = replay_cpu(line->source, line->cpu);
	bool named = !braces_match(cpu, line) || replay->options.tail;

	/* Depths that no entry has reached have no brace either. */
	named |= line->depth >= 0 && (size_t)line->depth >= cpu->nr_funcs;
	cpu->depth = line->depth - 1;
	note_brace(cpu, line->depth, 0);
	out_char(replay->out, '}');
	if (!named || replay->options.no_comment)
		return;
	out_lit(replay->out, " /* ");
	put_name(line->func, replay->out);
	out_lit(replay->out, " */");
}

static void put_comment(struct replay *replay, const struct replay_line *line)
{
	struct out *out = replay->out;
	int32_t depth = replay_cpu(line->source, line->cpu)->depth;

	/* Inside the call that did not return; an event, where the kernel puts it. */
	if (line->kind == LINE_UNFINISHED)
		put_indent(replay, line, line->depth + 1);
	else
		put_indent(replay, line, depth > 0 ? depth + 1 : 0);
	colour(replay, COLOUR_QUIET);
	out_lit(out, "/* ");
	if (line->kind == LINE_UNFINISHED) {
		put_name(line->func, out);
		out_lit(out, ": no return was recorded");
	} else {
		out_mem(out, line->text, line->text_len);
	}
	out_lit(out, " */");
	colour(replay, COLOUR_OFF);
}

static void put_point(struct replay *replay, const struct replay_line *line)
{
	struct out *out = replay->out;
	const struct replay_func *parent;

	put_name(line->func, out);
	out_lit(out, "();");
	if (line->count > 1) {
		out_lit(out, " /* ");
		out_u64(out, line->count);
		out_lit(out, " times */");
	}
	parent = line->parent ? replay_func(line->source, line->parent) : NULL;
	if (!parent || replay->options.no_comment)
		return;
	out_lit(out, " /* <-");
	put_name(parent, out);
	out_lit(out, " */");
}

static void put_flat(struct replay *replay, const struct replay_line *line)
{
	static const char *const arrows[] = {[LINE_BEGIN] = "] ==> ",
					     [LINE_LEAF] = "] <=> ",
					     [LINE_END] = "] <== ",
					     [LINE_POINT] = "] --> "};
	struct out *out = replay->out;

	out_char(out, '[');
	out_i64(out, line->depth);
	out_str(out, arrows[line->kind]);
	put_name(line->func, out);
	if (line->count > 1)
		put_folded(line, out);
}

static void put_call(struct replay *replay, const struct replay_line *line)
{
	struct replay_cpu *cpu = replay_cpu(line->source, line->cpu);
	struct out *out = replay->out;

	put_indent(replay, line, line->depth);
	switch (line->kind) {
	case LINE_BEGIN:
		cpu->depth = line->depth;
		if (note_brace(cpu, line->depth, line->func->addr) < 0)
			out->failed = true;
		put_name(line->func, out);
		out_lit(out, "() {");
		break;
	case LINE_LEAF:
		cpu->depth = line->depth - 1;
		note_brace(cpu, line->depth, 0);
		put_name(line->func, out);
		out_lit(out, "();");
		if (line->count > 1)
			put_folded(line, out);
		break;
	case LINE_POINT:
		cpu->depth = line->depth - 1;
		put_point(replay, line);
		break;
	default:
		put_end(replay, line);
	}
}

void replay_print(struct replay *replay, const struct replay_line *line)
{
	bool comment = line->kind == LINE_COMMENT || line->kind == LINE_UNFINISHED;
	struct replay_task *task;
	bool irq = !comment && line->func && line->func->irq && line->kind != LINE_POINT;

	check_source(replay, line);
	if (line->kind == LINE_LOST) {
		put_lost(replay, line);
		return;
	}
	check_switch(replay, line);
	if (irq && line->kind != LINE_END)
		put_irq(replay, line, "==========>");
	put_fields(replay, line);
	if (comment)
		put_comment(replay, line);
	else if (replay->options.flat)
		put_flat(replay, line);
	else
		put_call(replay, line);
	out_char(replay->out, '\n');
	if (irq && line->kind != LINE_BEGIN)
		put_irq(replay, line, "<==========");
	task = replay->deltas ? replay_task(line->source, line->pid) : NULL;
	if (task) {
		task->last_ts = line->ts;
		task->any = true;
	}
}

/* --- the end --- */

void replay_print_open(struct replay *replay, struct replay_source *source,
		       const struct call_task *task)
{
	struct out *out = replay->out;
	size_t nr = 0;

	for (uint32_t i = 0; i < task->nr; i++) {
		const struct call *call = &task->calls[i];
		const struct replay_func *func = replay_func(source, call->func);

		if (!func || !(call->flags & CALL_SHOWN) || call->flags & CALL_SHORT)
			continue;
		if (replay->options.format == REPORT_JSON) {
			replay_json(replay, &(struct replay_line){.kind = LINE_UNFINISHED,
								  .source = source,
								  .func = func,
								  .ts = call->ts,
								  .cpu = task->cpu,
								  .pid = task->pid,
								  .depth = call->level});
			continue;
		}
		if (!nr++) {
			out_lit(out, "# not returned when the records end: ");
			out_str(out, replay_comm(source, task->cpu, task->pid));
			out_char(out, '-');
			out_i64(out, task->pid);
			out_lit(out, ": ");
		} else {
			out_lit(out, " > ");
		}
		put_name(func, out);
	}
	if (nr)
		out_char(out, '\n');
}
