/* SPDX-License-Identifier: MIT */
/* Format: the text lines of a batch, in the layouts of trace-cmd 3.1 and of 3.3 and newer. */
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "report/batch.h"

/* Colours of a terminal: lost events red, names of events cyan, the time dim. */
#define COLOUR_LOST  "\033[1;31m"
#define COLOUR_EVENT "\033[36m"
#define COLOUR_TIME  "\033[2m"
#define COLOUR_OFF   "\033[0m"

enum {
	NAME_COLUMN = 20,
	COMM_COLUMN = 16,
	COMM_COLUMN_LATENCY = 8
};

/* Bits of the common field `flags` (kernel: enum trace_flag_type). */
enum {
	FLAG_IRQS_OFF = 0x01,
	FLAG_IRQS_NOSUPPORT = 0x02,
	FLAG_NEED_RESCHED = 0x04,
	FLAG_HARDIRQ = 0x08,
	FLAG_SOFTIRQ = 0x10,
};

const char *format_comm(const struct batch_record *rec)
{
	return rec->comm ? rec->comm : "<...>";
}

static uint64_t common_value(const struct report_input *input, const uint8_t *data, uint32_t len,
			     uint32_t offset, uint32_t size)
{
	if (offset > len || size > len - offset)
		return 0;
	return load_uint(data + offset, size, input->big);
}

static inline char depth_char(uint64_t depth)
{
	return depth ? "0123456789abcdef"[depth & 15] : '.';
}

static void put_signed_depth(struct out *out, int64_t depth)
{
	if (depth < 0)
		out_char(out, '.');
	else
		out_i64(out, depth);
}

static inline char irqs_char(uint64_t flags)
{
	if (flags & FLAG_IRQS_OFF)
		return 'd';
	return flags & FLAG_IRQS_NOSUPPORT ? 'X' : '.';
}

static inline char context_char(uint64_t flags)
{
	if (flags & FLAG_HARDIRQ)
		return flags & FLAG_SOFTIRQ ? 'H' : 'h';
	return flags & FLAG_SOFTIRQ ? 's' : '.';
}

void format_latency_flags(const struct report_input *input, const uint8_t *data, uint32_t len,
			  struct out *out)
{
	const struct event_common *common = input->common;
	uint64_t flags = common_value(input, data, len, common->flags_offset, common->flags_size);
	uint64_t preempt =
		common_value(input, data, len, common->preempt_offset, common->preempt_size);
	const char text[] = {
		irqs_char(flags),
		flags & FLAG_NEED_RESCHED ? 'N' : '.',
		context_char(flags),
		depth_char(preempt & 15),
		depth_char(preempt >> 4 & 15),
	};
	int32_t offset;

	out_mem(out, text, sizeof(text));
	offset = common->migrate_disable_offset;
	if (offset >= 0)
		put_signed_depth(out, (int64_t)common_value(input, data, len, (uint32_t)offset, 1));
	offset = common->lock_depth_offset;
	if (offset >= 0)
		put_signed_depth(out, (int32_t)common_value(input, data, len, (uint32_t)offset, 4));
}

enum {
	TASK_TEXTS = 16,
	TASK_TEXT = 64
};

/* Task, pid and CPU of a recent line, as text: the same again on most lines of a CPU. */
struct task_text {
	const char *comm; /* NULL: free */
	int32_t pid;
	uint16_t cpu;
	uint16_t len;
	char text[TASK_TEXT];
};

/* Where a batch is: its side tables, read along with the records, and texts to use again. */
struct batch_cursor {
	const int64_t *lost;
	const struct batch_page *page;
	uint64_t prev_diff_ts;
	struct task_text tasks[TASK_TEXTS]; /* by CPU */
};

/*
 * The front of a line is written in place, without a check per piece: LINE_FRONT bytes are asked
 * for once. Only a task's name of odd length (from a hand-made file) goes the general way.
 */
enum {
	LINE_FRONT = 128
};

/* Exactly `nr` digits of v. */
static inline char *put_digits(char *p, uint64_t v, unsigned int nr)
{
	unsigned int i = nr;

	for (; i >= 2; i -= 2, v /= 100)
		memcpy(p + i - 2, &out_digit_pairs[v % 100 * 2], 2);
	if (i)
		*p = (char)('0' + v % 10);
	return p + nr;
}

/* At least `width` wide, blanks in front. */
static inline char *put_right(char *p, uint64_t v, unsigned int width)
{
	char tmp[20];
	unsigned int nr = 0;

	do {
		tmp[nr++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	for (; width > nr; width--)
		*p++ = ' ';
	while (nr)
		*p++ = tmp[--nr];
	return p;
}

static inline char *put_blanks(char *p, unsigned int nr)
{
	while (nr--)
		*p++ = ' ';
	return p;
}

static void put_time(const struct report *report, const struct source *source, uint64_t ts,
		     struct out *out)
{
	char *p;

	if (!out_room(out, LINE_FRONT))
		return;
	p = out->buf + out->len;
	if (!source->usecs) {
		p = put_right(p, ts, 12);
	} else if (report->options.ns) {
		*p++ = ' ';
		p = put_right(p, ts / 1000000000, 5);
		*p++ = '.';
		p = put_digits(p, ts % 1000000000, 9);
	} else {
		uint64_t us = (ts + 500) / 1000;

		*p++ = ' ';
		p = put_right(p, us / 1000000, 5);
		*p++ = '.';
		p = put_digits(p, us % 1000000, 6);
	}
	*p++ = ':';
	out->len = (size_t)(p - out->buf);
}

static char *put_pid(char *p, int32_t pid)
{
	char *start = p;

	*p++ = '-';
	if (pid < 0)
		*p++ = '-';
	p = put_right(p, pid < 0 ? -(uint64_t)pid : (uint64_t)pid, 0);
	return p - start < 6 ? put_blanks(p, (unsigned int)(6 - (p - start))) : p;
}

static void write_task(const struct report *report, const struct batch_record *rec,
		       const char *comm, struct out *out)
{
	size_t len = strlen(comm), width = COMM_COLUMN;
	char *p;

	if (report->options.latency) {
		width = COMM_COLUMN_LATENCY;
		len = MIN(len, width);
	}
	if (!out_room(out, len + LINE_FRONT))
		return;
	p = out->buf + out->len;
	if (len < width)
		p = put_blanks(p, (unsigned int)(width - len));
	memcpy(p, comm, len);
	p = put_pid(p + len, rec->pid);
	*p++ = ' ';
	if (report->options.latency) {
		p = put_right(p, rec->cpu, 3);
	} else {
		*p++ = '[';
		p = rec->cpu < 1000 ? put_digits(p, rec->cpu, 3) : put_right(p, rec->cpu, 0);
		*p++ = ']';
	}
	out->len = (size_t)(p - out->buf);
}

static void put_task(const struct report *report, const struct batch_record *rec,
		     struct batch_cursor *cursor, struct out *out)
{
	struct task_text *task = &cursor->tasks[rec->cpu % TASK_TEXTS];
	const char *comm = format_comm(rec);
	size_t start = out->len, len;

	if (task->comm == comm && task->pid == rec->pid && task->cpu == rec->cpu) {
		if (!out_room(out, TASK_TEXT))
			return;
		memcpy(out->buf + start, task->text, TASK_TEXT);
		out->len += task->len;
		return;
	}
	write_task(report, rec, comm, out);
	len = out->len - start;
	task->comm = NULL;
	if (!len || len > TASK_TEXT)
		return;
	task->comm = comm;
	task->pid = rec->pid;
	task->cpu = rec->cpu;
	task->len = (uint16_t)len;
	memcpy(task->text, out->buf + start, len);
}

static void put_flags(const struct report *report, const struct report_input *input,
		      const struct batch_record *rec, struct out *out)
{
	bool modern = report->options.compat != COMPAT_31;

	if (!report->options.latency && !modern)
		return;
	if (report->options.raw) {
		out_lit(out, "-0x");
		out_hex(out, common_value(input, rec->data, rec->len, input->common->flags_offset,
					  input->common->flags_size));
		return;
	}
	if (!report->options.latency)
		out_char(out, ' ');
	format_latency_flags(input, rec->data, rec->len, out);
}

static void put_diff(const struct report *report, const struct source *source, uint64_t ts,
		     uint64_t *prev, struct out *out)
{
	size_t start;

	ts = report_diff_ts(report, source, ts);
	out_char(out, ' ');
	start = out->len;
	if (*prev) {
		out_lit(out, "(+");
		out_i64(out, (int64_t)(ts - *prev));
		out_char(out, ')');
	}
	if (out->len - start < 8)
		out_fill(out, ' ', 8 - (out->len - start));
	*prev = ts;
}

static void put_event_name(const struct report *report, const struct event *event, struct out *out)
{
	const char *name = event ? event->name : "(NULL)";
	size_t len = event ? event->name_len : 6;
	char *p;

	out_char(out, ' ');
	if (report->options.colour)
		out_lit(out, COLOUR_EVENT);
	if (!out_room(out, len + LINE_FRONT))
		return;
	p = out->buf + out->len;
	if (report->options.colour) {
		out_mem(out, name, len);
		out_lit(out, COLOUR_OFF);
		p = out->buf + out->len;
	} else {
		memcpy(p, name, len);
		p += len;
	}
	memset(p, ' ', NAME_COLUMN + 2);
	*p = ':';
	p += len < NAME_COLUMN ? NAME_COLUMN + 2 - len : 2;
	out->len = (size_t)(p - out->buf);
}

static void put_name_column(const struct report *report, const struct source *source,
			    struct out *out)
{
	if (!report->name_width)
		return;
	if (source->name) {
		out_str_right(out, source->name, strlen(source->name), report->name_width);
		out_lit(out, ": ");
	} else {
		out_fill(out, ' ', report->name_width + 2);
	}
}

static void put_lost(const struct report *report, const struct batch_record *rec, int64_t lost,
		     struct out *out)
{
	if (report->options.colour)
		out_lit(out, COLOUR_LOST);
	out_lit(out, "CPU:");
	out_u64(out, rec->cpu);
	out_lit(out, " [");
	if (lost > 0) {
		out_i64(out, lost);
		out_char(out, ' ');
	}
	out_lit(out, "EVENTS DROPPED]");
	if (report->options.colour)
		out_lit(out, COLOUR_OFF);
	out_char(out, '\n');
}

static void put_page_start(const struct report *report, const struct batch_record *rec,
			   const struct batch_page *page, struct out *out)
{
	out_lit(out, "CPU:");
	out_u64(out, rec->cpu);
	out_lit(out, " [SUBBUFFER START]");
	if (report->options.debug) {
		out_lit(out, " [");
		out_u64(out, page->ts);
		out_char(out, ']');
	}
	out_char(out, '\n');
}

void format_info(const struct report *report, const struct batch_record *rec, struct out *out)
{
	const struct report_input *input = &report->inputs[report->source_input[rec->source]];
	const struct event *event = rec->event;
	unsigned int flags = report->options.raw ? EVENT_PRINT_RAW : 0;
	struct event_context context = {
		.options = &report->options.events,
		.cpu = rec->cpu,
		.ts = rec->ts,
		.indent = rec->indent,
		.compat = report->options.compat,
		.time = !report->sources[rec->source].usecs ? EVENT_TIME_RAW
			: report->options.ns		    ? EVENT_TIME_NS
							    : EVENT_TIME_US,
	};
	size_t start = out->len;

	if (!event) {
		out_lit(out, "[UNKNOWN EVENT]");
		return;
	}
	flags |= input->input->print_flags[event->id];
	if (rec->flags & REC_LEAF) {
		context.leaf_exit = input->graph.exit;
		context.leaf_data = rec[1].data;
		context.leaf_len = rec[1].len;
	}
	event_print(event, rec->data, rec->len, flags, &context, out);
	if (out->len > start && out->buf[out->len - 1] == '\n')
		out->len--;
}

static void put_line(const struct report *report, const struct batch_record *rec, int64_t lost,
		     struct batch_cursor *cursor, struct out *out)
{
	const struct source *source = &report->sources[rec->source];
	const struct report_input *input = &report->inputs[report->source_input[rec->source]];

	put_name_column(report, source, out);
	if (lost)
		put_lost(report, rec, lost, out);
	if (rec->flags & REC_PAGE_START)
		put_page_start(report, rec, cursor->page++, out);
	put_task(report, rec, cursor, out);
	put_flags(report, input, rec, out);
	if (report->options.colour)
		out_lit(out, COLOUR_TIME);
	put_time(report, source, rec->ts, out);
	if (report->options.colour)
		out_lit(out, COLOUR_OFF);
	if (report->options.ts_diff)
		put_diff(report, source, rec->ts, &cursor->prev_diff_ts, out);
	put_event_name(report, rec->event, out);
	format_info(report, rec, out);
}

static void call_each(const struct report *report, const struct batch_record *rec, int64_t lost,
		      struct out *out)
{
	const struct source_record record = {
		.ts = rec->ts,
		.data = rec->data,
		.len = rec->len,
		.cpu = rec->cpu,
		.lost = lost,
	};

	if (report->options.each(report->options.each_arg, &report->sources[rec->source],
				 rec->event, &record, out) < 0)
		out->failed = true;
}

void batch_format(const struct report *report, struct batch *batch)
{
	struct batch_cursor cursor = {batch->lost, batch->pages, batch->prev_diff_ts, {{0}}};
	struct out scratch = {0};

	for (uint32_t i = 0; i < batch->nr; i++) {
		const struct batch_record *rec = &batch->recs[i];
		int64_t lost = rec->flags & REC_LOST ? *cursor.lost++ : 0;

		if (rec->flags & REC_LEAF_EXIT)
			continue;
		switch (report->options.format) {
		case REPORT_TEXT:
			put_line(report, rec, lost, &cursor, &batch->text);
			if (report->options.each)
				call_each(report, rec, lost, &batch->text);
			out_char(&batch->text, '\n');
			break;
		case REPORT_JSON:
			format_json(report, rec, lost, &batch->text, &scratch);
			break;
		case REPORT_CSV:
			format_csv(report, rec, &batch->text, &scratch);
			break;
		case REPORT_NONE:
			call_each(report, rec, lost, &batch->text);
			break;
		}
	}
	if (scratch.failed)
		batch->text.failed = true;
	out_done(&scratch);
}
